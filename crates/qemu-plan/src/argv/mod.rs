//! The command line of an emulator.
//!
//! ```text
//! Domain (complete, aliases given) + Caps + Start ──pieces in the emulator's order──▶ Line { env, argv }
//! ```
//!
//! Devices, block nodes and objects are JSON documents whose members stand in a fixed order.

mod block;
mod chardev;
mod devices;
mod graphics;
mod machine;
mod net;
mod quote;

pub use quote::{one_line, shell};

use crate::complete::{Board, unsupported};
use crate::{Caps, alias};
use base::Result;
use conf_domain::Domain;
use conf_domain::device::Pci;
use serde_json::{Map, Value};
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

/// A JSON document with members in the order in which they are put.
#[derive(Debug, Default)]
pub(crate) struct Json(Map<String, Value>);

impl Json {
    pub(crate) fn new() -> Json {
        Json::default()
    }

    pub(crate) fn driver(name: impl Into<String>) -> Json {
        Json::new().put("driver", name.into())
    }

    pub(crate) fn put(mut self, name: &str, value: impl Into<Value>) -> Json {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn put_opt(self, name: &str, value: Option<impl Into<Value>>) -> Json {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    pub(crate) fn value(self) -> Value {
        Value::Object(self.0)
    }

    pub(crate) fn text(self) -> String {
        Value::Object(self.0).to_string()
    }
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

    pub(crate) fn device(&mut self, json: Json) {
        self.option("-device", json.text());
    }

    pub(crate) fn object(&mut self, json: Json) {
        self.option("-object", json.text());
    }

    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Adds where a device sits.
    pub(crate) fn place(&self, json: Json, device: &Tree) -> Json {
        let Some(address) = device.child("address") else { return json };
        let text = |name: &str| address.attr(name).unwrap_or("0").to_owned();
        match address.attr("type").unwrap_or_default() {
            "pci" => match Pci::of(device) {
                Some(pci) => self.place_pci(json, pci, address),
                None => json,
            },
            "usb" => {
                let bus = text("bus");
                let name = if bus == "0" { "usb".to_owned() } else { format!("usb{bus}") };
                json.put("bus", format!("{name}.0")).put_opt("port", address.attr("port"))
            }
            "ccw" => {
                let number = |name: &str| {
                    address
                        .attr(name)
                        .and_then(|t| u32::from_str_radix(t.trim_start_matches("0x"), 16).ok())
                        .unwrap_or(0)
                };
                json.put(
                    "devno",
                    format!("{:x}.{:x}.{:04x}", number("cssid"), number("ssid"), number("devno")),
                )
            }
            _ => json,
        }
    }

    fn place_pci(&self, json: Json, pci: Pci, address: &Tree) -> Json {
        let controller = self
            .domain
            .all("controller")
            .find(|controller| controller.is("type", "pci") && controller.is("index", &pci.bus.to_string()));
        let bus = controller
            .and_then(|controller| controller.attr_at("alias", "name"))
            .unwrap_or("pci.0")
            .to_owned();
        // A plain machine's only bus goes by another name than its controller in some machines.
        let addr = if pci.function == 0 {
            format!("0x{:x}", pci.slot)
        } else {
            format!("0x{:x}.0x{:x}", pci.slot, pci.function)
        };
        let json = json.put("bus", bus);
        let json = match address.attr("multifunction") {
            Some("on") => json.put("multifunction", true),
            Some("off") => json.put("multifunction", false),
            _ => json,
        };
        let index = controller.is_some();
        let _ = index;
        json.put("addr", addr)
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
    let mut b = Builder { domain, caps, start, board, args: Vec::new(), env: start.env.clone() };
    b.option("-name", format!("guest={},debug-threads=on", comma(&domain.name)));
    b.flag("-S");
    if start.master_key {
        let file = format!("{}/master-key.aes", start.private_dir);
        let key = Json::new()
            .put("qom-type", "secret")
            .put("id", "masterKey0")
            .put("format", "raw")
            .put("file", file);
        b.object(key);
    }
    machine::firmware(&mut b)?;
    machine::machine(&mut b)?;
    machine::cpu(&mut b)?;
    machine::secure_flash(&mut b);
    machine::memory(&mut b)?;
    machine::processors(&mut b);
    b.option("-uuid", domain.uuid.to_string());
    let screens = domain.all("graphics").next().is_some();
    if !screens {
        b.option("-display", "none");
    }
    machine::smbios(&mut b);
    b.flag("-no-user-config");
    b.flag("-nodefaults");
    b.option("-chardev", format!("socket,id=charmonitor,{},server=on,wait=off", start.monitor));
    b.option("-mon", "chardev=charmonitor,id=monitor,mode=control");
    machine::clock(&mut b)?;
    b.flag("-no-shutdown");
    machine::power(&mut b);
    machine::boot(&mut b);
    devices::controllers(&mut b)?;
    block::disks(&mut b)?;
    net::interfaces(&mut b)?;
    chardev::ports(&mut b)?;
    devices::inputs(&mut b)?;
    graphics::audio(&mut b)?;
    graphics::screens(&mut b)?;
    graphics::videos(&mut b)?;
    devices::sounds(&mut b)?;
    devices::watchdogs(&mut b)?;
    devices::rest(&mut b)?;
    if start.sandbox {
        b.option("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
    extension(&mut b);
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
    ];
    match domain.devices().iter().find(|device| !PLANNED.contains(&device.name.as_str())) {
        Some(device) => Err(unsupported(format!(
            "device '{}' is not supported by this version of the planner",
            device.name
        ))),
        None => Ok(()),
    }
}

/// Arguments and variables that the definition passes through.
fn extension(b: &mut Builder<'_>) {
    for extension in b.domain.extensions.iter().filter(|e| e.prefix == "qemu" && e.tree.name == "commandline")
    {
        for child in &extension.tree.children {
            match child.name.as_str() {
                "arg" => {
                    if let Some(value) = child.attr("value") {
                        b.flag(value);
                    }
                }
                "env" => {
                    b.set_env(
                        child.attr("name").unwrap_or_default(),
                        child.attr("value").unwrap_or_default(),
                    );
                }
                _ => {}
            }
        }
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
