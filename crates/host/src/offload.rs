//! What network interfaces do in the place of the processor.

use rustix::net::{AddressFamily, SocketType};
use std::io;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_ulong};

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ifreq` as far as the call here uses it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut Value,
    padding: [u8; 16],
}

const SIOCETHTOOL: c_ulong = 0x8946;
/// Questions with an answer of yes or no, by the name of the feature.
const QUESTIONS: &[(&str, u32)] =
    &[("rx", 0x14), ("tx", 0x16), ("sg", 0x18), ("tso", 0x1e), ("ufo", 0x21), ("gso", 0x23), ("gro", 0x2b)];
/// The question whose answer is a set of bits, and what they mean.
const FLAGS: u32 = 0x25;
const BITS: &[(&str, u32)] =
    &[("lro", 1 << 15), ("rxvlan", 1 << 8), ("txvlan", 1 << 7), ("ntuple", 1 << 27), ("rxhash", 1 << 28)];

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// Names of the features that are switched on, in no order.
///
/// # Errors
/// When there is no such interface.
pub fn features(interface: &str) -> io::Result<Vec<&'static str>> {
    if !crate::tap::fits(interface) {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::RANGE.raw_os_error()));
    }
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let ask = |command: u32| -> io::Result<u32> {
        let mut value = Value { command, data: 0 };
        let mut request = Request { name: [0; 16], data: &raw mut value, padding: [0; 16] };
        request.name[..interface.len()].copy_from_slice(interface.as_bytes());
        // SAFETY: `request` and the value it points at outlive the call; the request is at least as large as the kernel's
        // `struct ifreq`, and these commands write a `struct ethtool_value` of eight bytes.
        let outcome = unsafe { ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(value.data) }
    };
    let mut found = Vec::new();
    for (name, command) in QUESTIONS {
        match ask(*command) {
            Ok(0) => {}
            Ok(_) => found.push(*name),
            // A question that the driver has no answer to.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
    let bits = ask(FLAGS).unwrap_or(0);
    found.extend(BITS.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| *name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_joins_and_cuts() {
        let found = features("lo").unwrap();
        assert!(found.contains(&"gso") && !found.contains(&"ufo"), "{found:?}");
        assert!(features("no-such-link").is_err());
        assert!(features("a-name-that-is-too-long").is_err());
    }
}
