//! The command line of an emulator.
//!
//! ```text
//! Domain (complete, aliases given) + Caps + Start ──pieces in the emulator's order──▶ Line { env, argv }
//! ```
//!
//! Devices, block nodes and objects are JSON documents whose members stand in a fixed order.

mod address;
mod block;
mod boot;
mod chardev;
mod clock;
mod controller;
mod cpu;
mod devices;
mod extension;
mod feature;
mod firmware;
mod graphics;
mod input;
mod iothread;
mod json;
mod machine;
mod memory;
mod memory_device;
mod net;
mod numa;
mod platform;
mod quote;
mod security;
mod smbios;
mod surroundings;
mod video;
mod virtio;

pub use json::Json;
pub use quote::{one_line, shell};
pub use surroundings::{Deprecation, HugePages, Surroundings};
pub(crate) use virtio::{transport, virtio};

use crate::complete::{Board, unsupported};
use crate::{Caps, alias};
use base::Result;
use conf_domain::Domain;
use std::collections::BTreeMap;
use xml::Tree;

/// Facts of one start that the definition does not know.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// NUMA nodes of the host, where they are known.
    pub host_nodes: Option<std::collections::BTreeSet<u32>>,
    /// Folder of the domain's own files, e.g. `/var/lib/libvirt/qemu/domain-1-name`.
    pub private_dir: String,
    /// Folder of the sockets of channels, e.g. `/run/libvirt/qemu/channel/1-name`.
    pub channel_dir: String,
    /// Back end of the monitor's character device, e.g. `fd=12`.
    pub monitor: String,
    /// Descriptors of listening character devices, by alias.
    pub chardev_fds: BTreeMap<String, i32>,
    /// Descriptors of tap devices, by alias of the interface.
    pub tap_fds: BTreeMap<String, i32>,
    /// Descriptors of the kernel's packet mover, by alias of the interface.
    pub vhost_fds: BTreeMap<String, i32>,
    /// The environment before what the definition adds.
    pub env: Vec<(String, String)>,
    /// There is a master key in the private folder.
    pub master_key: bool,
    /// The emulator confines itself.
    pub sandbox: bool,
    /// Lines of the emulator's log carry the time.
    pub timestamps: bool,
    /// Time zone offset of the host in seconds; only used by guests whose clock shows local time.
    pub local_offset: i64,
    /// Facts of the host that the machine depends on.
    pub host: Surroundings,
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
        if let Some(companion) = self.zpci(id) {
            self.option("-device", companion.text());
        }
        let text = if feature::device_json(self.caps) { json.text() } else { json.plain("driver") };
        self.option("-device", text);
    }

    pub(crate) fn object(&mut self, json: Json) {
        self.option("-object", json.text());
    }

    /// Sets a variable; one that is set again keeps its place.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.env.push((name.to_owned(), value.to_owned())),
        }
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
    let mut b = Builder { domain, caps, start, board, args: Vec::new(), env: start.env.clone() };
    b.option("-name", format!("guest={},debug-threads=on", comma(&domain.name)));
    extension::deprecation(&mut b)?;
    b.flag("-S");
    if start.master_key {
        let file = format!("{}/master-key.aes", start.private_dir);
        b.object(Json::object("secret", "masterKey0").put("format", "raw").put("file", file));
    }
    firmware::chips(&mut b)?;
    machine::machine(&mut b)?;
    cpu::cpu(&mut b)?;
    firmware::image(&mut b);
    memory::memory(&mut b)?;
    iothread::processors(&mut b);
    iothread::iothreads(&mut b);
    numa::numa(&mut b)?;
    b.option("-uuid", domain.uuid.to_string());
    smbios::smbios(&mut b);
    let screens = domain.all("graphics").next().is_some();
    if !screens {
        b.option("-display", "none");
    }
    b.flag("-no-user-config");
    b.flag("-nodefaults");
    b.option("-chardev", format!("socket,id=charmonitor,{},server=on,wait=off", start.monitor));
    b.option("-mon", "chardev=charmonitor,id=monitor,mode=control");
    clock::clock(&mut b)?;
    boot::power(&mut b);
    boot::boot(&mut b);
    platform::iommus(&mut b)?;
    controller::controllers(&mut b)?;
    platform::hubs(&mut b)?;
    memory_device::modules(&mut b)?;
    controller::floppies(&mut b);
    block::disks(&mut b)?;
    net::interfaces(&mut b)?;
    chardev::ports(&mut b)?;
    input::inputs(&mut b)?;
    graphics::audio(&mut b)?;
    graphics::screens(&mut b)?;
    video::videos(&mut b)?;
    devices::sounds(&mut b)?;
    platform::watchdogs(&mut b)?;
    if let Some(from) = &start.host.incoming {
        b.option("-incoming", from.clone());
    }
    platform::balloons(&mut b);
    devices::rest(&mut b)?;
    platform::notes(&mut b);
    security::protection(&mut b);
    extension::pass_through(&mut b);
    security::sandbox(&mut b);
    platform::panics(&mut b)?;
    platform::stores(&mut b)?;
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
        "hub",
        "iommu",
        "memory",
        "nvram",
        "pstore",
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

/// The command line of a definition that is not running, as a shell would read it.
///
/// # Errors
/// As [`plan`].
pub fn rehearse(domain: &Domain, caps: &Caps, start: &Start) -> Result<String> {
    let mut domain = domain.clone();
    crate::complete::for_start(&mut domain, caps, start.host_nodes.as_ref())?;
    alias::assign(&mut domain);
    graphics::choose_ports(&mut domain, &mut 5900);
    Ok(shell(&plan(&domain, caps, start)?))
}

pub use graphics::choose_ports;
