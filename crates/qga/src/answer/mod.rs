//! What agents answer, as parameters and records.
//!
//! Everything comes from the guest: what has another shape than it should is left out, and lists end at [`MOST`] entries.

mod disk;
mod info;
mod network;
mod vcpus;

pub use disk::{Filesystem, FilesystemDisk, Place, filesystems};
pub use info::{disks, file_systems, interfaces, load, moment, system, timezone, users};
pub use network::{Address, Interface, addresses};
pub use vcpus::{GuestVcpu, vcpus};

use serde_json::Value;

/// Entries of a list at most.
pub const MOST: usize = 4096;

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.get(..MOST).unwrap_or(list)
}

fn entries(value: &Value) -> &[Value] {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.get(..MOST).unwrap_or(list)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}
