//! Lists of objects that callers receive as arrays.

use crate::memory::{self, put};
use crate::object::{ConnectObj, Wrap};
use base::Result;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

/// Hands out an array of handles ended by NULL, or only tells how many there are.
pub(crate) fn give_objects<R: Wrap>(
    conn: &Arc<ConnectObj>,
    list: Vec<R>,
    count: c_int,
    target: *mut *mut *mut c_void,
) -> Result<c_int> {
    if target.is_null() {
        return Ok(count);
    }
    let handles: Vec<*mut c_void> = list.into_iter().map(|item| item.wrap(conn)).collect();
    put(target, memory::array(&handles)?);
    Ok(handles.len() as c_int)
}
