//! What the notation of an option depends on: the version of the emulator and the types it has.

use crate::Caps;
use qemu_caps::Flag;

fn since(caps: &Caps, major: u32, minor: u32) -> bool {
    // One that did not tell its version is taken as new.
    caps.version == (0, 0, 0) || (caps.version.0, caps.version.1) >= (major, minor)
}

/// Devices may be written as JSON and still be unplugged.
pub(super) fn device_json(caps: &Caps) -> bool {
    since(caps, 7, 0)
}

/// Network back ends may be written as JSON.
pub(super) fn netdev_json(caps: &Caps) -> bool {
    since(caps, 7, 2)
}

/// Character devices may be written as JSON. No released emulator says so.
pub(super) fn chardev_json(caps: &Caps) -> bool {
    caps.has(Flag::ChardevJson)
}

/// Character devices and sockets of networks count the time to reconnect in milliseconds.
pub(super) fn reconnect_ms(caps: &Caps) -> bool {
    since(caps, 9, 2)
}

/// Raw images need no node for their format: jobs can tell what stands in front of the contents by itself.
pub(super) fn bare_raw(caps: &Caps) -> bool {
    since(caps, 9, 0)
}

/// Each device may name the entry of a boot menu to take.
pub(super) fn loadparm(caps: &Caps) -> bool {
    since(caps, 9, 2)
}

/// Name and value of the time after which a stream of a network is connected again; older emulators do not do it.
pub(super) fn stream_reconnect(caps: &Caps, seconds: u64) -> Option<(&'static str, u64)> {
    match () {
        () if reconnect_ms(caps) => Some(("reconnect-ms", seconds.saturating_mul(1000))),
        () if since(caps, 8, 0) => Some(("reconnect", seconds)),
        () => None,
    }
}
