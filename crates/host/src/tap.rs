//! Tap devices for guests.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::raw::{c_int, c_short, c_ulong};

/// `struct ifreq` as far as the calls here use it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: c_short,
    padding: [u8; 22],
}

const TUNSETIFF: c_ulong = 0x4004_54ca;
const SIOCBRADDIF: c_ulong = 0x89a2;
const SIOCSIFFLAGS: c_ulong = 0x8914;
const SIOCGIFFLAGS: c_ulong = 0x8913;
const IFF_UP: c_short = 1;
const IFF_TAP: c_short = 2;
const IFF_NO_PI: c_short = 0x1000;
const IFF_VNET_HDR: c_short = 0x4000;

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

fn request(name: &str) -> io::Result<Request> {
    let mut request = Request { name: [0; 16], flags: 0, padding: [0; 22] };
    if name.len() >= request.name.len() || name.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "interface name is too long"));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    Ok(request)
}

fn call(fd: c_int, number: c_ulong, request: &mut Request) -> io::Result<()> {
    // SAFETY: `request` outlives the call, and its layout is at least as large as the kernel's `struct ifreq` for the
    // numbers used in this module (40 bytes).
    let outcome = unsafe { ioctl(fd, number, std::ptr::from_mut(request)) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Creates a tap device that lives as long as its descriptor; the kernel replaces `%d` in the name. `vnet_header`:
/// offload headers, for virtio cards. Gives the descriptor and the name.
///
/// # Errors
/// When the kernel refuses.
pub fn create(name: &str, vnet_header: bool) -> io::Result<(OwnedFd, String)> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = request(name)?;
    request.flags = IFF_TAP | IFF_NO_PI | if vnet_header { IFF_VNET_HDR } else { 0 };
    call(file.as_raw_fd(), TUNSETIFF, &mut request)?;
    let end = request.name.iter().position(|byte| *byte == 0).unwrap_or(request.name.len());
    Ok((file.into(), String::from_utf8_lossy(&request.name[..end]).into_owned()))
}

fn control() -> io::Result<OwnedFd> {
    std::net::UdpSocket::bind("127.0.0.1:0").map(OwnedFd::from)
}

/// Switches an interface on.
///
/// # Errors
/// When there is none of this name or the kernel refuses.
pub fn up(name: &str) -> io::Result<()> {
    let socket = control()?;
    let mut request = request(name)?;
    call(socket.as_raw_fd(), SIOCGIFFLAGS, &mut request)?;
    request.flags |= IFF_UP;
    call(socket.as_raw_fd(), SIOCSIFFLAGS, &mut request)
}

/// Makes an interface a port of a bridge.
///
/// # Errors
/// When there is no such bridge or interface.
pub fn join(bridge: &str, name: &str) -> io::Result<()> {
    let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?;
    let index: i32 = index.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let socket = control()?;
    let mut request = request(bridge)?;
    let bytes = index.to_ne_bytes();
    request.flags = c_short::from_ne_bytes([bytes[0], bytes[1]]);
    request.padding[..2].copy_from_slice(&bytes[2..]);
    call(socket.as_raw_fd(), SIOCBRADDIF, &mut request)
}
