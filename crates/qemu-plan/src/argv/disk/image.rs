//! Images of a disk: the one the guest writes to, the ones behind it, and files that hold the data of another.
//!
//! ```text
//! <disk> ─▶ image 1 ─▶ its data file (2) ─▶ <backingStore> image 3 ─▶ …      numbers go down the chain
//! ```

use super::super::Builder;
use super::super::piece::Piece;
use xml::Tree;

/// Where the contents of an image are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location<'d> {
    /// `file`, `block`, `dir`, `network`, `nvme`, `vhostuser`, `vhostvdpa`.
    pub(crate) kind: &'d str,
    /// The element `<source>`.
    pub(crate) source: &'d Tree,
    /// Who is asked for, from the source or the element it stands in.
    pub(crate) auth: Option<&'d Tree>,
    /// How the contents are encrypted.
    pub(crate) encryption: Option<&'d Tree>,
    /// Whom an SSH server is asked as, when the definition does not say.
    pub(crate) login: Option<&'d str>,
    /// An SSH server may have any key.
    pub(crate) any_key: bool,
}

impl<'d> Location<'d> {
    /// The location that an element with a `<source>` names; nothing for an empty drive.
    pub(crate) fn of(holder: &'d Tree) -> Option<Location<'d>> {
        Location::within(holder, holder.attr("type").unwrap_or("file"))
    }

    /// The location of a type that an element with a `<source>` names.
    pub(crate) fn within(holder: &'d Tree, kind: &'d str) -> Option<Location<'d>> {
        let source = holder.child("source")?;
        let named = match kind {
            "file" => source.attr("file").is_some(),
            "block" => source.attr("dev").is_some(),
            "dir" => source.attr("dir").is_some(),
            "network" => source.attr("protocol").is_some(),
            _ => true,
        };
        if !named {
            return None;
        }
        let either = |name: &str| source.child(name).or_else(|| holder.child(name));
        let (auth, encryption) = (either("auth"), either("encryption"));
        Some(Location { auth, encryption, ..Location::plain(kind, source) })
    }

    /// A location that needs nothing but itself.
    pub(crate) fn plain(kind: &'d str, source: &'d Tree) -> Location<'d> {
        Location { kind, source, auth: None, encryption: None, login: None, any_key: false }
    }

    /// The protocol of a network source.
    pub(crate) fn protocol(&self) -> &'d str {
        self.source.attr("protocol").unwrap_or_default()
    }

    /// The program that decrypts: `qemu` or `librbd`.
    pub(crate) fn engine(&self) -> &'d str {
        self.encryption.and_then(|encryption| encryption.attr("engine")).unwrap_or("qemu")
    }
}

/// How an image is read and written; the same for a whole chain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner<'d> {
    /// Cache mode.
    pub(crate) cache: Option<Cache>,
    /// How requests are submitted: `threads`, `native`, `io_uring`.
    pub(crate) aio: Option<&'d str>,
    /// What becomes of discarded blocks: `unmap`, `ignore`.
    pub(crate) discard: Option<&'d str>,
    /// Discarded clusters keep their place.
    pub(crate) discard_no_unref: Option<bool>,
}

/// A cache mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cache {
    /// The host's page cache is passed by.
    pub(crate) direct: bool,
    /// Flushes are ignored.
    pub(crate) no_flush: bool,
    /// The device tells the guest that it has a cache.
    pub(crate) write_back: bool,
}

impl Cache {
    /// The mode of a name; `default` is none.
    pub(crate) fn of(name: &str) -> Option<Cache> {
        let cache = |direct, no_flush, write_back| Some(Cache { direct, no_flush, write_back });
        match name {
            "none" => cache(true, false, true),
            "writethrough" => cache(false, false, false),
            "writeback" => cache(false, false, true),
            "directsync" => cache(true, false, false),
            "unsafe" => cache(false, true, true),
            _ => None,
        }
    }
}

impl<'d> Manner<'d> {
    /// The manner a disk asks for.
    pub(crate) fn of(disk: &'d Tree) -> Manner<'d> {
        let driver = |name: &str| disk.attr_at("driver", name);
        // What others write too must not be kept in this host's cache.
        let shared = disk.child("shareable").is_some() && disk.child("readonly").is_none();
        let cache = match driver("cache") {
            None | Some("default") if shared => Cache::of("none"),
            name => name.and_then(Cache::of),
        };
        Manner {
            cache,
            aio: driver("io"),
            discard: driver("discard"),
            discard_no_unref: super::super::on_off(driver("discard_no_unref")),
        }
    }
}

/// Names of the nodes of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The node that reads the contents from where they are.
    pub storage: String,
    /// The node that cuts a slice out of the contents.
    pub slice: String,
    /// The node that understands the format.
    pub format: String,
}

impl Names {
    /// The names that are made of a word: a number, or `pflash0`.
    pub fn of(word: impl std::fmt::Display) -> Names {
        Names {
            storage: format!("libvirt-{word}-storage"),
            slice: format!("libvirt-{word}-slice-sto"),
            format: format!("libvirt-{word}-format"),
        }
    }
}

/// What is behind an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behind {
    /// The definition does not say; the image itself tells.
    Unsaid,
    /// Nothing.
    Nothing,
    /// A node.
    Node(String),
}

/// Descriptors by which an image's file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Number of the set.
    pub(crate) set: u32,
    /// There is one descriptor only, so that it cannot be opened again in another mode.
    pub(crate) single: bool,
    /// The descriptor may be written to.
    pub(crate) writable: bool,
}

/// An image.
#[derive(Debug, Clone)]
pub(crate) struct Image<'d> {
    pub(crate) names: Names,
    pub(crate) location: Location<'d>,
    /// Format: `raw`, `qcow2` …
    pub(crate) format: &'d str,
    pub(crate) read_only: bool,
    /// A raw image gets a node for its format although that changes nothing.
    pub(crate) dressed: bool,
    pub(crate) manner: Manner<'d>,
    /// Runs of zeroes are looked for: `on`, `unmap`. Only at the top.
    pub(crate) detect_zeroes: Option<&'d str>,
    /// Largest size of the cache of the format's tables, in bytes.
    pub(crate) table_cache: Option<u64>,
    /// Shown to the guest as a floppy disk; matters for folders.
    pub(crate) floppy: bool,
    /// A CD-ROM drive of the host.
    pub(crate) drive: bool,
    /// The guest's own reservations go to this helper.
    pub(crate) reservations: Option<String>,
    pub(crate) opened: Option<Opened>,
    /// Descriptors to hand over before the nodes.
    pub(crate) passed: Vec<Piece>,
    /// The file that holds this image's data.
    pub(crate) data: Option<Box<Image<'d>>>,
    /// The image this one is an overlay of; the flag says that the definition ends the chain here.
    pub(crate) backing: Option<Box<Image<'d>>>,
    pub(crate) ends: bool,
}

impl<'d> Image<'d> {
    /// An image without anything beside or behind it.
    pub(crate) fn plain(names: Names, location: Location<'d>, format: &'d str) -> Image<'d> {
        Image {
            names,
            location,
            format,
            read_only: false,
            dressed: false,
            manner: Manner::default(),
            detect_zeroes: None,
            table_cache: None,
            floppy: false,
            drive: false,
            reservations: None,
            opened: None,
            passed: Vec::new(),
            data: None,
            backing: None,
            ends: false,
        }
    }

    /// Name of the node that reads the contents from where they are.
    pub(crate) fn storage(&self) -> String {
        self.names.storage.clone()
    }

    /// Name of the node that cuts a slice out of the contents.
    pub(crate) fn slice(&self) -> String {
        self.names.slice.clone()
    }

    /// Name of the node that understands the format.
    pub(crate) fn layer(&self) -> String {
        self.names.format.clone()
    }

    /// Encrypted in a way that the emulator decrypts.
    pub(crate) fn locked(&self) -> bool {
        self.location.encryption.is_some() && self.location.engine() == "qemu"
    }

    /// The contents need a node for their format.
    pub(crate) fn needs_layer(&self) -> bool {
        self.format != "raw"
            || self.dressed
            || self.locked()
            || self.opened.is_some_and(|opened| self.read_only && opened.single && opened.writable)
    }

    /// Start and size of the part that is used, in bytes.
    pub(crate) fn part(&self) -> Option<(u64, u64)> {
        let slices = self.location.source.child("slices")?;
        let slice = slices.all("slice").find(|slice| slice.is("type", "storage"))?;
        let number = |name: &str| slice.attr(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Some((number("offset"), number("size")))
    }

    /// Name of the node that others see.
    pub(crate) fn top(&self) -> String {
        if self.needs_layer() {
            self.layer()
        } else if self.part().is_some() {
            self.slice()
        } else {
            self.storage()
        }
    }

    /// What is behind this image.
    pub(crate) fn behind(&self) -> Behind {
        match &self.backing {
            Some(backing) => Behind::Node(backing.top()),
            None if self.ends => Behind::Nothing,
            None => Behind::Unsaid,
        }
    }
}

/// Largest size of the cache of a format's tables below an element, in bytes.
pub(crate) fn table_cache(holder: &Tree) -> Option<u64> {
    let size = holder.at("metadata_cache/max_size")?;
    let number: u64 = size.body().trim().parse().ok()?;
    base::size::scale(number, size.attr("unit").unwrap_or_default(), 1, u64::MAX)
}

/// The chain of images of a disk, its nodes numbered from the builder's next number on. `None` for an empty drive, which
/// takes a number all the same.
pub(crate) fn chain<'d>(b: &mut Builder<'d>, disk: &'d Tree) -> Option<Image<'d>> {
    let Some(location) = Location::of(disk) else {
        b.next_node += 1;
        return None;
    };
    let manner = Manner::of(disk);
    let format = disk.attr_at("driver", "type").unwrap_or("raw");
    let read_only = disk.child("readonly").is_some() || disk.is("device", "cdrom");
    let mut top = numbered(b, location, location.source.attr("index"), format, read_only, manner);
    top.table_cache = disk.child("driver").and_then(table_cache);
    top.floppy = disk.is("device", "floppy");
    let path = location.source.attr("dev").unwrap_or_default();
    top.drive = location.kind == "block"
        && format == "raw"
        && disk.is("device", "cdrom")
        && b.start.host_drives.contains(path);
    top.detect_zeroes = detect_zeroes(disk);
    let floppy = top.floppy;
    top.data.iter_mut().for_each(|data| data.floppy = floppy);
    top.ends = disk.child("backingStore").is_some_and(|store| store.children.is_empty());
    top.backing = behind(b, disk, manner);
    if let Some(reservations) = location.source.child("reservations") {
        let managed = reservations.is("managed", "yes");
        let alias = super::super::alias_of(disk);
        top.reservations = Some(if managed { "pr-helper0".to_owned() } else { format!("pr-helper-{alias}") });
    }
    Some(top)
}

/// How runs of zeroes are looked for.
pub(crate) fn detect_zeroes(disk: &Tree) -> Option<&str> {
    match disk.attr_at("driver", "detect_zeroes") {
        // Without discarding, writing is the only way to make zeroes.
        Some("unmap") if disk.attr_at("driver", "discard") != Some("unmap") => Some("on"),
        other => other,
    }
}

fn numbered<'d>(
    b: &mut Builder<'d>,
    location: Location<'d>,
    stated: Option<&str>,
    format: &'d str,
    read_only: bool,
    manner: Manner<'d>,
) -> Image<'d> {
    // Images of a running guest may have their numbers already.
    let stated = stated.filter(|_| b.pieces.is_some()).and_then(|number| number.parse().ok());
    let number = stated.unwrap_or_else(|| {
        b.next_node += 1;
        b.next_node - 1
    });
    let mut image = Image::plain(Names::of(number), location, format);
    image.read_only = read_only;
    image.dressed = !super::super::ability::bare_raw(b.caps);
    image.manner = manner;
    open(b, &mut image);
    if let Some(store) = location.source.child("dataStore")
        && let Some(location) = Location::of(store)
    {
        let format = store.attr_at("format", "type").unwrap_or("raw");
        image.data = Some(Box::new(numbered(b, location, store.attr("index"), format, read_only, manner)));
    }
    image
}

fn behind<'d>(b: &mut Builder<'d>, holder: &'d Tree, manner: Manner<'d>) -> Option<Box<Image<'d>>> {
    let store = holder.child("backingStore")?;
    let location = Location::of(store)?;
    let format = store.attr_at("format", "type").unwrap_or("raw");
    let mut image = numbered(b, location, store.attr("index"), format, true, manner);
    image.table_cache = store.child("format").and_then(table_cache);
    image.ends = store.child("backingStore").is_some_and(|store| store.children.is_empty());
    image.backing = behind(b, store, manner);
    Some(Box::new(image))
}

/// Takes the descriptors by which a client or the daemon has opened an image.
fn open(b: &mut Builder<'_>, image: &mut Image<'_>) {
    let storage = image.storage();
    if image.location.kind == "vhostvdpa" {
        let device = image.location.source.attr("dev").unwrap_or_default();
        if let Some((piece, path)) = b.pass_as(device, format!("{storage}-vdpa")) {
            image.passed.push(piece);
            let set = path.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(0);
            image.opened = Some(Opened { set, single: true, writable: true });
        }
        return;
    }
    let start = b.start;
    let group = image.location.source.attr("fdgroup").and_then(|name| start.fd_groups.get(name));
    let Some(group) = group else { return };
    let set = b.next_fdset;
    b.next_fdset += 1;
    let passed = |(at, fd): (usize, &i32)| {
        let opaque = format!("{storage}{at}");
        Piece::Passed(super::super::piece::Passed { set, fd: *fd, opaque })
    };
    image.passed.extend(group.fds.iter().enumerate().map(passed));
    image.opened = Some(Opened { set, single: group.fds.len() == 1, writable: group.writable });
}

/// Writes the numbers of images into a definition that is started, as [`chain`] counts them.
pub(crate) fn number(disks: &mut [&mut Tree]) {
    let mut next = 1;
    for disk in disks.iter_mut().rev().filter(|disk| disk.attr_at("target", "bus") != Some("sd")) {
        let named = Location::of(disk).is_some();
        let number = take(&mut next);
        if named {
            number_source(disk, number, &mut next);
            number_behind(disk, &mut next);
        }
        let filters =
            disk.child("throttlefilters").map_or(0, |filters| filters.all("throttlefilter").count());
        next += u32::try_from(filters).unwrap_or(0);
    }
}

fn take(next: &mut u32) -> u32 {
    *next += 1;
    *next - 1
}

fn number_source(holder: &mut Tree, number: u32, next: &mut u32) {
    let Some(source) = holder.child_mut("source") else { return };
    source.set("index", number.to_string());
    if let Some(store) = source.child_mut("dataStore").filter(|store| Location::of(store).is_some()) {
        let number = take(next);
        number_source(store, number, next);
    }
}

fn number_behind(holder: &mut Tree, next: &mut u32) {
    let Some(store) = holder.child_mut("backingStore").filter(|store| Location::of(store).is_some()) else {
        return;
    };
    let number = take(next);
    store.set("index", number.to_string());
    number_source(store, number, next);
    if let Some(source) = store.child_mut("source") {
        source.unset("index");
    }
    number_behind(store, next);
}

/// The image of a disk whose nodes the emulator makes itself; it takes no number.
pub(crate) fn built_in(disk: &Tree) -> Option<Image<'_>> {
    let location = Location::of(disk)?;
    let mut image = Image::plain(Names::of("sd"), location, disk.attr_at("driver", "type").unwrap_or("raw"));
    image.read_only = disk.child("readonly").is_some();
    Some(image)
}
