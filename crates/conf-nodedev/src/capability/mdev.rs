//! `mdev` and `mdev_types`: devices that a parent's driver makes, and what kinds it can make.

use base::{Result, Uuid};
use xml::Writer;

use crate::device::FormatFlags;
use crate::read::{Part, internal, invalid, unsupported};

/// What a mediated device is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Making {
    /// Kind, as the parent names it.
    pub kind: String,
    /// Settings in the order in which they are made; a name may stand again.
    pub attributes: Vec<(String, String)>,
}

/// A mediated device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mdev {
    /// What the next start makes.
    pub defined: Making,
    /// What the running device was made of.
    pub active: Making,
    /// Identity.
    pub uuid: Option<Uuid>,
    /// Where its parent is on its bus.
    pub parent_addr: Option<String>,
    /// Its isolation group.
    pub iommu_group: u32,
    /// It starts with the host.
    pub autostart: bool,
}

impl Mdev {
    pub(crate) fn parse(part: Part<'_>) -> Result<Mdev> {
        let kind = part.node.child("type").and_then(|node| node.attr("id")).filter(|id| !id.is_empty());
        let kind = kind
            .ok_or_else(|| unsupported(format!("missing type id attribute for '{}'", part.device)))?
            .to_owned();
        let uuid = part.text("uuid").map(|text| {
            text.parse().map_err(|_| internal(format!("Invalid uuid '{text}' for new mdev device")))
        });
        let mut mdev = Mdev { uuid: uuid.transpose()?, ..Mdev::default() };
        mdev.parent_addr = part.text("parent_addr");
        if let Some(node) = part.node.child("iommuGroup") {
            let text = node.attr("number").filter(|text| !text.is_empty()).unwrap_or("0");
            let number = text.trim_ascii_start().parse();
            mdev.iommu_group = number.map_err(|_| part.complaint("invalid iommuGroup number attribute"))?;
        }
        let mut attributes = Vec::new();
        for node in part.node.children("attr") {
            let value = |name: &str| node.attr(name).filter(|text| !text.is_empty()).map(str::to_owned);
            // One that is not whole is passed over.
            if let (Some(name), Some(value)) = (value("name"), value("value")) {
                attributes.push((name, value));
            }
        }
        mdev.defined = Making { kind, attributes };
        Ok(mdev)
    }

    /// The definition is what runs.
    pub fn run_as_defined(&mut self) {
        self.active = self.defined.clone();
    }

    pub(crate) fn format(&self, flags: FormatFlags, w: &mut Writer) {
        let making = if flags.inactive { &self.defined } else { &self.active };
        w.element("type").attr("id", &making.kind).empty();
        w.leaf_opt("uuid", self.uuid);
        w.leaf_opt("parent_addr", self.parent_addr.as_ref());
        w.element("iommuGroup").attr("number", self.iommu_group).empty();
        for (name, value) in &making.attributes {
            w.element("attr").attr("name", name).attr("value", value).empty();
        }
    }
}

/// A kind of mediated devices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MdevType {
    /// Its word.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// How guests get at its devices.
    pub device_api: String,
    /// How many more can be made.
    pub available: u32,
}

/// Reads a `mdev_types` capability.
pub(crate) fn types(part: Part<'_>) -> Result<Vec<MdevType>> {
    let mut types = Vec::new();
    for node in part.node.children("type") {
        let inner = part.of(node);
        let id = node.attr("id").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| invalid("missing 'id' attribute for mediated device's <type> element"))?;
        let api = inner.text("deviceAPI");
        let api =
            api.ok_or_else(|| invalid(format!("missing device API for mediated device type '{id}'")))?;
        let count = inner.loose_number("availableInstances").ok_or_else(|| {
            invalid(format!("missing number of available instances for mediated device type '{id}'"))
        })?;
        types.push(MdevType {
            id: id.to_owned(),
            name: inner.text("name"),
            device_api: api,
            available: u32::try_from(count).unwrap_or(0),
        });
    }
    Ok(types)
}

/// Writes a `mdev_types` capability, if there is any type.
pub(crate) fn format_types(types: &[MdevType], w: &mut Writer) {
    if types.is_empty() {
        return;
    }
    w.element("capability").attr("type", "mdev_types").children(|w| {
        for kind in types {
            w.element("type").attr("id", &kind.id).children(|w| {
                w.leaf_opt("name", kind.name.as_ref());
                w.leaf("deviceAPI", &kind.device_api);
                w.leaf("availableInstances", kind.available);
            });
        }
    });
}
