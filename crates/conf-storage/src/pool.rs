//! `<pool>`: reading and printing.

use crate::fault::{detail, invalid, unsupported};
use crate::kind::Kind;
use crate::permissions::{Origin, Permissions};
use crate::read::{self, clean};
use crate::source::Source;
use base::{ErrorCode, ErrorDomain, Result, Uuid};
use xml::{Node, Writer};

/// Namespace of options for mounting.
const MOUNT: &str = "http://libvirt.org/schemas/storagepool/fs/1.0";
/// Namespace of options for a cluster.
const CLUSTER: &str = "http://libvirt.org/schemas/storagepool/rbd/1.0";

base::text_enum! {
    /// How the allocation of volumes is found out.
    pub enum RefreshAllocation {
        Default = "default",
        Capacity = "capacity",
    }
}

/// A storage pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Kind.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
    /// Bytes it has; found out, never read from documents.
    pub capacity: u64,
    /// Bytes that are taken.
    pub allocation: u64,
    /// Bytes that are free.
    pub available: u64,
    /// Files are copied when written; `None` leaves it to the file system.
    pub cow: Option<bool>,
    /// Where the storage comes from.
    pub source: Source,
    /// Where volumes appear on this host; empty for those that do not.
    pub path: String,
    /// Who may use the target.
    pub permissions: Permissions,
    /// How the allocation of volumes is found out.
    pub refresh: Option<RefreshAllocation>,
    /// Options for mounting.
    pub mount_options: Vec<String>,
    /// Options for a cluster.
    pub cluster_options: Vec<(String, String)>,
}

fn identity(root: Node<'_>, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Uuid> {
    match read::text(root, "uuid") {
        None => Ok(Uuid::from_random(random())),
        Some(text) => text.parse().map_err(|_| invalid("malformed uuid element")),
    }
}

/// A name that a file can have.
fn usable(name: &str) -> Result<()> {
    if name.contains('\n') {
        return Err(detail(ErrorCode::XML_DETAIL, ErrorDomain::XML, "invalid char in name: \n"));
    }
    if name.contains('/') {
        return Err(invalid(format!("name {name} cannot contain '/'")));
    }
    Ok(())
}

fn mount_options(root: Node<'_>) -> Result<Vec<String>> {
    let Some(options) = root.child_ns(MOUNT, "mount_opts") else { return Ok(Vec::new()) };
    let options = options.elements().filter(|node| node.name() == "option");
    options
        .map(|option| match option.attr("name") {
            None => Err(invalid("no fs mount option name specified")),
            Some("") => Err(invalid("empty fs mount option name specified")),
            Some(name) => Ok(name.to_owned()),
        })
        .collect()
}

fn cluster_options(root: Node<'_>) -> Result<Vec<(String, String)>> {
    let Some(options) = root.child_ns(CLUSTER, "config_opts") else { return Ok(Vec::new()) };
    let options = options.elements().filter(|node| node.name() == "option");
    options
        .map(|option| {
            let name = match option.attr("name") {
                None => return Err(invalid("no rbd option name specified")),
                Some("") => return Err(invalid("empty rbd option name specified")),
                Some(name) => name,
            };
            match option.attr("value") {
                None => Err(invalid(format!("no rbd option value specified for name '{name}'"))),
                Some("") => Err(invalid(format!("empty rbd option value specified for name '{name}'"))),
                Some(value) => Ok((name.to_owned(), value.to_owned())),
            }
        })
        .collect()
}

impl Pool {
    /// Reads a document. `random` gives a UUID when the document has none.
    ///
    /// # Errors
    /// With the reference's words when the text is no XML, no pool, or contradicts itself.
    pub fn parse(text: &str, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Pool> {
        read::with_root(text, "pool", |root| Pool::parse_node(root, Origin::Client, random))
    }

    /// Reads a document that was stored.
    ///
    /// # Errors
    /// As [`Pool::parse`].
    pub fn parse_stored(text: &str, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Pool> {
        read::with_root(text, "pool", |root| Pool::parse_node(root, Origin::Stored, random))
    }

    pub(crate) fn parse_node(
        root: Node<'_>,
        origin: Origin,
        random: &mut dyn FnMut() -> [u8; 16],
    ) -> Result<Pool> {
        let kind: Kind = read::member(root, "type")?.ok_or_else(|| crate::fault::missing("pool", "type"))?;
        let parts = kind.parts();
        let mut source = match root.child("source") {
            Some(node) => Source::parse(node, kind)?,
            None => Source::absent(kind),
        };
        let name = read::text(root, "name").or_else(|| source.name.clone().filter(|_| parts.name));
        let name = name.ok_or_else(|| invalid("missing pool source name element"))?;
        usable(&name)?;
        let uuid = identity(root, random)?;
        let cow = match root.descend("features/cow") {
            Some(cow) => read::yes_no(cow, "state")?,
            None => None,
        };
        if cow.is_some() && !matches!(kind, Kind::Fs | Kind::Dir) {
            let text = "cow feature may only be used for 'fs' and 'dir' pools";
            return Err(detail(ErrorCode::NO_SUPPORT, ErrorDomain::STORAGE, text));
        }
        complete(kind, &mut source, &name)?;
        let refresh = match root.descend("refresh/volume").and_then(|node| node.attr("allocation")) {
            None => None,
            Some(text) => {
                let unknown =
                    || unsupported(format!("unknown storage pool volume refresh allocation type {text}"));
                Some(RefreshAllocation::parse(text).ok_or_else(unknown)?)
            }
        };
        let (mut path, mut permissions) = (String::new(), Permissions::default());
        if !parts.network {
            path = match (kind, &source.name) {
                (Kind::Logical, Some(name)) => format!("/dev/{name}"),
                (Kind::Zfs, Some(name)) => format!("/dev/zvol/{name}"),
                _ => {
                    let path = read::text(root, "target/path");
                    clean(&path.ok_or_else(|| invalid("missing storage pool target path"))?)
                }
            };
            if let Some(node) = root.descend("target/permissions") {
                permissions = Permissions::parse(node, origin)?;
            }
        }
        if kind == Kind::IscsiDirect && source.initiator.is_none() {
            return Err(unsupported("missing initiator IQN"));
        }
        let mounted = matches!(kind, Kind::Fs | Kind::Netfs);
        Ok(Pool {
            kind,
            name,
            uuid,
            capacity: 0,
            allocation: 0,
            available: 0,
            cow,
            source,
            path,
            permissions,
            refresh,
            mount_options: if mounted { mount_options(root)? } else { Vec::new() },
            cluster_options: if kind == Kind::Rbd { cluster_options(root)? } else { Vec::new() },
        })
    }

    /// Prints the document.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    /// Prints the element.
    pub fn write(&self, w: &mut Writer) {
        let element = w.element("pool").attr("type", self.kind);
        let element = element.attr_if(!self.mount_options.is_empty(), "xmlns:fs", MOUNT);
        let element = element.attr_if(!self.cluster_options.is_empty(), "xmlns:rbd", CLUSTER);
        element.children(|w| {
            w.leaf("name", &self.name);
            w.leaf("uuid", self.uuid);
            let sizes =
                [("capacity", self.capacity), ("allocation", self.allocation), ("available", self.available)];
            for (name, bytes) in sizes {
                w.element(name).attr("unit", "bytes").text(bytes);
            }
            if let Some(cow) = self.cow {
                let state = read::yes_no_text(cow);
                w.element("features").children(|w| w.element("cow").attr("state", state).empty());
            }
            self.source.format(w, self.kind);
            if !self.kind.parts().network {
                w.element("target").children(|w| {
                    w.leaf("path", &self.path);
                    self.permissions.format(w);
                });
            }
            if let Some(allocation) = self.refresh {
                w.element("refresh").children(|w| w.element("volume").attr("allocation", allocation).empty());
            }
            if !self.mount_options.is_empty() {
                w.element("fs:mount_opts").children(|w| {
                    self.mount_options
                        .iter()
                        .for_each(|name| w.element("fs:option").attr("name", name).empty());
                });
            }
            if !self.cluster_options.is_empty() {
                w.element("rbd:config_opts").children(|w| {
                    for (name, value) in &self.cluster_options {
                        w.element("rbd:option").attr("name", name).attr("value", value).empty();
                    }
                });
            }
        });
    }
}

/// Fills in what a source of this kind has by itself and refuses one without what it needs.
fn complete(kind: Kind, source: &mut Source, name: &str) -> Result<()> {
    let parts = kind.parts();
    if parts.host && source.hosts.is_empty() {
        return Err(invalid("missing storage pool source host name"));
    }
    if parts.dir && source.dir.is_none() {
        return Err(invalid("missing storage pool source path"));
    }
    if parts.name && source.name.is_none() {
        source.name = Some(name.to_owned());
    }
    if parts.adapter {
        match &source.adapter {
            None => return Err(invalid("missing storage pool source adapter")),
            Some(adapter) => adapter.validate()?,
        }
    }
    if matches!(kind, Kind::Fs | Kind::Disk) && source.devices.is_empty() {
        return Err(invalid("missing storage pool source device name"));
    }
    Ok(())
}
