//! What is asked, and in which order.

use super::answer::Seen;
use crate::arch::{is_arm, is_x86};
use crate::caps::Caps;
use crate::flag::Flag;
use serde_json::{Value, json};

/// A question of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Begin to speak.
    Negotiate,
    Version,
    Target,
    Schema,
    Kvm,
    /// All types of objects and devices.
    Types,
    /// Properties of a device, when a flag is set.
    Device(&'static str, Option<Flag>),
    /// Properties of an object, when a flag is set.
    Object(&'static str, Option<Flag>),
    Machines,
    /// Properties of a machine, when there is one of this short name.
    Machine(&'static str),
    /// Properties of a machine type that stands for many.
    Board(&'static str),
    CpuDefinitions,
    TpmModels,
    TpmTypes,
    Options,
    MigrationCapabilities,
    Gic,
    Sev,
    Sgx,
    /// The host's processor.
    Host,
    /// The same, with what keeps a guest from being migrated.
    HostFull,
    /// The same, for the features that will be removed.
    HostDeprecated,
    /// Enlightenments for Windows.
    HyperV,
}

use Question as Q;

/// The first connection.
pub(super) const SCRIPT: &[Question] = &[
    Q::Negotiate,
    Q::Version,
    Q::Target,
    Q::Schema,
    Q::Kvm,
    Q::Types,
    Q::Device("virtio-blk-pci", None),
    Q::Device("virtio-net-pci", Some(Flag::VirtioNet)),
    Q::Device("virtio-scsi-pci", Some(Flag::VirtioScsiPci)),
    Q::Device("virtio-blk-ccw", Some(Flag::VirtioCcw)),
    Q::Device("virtio-net-ccw", Some(Flag::VirtioNet)),
    Q::Device("virtio-scsi-ccw", Some(Flag::VirtioScsiPci)),
    Q::Device("vfio-pci", Some(Flag::VfioPci)),
    Q::Device("scsi-hd", None),
    Q::Device("ide-hd", None),
    Q::Device("PIIX4_PM", None),
    Q::Device("usb-redir", Some(Flag::UsbRedir)),
    Q::Device("usb-storage", Some(Flag::UsbStorage)),
    Q::Device("kvm-pit", None),
    Q::Device("VGA", Some(Flag::Vga)),
    Q::Device("vmware-svga", Some(Flag::VmwareSvga)),
    Q::Device("qxl", Some(Flag::Qxl)),
    Q::Device("virtio-gpu-pci", Some(Flag::VirtioGpu)),
    Q::Device("virtio-gpu-device", Some(Flag::VirtioGpu)),
    Q::Device("ICH9-LPC", None),
    Q::Device("virtio-balloon-pci", None),
    Q::Device("virtio-balloon-ccw", None),
    Q::Device("virtio-balloon-device", None),
    Q::Device("spapr-pci-host-bridge", Some(Flag::SpaprPciHostBridge)),
    Q::Device("intel-iommu", Some(Flag::IntelIommu)),
    Q::Device("mch", Some(Flag::Mch)),
    Q::Device("nvdimm", Some(Flag::Nvdimm)),
    Q::Device("pcie-root-port", Some(Flag::PcieRootPort)),
    Q::Device("virtio-gpu-ccw", Some(Flag::VirtioGpuCcw)),
    Q::Device("usb-host", None),
    Q::Device("vhost-user-fs-device", Some(Flag::VhostUserFs)),
    Q::Device("virtio-mem-pci", Some(Flag::VirtioMemPci)),
    Q::Device("virtio-iommu-pci", Some(Flag::VirtioIommuPci)),
    Q::Device("virtio-blk-ccw", Some(Flag::VirtioCcw)),
    Q::Object("memory-backend-file", None),
    Q::Object("memory-backend-memfd", Some(Flag::MemoryBackendMemfd)),
    Q::Object("max-arm-cpu", Some(Flag::ArmMaxCpu)),
    Q::Object("max-x86_64-cpu", Some(Flag::X86MaxCpu)),
    Q::Machines,
    Q::Machine("pseries"),
    Q::Machine("virt"),
    Q::Board("none-machine"),
    Q::Board("generic-pc-machine"),
    Q::CpuDefinitions,
    Q::TpmModels,
    Q::TpmTypes,
    Q::Options,
    Q::MigrationCapabilities,
    Q::Gic,
    Q::Sev,
    Q::Sgx,
    Q::Host,
    Q::HostFull,
    Q::HostDeprecated,
    Q::HyperV,
];

/// The second connection, without acceleration.
pub(super) const PLAIN_SCRIPT: &[Question] =
    &[Q::Negotiate, Q::CpuDefinitions, Q::Host, Q::HostFull, Q::HostDeprecated, Q::Machines];

fn typed(name: &str) -> Option<Value> {
    Some(json!({"typename": name}))
}

impl Question {
    /// The command of a question; `None` when it is not to be asked.
    pub(super) fn command(self, caps: &Caps, seen: &Seen) -> Option<(&'static str, Option<Value>)> {
        let expands = caps.has(Flag::QueryCpuModelExpansion) && !seen.no_host;
        let host = if seen.plain { "max" } else { "host" };
        let (asked, execute, arguments) = match self {
            Q::Negotiate => (true, "qmp_capabilities", None),
            Q::Version => (true, "query-version", None),
            Q::Target => (true, "query-target", None),
            Q::Schema => (true, "query-qmp-schema", None),
            Q::Kvm => (true, "query-kvm", None),
            Q::Types => (true, "qom-list-types", None),
            Q::Device(name, flag) => {
                (flag.is_none_or(|flag| caps.has(flag)), "device-list-properties", typed(name))
            }
            Q::Object(name, flag) => {
                (flag.is_none_or(|flag| caps.has(flag)), "qom-list-properties", typed(name))
            }
            Q::Machines => (true, "query-machines", None),
            Q::Machine(name) => {
                let machine = caps.machine(name)?;
                (true, "qom-list-properties", typed(&format!("{}-machine", machine.name)))
            }
            Q::Board(name) => {
                (name == "none-machine" || is_x86(&caps.arch), "qom-list-properties", typed(name))
            }
            Q::CpuDefinitions => (caps.has(Flag::QueryCpuDefinitions), "query-cpu-definitions", None),
            Q::TpmModels => (true, "query-tpm-models", None),
            Q::TpmTypes => (true, "query-tpm-types", None),
            Q::Options => (true, "query-command-line-options", None),
            Q::MigrationCapabilities => (true, "query-migrate-capabilities", None),
            Q::Gic => (is_arm(&caps.arch), "query-gic-capabilities", None),
            Q::Sev => (caps.has(Flag::SevGuest), "query-sev-capabilities", None),
            Q::Sgx => (caps.has(Flag::SgxEpc), "query-sgx-capabilities", None),
            Q::Host => {
                let kind = if is_arm(&caps.arch) { "full" } else { "static" };
                (expands, EXPANSION, Some(json!({"type": kind, "model": {"name": host}})))
            }
            Q::HostFull => {
                let model = json!({"name": host, "props": {"migratable": false}});
                (expands && caps.has(Flag::CpuMigratable), EXPANSION, {
                    Some(json!({"type": "static", "model": model}))
                })
            }
            Q::HostDeprecated => {
                let asked = expands && caps.has(Flag::QueryCpuModelExpansionDeprecatedProps);
                (asked, EXPANSION, Some(json!({"type": "full", "model": {"name": host}})))
            }
            Q::HyperV => {
                let model = json!({"name": host, "props": {"migratable": false, "hv-passthrough": true}});
                let asked =
                    caps.has(Flag::QueryCpuModelExpansion) && (is_x86(&caps.arch) || is_arm(&caps.arch));
                (asked, EXPANSION, Some(json!({"type": "full", "model": model})))
            }
        };
        asked.then_some((execute, arguments))
    }
}

const EXPANSION: &str = "query-cpu-model-expansion";
