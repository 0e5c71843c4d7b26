//! Switches of the kernel's network.

use std::io;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(name)
}

/// The value of a switch below `/proc/sys/net`, without white space around it.
///
/// # Errors
/// When there is no such switch.
pub fn get(name: &str) -> io::Result<String> {
    Ok(std::fs::read_to_string(path(name))?.trim().to_owned())
}

/// Sets a switch below `/proc/sys/net`.
///
/// # Errors
/// When there is no such switch, or it does not take the value.
pub fn set(name: &str, value: &str) -> io::Result<()> {
    std::fs::write(path(name), value)
}

/// Sets a switch unless it has the value already.
///
/// # Errors
/// As [`set`].
pub fn ensure(name: &str, value: &str) -> io::Result<()> {
    if get(name).is_ok_and(|now| now == value) { Ok(()) } else { set(name, value) }
}
