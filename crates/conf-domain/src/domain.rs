//! `<domain>`: reading, identity, printing.

use crate::elements::{self, Elements, Place};
use crate::fault::{self, internal, invalid, unsupported};
use crate::{FormatFlags, ParseFlags, checks, device, foreign, section, values};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::{Document, Node, Tree, Trees, Writer};

/// Kinds of virtualization a document may ask for.
const TYPES: &[&str] = &[
    "none",
    "qemu",
    "kqemu",
    "kvm",
    "xen",
    "lxc",
    "uml",
    "openvz",
    "test",
    "vmware",
    "hyperv",
    "vbox",
    "phyp",
    "parallels",
    "bhyve",
    "vz",
    "hvf",
];

/// Namespaces of drivers: prefix and URI.
const EXTENSIONS: &[(&str, &str)] = &[
    ("qemu", "http://libvirt.org/schemas/domain/qemu/1.0"),
    ("lxc", "http://libvirt.org/schemas/domain/lxc/1.0"),
    ("bhyve", "http://libvirt.org/schemas/domain/bhyve/1.0"),
    ("xen", "http://libvirt.org/schemas/domain/xen/1.0"),
    ("vmware", "http://libvirt.org/schemas/domain/vmware/1.0"),
];

/// Most documents are not longer than so many bytes.
const USUAL_LENGTH: usize = 8 << 10;

/// A definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// Run-time number of a running domain.
    pub id: Option<i32>,
    /// Name.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
    /// All elements that are the document's own, with name and UUID taken out.
    pub tree: Tree,
    /// Children of `<metadata>`: namespace and text at the left margin.
    pub metadata: Vec<(String, String)>,
    /// Namespaces that `<metadata>` declares for them: prefix (empty for what has none) and URI.
    pub metadata_spaces: Vec<(String, String)>,
    /// Extensions of drivers: prefix, element as printed at the first level, and as a tree.
    pub extensions: Vec<Extension>,
}

/// An element in a driver's namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Extension {
    /// Prefix of the namespace, e.g. `qemu`.
    pub prefix: &'static str,
    /// Text, indented by one level.
    pub text: String,
    /// Content without namespaces.
    pub tree: Tree,
}

fn copy_extension(node: Node<'_>) -> Tree {
    Tree {
        name: node.name().into(),
        attrs: node.attrs().map(|(_, name, value)| (name, value)).collect(),
        children: node.elements().map(copy_extension).collect(),
        text: if node.elements().next().is_none() { Some(node.text()) } else { None },
    }
}

impl Domain {
    /// Reads a document. `random` gives UUIDs and MAC addresses that the document leaves out.
    ///
    /// # Errors
    /// With the reference's words when the text is no XML, no domain, or contradicts itself.
    pub fn parse(text: &str, flags: ParseFlags, random: &mut dyn FnMut() -> [u8; 16]) -> Result<Domain> {
        let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
        let root = document.root();
        if root.name() != "domain" {
            let text = format!("expecting root element of 'domain', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        Domain::parse_node(root, flags, random)
    }

    /// Reads a `<domain>` element of a larger document.
    ///
    /// # Errors
    /// As [`Domain::parse`].
    pub fn parse_node(
        root: Node<'_>,
        flags: ParseFlags,
        random: &mut dyn FnMut() -> [u8; 16],
    ) -> Result<Domain> {
        let place = place("domain");
        let mut tree = if flags.status { place.read_all(root) } else { place.read(root) };
        let kind = tree.word("type");
        if tree.attr("type").is_some() && !TYPES.contains(&kind.as_str()) {
            return Err(unsupported(format!("invalid domain type {kind}")));
        }
        let id = tree.attr("id").and_then(|id| id.parse().ok()).filter(|_| !flags.inactive);
        tree.unset("id");
        let name = tree.text_of("name").unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(Error::from_fields(base::error::Fields {
                message: "missing name information".to_owned(),
                ..Error::new(ErrorCode::NO_NAME, ErrorDomain::DOMAIN, "").into_fields()
            }));
        }
        let uuid = match tree.text_of("uuid") {
            None => Uuid::from_random(random()),
            Some(text) => text.parse().map_err(|_| internal("malformed uuid element"))?,
        };
        if kind.is_empty() {
            return Err(fault::missing("domain", "type"));
        }
        match tree.child_mut("genid") {
            Some(genid) if genid.body().trim().is_empty() => {
                genid.text = Some(Uuid::from_random(random()).to_string());
            }
            Some(genid) => {
                let uuid: Uuid = genid.body().parse().map_err(|_| internal("malformed genid element"))?;
                genid.text = Some(uuid.to_string());
            }
            None => {}
        }
        section::kind(&mut tree)?;
        if tree.text_of("title").is_some_and(|title| title.contains('\n')) {
            return Err(invalid("Domain title can't contain newlines"));
        }
        if name.contains('\n') {
            return Err(Error::new(ErrorCode::XML_DETAIL, ErrorDomain::XML, "invalid char in name: \n"));
        }
        for name in ["name", "uuid", "metadata"] {
            tree.remove(name);
        }
        let features = place.child("features");
        for feature in root.elements().filter(|node| node.name() == "features").flat_map(Node::elements) {
            if features.is_some_and(|features| features.child(feature.name()).is_none()) {
                return Err(unsupported(format!("unexpected feature '{}'", feature.name())));
            }
        }
        for (name, text) in [
            ("resource", "only one resource element is supported"),
            ("numatune", "only one numatune is supported"),
        ] {
            if root.elements().filter(|node| node.name() == name).count() > 1 {
                return Err(invalid(text));
            }
        }
        let mut metadata = Vec::new();
        let mut metadata_spaces = foreign::Spaces::of(root.child("metadata"));
        for node in root.child("metadata").into_iter().flat_map(Node::elements) {
            // One element of each namespace; what is in none belongs to nobody.
            let namespace = node.namespace();
            if namespace.is_none_or(|uri| metadata.iter().any(|(known, _)| known == uri)) {
                continue;
            }
            let mut text = String::new();
            foreign::print(node, 0, &mut text);
            metadata_spaces.need(node);
            metadata.push((node.namespace().unwrap_or_default().to_owned(), text));
        }
        let mut extensions = Vec::new();
        for node in root.elements() {
            let known = EXTENSIONS.iter().find(|(_, uri)| node.namespace() == Some(uri));
            if let Some((prefix, _)) = known {
                let mut text = String::new();
                foreign::print_extension(node, prefix, 1, &mut text);
                extensions.push(Extension { prefix, text, tree: copy_extension(node) });
            }
        }
        let mut domain =
            Domain { id, name, uuid, tree, metadata, metadata_spaces: metadata_spaces.found, extensions };
        domain.complete(flags, true, random)?;
        values::prune(place, &mut domain.tree);
        if !flags.skip_validate {
            section::check_clock(&domain)?;
            section::check_sysinfo(&domain)?;
        }
        section::memory::settle(&mut domain, flags.abi_update)?;
        checks::domain(&domain, flags)?;
        place.sort(&mut domain.tree);
        if flags.generic && !flags.skip_validate {
            crate::validate::complete(&domain, &crate::validate::Lenient)?;
        }
        Ok(domain)
    }

    /// What every driver's documents get: defaults, units, spellings.
    /// A device that comes later is not held against the others here.
    fn complete(
        &mut self,
        flags: ParseFlags,
        whole: bool,
        random: &mut dyn FnMut() -> [u8; 16],
    ) -> Result<()> {
        let tree = &mut self.tree;
        section::before_devices(tree, flags)?;
        tree.child_or_new("devices");
        device::read(tree, flags, whole, random)?;
        section::after_devices(tree)?;
        if !flags.skip_validate && whole {
            let devices = tree.child("devices").map_or(&[][..], |devices| &devices.children);
            crate::validate::usb_controllers(devices)?;
            if let Some(os) = tree.child("os") {
                section::check_firmware(os, flags)?;
            }
        }
        device::complete(tree, flags, random)
    }

    /// The same definition with one more device at a place among the others, which is completed and checked as if the document had had it from the
    /// start.
    ///
    /// # Errors
    /// With the reference's words when the device contradicts itself or the others.
    pub fn with_device(
        &self,
        device: Tree,
        place: usize,
        flags: ParseFlags,
        random: &mut dyn FnMut() -> [u8; 16],
    ) -> Result<Domain> {
        let mut domain = self.clone();
        let devices = domain.devices_mut();
        devices.insert(place.min(devices.len()), device);
        domain.complete(flags, false, random)?;
        checks::domain(&domain, flags)?;
        domain.sort();
        Ok(domain)
    }

    /// Whether the kernel of a container, not a machine, is asked for.
    pub fn kind(&self) -> &str {
        self.tree.attr("type").unwrap_or_default()
    }

    /// The `<devices>` element.
    #[inline]
    pub fn devices(&self) -> &[Tree] {
        self.tree.child("devices").map_or(&[], |devices| &devices.children)
    }

    /// Devices of one kind.
    #[inline]
    pub fn all<'d>(&'d self, kind: &'d str) -> impl Iterator<Item = &'d Tree> {
        self.tree.child("devices").into_iter().flat_map(move |devices| devices.all(kind))
    }

    /// The file system that is mounted at a path of the guest.
    pub fn filesystem_at(&self, target: &str) -> Option<&Tree> {
        self.all("filesystem").find(|filesystem| filesystem.attr_at("target", "dir") == Some(target))
    }

    /// The `<devices>` element, to be changed.
    pub fn devices_mut(&mut self) -> &mut Trees {
        &mut self.tree.child_or_new("devices").children
    }

    /// Brings everything into the order of the document again after changes.
    pub fn sort(&mut self) {
        place("domain").sort(&mut self.tree);
    }

    /// Memory at start in KiB.
    pub fn memory_kib(&self) -> u64 {
        self.tree.text_of("memory").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Memory the balloon is set to, in KiB.
    pub fn current_memory_kib(&self) -> u64 {
        self.tree
            .text_of("currentMemory")
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| self.memory_kib())
    }

    /// Processors at most.
    pub fn vcpus_max(&self) -> u32 {
        self.tree.text_of("vcpu").and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// Processors at start.
    pub fn vcpus(&self) -> u32 {
        let current = self.tree.attr_at("vcpu", "current").and_then(|text| text.parse().ok());
        current.unwrap_or_else(|| self.vcpus_max())
    }

    /// The document.
    pub fn format(&self, flags: FormatFlags) -> String {
        let mut w = Writer::sized(USUAL_LENGTH);
        self.format_into(&mut w, flags);
        w.finish()
    }

    /// The document as part of another.
    pub fn format_into(&self, w: &mut Writer, flags: FormatFlags) {
        self.format_as(w, "domain", flags);
    }

    /// The document as part of another, where it has another name.
    pub fn format_as(&self, w: &mut Writer, name: &str, flags: FormatFlags) {
        // What is not running has only the stored form.
        let shown = FormatFlags { inactive: flags.inactive || self.id.is_none(), ..flags };
        let print = |child: &Tree, w: &mut Writer| {
            if child.name == "devices" {
                let devices = place("domain/devices");
                w.element("devices").children_always(|w| {
                    for device in &child.children {
                        device::print(devices.of(device), device, w, shown);
                    }
                });
            } else if flags.status {
                elements::write(child, w);
            } else {
                elements::write(&place("domain").open(child), w);
            }
        };
        let mut element = w.element(name).attr("type", self.kind());
        if !flags.inactive
            && let Some(id) = self.id
        {
            element = element.attr("id", id);
        }
        for (prefix, uri) in EXTENSIONS {
            if self.extensions.iter().any(|extension| extension.prefix == *prefix) {
                element = element.attr(&format!("xmlns:{prefix}"), uri);
            }
        }
        element.children(|w| {
            w.leaf("name", &self.name);
            w.leaf("uuid", self.uuid);
            let early = |child: &&Tree| matches!(child.name.as_str(), "genid" | "title" | "description");
            for child in self.tree.children.iter().filter(early) {
                print(child, w);
            }
            if !self.metadata.is_empty() {
                w.block(&foreign::opening("metadata", &self.metadata_spaces));
                w.deeper(|w| self.metadata.iter().for_each(|(_, text)| w.block(text)));
                w.block("</metadata>");
            }
            let boots = self.tree.child("bootloader").is_some();
            let later = |child: &&Tree| !early(child) && (boots || child.name != "bootloader_args");
            for child in self.tree.children.iter().filter(later) {
                print(child, w);
            }
            for extension in &self.extensions {
                let text = extension.text.replace("\n  ", "\n");
                w.block(text.trim_start_matches("  ").trim_end());
            }
        });
    }
}

/// A place in the table; the names used here are in it, which a test of the table sees to.
#[inline]
pub(crate) fn place(name: &str) -> Place {
    let table = Elements::domain();
    match name {
        "domain" => table.root(),
        "domain/devices" => table.devices(),
        _ => table.place(name).unwrap_or_else(|| table.root()),
    }
}

/// Reads the document of one device, as far as the table of elements knows it. Nothing is filled in,
/// but sizes of memory are in KiB.
///
/// # Errors
/// When the text is no XML or no device.
pub fn read_device(text: &str) -> Result<Tree> {
    let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
    let root = document.root();
    let found = place("domain/devices")
        .child(root.name())
        .filter(|_| !matches!(root.name(), "emulator" | "redirfilter"));
    let found = found.ok_or_else(|| unsupported(format!("unknown device type '{}'", root.name())))?;
    let mut read = found.read(root);
    device::spell_sizes(&mut read);
    Ok(read)
}

/// Refuses a document that does not fit its schema (`VIR_DOMAIN_DEFINE_VALIDATE`).
///
/// # Errors
/// Code `XML_INVALID_SCHEMA`, with the first thing that does not fit and its place.
pub fn validate(text: &str) -> Result<()> {
    let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
    schema::validate(schema::Kind::Domain, document.root())
}

/// A client's metadata as it is kept: its elements put into a namespace under a prefix.
///
/// # Errors
/// When the text is no XML.
pub fn with_namespace(text: &str, key: &str, uri: &str) -> Result<String> {
    let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
    let root = document.root();
    let mut inner = String::new();
    foreign::print_named(root, foreign::Names::Under(key), 0, &mut inner);
    let end = inner.find([' ', '>', '/', '\n']).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    Ok(format!("{name} xmlns:{key}=\"{}\"{rest}", xml::escape(uri)))
}

/// Kept metadata as a client gave it: without the namespace of its outermost element.
///
/// # Errors
/// When it cannot be read again.
pub fn without_namespace(text: &str) -> Result<String> {
    let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
    let root = document.root();
    let mut out = String::new();
    match root.namespace() {
        Some(uri) => foreign::print_named(root, foreign::Names::Without(uri), 0, &mut out),
        None => foreign::print(root, 0, &mut out),
    }
    Ok(out.trim_end().to_owned())
}
