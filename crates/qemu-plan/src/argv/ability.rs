//! What the notation of an option depends on: the version of the emulator and the types it has.

use crate::Caps;

fn since(caps: &Caps, major: u32, minor: u32) -> bool {
    // One that did not tell its version is taken as new.
    caps.version == (0, 0, 0) || (caps.version.0, caps.version.1) >= (major, minor)
}

/// Devices may be written as JSON and still be unplugged.
pub(super) fn device_json(caps: &Caps) -> bool {
    since(caps, 7, 0) && !caps.withheld.contains("device.json")
}

/// Network back ends may be written as JSON.
pub(super) fn netdev_json(caps: &Caps) -> bool {
    since(caps, 7, 2)
}

/// Character devices may be written as JSON. No released emulator says so.
pub(super) fn chardev_json(caps: &Caps) -> bool {
    caps.granted.contains("chardev.json")
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

/// Processors are grouped in clusters.
pub(super) fn clusters(caps: &Caps) -> bool {
    since(caps, 7, 1)
}

/// Threads that allocate memory can be bound to nodes of the host.
pub(super) fn thread_context(caps: &Caps) -> bool {
    since(caps, 7, 2)
}

/// The size of a thread pool can be given.
pub(super) fn thread_pool(caps: &Caps) -> bool {
    since(caps, 7, 1)
}

/// The event timer is an option of the machine.
pub(super) fn machine_hpet(caps: &Caps) -> bool {
    since(caps, 8, 1)
}

/// The keyboard controller is an option of the machine.
pub(super) fn machine_i8042(caps: &Caps) -> bool {
    since(caps, 7, 1)
}

/// Memory of virtio-mem can be allocated by its device.
pub(super) fn virtio_mem_prealloc(caps: &Caps) -> bool {
    since(caps, 7, 0)
}

/// Memory of a process that ends can be freed in the background.
pub(super) fn async_teardown(caps: &Caps) -> bool {
    since(caps, 8, 0)
}

/// The emulator can confine itself.
pub(super) fn sandbox(caps: &Caps) -> bool {
    !caps.withheld.contains("seccomp-sandbox")
}
