//! Documents of pools, volumes and interfaces, read and printed in the reference's order.

use base::{Error, ErrorDomain, Result, Uuid};
use xml::{Document, Tree, Writer};

/// Reads a document with this root element.
pub(crate) fn root(text: &str, name: &str, domain: ErrorDomain) -> Result<Tree> {
    let document = Document::parse(text)
        .map_err(|error| conf_domain::fault::malformed(text, &error).in_domain(domain))?;
    let root = document.root();
    if root.name() != name {
        let text = format!("unexpected root element <{}>, expecting <{name}>", root.name());
        return Err(Error::xml(domain, text));
    }
    Ok(Tree::of(root))
}

/// Prints a tree as it is.
pub(crate) fn print(tree: &Tree) -> String {
    let mut w = Writer::new();
    conf_domain::elements::write(tree, &mut w);
    w.finish()
}

/// A text that is not empty.
pub(crate) fn text<'t>(tree: &'t Tree, name: &str) -> Option<&'t str> {
    tree.text_of(name).filter(|text| !text.is_empty())
}

/// A size with its unit.
fn size(tree: &Tree, name: &str) -> Result<Option<u64>> {
    let Some(element) = tree.child(name) else { return Ok(None) };
    let unit = element.attr("unit").unwrap_or("bytes");
    let number = element.body().trim().parse().ok();
    let scaled = number.and_then(|number| base::size::scale(number, unit, 1, u64::MAX));
    scaled.map(Some).ok_or_else(|| Error::xml(ErrorDomain::STORAGE, "malformed capacity element"))
}

/// A storage pool.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) uuid: Uuid,
    pub(crate) kind: String,
    pub(crate) capacity: u64,
    pub(crate) allocation: u64,
    pub(crate) available: u64,
    pub(crate) source: Tree,
    pub(crate) target: Tree,
}

/// Bytes of every pool of this driver.
const POOL_SIZE: u64 = 107_374_182_400;

/// The format that sources of a kind of pool have by default.
fn default_format(kind: &str) -> Option<&'static str> {
    match kind {
        "logical" => Some("lvm2"),
        "netfs" | "fs" => Some("auto"),
        "disk" => Some("unknown"),
        _ => None,
    }
}

const POOL_KINDS: [&str; 14] = [
    "dir",
    "fs",
    "netfs",
    "logical",
    "disk",
    "iscsi",
    "iscsi-direct",
    "scsi",
    "mpath",
    "rbd",
    "sheepdog",
    "gluster",
    "zfs",
    "vstorage",
];

impl Pool {
    pub(crate) fn parse(text_: &str) -> Result<Pool> {
        let tree = root(text_, "pool", ErrorDomain::STORAGE)?;
        Pool::of(tree)
    }

    pub(crate) fn of(mut tree: Tree) -> Result<Pool> {
        let refuse = |text: &str| Error::xml(ErrorDomain::STORAGE, text);
        let kind = tree.attr("type").unwrap_or_default().to_owned();
        if !POOL_KINDS.contains(&kind.as_str()) {
            return Err(Error::internal(ErrorDomain::STORAGE, format!("unknown storage pool type {kind}")));
        }
        let mut source = tree.child("source").cloned().unwrap_or_else(|| Tree::new("source"));
        let own =
            text(&tree, "name").or_else(|| (kind == "logical").then(|| text(&source, "name")).flatten());
        let name = own.map(str::to_owned).ok_or_else(|| refuse("missing pool source name element"))?;
        let uuid = match text(&tree, "uuid") {
            Some(text) => text.parse().map_err(|_| refuse("malformed uuid element"))?,
            None => host::random::uuid(),
        };
        if kind == "logical" && source.child("name").is_none() {
            source.children.push(Tree::leaf("name", name.clone()));
        }
        if let Some(format) = default_format(&kind)
            && source.child("format").is_none()
        {
            source.children.push(Tree::new("format").with("type", format));
        }
        let order =
            ["host", "device", "dir", "adapter", "auth", "name", "initiator", "format", "vendor", "product"];
        let rank = |tree: &Tree| order.iter().position(|name| tree.name == *name).unwrap_or(order.len());
        source.children.sort_by_key(rank);
        let mut target =
            tree.child_mut("target").map_or_else(|| Tree::new("target"), |target| target.clone());
        if kind == "logical" && target.child("path").is_none() {
            target.children.push(Tree::leaf("path", format!("/dev/{name}")));
        }
        let size = POOL_SIZE;
        Ok(Pool { name, uuid, kind, capacity: size, allocation: 0, available: size, source, target })
    }

    pub(crate) fn path(&self) -> &str {
        self.target.text_of("path").unwrap_or_default()
    }

    pub(crate) fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("pool").attr("type", &self.kind).children(|w| {
            w.leaf("name", &self.name);
            w.leaf("uuid", self.uuid);
            w.element("capacity").attr("unit", "bytes").text(self.capacity);
            w.element("allocation").attr("unit", "bytes").text(self.allocation);
            w.element("available").attr("unit", "bytes").text(self.available);
            if self.source.children.is_empty() {
                // This element is opened and closed even when it is empty.
                w.element("source").text("\n  ");
            } else {
                conf_domain::elements::write(&self.source, w);
            }
            if !self.target.children.is_empty() {
                conf_domain::elements::write(&self.target, w);
            }
        });
        w.finish()
    }
}

/// A volume.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) capacity: u64,
    pub(crate) allocation: u64,
    pub(crate) path: String,
    pub(crate) target: Tree,
    pub(crate) backing: Option<Tree>,
}

impl Volume {
    /// Reads a volume's document for a pool.
    pub(crate) fn parse(text_: &str, pool: &Pool) -> Result<Volume> {
        let tree = root(text_, "volume", ErrorDomain::STORAGE)?;
        Volume::of(&tree, pool)
    }

    pub(crate) fn of(tree: &Tree, pool: &Pool) -> Result<Volume> {
        let refuse = |text: &str| Error::xml(ErrorDomain::STORAGE, text);
        let name = text(tree, "name").ok_or_else(|| refuse("missing volume name element"))?.to_owned();
        let capacity = size(tree, "capacity")?.ok_or_else(|| refuse("missing capacity element"))?;
        let allocation = size(tree, "allocation")?.unwrap_or(capacity);
        let path = format!("{}/{name}", pool.path());
        let mut target = Tree::new("target").holding(Tree::leaf("path", path.clone()));
        let given = tree.child("target");
        let format = given.and_then(|t| t.attr_at("format", "type")).unwrap_or("raw").to_owned();
        let blocks = matches!(pool.kind.as_str(), "logical" | "disk" | "iscsi" | "scsi" | "mpath" | "zfs");
        if !blocks {
            target.children.push(Tree::new("format").with("type", format));
        }
        for kept in ["permissions", "encryption", "compat", "features"] {
            if let Some(child) = given.and_then(|target| target.child(kept)) {
                target.children.push(child.clone());
            }
        }
        let kind = if blocks { "block" } else { "file" };
        let backing = tree.child("backingStore").cloned();
        Ok(Volume { name, kind, capacity, allocation, path, target, backing })
    }

    pub(crate) fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("volume").attr("type", self.kind).children(|w| {
            w.leaf("name", &self.name);
            w.leaf("key", &self.path);
            w.element("capacity").attr("unit", "bytes").text(self.capacity);
            w.element("allocation").attr("unit", "bytes").text(self.allocation);
            conf_domain::elements::write(&self.target, w);
            if let Some(backing) = &self.backing {
                conf_domain::elements::write(backing, w);
            }
        });
        w.finish()
    }
}
