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
