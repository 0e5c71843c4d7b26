//! What a definition gets when it is defined: machine, emulator, controllers, models, addresses.
//!
//! ```text
//! machine, emulator ─▶ firmware ─▶ built-in devices ─▶ CPU ─▶ features ─▶ models of devices ─▶ controllers they need
//!                  ─▶ addresses: virtio-serial, spapr-vio, CCW, MMIO, PCI, USB, memory slots
//! ```
//!
//! The order matters: machine before models, devices before controllers, controllers before addresses.

pub mod alone;
pub(crate) mod builtin;
mod channel;
mod controllers;
mod cpu;
mod devices;
mod features;
mod generated;
mod labels;
mod memory;
mod pci;
mod ports;
mod processor;
mod security;
pub(crate) mod setting;
mod source;

pub use crate::host_cpu::Hardware;
use crate::{Caps, Firmware};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use qemu_caps::Flag;
pub use setting::Board;
use setting::Setting;
use std::collections::HashMap;
use xml::Tree;

/// Where the host plays the sound of guests, from the daemon's environment and settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostAudio {
    /// `QEMU_AUDIO_DRV`.
    pub driver: Option<String>,
    /// `SDL_AUDIODRIVER`.
    pub sdl_driver: Option<String>,
    /// Guests without a screen may use it (`nographics_allow_host_audio`).
    pub headless: bool,
    /// Guests with VNC may use it (`vnc_allow_host_audio`).
    pub with_vnc: bool,
}

/// What the host adds to a definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// Installed firmware.
    pub firmware: Firmware,
    /// Sound.
    pub audio: HostAudio,
    /// The driver's own folder: sockets in it were made up.
    pub lib_dir: String,
    /// Model of the security driver that labels guests; `none` when there is none.
    pub security: String,
    /// Versions of TPM the emulator of the host offers; `None` when it was not asked.
    pub tpm_versions: Option<Vec<String>>,
    /// Whether the host has what serves screens over RDP; `None` when it was not looked for.
    pub rdp: Option<bool>,
    /// Whether screens may be served by SPICE over TLS; `None` when it was not asked.
    pub spice_tls: Option<bool>,
    /// IOMMU groups of the host's PCI devices by address (`0000:01:00.0`). Only guests of POWER need them.
    pub iommu_groups: HashMap<String, u32>,
    /// Folder of channel sockets.
    pub channel_dir: String,
}

/// Architecture of a definition.
pub fn arch(domain: &Domain) -> &str {
    domain.tree.attr_at("os/type", "arch").unwrap_or("x86_64")
}

/// Machine type of a definition.
pub fn machine(domain: &Domain) -> &str {
    domain.tree.attr_at("os/type", "machine").unwrap_or_default()
}

/// The emulator's path for an architecture, when a definition names none.
pub fn default_emulator(arch: &str) -> String {
    let name = match arch {
        "i686" => "i386",
        "armv7l" | "armv6l" => "arm",
        "ppc64le" => "ppc64",
        other => other,
    };
    format!("/usr/bin/qemu-system-{name}")
}

pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::QEMU, text)
}

/// Something the document says that no driver supports, found while completing.
pub(crate) fn conflict(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::DOMAIN, text)
}

/// Completes a definition for an emulator, and checks it unless the flags say that it was accepted before. Definitions
/// that are new may get what would change the machine of an old one.
///
/// # Errors
/// With the reference's words when the emulator cannot do what is asked.
pub fn complete(domain: &mut Domain, caps: &Caps, site: &Site, flags: ParseFlags) -> Result<()> {
    let abi_update = flags.abi_update;
    let named = machine(domain).to_owned();
    let chosen = if named.is_empty() { caps.default_machine() } else { caps.machine(&named) };
    if let Some(chosen) = chosen {
        let name = chosen.name.clone();
        if let Some(kind) = domain.tree.child_mut("os").and_then(|os| os.child_mut("type")) {
            kind.set("machine", name);
        }
    }
    if !domain.devices().iter().any(|device| device.name == "emulator") {
        let path = if caps.binary.is_empty() { default_emulator(&caps.arch) } else { caps.binary.clone() };
        domain.devices_mut().insert(0, Tree::leaf("emulator", path));
    }
    let setting = Setting::of(domain, caps, &site.iommu_groups, abi_update);
    if !flags.skip_validate {
        crate::validate::given(domain, &setting)?;
    }
    crate::firmware::choose(domain, &site.firmware, abi_update)?;
    if !flags.skip_validate {
        crate::validate::places(domain, &setting)?;
    }
    if flags.inactive {
        generated::forget(domain, site)?;
    }
    builtin::add(domain, &setting, site);
    cpu::complete(domain, &setting);
    features::complete(domain, &setting);
    memory::complete(domain, &setting)?;
    labels::complete(domain, site);
    controllers::defaults(domain, &setting);
    devices::defaults(domain, &setting);
    controllers::for_devices(domain, &setting);
    if !flags.skip_validate {
        conf_domain::validate::assembled(domain)?;
    }
    addresses(domain, &setting)?;
    if domain.vcpus_max() == 0 {
        return Err(Error::internal(ErrorDomain::DOMAIN, "CPU IDs in <numa> exceed the <vcpu> count"));
    }
    conf_domain::device::mirror_console(domain);
    domain.sort();
    if !flags.skip_validate {
        runs(domain, &setting)?;
    }
    if chosen.is_none() && !flags.skip_validate {
        return Err(unsupported(format!(
            "Emulator '{}' does not support machine type '{named}'",
            domain.all("emulator").next().map_or("", |emulator| emulator.body())
        )));
    }
    if !flags.skip_validate {
        conf_domain::validate::complete(domain, &crate::validate::Qemu { setting: &setting, site })?;
    }
    Ok(())
}

/// Whether the emulator runs guests of this kind at all.
fn runs(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let emulator = domain.all("emulator").next().map_or("", |emulator| emulator.body());
    let kind = domain.tree.at("os/type").map_or("", |kind| kind.body());
    if kind != "hvm" {
        return Err(unsupported(format!("Emulator '{emulator}' does not support os type '{kind}'")));
    }
    let (own, arch) = (setting.caps.arch.as_str(), setting.arch.as_str());
    let runs = own == arch
        || matches!(
            (own, arch),
            ("x86_64", "i686") | ("ppc64", "ppc64le") | ("aarch64", "armv7l" | "armv6l")
        );
    if !runs {
        return Err(unsupported(format!("Emulator '{emulator}' does not support arch '{arch}'")));
    }
    let lacks = match domain.kind() {
        "hvf" => !setting.has(Flag::Hvf),
        "kvm" => !setting.has(Flag::Kvm),
        _ => false,
    };
    if lacks {
        let kind = domain.kind();
        return Err(unsupported(format!("Emulator '{emulator}' does not support virt type '{kind}'")));
    }
    Ok(())
}

fn addresses(domain: &mut Domain, setting: &Setting<'_>) -> Result<()> {
    ports::serial(domain);
    channel::spapr(domain, setting)?;
    channel::ccw(domain, setting)?;
    channel::mmio(domain, setting);
    channel::zpci(domain, setting, true)?;
    pci::assign(domain, setting)?;
    channel::zpci(domain, setting, false)?;
    let usb = |controller: &Tree| controller.is("type", "usb") && !controller.is("model", "none");
    if domain.all("controller").any(usb) {
        ports::usb_taken(domain)?;
    } else if domain.devices().iter().any(ports::on_usb) {
        return Err(unsupported(
            "USB is disabled for this domain, but USB devices are present in the domain XML",
        ));
    }
    if setting.abi_update {
        ports::usb(domain)?;
    }
    ports::memory(domain)?;
    Ok(())
}

/// Brings sizes of memory to the steps of the machine, which a new start does and a guest that comes with its memory from
/// elsewhere does not.
pub fn align_memory(domain: &mut Domain, caps: &Caps) {
    let groups = HashMap::new();
    memory::align_all(domain, &Setting::of(domain, caps, &groups, true));
}

/// What a definition gets when it is started: addresses that were left open until then, and a processor that does not
/// depend on the host.
///
/// # Errors
/// When there is no place for a device, or the host cannot give what is asked.
pub fn for_start(domain: &mut Domain, caps: &Caps, hardware: &Hardware) -> Result<()> {
    crate::firmware::check(domain)?;
    let groups = HashMap::new();
    let setting = Setting::of(domain, caps, &groups, true);
    crate::validate::start(domain, &setting, hardware.nodes.as_ref())?;
    processor::for_start(domain, &setting, hardware)?;
    security::for_start(domain, &setting);
    addresses(domain, &setting)?;
    conf_domain::device::mirror_console(domain);
    domain.sort();
    Ok(())
}
