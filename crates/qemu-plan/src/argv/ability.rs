//! What the notation of an option depends on: the abilities of the emulator.

use qemu_caps::{Caps, Flag};

/// Devices may be written as JSON and still be unplugged.
pub(super) fn device_json(caps: &Caps) -> bool {
    caps.has(Flag::DeviceJsonHotplug)
}

/// Network back ends may be written as JSON.
pub(super) fn netdev_json(caps: &Caps) -> bool {
    caps.has(Flag::NetdevJson)
}

/// Character devices may be written as JSON. No released emulator says so.
pub(super) fn chardev_json(caps: &Caps) -> bool {
    caps.has(Flag::ChardevJson)
}

/// Character devices count the time to reconnect in milliseconds.
pub(super) fn reconnect_ms(caps: &Caps) -> bool {
    caps.has(Flag::ChardevReconnectMilliseconds)
}

/// Raw images need no node for their format: jobs can tell what stands in front of the contents by itself.
pub(super) fn bare_raw(caps: &Caps) -> bool {
    caps.has(Flag::BlockjobBackingMaskProtocol)
}

/// Each device may name the entry of a boot menu to take.
pub(super) fn loadparm(caps: &Caps) -> bool {
    caps.has(Flag::VirtioCcwLoadparm)
}

/// Name and value of the time after which a stream of a network is connected again; older emulators do not do it.
pub(super) fn stream_reconnect(caps: &Caps, seconds: u64) -> Option<(&'static str, u64)> {
    match () {
        () if caps.has(Flag::NetdevStreamReconnectMilliseconds) => {
            Some(("reconnect-ms", seconds.saturating_mul(1000)))
        }
        () if caps.has(Flag::NetdevStreamReconnect) => Some(("reconnect", seconds)),
        () => None,
    }
}

/// Processors are grouped in clusters.
pub(super) fn clusters(caps: &Caps) -> bool {
    caps.has(Flag::SmpClusters)
}

/// Threads that allocate memory can be bound to nodes of the host.
pub(super) fn thread_context(caps: &Caps) -> bool {
    caps.has(Flag::ThreadContext)
}

/// The size of a thread pool can be given.
pub(super) fn thread_pool(caps: &Caps) -> bool {
    caps.has(Flag::IothreadThreadPoolMax)
}

/// The event timer is an option of the machine.
pub(super) fn machine_hpet(caps: &Caps) -> bool {
    caps.has(Flag::MachineHpet)
}

/// The keyboard controller is an option of the machine.
pub(super) fn machine_i8042(caps: &Caps) -> bool {
    caps.has(Flag::MachineI8042Opt)
}

/// Memory of virtio-mem can be allocated by its device.
pub(super) fn virtio_mem_prealloc(caps: &Caps) -> bool {
    caps.has(Flag::VirtioMemPciPrealloc)
}

/// Memory of a process that ends can be freed in the background.
pub(super) fn async_teardown(caps: &Caps) -> bool {
    caps.has(Flag::RunWithAsyncTeardown)
}

/// The emulator can confine itself.
pub(super) fn sandbox(caps: &Caps) -> bool {
    caps.has(Flag::SeccompSandbox)
}
