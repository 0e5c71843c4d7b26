//! The command line of an emulator.
//!
//! ```text
//! Domain (complete, aliases given) + Caps + Start ──pieces in the emulator's order──▶ Line { env, argv }
//! ```
//!
//! Devices, block nodes and objects are JSON documents whose members stand in a fixed order.

mod ability;
mod address;
mod boot;
pub mod chardev;
mod clock;
mod controller;
mod cpu;
pub(crate) mod disk;
mod extension;
mod filesystem;
mod firmware;
mod hostdev;
mod hotplug;
mod input;
mod iothread;
mod json;
mod link;
mod machine;
mod memory;
mod memory_device;
mod net;
mod numa;
pub mod piece;
mod platform;
mod ports;
mod quote;
mod rng;
mod screen;
pub mod secret;
mod security;
pub mod settings;
mod smartcard;
mod smbios;
mod sound;
mod surroundings;
mod tpm;
mod video;
mod virtio;

pub use disk::image::Names;
pub use disk::{nbdkit, number_images};
pub use hotplug::pieces;
pub use json::Json;
pub use quote::{one_line, shell};
pub use screen::{PortUse, choose_ports};
pub use surroundings::{Deprecation, HugePages, Surroundings};

use crate::Caps;
use crate::complete::{Board, unsupported};
use base::Result;
use conf_domain::Domain;
use piece::Piece;
use secret::{Secrets, Vault};
use settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use xml::Tree;

/// Facts of one start that the definition does not know.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Folder of the domain's own files, e.g. `/var/lib/libvirt/qemu/domain-1-name`.
    pub private_dir: String,
    /// Folder of the sockets of channels, e.g. `/run/libvirt/qemu/channel/1-name`.
    pub channel_dir: String,
    /// Socket of the monitor, on which the emulator listens.
    pub monitor: chardev::Address,
    /// The domain's number and the beginning of its name, e.g. `1-name`; part of names of folders and sockets.
    pub short_name: String,
    /// Descriptors of listening character devices, by alias.
    pub chardev_fds: BTreeMap<String, i32>,
    /// Descriptors of tap devices, one for each queue, by alias of the interface.
    pub tap_fds: BTreeMap<String, Vec<i32>>,
    /// Descriptors of the kernel's back ends for interfaces (one for each queue), SCSI hosts and sockets, by alias.
    pub vhost_fds: BTreeMap<String, Vec<i32>>,
    /// Descriptors of files and devices that the emulator finds in sets, by what they are called there: `serial0-source`
    /// and `serial0-log` for character devices, `tpm0-tpm` and `tpm0-cancel`, `net0-vdpa`; for
    /// vDPA disks by the path of the device.
    pub passed_fds: BTreeMap<String, i32>,
    /// Groups of descriptors that clients have handed over for images.
    pub fd_groups: BTreeMap<String, FdGroup>,
    /// Paths found on the host by alias: generic SCSI devices, USB devices, sockets of TPM emulators; by alias and
    /// `-cancel` the file that cancels commands of a TPM.
    pub paths: BTreeMap<String, String>,
    /// Block devices that are CD-ROM drives.
    pub host_drives: BTreeSet<String>,
    /// The render node for screens that name none.
    pub render_node: Option<String>,
    /// Number of the guest's socket device, when it is chosen at the start.
    pub guest_cid: Option<u32>,
    /// Numbers of users and groups of the host by name.
    pub ids: BTreeMap<String, u32>,
    /// Folder of Pipewire's socket.
    pub pipewire_dir: Option<String>,
    /// Settings of the daemon.
    pub settings: Settings,
    /// Values of the secrets that the definition names.
    pub secrets: Secrets,
    /// Encrypts secrets; the key is in the private folder.
    pub vault: Option<Vault>,
    /// The environment before what the definition adds.
    pub env: Vec<(String, String)>,
    /// The emulator confines itself.
    pub sandbox: bool,
    /// Lines of the emulator's log carry the time.
    pub timestamps: bool,
    /// Time zone offset of the host in seconds; only used by guests whose clock shows local time.
    pub local_offset: i64,
    /// Facts of the host that the machine depends on.
    pub host: Surroundings,
}

/// Descriptors that a client has handed over under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FdGroup {
    /// The descriptors as the emulator gets them.
    pub fds: Vec<i32>,
    /// They may be written to.
    pub writable: bool,
}

/// A planned command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Program.
    pub program: String,
    /// Arguments without the program.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
}

/// The line under construction.
pub(crate) struct Builder<'d> {
    pub(crate) domain: &'d Domain,
    pub(crate) caps: &'d Caps,
    pub(crate) start: &'d Start,
    pub(crate) board: Board,
    args: Vec<String>,
    env: Vec<(String, String)>,
    /// The pieces themselves, when it is they that are asked for and not a line.
    pieces: Option<Vec<Piece>>,
    /// Number of the next block node.
    pub(crate) next_node: u32,
    /// Number of the next set of descriptors.
    pub(crate) next_fdset: u32,
    /// Places in the boot order of network cards that are devices of the host.
    pub(crate) host_card_boot: Vec<Option<u32>>,
}

impl Builder<'_> {
    pub(crate) fn option(&mut self, name: &str, value: impl Into<String>) {
        self.args.push(name.to_owned());
        self.args.push(value.into());
    }

    pub(crate) fn flag(&mut self, name: &str) {
        self.args.push(name.to_owned());
    }

    /// Appends a device: what the definition puts over it applies, and its companion comes first.
    pub(crate) fn device(&mut self, json: Json) {
        let json = extension::overridden(self.domain, json);
        let id = json.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        let companion = self.zpci(id);
        if let Some(pieces) = &mut self.pieces {
            pieces.extend(companion.into_iter().chain([json]).map(Piece::Device));
            return;
        }
        if let Some(companion) = companion {
            self.option("-device", companion.text());
        }
        let text = if ability::device_json(self.caps) { json.text() } else { json.plain("driver") };
        self.option("-device", text);
    }

    pub(crate) fn object(&mut self, json: Json) {
        if let Some(pieces) = &mut self.pieces {
            pieces.push(Piece::Object(json));
            return;
        }
        self.option("-object", json.text());
    }

    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        // What is set again keeps its place.
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.env.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The entry of its boot menu that a device is booted with.
    pub(crate) fn loadparm<'t>(&self, device: &'t Tree) -> Option<&'t str> {
        let asked = device.attr_at("boot", "loadparm");
        asked.filter(|_| self.board == Board::Ccw && ability::loadparm(self.caps))
    }
}

/// The alias of a device.
pub(crate) fn alias_of(device: &Tree) -> &str {
    device.attr_at("alias", "name").unwrap_or_default()
}

/// `on` and `off` as a truth value.
pub(crate) fn on_off(text: Option<&str>) -> Option<bool> {
    match text {
        Some("on" | "yes") => Some(true),
        Some("off" | "no") => Some(false),
        _ => None,
    }
}

/// The name of a virtio device's driver for the bus it sits on.
pub(crate) fn virtio(device: &Tree, base: &str) -> String {
    let bus = match device.attr_at("address", "type") {
        Some("ccw") => "ccw",
        Some("virtio-mmio") => "device",
        _ => "pci",
    };
    let model = device.attr("model").or_else(|| device.attr_at("model", "type")).unwrap_or_default();
    match model {
        "virtio-transitional" => format!("{base}-{bus}-transitional"),
        "virtio-non-transitional" => format!("{base}-{bus}-non-transitional"),
        _ => format!("{base}-{bus}"),
    }
}

/// Plans the command line. The definition is complete and its devices have aliases.
///
/// # Errors
/// When the emulator cannot do what the definition asks.
pub fn plan(domain: &Domain, caps: &Caps, start: &Start) -> Result<Line> {
    let board = Board::of_domain(domain);
    let program = domain.all("emulator").next().map(|emulator| emulator.body().to_owned());
    let program = program.ok_or_else(|| unsupported("the definition names no emulator"))?;
    let changed = extension::capabilities(domain, caps);
    let caps = changed.as_ref().unwrap_or(caps);
    let mut b = Builder {
        domain,
        caps,
        start,
        board,
        args: Vec::new(),
        env: start.env.clone(),
        pieces: None,
        next_node: 1,
        next_fdset: 0,
        host_card_boot: Vec::new(),
    };
    b.option("-name", format!("guest={},debug-threads=on", comma(&domain.name)));
    extension::deprecation(&mut b)?;
    b.flag("-S");
    if start.vault.is_some() {
        let file = format!("{}/master-key.aes", start.private_dir);
        b.object(Json::object("secret", "masterKey0").put("format", "raw").put("file", file));
    }
    disk::reservations(&mut b);
    firmware::chips(&mut b)?;
    machine::machine(&mut b)?;
    cpu::cpu(&mut b)?;
    firmware::image(&mut b);
    memory::memory(&mut b)?;
    iothread::processors(&mut b);
    iothread::iothreads(&mut b);
    disk::throttle_groups(&mut b);
    numa::numa(&mut b)?;
    b.option("-uuid", domain.uuid.to_string());
    smbios::smbios(&mut b)?;
    let screens = domain.all("graphics").next().is_some();
    if !screens {
        b.option("-display", "none");
    }
    b.flag("-no-user-config");
    b.flag("-nodefaults");
    b.add(chardev::monitor(&start.monitor));
    b.option("-mon", "chardev=charmonitor,id=monitor,mode=control");
    clock::clock(&mut b)?;
    boot::power(&mut b);
    boot::boot(&mut b);
    platform::iommus(&mut b)?;
    controller::controllers(&mut b)?;
    memory_device::modules(&mut b)?;
    platform::hubs(&mut b)?;
    controller::card_readers(&mut b)?;
    disk::disks(&mut b)?;
    filesystem::filesystems(&mut b)?;
    net::interfaces(&mut b)?;
    smartcard::smartcards(&mut b)?;
    ports::ports(&mut b)?;
    tpm::modules(&mut b)?;
    input::inputs(&mut b)?;
    sound::back_ends(&mut b)?;
    screen::screens(&mut b)?;
    video::videos(&mut b)?;
    sound::cards(&mut b)?;
    platform::watchdogs(&mut b)?;
    hostdev::redirected(&mut b)?;
    hostdev::hostdevs(&mut b)?;
    if let Some(from) = &start.host.incoming {
        b.option("-incoming", from.clone());
    }
    platform::balloons(&mut b);
    rng::rngs(&mut b)?;
    platform::notes(&mut b);
    security::protection(&mut b);
    extension::pass_through(&mut b);
    security::sandbox(&mut b);
    platform::panics(&mut b)?;
    link::shared_memory(&mut b)?;
    link::vsocks(&mut b)?;
    link::cryptos(&mut b);
    link::stores(&mut b);
    platform::teardown(&mut b);
    if start.timestamps {
        b.option("-msg", "timestamp=on");
    }
    refuse_unplanned(domain)?;
    Ok(Line { program, args: b.args, env: b.env })
}

/// Devices whose arguments are not planned yet must not be left out silently.
fn refuse_unplanned(domain: &Domain) -> Result<()> {
    const PLANNED: &[&str] = &[
        "emulator",
        "disk",
        "controller",
        "interface",
        "serial",
        "parallel",
        "console",
        "channel",
        "input",
        "audio",
        "graphics",
        "video",
        "sound",
        "watchdog",
        "memballoon",
        "rng",
        "vsock",
        "panic",
        "filesystem",
        "smartcard",
        "tpm",
        "hostdev",
        "redirdev",
        "redirfilter",
        "shmem",
        "crypto",
        "pstore",
        "lease",
        "hub",
        "iommu",
        "memory",
        "nvram",
    ];
    match domain.devices().iter().find(|device| !PLANNED.contains(&device.name.as_str())) {
        Some(device) => Err(unsupported(format!(
            "device '{}' is not supported by this version of the planner",
            device.name
        ))),
        None => Ok(()),
    }
}

/// A comma in a value of QEMU's own notation is doubled.
pub(crate) fn comma(text: &str) -> String {
    text.replace(',', ",,")
}
