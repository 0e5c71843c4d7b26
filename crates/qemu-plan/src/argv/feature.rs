//! What the notation of the machine depends on: the version of the emulator and the types it has.

use crate::Caps;

fn since(caps: &Caps, major: u32, minor: u32) -> bool {
    // One that did not tell its version is taken as new.
    caps.version == (0, 0, 0) || (caps.version.0, caps.version.1) >= (major, minor)
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

/// A device of s390 has its own parameter for the loader.
pub(super) fn device_loadparm(caps: &Caps) -> bool {
    since(caps, 9, 2)
}

/// Memory of a process that ends can be freed in the background.
pub(super) fn async_teardown(caps: &Caps) -> bool {
    since(caps, 8, 0)
}

/// Devices may be written as JSON and still be unplugged.
pub(super) fn device_json(caps: &Caps) -> bool {
    since(caps, 7, 0) && !caps.withheld.contains("device.json")
}

/// The emulator can confine itself.
pub(super) fn sandbox(caps: &Caps) -> bool {
    !caps.withheld.contains("seccomp-sandbox")
}

/// Raw images need no node for their format.
pub(super) fn plain_raw(caps: &Caps) -> bool {
    since(caps, 9, 0)
}
