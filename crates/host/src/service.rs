//! What a service manager hands over and wants to be told.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

/// First descriptor that is handed over.
const FIRST: i32 = 3;
/// More than any unit has.
const MOST: i32 = 64;

/// Listening sockets that the service manager made, with their names. Call it once, before anything else opens files.
pub fn sockets() -> Vec<(String, UnixListener)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<i32>().ok();
    if number("LISTEN_PID") != Some(std::process::id() as i32) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, MOST);
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    (FIRST..FIRST + count)
        .filter_map(|number| {
            let name = names.next().unwrap_or_default();
            // SAFETY: only asked whether it is open, which does no harm to any number.
            let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
            if let Err(cause) = rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC) {
                log::error!("descriptor {number} ('{name}') of the service manager is not open: {cause}");
                return None;
            }
            // SAFETY: the service manager's protocol says that these descriptors are ours, and it is open; this runs
            // once, before any other file was opened, so nobody else owns it.
            let fd = unsafe { OwnedFd::from_raw_fd(number) };
            Some((name, UnixListener::from(fd)))
        })
        .collect()
}

/// Tells the service manager, if there is one: `READY=1`, `STOPPING=1`, `RELOADING=1`.
pub fn notify(state: &str) {
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else { return };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(cause) = sent {
        log::warn!("the service manager does not hear '{state}': {cause}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_taken_without_a_manager() {
        assert!(super::sockets().is_empty());
        super::notify("READY=1");
    }
}
