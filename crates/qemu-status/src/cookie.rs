//! The migration cookie: what the two sides of a migration tell each other beside the stream.

use base::{Error, ErrorDomain, Result, Uuid};
use conf_domain::elements::{self, Elements};
use conf_domain::{Domain, FormatFlags, ParseFlags, Reader, fault};
use xml::{Document, Node, Tree, Writer};

/// What one side may demand that the other understands.
pub const FEATURES: &[&str] = &[
    "graphics",
    "lockstate",
    "persistent",
    "network",
    "nbd",
    "statistics",
    "memory-hotplug",
    "cpu-hotplug",
    "cpu",
    "allowReboot",
    "capabilities",
    "block-dirty-bitmaps",
];

/// Figures of a finished migration, in the order in which they are printed.
const STATISTICS: &[&str] = &[
    "started",
    "stopped",
    "sent",
    "delta",
    "time_elapsed",
    "time_remaining",
    "downtime",
    "setup_time",
    "memory_total",
    "memory_processed",
    "memory_remaining",
    "memory_bps",
    "memory_constant",
    "memory_normal",
    "memory_normal_bytes",
    "memory_dirty_rate",
    "memory_iteration",
    "memory_postcopy_requests",
    "memory_page_size",
    "disk_total",
    "disk_processed",
    "disk_remaining",
    "disk_bps",
    "compression_cache",
    "compression_bytes",
    "compression_pages",
    "compression_cache_misses",
    "compression_overflow",
    "auto_converge_throttle",
];

/// Where the guest's screen will be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Graphics {
    /// `spice` or `vnc`.
    pub kind: String,
    /// Port.
    pub port: i32,
    /// Address it listens on.
    pub listen: String,
    /// Port for TLS, -1 for none.
    pub tls_port: i32,
    /// Subject of the server's certificate.
    pub subject: Option<String>,
}

/// State of a port of a network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Port {
    /// Number of the interface.
    pub index: u32,
    /// Type of the port.
    pub kind: String,
    /// Its data.
    pub data: Option<String>,
}

/// Where disks are copied to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Nbd {
    /// Port of the server.
    pub port: Option<u16>,
    /// Targets of disks and their sizes in bytes.
    pub disks: Vec<(String, u64)>,
}

/// A bitmap of changed blocks that moves with the guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bitmap {
    /// Name of the bitmap.
    pub name: String,
    /// Name on the way.
    pub alias: String,
    /// It becomes permanent at its end.
    pub persistent: Option<bool>,
}

/// A cookie.
#[derive(Clone, PartialEq, Debug)]
pub struct Cookie {
    /// Name of the guest.
    pub name: String,
    /// Identity of the guest.
    pub uuid: Uuid,
    /// Name of the host that speaks.
    pub hostname: String,
    /// Identity of the host that speaks.
    pub host_uuid: Uuid,
    /// What the other side must understand.
    pub features: Vec<&'static str>,
    /// The new place of the screen.
    pub graphics: Option<Graphics>,
    /// Lock manager and its state.
    pub locks: Option<(String, Option<String>)>,
    /// The stored definition.
    pub persistent: Option<Box<Domain>>,
    /// States of network ports.
    pub network: Vec<Port>,
    /// Copying of disks.
    pub nbd: Option<Nbd>,
    /// Figures, by their names.
    pub statistics: Vec<(&'static str, u64)>,
    /// The processor the guest saw.
    pub cpu: Option<Tree>,
    /// Capabilities of the other emulator, each with whether it is always on.
    pub capabilities: Option<Vec<(String, bool)>>,
    /// Bitmaps by the targets of disks.
    pub bitmaps: Vec<(String, Vec<Bitmap>)>,
}

/// How the stored definition inside is read.
const STORED: ParseFlags = ParseFlags { inactive: true, skip_validate: true, ..ParseFlags::NONE };

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::QEMU, text)
}

fn number<T: std::str::FromStr>(node: Node<'_>, name: &str) -> Option<T> {
    node.attr(name).and_then(|text| text.parse().ok())
}

impl Cookie {
    /// A cookie that says who speaks about which guest, and nothing else.
    pub fn new(domain: &Domain, hostname: &str, host_uuid: Uuid) -> Cookie {
        Cookie {
            name: domain.name.clone(),
            uuid: domain.uuid,
            hostname: hostname.to_owned(),
            host_uuid,
            features: Vec::new(),
            graphics: None,
            locks: None,
            persistent: None,
            network: Vec::new(),
            nbd: None,
            statistics: Vec::new(),
            cpu: None,
            capabilities: None,
            bitmaps: Vec::new(),
        }
    }

    /// The same with what is seen of a guest: its screen, and that the other side must know hot-plugging and these
    /// capabilities.
    #[must_use]
    pub fn describing(mut self, domain: &Domain, capabilities: Vec<(String, bool)>) -> Cookie {
        self.features = vec!["memory-hotplug", "cpu-hotplug"];
        self.graphics = graphics(domain);
        self.capabilities = Some(capabilities);
        self
    }

    /// Reads a cookie about a guest.
    ///
    /// # Errors
    /// When it is none, is about another guest, or demands what is not understood.
    pub fn parse(text: &str, guest: &Domain, reader: &mut Reader<'_>) -> Result<Cookie> {
        let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
        let root = document.root();
        let word = |name: &str| root.child_text(name).filter(|text| !text.is_empty());
        let missing = |name: &str| internal(format!("missing {name} element in migration data"));
        let name = word("name").ok_or_else(|| missing("name"))?;
        if name != guest.name {
            return Err(internal(format!(
                "Incoming cookie data had unexpected name {name} vs {}",
                guest.name
            )));
        }
        let uuid = word("uuid").ok_or_else(|| missing("uuid"))?;
        if uuid.parse::<Uuid>().ok() != Some(guest.uuid) {
            return Err(internal(format!(
                "Incoming cookie data had unexpected UUID {uuid} vs {}",
                guest.uuid
            )));
        }
        let hostname = word("hostname").ok_or_else(|| missing("hostname"))?;
        let host_uuid = word("hostuuid").ok_or_else(|| missing("hostuuid"))?;
        let host_uuid =
            host_uuid.parse().map_err(|_| internal("malformed hostuuid element in migration data"))?;
        let mut cookie = Cookie::new(guest, &hostname, host_uuid);
        for node in root.children("feature") {
            let name = node.attr("name").ok_or_else(|| internal("missing feature name"))?;
            let known = FEATURES.iter().find(|known| **known == name);
            let text = || format!("Unknown migration cookie feature {name}");
            cookie.features.push(known.ok_or_else(|| internal(text()))?);
        }
        cookie.graphics = root.child("graphics").map(read_graphics).transpose()?;
        cookie.locks = match root.child("lockstate") {
            None => None,
            Some(node) => {
                let driver = node
                    .attr("driver")
                    .ok_or_else(|| internal("Missing lock driver name in migration cookie"))?;
                Some((driver.to_owned(), node.child_text("leases").filter(|leases| !leases.is_empty())))
            }
        };
        cookie.persistent = match root.child("domain") {
            None => None,
            Some(node) => Some(Box::new(reader.definition(node, STORED)?)),
        };
        for node in root.child("network").into_iter().flat_map(|network| network.children("interface")) {
            let kind = node.attr("vporttype").ok_or_else(|| internal("missing interface type"))?;
            let data = node.child_text("portdata");
            cookie.network.push(Port {
                index: number(node, "index").unwrap_or(0),
                kind: kind.to_owned(),
                data,
            });
        }
        cookie.nbd = root.child("nbd").map(read_nbd).transpose()?;
        if let Some(node) = root.child("statistics") {
            let figure = |name: &&'static str| Some((*name, node.child_text(name)?.trim().parse().ok()?));
            cookie.statistics = STATISTICS.iter().filter_map(figure).collect();
        }
        cookie.cpu = root.child("cpu").and_then(|node| {
            let place = Elements::domain().place("domain/cpu")?;
            let mut tree = place.read(node);
            place.sort(&mut tree);
            Some(tree)
        });
        if let Some(node) = root.child("capabilities") {
            let caps = node.children("cap").map(|cap| {
                let name = cap.attr("name").ok_or_else(|| internal("missing migration capability name"))?;
                Ok((name.to_owned(), cap.attr("auto") == Some("yes")))
            });
            cookie.capabilities = Some(caps.collect::<Result<_>>()?);
        }
        for disk in root.child("blockDirtyBitmaps").into_iter().flat_map(|node| node.children("disk")) {
            let target = disk.attr("target").ok_or_else(|| fault::missing("disk", "target"))?;
            let bitmaps = disk.children("bitmap").map(|node| {
                let text = |name: &str| {
                    node.attr(name).map(str::to_owned).ok_or_else(|| fault::missing("bitmap", name))
                };
                Ok(Bitmap { name: text("name")?, alias: text("alias")?, persistent: None })
            });
            cookie.bitmaps.push((target.to_owned(), bitmaps.collect::<Result<_>>()?));
        }
        Ok(cookie)
    }

    /// The text.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("qemu-migration").children(|w| {
            w.leaf("name", &self.name);
            w.leaf("uuid", self.uuid);
            w.leaf("hostname", &self.hostname);
            w.leaf("hostuuid", self.host_uuid);
            for feature in &self.features {
                w.element("feature").attr("name", feature).empty();
            }
            if let Some(graphics) = &self.graphics {
                write_graphics(graphics, w);
            }
            if let Some((driver, leases)) = &self.locks {
                w.element("lockstate")
                    .attr("driver", driver)
                    .children(|w| w.leaf_opt("leases", leases.as_ref()));
            }
            if let Some(domain) = &self.persistent {
                let flags =
                    FormatFlags { secure: true, inactive: true, migratable: true, ..FormatFlags::default() };
                domain.format_into(w, flags);
            }
            if !self.network.is_empty() {
                w.element("network").children(|w| {
                    for port in &self.network {
                        w.element("interface")
                            .attr("index", port.index)
                            .attr("vporttype", &port.kind)
                            .children(|w| w.leaf_opt("portdata", port.data.as_ref()));
                    }
                });
            }
            if let Some(nbd) = &self.nbd {
                w.element("nbd").attr_opt("port", nbd.port).children(|w| {
                    for (target, capacity) in &nbd.disks {
                        w.element("disk").attr("target", target).attr("capacity", capacity).empty();
                    }
                });
            }
            if !self.statistics.is_empty() {
                w.element("statistics").children(|w| {
                    self.statistics.iter().for_each(|(name, figure)| w.leaf(name, figure));
                });
            }
            if let Some(cpu) = &self.cpu {
                elements::write(cpu, w);
            }
            match self.capabilities.as_deref() {
                None => {}
                // Opened and closed even when there is none.
                Some([]) => w.element("capabilities").text("\n  "),
                Some(caps) => w.element("capabilities").children(|w| {
                    for (name, auto) in caps {
                        let auto = if *auto { "yes" } else { "no" };
                        w.element("cap").attr("name", name).attr("auto", auto).empty();
                    }
                }),
            }
            if !self.bitmaps.is_empty() {
                w.element("blockDirtyBitmaps").children(|w| {
                    for (target, bitmaps) in &self.bitmaps {
                        w.element("disk").attr("target", target).children(|w| {
                            for bitmap in bitmaps {
                                w.element("bitmap")
                                    .attr("name", &bitmap.name)
                                    .attr("alias", &bitmap.alias)
                                    .empty();
                            }
                        });
                    }
                });
            }
        });
        w.finish()
    }
}

/// Where the first screen that is shown over the network is.
fn graphics(domain: &Domain) -> Option<Graphics> {
    let screen =
        domain.all("graphics").find(|graphics| matches!(graphics.attr("type"), Some("spice" | "vnc")))?;
    let port = |name: &str| screen.attr(name).and_then(|port| port.parse().ok());
    let listen =
        screen.child("listen").and_then(|listen| listen.attr("address")).or_else(|| screen.attr("listen"));
    Some(Graphics {
        kind: screen.attr("type").unwrap_or_default().to_owned(),
        port: port("port").unwrap_or(-1),
        listen: listen.unwrap_or_default().to_owned(),
        tls_port: if screen.is("type", "spice") { port("tlsPort").unwrap_or(-1) } else { 0 },
        subject: None,
    })
}

fn read_graphics(node: Node<'_>) -> Result<Graphics> {
    let kind = node.attr("type").ok_or_else(|| internal("missing type attribute in migration data"))?;
    let port = number(node, "port").ok_or_else(|| internal("missing port attribute in migration data"))?;
    let spice = kind == "spice";
    let tls = number(node, "tlsPort");
    if spice && tls.is_none() {
        return Err(internal("missing tlsPort attribute in migration data"));
    }
    let listen = node.attr("listen").ok_or_else(|| internal("missing listen attribute in migration data"))?;
    let subject = node.children("cert").find(|cert| cert.attr("info") == Some("subject"));
    Ok(Graphics {
        kind: kind.to_owned(),
        port,
        listen: listen.to_owned(),
        tls_port: tls.unwrap_or(0),
        subject: subject.and_then(|cert| cert.attr("value")).map(str::to_owned),
    })
}

fn write_graphics(graphics: &Graphics, w: &mut Writer) {
    w.element("graphics")
        .attr("type", &graphics.kind)
        .attr("port", graphics.port)
        .attr("listen", &graphics.listen)
        .attr_if(graphics.kind == "spice", "tlsPort", graphics.tls_port)
        .children(|w| {
            if let Some(subject) = &graphics.subject {
                w.element("cert").attr("info", "subject").attr("value", subject).empty();
            }
        });
}

fn read_nbd(node: Node<'_>) -> Result<Nbd> {
    let port = match node.attr("port") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| internal(format!("Malformed nbd port '{text}'")))?),
    };
    let disks = node.children("disk").map(|disk| {
        let target = disk.attr("target").ok_or_else(|| internal("Malformed disk target"))?;
        let text = disk.attr("capacity").unwrap_or_default();
        let capacity = text.parse().map_err(|_| internal(format!("Malformed disk capacity: '{text}'")))?;
        Ok((target.to_owned(), capacity))
    });
    Ok(Nbd { port, disks: disks.collect::<Result<_>>()? })
}
