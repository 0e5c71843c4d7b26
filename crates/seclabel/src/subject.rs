//! Files of the host that a guest uses.

use conf_domain::Domain;
use std::collections::BTreeMap;
use xml::Tree;

/// What a file is to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The image a disk writes to.
    Image {
        /// The guest only reads it.
        read_only: bool,
        /// Several guests use it.
        shared: bool,
    },
    /// An image behind another one.
    Behind,
    /// Contents that are only read: a kernel, tables, certificates.
    Content,
    /// Everything else the guest owns: devices, sockets, variables of firmware.
    Owned,
}

impl Role {
    /// Others may use the file at the same time.
    pub fn shared(self) -> bool {
        match self {
            Role::Image { read_only, shared } => read_only || shared,
            Role::Behind | Role::Content => true,
            Role::Owned => false,
        }
    }
}

/// A file with what the definition says about its label.
#[derive(Debug, Clone)]
pub struct Subject<'d> {
    /// Path.
    pub path: String,
    pub role: Role,
    /// Its elements `<seclabel>`.
    pub labels: Vec<&'d Tree>,
    /// Those of the image on top of it.
    pub above: Vec<&'d Tree>,
}

/// What only the host knows.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Files of the host's devices by alias of the guest's: `/dev/vfio/12`, `/dev/bus/usb/001/002`, `/dev/sg0`.
    pub devices: BTreeMap<String, Vec<String>>,
    /// Folders and sockets of TPM emulators by alias.
    pub tpms: BTreeMap<String, Vec<String>>,
    /// Another daemon writes the files of character devices.
    pub logged: bool,
    /// Pipes are a pair of files, as the host has them.
    pub pipes: Vec<String>,
    /// Sockets on which the guest listens exist already.
    pub sockets: Vec<String>,
}

/// Smart cards' certificates when the definition names no folder.
const CERTIFICATES: &str = "/etc/pki/nssdb";

/// The files of a guest, each kind in the order in which they are labelled.
pub fn subjects<'d>(domain: &'d Domain, found: &Found) -> Vec<Subject<'d>> {
    let mut list = List { found, subjects: Vec::new() };
    domain.all("disk").for_each(|disk| list.disk(disk));
    domain.all("hostdev").for_each(|hostdev| list.hostdev(hostdev));
    domain.all("input").for_each(|input| list.input(input));
    domain.all("memory").for_each(|memory| list.memory(memory));
    domain.all("tpm").for_each(|tpm| list.tpm(tpm));
    for kind in ["serial", "parallel", "channel", "console", "redirdev"] {
        domain.all(kind).for_each(|device| list.chardev(device));
    }
    domain.all("rng").filter_map(|rng| rng.child("backend")).for_each(|backend| list.chardev(backend));
    domain.all("smartcard").for_each(|card| list.smartcard(card));
    domain.all("pstore").for_each(|store| list.plain(store.text_of("path"), Role::Owned));
    list.system(&domain.tree);
    list.subjects
}

struct List<'f, 'd> {
    found: &'f Found,
    subjects: Vec<Subject<'d>>,
}

fn labels(holder: Option<&Tree>) -> Vec<&Tree> {
    let children = holder.map_or(&[][..], |holder| &holder.children);
    children.iter().filter(|child| child.name == "seclabel").collect()
}

impl<'d> List<'_, 'd> {
    fn add(&mut self, path: impl Into<String>, role: Role, labels: Vec<&'d Tree>, above: Vec<&'d Tree>) {
        let path = path.into();
        if !path.is_empty() {
            self.subjects.push(Subject { path, role, labels, above });
        }
    }

    fn plain(&mut self, path: Option<&str>, role: Role) {
        self.add(path.unwrap_or_default(), role, Vec::new(), Vec::new());
    }

    /// Files that only the host knows.
    fn of_host(&mut self, paths: Option<&Vec<String>>, role: Role) {
        paths.into_iter().flatten().for_each(|path| self.plain(Some(path), role));
    }

    fn alias(device: &Tree) -> &str {
        device.attr_at("alias", "name").unwrap_or_default()
    }

    fn disk(&mut self, disk: &'d Tree) {
        // Folders are left alone: they may hold what the guest has no business with.
        if disk.is("type", "dir") {
            return;
        }
        let read_only = disk.child("readonly").is_some() || disk.is("device", "cdrom");
        let role = Role::Image { read_only, shared: disk.child("shareable").is_some() };
        let above = labels(disk.child("source"));
        self.image(disk, role, &above);
        if disk.is("type", "nvme") {
            self.of_host(self.found.devices.get(Self::alias(disk)), Role::Owned);
        }
        if let Some(path) = disk.attr_at("source/reservations/source", "path") {
            self.plain(Some(path), Role::Owned);
        }
        let mut behind = disk.child("backingStore");
        while let Some(image) = behind {
            self.image(image, Role::Behind, &above);
            behind = image.child("backingStore");
        }
        if let Some(mirror) = disk.child("mirror") {
            self.image(mirror, Role::Image { read_only: false, shared: false }, &above);
        }
    }

    /// An image and the file that holds its data.
    fn image(&mut self, holder: &'d Tree, role: Role, above: &[&'d Tree]) {
        let Some(source) = holder.child("source") else { return };
        let path = match holder.attr("type").unwrap_or("file") {
            "file" => source.attr("file"),
            "block" | "vhostvdpa" => source.attr("dev"),
            "vhostuser" => source.attr("path"),
            _ => None,
        };
        self.add(path.unwrap_or_default(), role, labels(Some(source)), above.to_vec());
        if let Some(store) = source.child("dataStore") {
            self.image(store, role, above);
        }
    }

    fn hostdev(&mut self, hostdev: &'d Tree) {
        let source = hostdev.child("source");
        let path = match hostdev.attr("type") {
            Some("storage") => source.and_then(|source| source.text_of("block")),
            Some("misc") => source.and_then(|source| source.text_of("char")),
            _ => None,
        };
        self.plain(path, Role::Owned);
        let scsi = hostdev.is("type", "scsi");
        let read_only = scsi && hostdev.child("readonly").is_some();
        let shared = scsi && hostdev.child("shareable").is_some();
        let role = if read_only || shared { Role::Image { read_only, shared } } else { Role::Owned };
        self.of_host(self.found.devices.get(Self::alias(hostdev)), role);
    }

    fn input(&mut self, input: &'d Tree) {
        if input.is("type", "passthrough") {
            self.plain(input.attr_at("source", "evdev"), Role::Owned);
        } else if input.is("type", "evdev") {
            self.plain(input.attr_at("source", "dev"), Role::Owned);
        }
    }

    fn memory(&mut self, memory: &'d Tree) {
        match memory.attr("model") {
            Some("nvdimm" | "virtio-pmem") => {
                self.plain(memory.at("source/path").map(Tree::body), Role::Owned);
            }
            Some("sgx-epc") => {
                self.plain(Some("/dev/sgx_vepc"), Role::Owned);
                self.plain(Some("/dev/sgx_provision"), Role::Owned);
            }
            _ => {}
        }
    }

    fn tpm(&mut self, tpm: &'d Tree) {
        let Some(backend) = tpm.child("backend") else { return };
        match backend.attr("type") {
            Some("passthrough") => {
                let device = backend.attr_at("device", "path").unwrap_or("/dev/tpm0");
                self.plain(Some(device), Role::Owned);
            }
            Some("external") => {
                let source = backend.child("source");
                let path = source.and_then(|source| source.attr("path")).unwrap_or_default();
                self.add(path, Role::Owned, labels(source), Vec::new());
            }
            _ => {}
        }
        self.of_host(self.found.tpms.get(Self::alias(tpm)), Role::Owned);
    }

    fn chardev(&mut self, device: &'d Tree) {
        // A console that stands for a serial port is that port.
        if device.name == "console" && device.attr_at("target", "type").is_none_or(|kind| kind == "serial") {
            return;
        }
        let source = device.child("source");
        let path = source.and_then(|source| source.attr("path")).unwrap_or_default();
        let own = labels(source);
        match device.attr("type").or_else(|| device.attr("model")).unwrap_or_default() {
            "file" if self.found.logged => {}
            "dev" | "file" => self.add(path, Role::Owned, own, Vec::new()),
            "pipe" => {
                let ends = [format!("{path}.in"), format!("{path}.out")];
                if ends.iter().all(|end| self.found.pipes.contains(end)) {
                    ends.into_iter().for_each(|end| self.add(end, Role::Owned, own.clone(), Vec::new()));
                } else {
                    self.add(path, Role::Owned, own, Vec::new());
                }
            }
            "unix" => {
                // The emulator makes the socket on which it listens; it does not exist before.
                let listens = source.is_some_and(|source| source.is("mode", "bind"));
                if !listens || self.found.sockets.iter().any(|known| known == path) {
                    self.add(path, Role::Owned, own, Vec::new());
                }
            }
            _ => {}
        }
    }

    fn smartcard(&mut self, card: &'d Tree) {
        match card.attr("mode") {
            Some("host-certificates") => {
                self.plain(card.text_of("database").or(Some(CERTIFICATES)), Role::Content);
            }
            Some("passthrough") => self.chardev(card),
            _ => {}
        }
    }

    fn system(&mut self, domain: &'d Tree) {
        let os = domain.child("os");
        let text = |name: &str| os.and_then(|os| os.text_of(name));
        if let Some(nvram) = os.and_then(|os| os.child("nvram")) {
            match nvram.child("source") {
                Some(source) => self.image(nvram, Role::Owned, &labels(Some(source))),
                None => self.plain(Some(nvram.body()), Role::Owned),
            }
        }
        for name in ["kernel", "initrd", "dtb", "shim"] {
            self.plain(text(name), Role::Content);
        }
        let tables = os.and_then(|os| os.child("acpi")).into_iter().flat_map(|acpi| acpi.all("table"));
        tables.for_each(|table| self.plain(Some(table.body()), Role::Content));
        for info in domain.children.iter().filter(|child| child.name == "sysinfo") {
            info.all("entry").for_each(|entry| self.plain(entry.attr("file"), Role::Content));
        }
    }
}
