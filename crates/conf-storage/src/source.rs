//! `<source>`: where a pool's storage comes from.

use crate::adapter::Adapter;
use crate::auth::Auth;
use crate::fault::{detail, invalid, number, unsupported};
use crate::kind::Kind;
use crate::read::{self, clean};
use base::{ErrorCode, ErrorDomain, Result};
use xml::{Node, Writer};

/// A machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// Port, 0 for the usual one.
    pub port: i32,
}

/// A device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Path, or the name of an iSCSI target.
    pub path: String,
    /// A `p` stands between the name of a disk and the number of its partition.
    pub part_separator: Option<bool>,
    /// Room for partitions: start and end in bytes. Found out, never read from documents.
    pub free: Vec<(u64, u64)>,
}

/// Where storage comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Machines.
    pub hosts: Vec<Host>,
    /// Devices.
    pub devices: Vec<Device>,
    /// A folder there.
    pub dir: Option<String>,
    /// A bus adapter.
    pub adapter: Option<Adapter>,
    /// A name there.
    pub name: Option<String>,
    /// Our name there.
    pub initiator: Option<String>,
    /// Who we are there.
    pub auth: Option<Auth>,
    /// Format, among those of the kind.
    pub format: Option<&'static str>,
    /// Who made it.
    pub vendor: Option<String>,
    /// What they call it.
    pub product: Option<String>,
    /// Version of the protocol spoken there.
    pub protocol: Option<String>,
}

fn host(node: Node<'_>) -> Result<Host> {
    let name = node.attr("name").ok_or_else(|| invalid("missing storage pool host name"))?.to_owned();
    let port = match node.attr("port") {
        None => 0,
        Some(text) => text.trim_ascii_start().parse().map_err(|_| number("host", "port", text, "integer"))?,
    };
    Ok(Host { name, port })
}

fn device(node: Node<'_>) -> Result<Device> {
    let path = node.attr("path").ok_or_else(|| invalid("missing storage pool source device path"))?;
    let part_separator = read::yes_no(node, "part_separator")?;
    Ok(Device { path: path.to_owned(), part_separator, free: Vec::new() })
}

/// The format of this name, or the default of the kind.
fn format(kind: Kind, name: Option<&str>) -> Result<Option<&'static str>> {
    let Some(formats) = kind.source_formats() else { return Ok(None) };
    let Some(name) = name else { return Ok(Some(formats.default)) };
    let found = formats.all.iter().find(|format| **format == name);
    found.copied().map(Some).ok_or_else(|| unsupported(format!("unknown pool format type {name}")))
}

impl Source {
    /// What counts when a document has no source.
    pub fn absent(kind: Kind) -> Source {
        Source { format: kind.source_formats().map(|formats| formats.default), ..Source::default() }
    }

    /// Reads the element.
    ///
    /// # Errors
    /// When a part is missing or unknown.
    pub fn parse(node: Node<'_>, kind: Kind) -> Result<Source> {
        let name = read::text(node, "name");
        if kind == Kind::Rbd && name.is_none() {
            return Err(invalid("element 'name' is mandatory for RBD pool"));
        }
        let format = format(kind, read::below(node, "format", "type").as_deref())?;
        let hosts = node.children("host").map(host).collect::<Result<_>>()?;
        let initiator = read::below(node, "initiator/iqn", "name");
        let devices = node.children("device").map(device).collect::<Result<_>>()?;
        let mut dir = read::below(node, "dir", "path");
        match kind {
            // The root of a volume stands for itself.
            Kind::Gluster if dir.is_none() => dir = Some("/".to_owned()),
            Kind::Netfs => dir = dir.as_deref().map(clean),
            _ => {}
        }
        let protocol = read::below(node, "protocol", "ver");
        if let Some(version) = &protocol {
            if let Some(format) = format.filter(|format| !matches!(*format, "auto" | "nfs")) {
                let text = format!("storage pool protocol ver unsupported for pool type '{format}'");
                return Err(unsupported(text));
            }
            if version.contains(',') {
                let text = format!("storage pool protocol ver '{version}' must not contain ','");
                return Err(detail(ErrorCode::XML_DETAIL, ErrorDomain::STORAGE, text));
            }
        }
        let adapter = node.child("adapter").map(Adapter::parse).transpose()?.flatten();
        let auth = node.child("auth").map(Auth::parse).transpose()?;
        if auth.as_ref().is_some_and(|auth| auth.kind.is_none()) {
            return Err(unsupported("storage pool missing auth type"));
        }
        let (vendor, product) = (read::below(node, "vendor", "name"), read::below(node, "product", "name"));
        Ok(Source { hosts, devices, dir, adapter, name, initiator, auth, format, vendor, product, protocol })
    }

    /// Reads a document that consists of a source, as clients give it to look for more.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse_document(text: &str, kind: Kind) -> Result<Source> {
        read::with_root(text, "source", |root| Source::parse(root, kind))
    }

    /// Prints the element.
    pub fn format(&self, w: &mut Writer, kind: Kind) {
        let parts = kind.parts();
        w.element("source").children_always(|w| {
            if parts.host {
                for host in &self.hosts {
                    let element = w.element("host").attr("name", &host.name);
                    element.attr_if(host.port != 0, "port", host.port).empty();
                }
            }
            if parts.device {
                for device in &self.devices {
                    let separator = device.part_separator.map(read::yes_no_text);
                    let element = w.element("device").attr("path", &device.path);
                    element.attr_opt("part_separator", separator).children(|w| {
                        for (start, end) in &device.free {
                            w.element("freeExtent").attr("start", start).attr("end", end).empty();
                        }
                    });
                }
            }
            if let Some(dir) = self.dir.as_ref().filter(|_| parts.dir) {
                w.element("dir").attr("path", dir).empty();
            }
            if let Some(adapter) = self.adapter.as_ref().filter(|_| parts.adapter) {
                adapter.format(w);
            }
            if parts.name {
                w.leaf_opt("name", self.name.as_ref());
            }
            if let Some(name) = self.initiator.as_ref().filter(|_| parts.initiator) {
                w.element("initiator").children(|w| w.element("iqn").attr("name", name).empty());
            }
            if let Some(format) = self.format {
                w.element("format").attr("type", format).empty();
            }
            if let Some(auth) = &self.auth {
                auth.format(w);
            }
            for (name, value) in [("vendor", &self.vendor), ("product", &self.product)] {
                if let Some(value) = value {
                    w.element(name).attr("name", value).empty();
                }
            }
            if let Some(version) = &self.protocol {
                w.element("protocol").attr("ver", version).empty();
            }
        });
    }
}

/// Prints the document that answers a search.
pub fn format_list(kind: Kind, sources: &[Source]) -> String {
    let mut w = Writer::new();
    w.element("sources").children_always(|w| sources.iter().for_each(|source| source.format(w, kind)));
    w.finish()
}
