//! Memory that crosses the boundary: texts and arrays that the caller frees with `free()`, and what callers hand in.

use base::{Error, ErrorCode, ErrorDomain, Result};
use std::ffi::{CStr, c_char, c_int, c_void};

/// The most elements that an array from outside may have.
const ELEMENTS_MAX: usize = 1 << 20;

fn no_memory() -> Error {
    Error::bare(ErrorCode::NO_MEMORY, ErrorDomain::NONE)
}

/// A copy of a text; a NUL inside ends it, as it would for the caller anyway.
pub(crate) fn text(value: &str) -> Result<*mut c_char> {
    bytes(value.as_bytes()).map(|(data, _)| data.cast())
}

/// A copy of bytes with a NUL behind them, and their number.
pub(crate) fn bytes(value: &[u8]) -> Result<(*mut c_void, usize)> {
    // SAFETY: the block is one byte longer than what is written into it.
    unsafe {
        let data = libc::malloc(value.len() + 1).cast::<u8>();
        if data.is_null() {
            return Err(no_memory());
        }
        std::ptr::copy_nonoverlapping(value.as_ptr(), data, value.len());
        *data.add(value.len()) = 0;
        Ok((data.cast(), value.len()))
    }
}

/// A text or NULL.
pub(crate) fn optional_text(value: Option<&str>) -> Result<*mut c_char> {
    value.map_or(Ok(std::ptr::null_mut()), text)
}

/// An array of so many zeroed elements, at least one.
pub(crate) fn zeroed<T>(count: usize) -> Result<*mut T> {
    // SAFETY: calloc checks the product for overflow.
    let data = unsafe { libc::calloc(count.max(1), size_of::<T>()) };
    if data.is_null() { Err(no_memory()) } else { Ok(data.cast()) }
}

/// An array with these elements and a zeroed one behind them.
pub(crate) fn array<T: Copy>(items: &[T]) -> Result<*mut T> {
    let data = zeroed::<T>(items.len() + 1)?;
    // SAFETY: the array has room for one more than the items.
    unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), data, items.len()) };
    Ok(data)
}

/// Frees what came from here or from `malloc`.
pub(crate) fn free<T>(data: *mut T) {
    // SAFETY: the caller owns the block, and `free` takes NULL.
    unsafe { libc::free(data.cast()) };
}

/// Writes through a pointer that may be NULL.
pub(crate) fn put<T>(target: *mut T, value: T) {
    if !target.is_null() {
        // SAFETY: not NULL; by the interface's contract it points to a value of this type.
        unsafe { target.write(value) };
    }
}

/// Reads through a pointer; the type's default for NULL.
pub(crate) fn get<T: Copy + Default>(source: *const T) -> T {
    // SAFETY: not NULL; by the interface's contract it points to a value of this type.
    if source.is_null() { T::default() } else { unsafe { source.read() } }
}

/// A text from outside, `None` for NULL. Bytes that are no text are replaced.
pub(crate) fn read_optional(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL; by the interface's contract it ends with a NUL.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A text from outside, empty for NULL.
pub(crate) fn read(text: *const c_char) -> String {
    read_optional(text).unwrap_or_default()
}

/// Elements from outside; none for NULL or a count that is not positive.
///
/// # Errors
/// When there are too many.
pub(crate) fn slice<'a, T>(data: *const T, count: impl TryInto<usize>) -> Result<&'a [T]> {
    let count = count.try_into().unwrap_or(0);
    if data.is_null() || count == 0 {
        return Ok(&[]);
    }
    if count > ELEMENTS_MAX && size_of::<T>() > 1 {
        return Err(Error::bare(ErrorCode::OVERFLOW, ErrorDomain::NONE));
    }
    // SAFETY: not NULL; by the interface's contract it has `count` elements for as long as the call runs.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// An array of texts from outside.
pub(crate) fn read_list(data: *const *const c_char, count: impl TryInto<usize>) -> Result<Vec<String>> {
    Ok(slice(data, count)?.iter().map(|&item| read(item)).collect())
}

/// 16 bytes of a UUID from outside.
pub(crate) fn read_uuid(data: *const u8) -> Result<base::Uuid> {
    let bytes: [u8; 16] = slice(data, 16usize)?.try_into().unwrap_or_default();
    Ok(base::Uuid(bytes))
}

/// Fills a caller's array of texts; the number of texts that had room.
pub(crate) fn fill_names(target: *mut *mut c_char, room: c_int, names: &[String]) -> Result<c_int> {
    let room = usize::try_from(room).unwrap_or(0);
    let mut count = 0;
    for name in names.iter().take(room) {
        let copy = text(name)?;
        // SAFETY: the caller's array has `room` elements, and `count` is smaller.
        unsafe { target.add(count).write(copy) };
        count += 1;
    }
    Ok(count as c_int)
}

/// Fills a caller's array; the number of elements that had room.
pub(crate) fn fill<T: Copy>(target: *mut T, room: impl TryInto<usize>, items: &[T]) -> usize {
    let count = items.len().min(room.try_into().unwrap_or(0));
    if !target.is_null() {
        // SAFETY: the caller's array has at least `count` elements.
        unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), target, count) };
    }
    count
}

/// A new array of texts, ended by NULL.
pub(crate) fn text_array(names: &[String]) -> Result<*mut *mut c_char> {
    let items: Result<Vec<*mut c_char>> = names.iter().map(|name| text(name)).collect();
    array(&items?)
}

/// Copies a text into a fixed field, cut to its size, with a NUL behind it.
pub(crate) fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(text.bytes().take(N - 1)) {
        *to = from as c_char;
    }
    out
}
