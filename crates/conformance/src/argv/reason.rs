//! Why a case does not start.

use super::trial;
use qemu_plan::argv::Line;

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// The emulator is too new, too old, or was built without something.
    Emulator,
    /// A device of the host.
    Device,
    /// Hardware acceleration.
    Kvm,
    /// Memory or memory nodes of the host.
    Memory,
    /// A server, or a program that plays a device.
    Peer,
    /// The definition asks for what no emulator takes.
    Definition,
    /// None of these: the planner's own.
    Fault,
}

impl Reason {
    /// One word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Reason::Emulator => "emulator",
            Reason::Device => "device",
            Reason::Kvm => "kvm",
            Reason::Memory => "memory",
            Reason::Peer => "peer",
            Reason::Definition => "definition",
            Reason::Fault => "fault",
        }
    }

    /// What a list of such cases is called.
    pub(super) fn title(self) -> &'static str {
        match self {
            Reason::Emulator => "not in this emulator",
            Reason::Device => "needs a device of the host",
            Reason::Kvm => "needs hardware acceleration",
            Reason::Memory => "needs more memory or memory nodes",
            Reason::Peer => "needs a peer",
            Reason::Definition => "asks for what no emulator takes",
            Reason::Fault => "our fault",
        }
    }
}

/// Words of the planner that refuse for another reason than what the emulator has.
const REFUSALS: &[(&str, Reason)] = &[
    ("NUMA node", Reason::Memory),
    ("CPU is incompatible with host CPU", Reason::Kvm),
    ("Host CPU does not provide", Reason::Kvm),
];

/// Words of the emulator.
const WORDS: &[(&str, Reason)] = &[
    // What this build was made without.
    ("is not a valid device model name", Reason::Emulator),
    ("Unknown driver '", Reason::Emulator),
    ("Display 'dbus' is not available", Reason::Emulator),
    ("Display 'egl-headless' is not available", Reason::Emulator),
    ("Display 'sdl' is not available", Reason::Emulator),
    ("Unknown audio driver", Reason::Emulator),
    ("does not accept value 'coreaudio'", Reason::Emulator),
    ("does not accept value 'sndio'", Reason::Emulator),
    ("fsdriver handle not found", Reason::Emulator),
    ("unsupported machine type", Reason::Emulator),
    // Devices of the host.
    ("no such host device", Reason::Device),
    ("/dev/vfio", Reason::Device),
    ("SG_IO", Reason::Device),
    ("vhost_set_owner failed", Reason::Device),
    ("vhost-net requested but", Reason::Device),
    ("vhost-vDPA device", Reason::Device),
    ("/dev/bus/usb", Reason::Device),
    ("/dev/input", Reason::Device),
    ("/dev/ttyS", Reason::Device),
    ("/dev/parport", Reason::Device),
    ("/dev/dsp", Reason::Device),
    ("is not a TPM device", Reason::Device),
    ("memory-backend-epc", Reason::Device),
    ("need rutabaga or udmabuf", Reason::Device),
    ("failed to initialize vcard", Reason::Device),
    // Acceleration.
    ("System Management Mode not supported", Reason::Kvm),
    ("kvm_buf_set_msrs", Reason::Kvm),
    ("kvm_arch_init_vcpu failed", Reason::Kvm),
    ("Could not access KVM", Reason::Kvm),
    ("failed to initialize kvm", Reason::Kvm),
    // Memory.
    ("preallocating memory failed", Reason::Memory),
    ("cannot bind memory to host NUMA nodes", Reason::Memory),
    ("The nodes select no CPUs", Reason::Memory),
    ("Cannot allocate memory", Reason::Memory),
    ("phys-bits too low", Reason::Memory),
    // Others.
    ("nbdkit-", Reason::Peer),
    ("Connection refused", Reason::Peer),
    ("Failed to connect to", Reason::Peer),
    ("vhost_backend_init failed", Reason::Peer),
    ("waiting for connection", Reason::Peer),
    ("No route to host", Reason::Peer),
    ("Network is unreachable", Reason::Peer),
    // The definition contradicts itself, or asks on purpose for what no emulator knows; the reference plans it too.
    ("VIRTIO_F_IOMMU_PLATFORM was supported by neither", Reason::Definition),
    ("Can't create IDE unit", Reason::Definition),
    ("Failed to get \"write\" lock", Reason::Definition),
    ("Failed to get shared \"write\" lock", Reason::Definition),
    ("Specified size is not multiple of", Reason::Definition),
    (": invalid option", Reason::Definition),
    ("Could not open 'ARGUMENT'", Reason::Definition),
    ("'idontexist'", Reason::Definition),
    ("does not contain a multicast address", Reason::Definition),
    ("Invalid tx_queue_size", Reason::Definition),
    ("property must be a power of 2", Reason::Definition),
    ("does not support if=sd", Reason::Definition),
    ("Failed to fork", Reason::Definition),
];

/// Options of devices that the host must have, whatever is said when it does not.
const DEVICES: &[&str] = &["\"vfio-", "\"usb-host\"", "\"scsi-generic\"", "\"input-linux\""];

/// The reason of a refusal to plan.
pub(super) fn refusal(words: &str) -> Reason {
    find(REFUSALS, words).unwrap_or(Reason::Emulator)
}

fn find(table: &[(&str, Reason)], words: &str) -> Option<Reason> {
    table.iter().find(|(part, _)| words.contains(part)).map(|(_, reason)| *reason)
}

/// The reason of a start that failed.
pub(super) fn of(line: &Line, words: &str) -> Reason {
    let has = |part: &str| line.args.iter().any(|arg| arg.contains(part));
    if let Some(reason) = find(WORDS, words) {
        return reason;
    }
    if DEVICES.iter().any(|device| has(device)) {
        return Reason::Device;
    }
    if words.contains("-spice") || words.contains("modules") || words.contains("qemu-system-gui") {
        return Reason::Emulator;
    }
    // Who plays the device answers nothing.
    if words == trial::SILENT
        && ["vhost-user", "-tpmdev", "tls-creds", "ivshmem-doorbell"].iter().any(|part| has(part))
    {
        return Reason::Peer;
    }
    Reason::Fault
}
