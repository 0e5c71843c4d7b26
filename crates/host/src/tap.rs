//! Tap devices for guests, their own ones and those above an interface of the host.
//!
//! ```text
//! tap       /dev/net/tun, told a name        lives as long as its descriptors; its other side joins a bridge
//! macvtap   /dev/tap<number of the link>     the link is made and removed by itself
//! ```

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::raw::{c_int, c_short, c_ulong};
use std::time::{Duration, Instant};

/// `struct ifreq` as far as the calls here use it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: c_short,
    padding: [u8; 22],
}

const TUNSETIFF: c_ulong = 0x4004_54ca;
const IFF_TAP: c_short = 2;
const IFF_MULTI_QUEUE: c_short = 0x100;
const IFF_NO_PI: c_short = 0x1000;
const IFF_VNET_HDR: c_short = 0x4000;
/// How long the node of a new macvtap interface is waited for.
const NODE_WAIT: Duration = Duration::from_secs(5);

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// Whether the kernel takes a name of this length.
pub fn fits(name: &str) -> bool {
    name.len() < 16 && !name.contains('\0')
}

fn request(name: &str, flags: c_short) -> io::Result<Request> {
    if !fits(name) {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::RANGE.raw_os_error()));
    }
    let mut request = Request { name: [0; 16], flags, padding: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    Ok(request)
}

fn set(file: &File, request: &mut Request) -> io::Result<()> {
    // SAFETY: `request` outlives the call, and its layout is at least as large as the kernel's `struct ifreq` (40
    // bytes), which is what this number reads and writes.
    let outcome = unsafe { ioctl(file.as_raw_fd(), TUNSETIFF, std::ptr::from_mut(request)) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn flags(vnet_header: bool, queues: usize) -> c_short {
    let header = if vnet_header { IFF_VNET_HDR } else { 0 };
    let many = if queues > 1 { IFF_MULTI_QUEUE } else { 0 };
    IFF_TAP | IFF_NO_PI | header | many
}

/// Creates a tap device that lives as long as its descriptors, one for each queue; the kernel replaces `%d` in the
/// name. `vnet_header`: offload headers, for virtio cards. Gives the descriptors and the name.
///
/// # Errors
/// When the kernel refuses.
pub fn create(name: &str, vnet_header: bool, queues: usize) -> io::Result<(Vec<OwnedFd>, String)> {
    let mut name = name.to_owned();
    let mut fds = Vec::new();
    for _ in 0..queues.max(1) {
        let file = File::options().read(true).write(true).open("/dev/net/tun")?;
        let mut request = request(&name, flags(vnet_header, queues))?;
        set(&file, &mut request)?;
        let end = request.name.iter().position(|byte| *byte == 0).unwrap_or(request.name.len());
        name = String::from_utf8_lossy(&request.name[..end]).into_owned();
        fds.push(file.into());
    }
    Ok((fds, name))
}

/// Opens the macvtap interface with a number and name, once for each queue.
///
/// # Errors
/// When its node does not appear or cannot be used.
pub fn open_macvtap(index: u32, name: &str, vnet_header: bool, queues: usize) -> io::Result<Vec<OwnedFd>> {
    let path = format!("/dev/tap{index}");
    let end = Instant::now() + NODE_WAIT;
    let mut fds: Vec<OwnedFd> = Vec::new();
    while fds.len() < queues.max(1) {
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            // The node is made by the kernel's file system of devices, or by whoever listens to the kernel.
            Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            Err(error) => return Err(error),
        };
        set(&file, &mut request(name, flags(vnet_header, queues))?)?;
        fds.push(file.into());
    }
    Ok(fds)
}

/// Opens the kernel's own back end of virtio cards, once for each queue.
///
/// # Errors
/// When the kernel has none.
pub fn vhost(queues: usize) -> io::Result<Vec<OwnedFd>> {
    let open = |_| File::options().read(true).write(true).open("/dev/vhost-net").map(OwnedFd::from);
    (0..queues.max(1)).map(open).collect()
}
