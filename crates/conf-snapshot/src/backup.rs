//! `<domainbackup>`: a copy of disks at one time, written out (push) or offered over NBD (pull).

use crate::align::{GuestDisk, position};
use crate::fault::{self, Kind};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, device, elements};
use xml::{Document, Node, Tree, Writer};

const KIND: Kind = Kind::Backup;

/// Who moves the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// The emulator writes it into files.
    #[default]
    Push,
    /// A client fetches it from a server inside the emulator.
    Pull,
}

impl Mode {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Push => "push",
            Mode::Pull => "pull",
        }
    }

    /// Name of the element that holds a disk's file: the copy, or what the guest overwrites meanwhile.
    fn store(self) -> &'static str {
        match self {
            Mode::Push => "target",
            Mode::Pull => "scratch",
        }
    }
}

/// States of a disk's part of the job; only in the driver's own documents.
const STATES: &[&str] = &["none", "running", "complete", "failed", "cancelling", "cancelled"];

/// Formats of files.
const FORMATS: &[&str] = &[
    "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow",
    "qcow2", "qed", "vmdk",
];

/// A disk in a backup.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BackupDisk {
    /// Target of the disk.
    pub name: String,
    /// Whether it is part of the backup.
    pub backup: bool,
    /// How far it is.
    pub state: Option<String>,
    /// Type of its file: `file` or `block`.
    pub kind: Option<String>,
    /// Whether all of it is copied (`full`) or what changed since a checkpoint (`incremental`).
    pub mode: Option<String>,
    /// The checkpoint.
    pub incremental: Option<String>,
    /// Name under which the server offers it.
    pub export_name: Option<String>,
    /// Name under which the server offers the map of what changed.
    pub export_bitmap: Option<String>,
    /// Number of the file among the guest's images, while the job runs.
    pub index: Option<u32>,
    /// `<driver>` with the format of the file.
    pub driver: Option<Tree>,
    /// `<target>` or `<scratch>`.
    pub store: Option<Tree>,
}

/// A backup.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backup {
    /// Who moves the data.
    pub mode: Mode,
    /// Checkpoint from which on changes are copied.
    pub incremental: Option<String>,
    /// `<server>`: where a pulling client finds the data.
    pub server: Option<Tree>,
    /// Disks.
    pub disks: Vec<BackupDisk>,
    /// Alias of the emulator's object with the key of TLS; only in the driver's own documents.
    pub tls_secret: Option<String>,
    /// Alias of the emulator's object for TLS.
    pub tls_object: Option<String>,
}

impl Backup {
    /// Reads a document; with `internal` also what only the driver writes.
    ///
    /// # Errors
    /// With the reference's words. Documents of clients are always held against their schema.
    pub fn parse(text: &str, internal: bool) -> Result<Backup> {
        let document = Document::parse(text).map_err(|error| fault::malformed(KIND, text, &error))?;
        let root = document.root();
        if root.name() != "domainbackup" {
            return Err(fault::root("domainbackup", root.name()));
        }
        // The driver's own documents hold more than the schema knows.
        if !internal {
            schema::validate(schema::Kind::DomainBackup, root)?;
        }
        Backup::read(root, internal)
    }

    /// Reads the element inside a larger document.
    ///
    /// # Errors
    /// As [`Backup::parse`].
    pub fn read(root: Node<'_>, internal: bool) -> Result<Backup> {
        let mode = match root.attr("mode") {
            None | Some("push") => Mode::Push,
            Some("pull") => Mode::Pull,
            Some(other) => return Err(KIND.invalid(format!("unknown backup mode '{other}'"))),
        };
        let mut backup = Backup {
            mode,
            incremental: root.child_text("incremental").filter(|name| !name.is_empty()),
            ..Backup::default()
        };
        if let Some(node) = root.child("server") {
            if mode != Mode::Pull {
                return Err(KIND.unsupported("use of <server> requires pull mode backup"));
            }
            backup.server = Some(server(node)?);
        }
        for node in root.child("disks").into_iter().flat_map(|disks| disks.children("disk")) {
            backup.disks.push(disk(node, mode, internal)?);
        }
        if internal {
            let objects = root.descend("privateData/objects");
            let alias = |name: &str| objects.and_then(|o| o.child(name)?.attr("alias")).map(str::to_owned);
            backup.tls_secret = alias("secret");
            backup.tls_object = alias("TLSx509");
        }
        Ok(backup)
    }

    /// Aligns with the definition: without any disk named, all that can be written are copied. `suffix` is put behind
    /// the names of disks whose copies have no place of their own.
    ///
    /// # Errors
    /// When a disk is named twice or is not there, when a place cannot be made up, or a checkpoint is missing.
    pub fn align(&mut self, domain: &Domain, suffix: &str) -> Result<()> {
        let guests = GuestDisk::all(domain);
        let all = self.disks.is_empty();
        let mut seen = vec![false; guests.len()];
        for disk in &mut self.disks {
            let at = position(&guests, &disk.name);
            let Some((guest, seen)) = at.and_then(|at| Some((*guests.get(at)?, seen.get_mut(at)?))) else {
                return Err(KIND.unsupported(format!("no disk named '{}'", disk.name)));
            };
            if std::mem::replace(seen, true) {
                return Err(KIND.unsupported(format!("disk '{}' specified twice", disk.name)));
            }
            if disk.backup && guest.is_empty() {
                return Err(KIND.unsupported(format!("disk '{}' has no media", disk.name)));
            }
            disk.name = guest.target.to_owned();
            settle(disk, guest, self.mode, suffix)?;
        }
        for (guest, _) in guests.iter().zip(seen).filter(|(_, seen)| !seen) {
            let backup = all && !guest.is_empty() && !guest.is_readonly();
            let mut disk = BackupDisk { name: guest.target.to_owned(), backup, ..BackupDisk::default() };
            settle(&mut disk, *guest, self.mode, suffix)?;
            self.disks.push(disk);
        }
        for disk in self.disks.iter_mut().filter(|disk| disk.backup) {
            let since = disk.incremental.clone().or_else(|| self.incremental.clone());
            let word = if since.is_some() { "incremental" } else { "full" };
            if disk.mode.get_or_insert_with(|| word.to_owned()) == "full" {
                continue;
            }
            disk.incremental = since;
            if disk.incremental.is_none() {
                return Err(KIND.unsupported(format!(
                    "'incremental' backup mode of disk '{}' requires setting 'incremental' field for disk or backup",
                    disk.name
                )));
            }
        }
        Ok(())
    }

    /// The document.
    pub fn format(&self, internal: bool) -> String {
        let mut w = Writer::new();
        self.write(internal, &mut w);
        w.finish()
    }

    /// The document as part of another.
    pub fn write(&self, internal: bool, w: &mut Writer) {
        w.element("domainbackup").attr("mode", self.mode.word()).children(|w| {
            w.leaf_opt("incremental", self.incremental.as_ref());
            if let Some(server) = &self.server {
                elements::write(server, w);
            }
            if !self.disks.is_empty() {
                w.element("disks").children(|w| {
                    self.disks.iter().for_each(|disk| disk.write(internal, w));
                });
            }
            if internal && (self.tls_secret.is_some() || self.tls_object.is_some()) {
                w.element("privateData").children(|w| {
                    w.element("objects").children(|w| {
                        if let Some(alias) = &self.tls_secret {
                            w.element("secret").attr("type", "tlskey").attr("alias", alias).empty();
                        }
                        if let Some(alias) = &self.tls_object {
                            w.element("TLSx509").attr("alias", alias).empty();
                        }
                    });
                });
            }
        });
    }
}

/// Reads `<server>`: a host with its transport, as images on the network have them, and whether TLS is used.
fn server(node: Node<'_>) -> Result<Tree> {
    let mut tree = read("domainbackup/server", node, false);
    if let Some(word) = tree.attr("tls").filter(|word| !matches!(*word, "yes" | "no")) {
        return Err(conf_domain::fault::attribute("server", "tls", word));
    }
    match tree.attr("transport") {
        None => tree.set("transport", "tcp"),
        Some("tcp" | "unix" | "fd") => {}
        Some(other) => return Err(KIND.unsupported(format!("unknown backup server transport '{other}'"))),
    }
    match tree.attr("transport") {
        Some("unix") if tree.attr("socket").is_none() => {
            return Err(KIND.invalid("missing socket for unix transport"));
        }
        Some("fd") if tree.attr("fdgroup").is_none() => {
            return Err(KIND.invalid("missing fdgroup for fd transport"));
        }
        Some("tcp") => {
            let port = tree.attr("port").filter(|port| port.parse::<u64>().is_ok_and(|port| port > 65535));
            if let Some(port) = port {
                let text = format!("port '{port}' out of range");
                return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text));
            }
        }
        _ => {}
    }
    elements::Elements::domain()
        .place("domainbackup/server")
        .into_iter()
        .for_each(|place| place.sort(&mut tree));
    Ok(tree)
}

fn read(path: &str, node: Node<'_>, internal: bool) -> Tree {
    let place = elements::Elements::domain().place(path);
    place
        .map(|place| {
            let mut tree = if internal { place.read_all(node) } else { place.read(node) };
            place.sort(&mut tree);
            tree
        })
        .unwrap_or_default()
}

fn disk(node: Node<'_>, mode: Mode, internal: bool) -> Result<BackupDisk> {
    let mut tree = read("domainbackup/disks/disk", node, internal);
    let text = |name: &str| node.attr(name).map(str::to_owned);
    let Some(name) = text("name") else {
        return Err(KIND.invalid("missing name from disk backup element"));
    };
    let mut disk = BackupDisk { name, backup: true, ..BackupDisk::default() };
    match node.attr("backup") {
        None | Some("yes") => {}
        Some("no") => {
            disk.backup = false;
            return Ok(disk);
        }
        Some(other) => return Err(conf_domain::fault::attribute("disk", "backup", other)),
    }
    disk.mode = text("backupmode");
    if let Some(word) = disk.mode.as_deref().filter(|word| !matches!(*word, "full" | "incremental")) {
        return Err(conf_domain::fault::attribute("disk", "backupmode", word));
    }
    disk.incremental = text("incremental");
    disk.index = text("index").filter(|_| internal).and_then(|index| index.parse().ok());
    if mode == Mode::Pull {
        disk.export_name = text("exportname");
        disk.export_bitmap = text("exportbitmap");
    }
    if internal {
        match node.attr("state") {
            Some(word) if STATES.contains(&word) => disk.state = Some(word.to_owned()),
            Some(word) => {
                return Err(KIND.internal(format!("disk '{}' backup state wrong: {word}", disk.name)));
            }
            None => return Err(KIND.internal(format!("missing state of disk '{}'", disk.name))),
        }
    }
    if let Some(word) = node.attr("type").filter(|word| !matches!(*word, "file" | "block")) {
        return Err(KIND.unsupported(format!("unsupported disk backup type '{word}'")));
    }
    let kind = text("type").unwrap_or_else(|| "file".to_owned());
    if tree.attr_at("driver", "type") == Some("luks") {
        return Err(Error::xml(ErrorDomain::DOMAIN, "unknown storage source format 'luks'"));
    }
    if let Some(format) = tree.attr_at("driver", "type").filter(|format| !FORMATS.contains(format)) {
        return Err(KIND.unsupported(format!("unknown disk backup driver '{format}'")));
    }
    disk.driver = tree.child("driver").filter(|driver| driver.attr("type").is_some()).cloned();
    if let Some(store) = tree.child_mut(mode.store()) {
        store.name = "source".into();
        device::storage(&mut tree, &kind)?;
        if let Some(store) = tree.child_mut("source") {
            store.name = mode.store().into();
            disk.store = Some(store.clone());
        }
    }
    disk.kind = Some(kind);
    Ok(disk)
}

/// Gives a disk that is copied the place of its copy.
fn settle(disk: &mut BackupDisk, guest: GuestDisk<'_>, mode: Mode, suffix: &str) -> Result<()> {
    if !disk.backup {
        return Ok(());
    }
    let named = disk.store.as_ref().is_some_and(|store| store.attr("file").or(store.attr("dev")).is_some());
    if !named {
        let path = guest.path().filter(|_| guest.kind() == "file");
        let Some(path) = path else {
            return Err(KIND.unsupported(format!("refusing to generate file name for disk '{}'", disk.name)));
        };
        disk.kind = Some("file".to_owned());
        let store = disk.store.get_or_insert_with(|| Tree::new(mode.store()));
        store.attrs.clear();
        store.set("file", format!("{path}.{suffix}"));
    }
    Ok(())
}

impl BackupDisk {
    fn write(&self, internal: bool, w: &mut Writer) {
        let element =
            w.element("disk").attr("name", &self.name).attr("backup", if self.backup { "yes" } else { "no" });
        if !self.backup {
            return element.empty();
        }
        element
            .attr_opt("state", self.state.as_ref().filter(|_| internal))
            .attr_opt("type", self.kind.as_ref())
            .attr_opt("backupmode", self.mode.as_ref())
            .attr_opt("incremental", self.incremental.as_ref())
            .attr_opt("exportname", self.export_name.as_ref())
            .attr_opt("exportbitmap", self.export_bitmap.as_ref())
            .attr_opt("index", self.index)
            .children(|w| {
                if let Some(driver) = &self.driver {
                    elements::write(driver, w);
                }
                if let Some(store) = &self.store {
                    let mut store = store.clone();
                    let place = elements::Elements::domain().place("storage-source");
                    if let Some(place) = place.filter(|_| !internal) {
                        place.strip(&mut store);
                    }
                    elements::write(&store, w);
                }
            });
    }
}
