//! `<volume>`: reading and printing, in the context of its pool.

use crate::encryption::Encryption;
use crate::fault::{invalid, reader, unsupported};
use crate::kind::Kind;
use crate::permissions::{Origin, Permissions};
use crate::read;
use base::Result;
use xml::{Node, Writer};

base::text_enum! {
    /// What a volume is, in the order of the numbers clients see.
    pub enum VolumeType {
        File = "file",
        Block = "block",
        Dir = "dir",
        Network = "network",
        Netdir = "netdir",
        Ploop = "ploop",
    }
}

/// Seconds and nanoseconds since 1970.
pub type Moment = (i64, u32);

/// When a file was read, written and changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// Last reading.
    pub atime: Moment,
    /// Last writing.
    pub mtime: Moment,
    /// Last change of what is known about it.
    pub ctime: Moment,
    /// Birth, where the file system knows it.
    pub btime: Option<Moment>,
}

/// Properties of an image that its format may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features {
    /// Counts of references are written late.
    pub lazy_refcounts: bool,
    /// Clusters have parts of their own.
    pub extended_l2: bool,
    /// The data lie in a file of their own; found out.
    pub data_file: bool,
}

/// The image that a volume is a layer on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backing {
    /// Path.
    pub path: String,
    /// Format, among those of the pool's volumes.
    pub format: Option<&'static str>,
    /// Who may use it.
    pub permissions: Option<Permissions>,
    /// Moments.
    pub timestamps: Option<Timestamps>,
}

/// A piece of a device that a volume lies on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The device.
    pub path: String,
    /// First byte.
    pub start: u64,
    /// Byte behind the last.
    pub end: u64,
}

/// A volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volume {
    /// What it is.
    pub kind: VolumeType,
    /// Name.
    pub name: String,
    /// Identity among all volumes of the host.
    pub key: Option<String>,
    /// Pieces of devices it lies on; found out.
    pub extents: Vec<Extent>,
    /// Bytes a guest sees.
    pub capacity: u64,
    /// Bytes that are taken.
    pub allocation: u64,
    /// Whether the document says how much is to be taken.
    pub has_allocation: bool,
    /// Bytes from beginning to end; found out.
    pub physical: u64,
    /// Where it is.
    pub path: Option<String>,
    /// Format, among those of the pool's volumes.
    pub format: Option<&'static str>,
    /// Who may use it.
    pub permissions: Option<Permissions>,
    /// Moments; found out.
    pub timestamps: Option<Timestamps>,
    /// How it is encrypted.
    pub encryption: Option<Encryption>,
    /// Version of the format.
    pub compat: Option<String>,
    /// Bytes of a cluster, 0 for the usual size.
    pub cluster_size: u64,
    /// Writing does not copy.
    pub nocow: bool,
    /// Properties, when the document speaks of any.
    pub features: Option<Features>,
    /// The image below.
    pub backing: Option<Backing>,
}

/// What a document of a volume may leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ParseFlags {
    /// The capacity comes from elsewhere.
    pub no_capacity: bool,
    /// The same, when there is an image below to take it from.
    pub optional_capacity: bool,
    /// Who wrote the numbers of owners.
    pub origin: Origin,
}

/// The format of an element's child, or the default of the pool's volumes.
fn format(root: Node<'_>, part: &str, kind: Kind) -> Result<Option<&'static str>> {
    let Some(formats) = kind.volume_formats() else { return Ok(None) };
    // Pools that offer nothing still have images of every format.
    let all = if formats.all.is_empty() { crate::format::FILES } else { formats.all };
    let Some(name) = read::below(root, &format!("{part}/format"), "type") else {
        return Ok(Some(formats.default));
    };
    let found = all.iter().find(|format| **format == name && (kind == Kind::Disk || name != "none"));
    found.copied().map(Some).ok_or_else(|| unsupported(format!("unknown volume format type {name}")))
}

fn compat(root: Node<'_>) -> Result<Option<String>> {
    let Some(text) = read::text(root, "target/compat") else { return Ok(None) };
    let well_formed = text.split_once('.').is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit()))
    });
    if well_formed { Ok(Some(text)) } else { Err(invalid("forbidden characters in 'compat' attribute")) }
}

fn features(node: Node<'_>) -> Result<Features> {
    let mut features = Features::default();
    for feature in node.elements() {
        match feature.name() {
            "lazy_refcounts" => features.lazy_refcounts = true,
            "extended_l2" => features.extended_l2 = true,
            name => return Err(unsupported(format!("unsupported feature {name}"))),
        }
    }
    Ok(features)
}

fn cluster_size(root: Node<'_>) -> Result<u64> {
    let Some(element) = root.descend("target/clusterSize") else { return Ok(0) };
    let text = element.text();
    let number = read::decimal(&text).ok_or_else(|| {
        reader(format!("Invalid value '{text}' for element or attribute './target/clusterSize'"))
    })?;
    read::scaled(number, root.descend_attr("target/clusterSize", "unit"))
}

fn permissions(root: Node<'_>, part: &str, flags: ParseFlags) -> Result<Option<Permissions>> {
    let node = root.descend(&format!("{part}/permissions"));
    node.map(|node| Permissions::parse(node, flags.origin)).transpose()
}

fn backing(root: Node<'_>, kind: Kind, flags: ParseFlags) -> Result<Option<Backing>> {
    const PART: &str = "backingStore";
    let Some(path) = read::text(root, "backingStore/path") else { return Ok(None) };
    let permissions = permissions(root, PART, flags)?;
    Ok(Some(Backing { path, format: format(root, PART, kind)?, permissions, timestamps: None }))
}

impl Volume {
    /// A volume of which nothing but its name is known.
    pub fn named(name: &str) -> Volume {
        Volume {
            kind: VolumeType::File,
            name: name.to_owned(),
            key: None,
            extents: Vec::new(),
            capacity: 0,
            allocation: 0,
            has_allocation: false,
            physical: 0,
            path: None,
            format: None,
            permissions: None,
            timestamps: None,
            encryption: None,
            compat: None,
            cluster_size: 0,
            nocow: false,
            features: None,
            backing: None,
        }
    }

    /// Reads a document of a volume for a pool of this kind.
    ///
    /// # Errors
    /// With the reference's words when the text is no XML, no volume, or lacks what it needs.
    pub fn parse(text: &str, kind: Kind, flags: ParseFlags) -> Result<Volume> {
        read::with_root(text, "volume", |root| Volume::parse_node(root, kind, flags))
    }

    fn parse_node(root: Node<'_>, kind: Kind, flags: ParseFlags) -> Result<Volume> {
        let name = read::text(root, "name").ok_or_else(|| invalid("missing volume name element"))?;
        let mut volume = Volume { key: read::text(root, "key"), ..Volume::named(&name) };
        if let Some(text) = root.attr("type").filter(|text| !text.is_empty()) {
            let unknown = || unsupported(format!("unknown volume type '{text}'"));
            volume.kind = VolumeType::parse(text).ok_or_else(unknown)?;
        }
        volume.backing = backing(root, kind, flags)?;
        volume.capacity = match read::size(root, "capacity")? {
            Some(bytes) => bytes,
            None if flags.no_capacity || (flags.optional_capacity && volume.backing.is_some()) => 0,
            None => return Err(invalid("missing capacity element")),
        };
        volume.allocation = match read::size(root, "allocation")? {
            Some(bytes) => {
                volume.has_allocation = true;
                bytes
            }
            None => volume.capacity,
        };
        volume.format = format(root, "target", kind)?;
        volume.read_target(root, flags)?;
        Ok(volume)
    }

    fn read_target(&mut self, root: Node<'_>, flags: ParseFlags) -> Result<()> {
        self.path = read::text(root, "target/path");
        self.permissions = permissions(root, "target", flags)?;
        self.encryption = root.descend("target/encryption").map(Encryption::parse).transpose()?;
        self.compat = compat(root)?;
        self.nocow = root.descend("target/nocow").is_some();
        self.features = root.descend("target/features").map(features).transpose()?;
        if self.features.is_some() && self.compat.is_none() {
            // The first version that has features.
            self.compat = Some("1.1".to_owned());
        }
        self.cluster_size = cluster_size(root)?;
        Ok(())
    }

    /// Prints the document.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("volume").attr("type", self.kind).children(|w| {
            w.leaf("name", &self.name);
            w.leaf_opt("key", self.key.as_ref());
            self.format_extents(w);
            w.element("capacity").attr("unit", "bytes").text(self.capacity);
            w.element("allocation").attr("unit", "bytes").text(self.allocation);
            if self.physical != 0 {
                w.element("physical").attr("unit", "bytes").text(self.physical);
            }
            w.element("target").children_always(|w| self.format_target(w));
            if let Some(backing) = &self.backing {
                w.element("backingStore").children(|w| {
                    w.leaf("path", &backing.path);
                    format_image(
                        w,
                        backing.format,
                        backing.permissions.as_ref(),
                        backing.timestamps.as_ref(),
                    );
                });
            }
        });
        w.finish()
    }

    fn format_extents(&self, w: &mut Writer) {
        if self.extents.is_empty() {
            return;
        }
        w.element("source").children(|w| {
            for pieces in self.extents.chunk_by(|one, other| one.path == other.path) {
                w.element("device").attr_opt("path", pieces.first().map(|piece| &piece.path)).children(|w| {
                    for piece in pieces {
                        w.element("extent").attr("start", piece.start).attr("end", piece.end).empty();
                    }
                });
            }
        });
    }

    fn format_target(&self, w: &mut Writer) {
        w.leaf_opt("path", self.path.as_ref());
        format_image(w, self.format, self.permissions.as_ref(), self.timestamps.as_ref());
        if let Some(encryption) = &self.encryption {
            encryption.format(w);
        }
        w.leaf_opt("compat", self.compat.as_ref());
        if self.cluster_size != 0 {
            w.element("clusterSize").attr("unit", "B").text(self.cluster_size);
        }
        if let Some(features) = self.features {
            w.element("features").children(|w| {
                let all = [
                    ("lazy_refcounts", features.lazy_refcounts),
                    ("extended_l2", features.extended_l2),
                    ("data_file", features.data_file),
                ];
                for (name, on) in all {
                    if on {
                        w.element(name).empty();
                    }
                }
            });
        }
    }
}

fn format_image(
    w: &mut Writer,
    format: Option<&str>,
    permissions: Option<&Permissions>,
    timestamps: Option<&Timestamps>,
) {
    if let Some(format) = format {
        w.element("format").attr("type", format).empty();
    }
    if let Some(permissions) = permissions {
        permissions.format(w);
    }
    if let Some(times) = timestamps {
        w.element("timestamps").children(|w| {
            let moments = [
                ("atime", Some(times.atime)),
                ("mtime", Some(times.mtime)),
                ("ctime", Some(times.ctime)),
                ("btime", times.btime),
            ];
            for (name, moment) in moments {
                let Some((seconds, nanoseconds)) = moment else { continue };
                match nanoseconds {
                    0 => w.leaf(name, seconds),
                    _ => w.leaf(name, format!("{seconds}.{nanoseconds:09}")),
                }
            }
        });
    }
}
