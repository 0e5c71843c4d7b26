//! `<device>`: a device of the host, its place in the tree and what it is.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::fault::{self, malformed};
use xml::{Document, Node, Writer};

use crate::Capability;
use crate::capability::Kind;
use crate::read::{Part, internal};

/// Where a document comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// It tells of a device that exists or is defined.
    Existing,
    /// It asks for a new device, which gets its name later.
    New,
}

/// A parent named by what it is instead of its name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParentNames {
    /// World wide node name of a host adapter.
    pub wwnn: Option<String>,
    /// World wide port name of a host adapter.
    pub wwpn: Option<String>,
    /// World wide name of the fabric it is on.
    pub fabric_wwn: Option<String>,
}

/// A device of the host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Name, unique on the host.
    pub name: String,
    /// Its folder in the kernel's tree.
    pub sysfs_path: Option<String>,
    /// The device file.
    pub devnode: Option<String>,
    /// Links to the device file.
    pub devlinks: Vec<String>,
    /// Name of the device above it; none for the root.
    pub parent: Option<String>,
    /// Other ways to name the parent of a new device.
    pub parent_names: ParentNames,
    /// The kernel's driver.
    pub driver: Option<String>,
    /// What it is; at least one in a document.
    pub capabilities: Vec<Capability>,
}

/// What is shown of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FormatFlags {
    /// The definition instead of the running device.
    pub inactive: bool,
}

/// What the reference calls a device that is not there yet.
const NEW_DEVICE: &str = "new device";

fn text(node: Node<'_>, name: &str) -> Option<String> {
    node.child_text(name).filter(|text| !text.is_empty())
}

impl Device {
    /// Reads a document; `validate` holds it against the schema first.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(text: &str, origin: Origin, validate: bool) -> Result<Device> {
        let document =
            Document::parse(text).map_err(|error| malformed(text, &error).in_domain(ErrorDomain::NODEDEV))?;
        let root = document.root();
        if root.name() != "device" {
            let text = format!("expecting root element of 'device', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        if validate {
            schema::validate(schema::Kind::NodeDevice, root)?;
        }
        Device::parse_node(root, origin)
    }

    fn parse_node(root: Node<'_>, origin: Origin) -> Result<Device> {
        let name = match origin {
            Origin::Existing => text(root, "name")
                .ok_or_else(|| Error::new(ErrorCode::NO_NAME, ErrorDomain::NODEDEV, "no device name"))?,
            Origin::New => NEW_DEVICE.to_owned(),
        };
        let mut device = Device { sysfs_path: text(root, "path"), ..Device::default() };
        for node in root.children("devnode") {
            let kind = node.attr("type").ok_or_else(|| fault::missing("devnode", "type"))?;
            match kind {
                "dev" => device.devnode = Some(node.text()),
                "link" => device.devlinks.push(node.text()),
                other => return Err(fault::attribute("devnode", "type", other)),
            }
        }
        device.driver = root.descend("driver/name").map(Node::text).filter(|text| !text.is_empty());
        let parent = root.child("parent");
        device.parent = text(root, "parent");
        let named = |name: &str| parent.and_then(|node| node.attr(name)).map(str::to_owned);
        device.parent_names =
            ParentNames { wwnn: named("wwnn"), wwpn: named("wwpn"), fabric_wwn: named("fabric_wwn") };
        if device.parent_names.wwnn.is_some() != device.parent_names.wwpn.is_some() {
            let (has, lacks) = if named("wwnn").is_some() { ("wwnn", "wwpn") } else { ("wwpn", "wwnn") };
            let value = named(has).unwrap_or_default();
            let text = format!("when providing parent {has}='{value}', the {lacks} must also be provided");
            return Err(Error::xml(ErrorDomain::NODEDEV, text));
        }
        for node in root.children("capability") {
            let part = Part { node, device: &name };
            device.capabilities.push(Capability::parse(part, origin)?);
        }
        if device.capabilities.is_empty() {
            return Err(internal(format!("no device capabilities for '{name}'")));
        }
        device.name = name;
        Ok(device)
    }

    /// The document as text, ending in a newline.
    pub fn format(&self, flags: FormatFlags) -> String {
        let mut w = Writer::new();
        w.element("device").children(|w| {
            w.leaf("name", &self.name);
            if !flags.inactive {
                w.leaf_opt("path", self.sysfs_path.as_ref());
                if let Some(node) = &self.devnode {
                    w.element("devnode").attr("type", "dev").text(node);
                }
                for link in &self.devlinks {
                    w.element("devnode").attr("type", "link").text(link);
                }
            }
            w.leaf_opt("parent", self.parent.as_ref());
            if let Some(driver) = self.driver.as_ref().filter(|_| !flags.inactive) {
                w.element("driver").children(|w| w.leaf("name", driver));
            }
            for capability in &self.capabilities {
                capability.format(flags, w);
            }
        });
        w.finish()
    }

    /// Everything it is, what its capabilities have within them included, in the order of the document.
    pub fn kinds(&self) -> Vec<Kind> {
        self.capabilities.iter().flat_map(Capability::kinds).collect()
    }

    /// Whether it is of a kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kinds().contains(&kind)
    }

    /// The mediated device that it is.
    pub fn mediated(&self) -> Option<&crate::capability::mdev::Mdev> {
        self.capabilities.iter().find_map(|capability| match capability {
            Capability::Mdev(mdev) => Some(mdev),
            _ => None,
        })
    }

    /// The same, to change.
    pub fn mediated_mut(&mut self) -> Option<&mut crate::capability::mdev::Mdev> {
        self.capabilities.iter_mut().find_map(|capability| match capability {
            Capability::Mdev(mdev) => Some(mdev),
            _ => None,
        })
    }

    /// Where it is on its bus, in the form that the keeper of mediated devices calls their parents by.
    pub fn address(&self) -> Option<String> {
        self.capabilities.iter().find_map(|capability| match capability {
            Capability::Pci(pci) => Some(pci.address.to_string()),
            Capability::Css(css) => Some(css.address.to_string()),
            Capability::Matrix(_) => Some("matrix".to_owned()),
            _ => None,
        })
    }
}
