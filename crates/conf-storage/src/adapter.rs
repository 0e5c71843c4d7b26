//! `<adapter>`: the bus adapter behind a pool of SCSI devices.

use crate::fault::{self, invalid, number};
use crate::read;
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::{Node, Writer};

base::text_enum! {
    /// Kinds of adapters.
    pub enum AdapterType {
        ScsiHost = "scsi_host",
        FcHost = "fc_host",
    }
}

/// Where an adapter sits, for names that change from boot to boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// PCI address: domain, bus, slot, function.
    pub address: (u32, u32, u32, u32),
    /// Number among the adapters of that device.
    pub unique_id: Option<u32>,
}

/// A bus adapter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Adapter {
    /// An adapter of the host.
    Scsi {
        /// Name, `host5` or `scsi_host5`.
        name: Option<String>,
        /// Place, instead of the name.
        parent: Option<Parent>,
    },
    /// A virtual fibre channel adapter.
    Fc(Fibre),
}

/// A virtual fibre channel adapter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fibre {
    /// The adapter that carries it.
    pub parent: Option<String>,
    /// The same, by the name of its node.
    pub parent_wwnn: Option<String>,
    /// The same, by the name of its port.
    pub parent_wwpn: Option<String>,
    /// The same, by the name of its fabric.
    pub parent_fabric_wwn: Option<String>,
    /// It goes when the pool stops.
    pub managed: Option<bool>,
    /// Name of its node.
    pub wwnn: String,
    /// Name of its port.
    pub wwpn: String,
}

fn name_of_the_world(text: &str) -> Result<()> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() == 16 && digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Error::internal(ErrorDomain::NONE, format!("Malformed wwn: {text}")))
}

impl Fibre {
    fn parse(node: Node<'_>) -> Result<Fibre> {
        let text = |name: &str| node.attr(name).map(str::to_owned);
        let managed = read::yes_no(node, "managed")?;
        let (Some(wwnn), Some(wwpn)) = (text("wwnn"), text("wwpn")) else {
            return Err(invalid("'wwnn' and 'wwpn' must be specified for adapter type 'fchost'"));
        };
        name_of_the_world(&wwnn)?;
        name_of_the_world(&wwpn)?;
        let fibre = Fibre {
            parent: text("parent"),
            parent_wwnn: text("parent_wwnn"),
            parent_wwpn: text("parent_wwpn"),
            parent_fabric_wwn: text("parent_fabric_wwn"),
            managed,
            wwnn,
            wwpn,
        };
        let alone = |given: &str, value: &str, other: &str| {
            let text = format!("when providing {given}='{value}', the {other} must also be provided");
            Err(invalid(text))
        };
        match (&fibre.parent_wwnn, &fibre.parent_wwpn) {
            (Some(value), None) => alone("parent_wwnn", value, "parent_wwpn"),
            (None, Some(value)) => alone("parent_wwpn", value, "parent_wwnn"),
            _ => Ok(fibre),
        }
    }
}

/// Parts of a PCI address: their names and largest values.
const PCI: [(&str, u64); 4] = [("domain", 0xffff_ffff), ("bus", 0xff), ("slot", 0x1f), ("function", 7)];

impl Parent {
    fn parse(node: Node<'_>) -> Result<Parent> {
        let Some(address) = node.child("address") else {
            return Err(invalid("Missing scsi_host PCI address element"));
        };
        let mut parts = [0; 4];
        for (part, (name, most)) in parts.iter_mut().zip(PCI) {
            let Some(text) = address.attr(name) else { continue };
            let value =
                read::any_base(text).ok_or_else(|| number("address", name, text, "non-negative integer"))?;
            if value > most {
                let text = format!("Invalid PCI address {name}=0x{value:x}, must be <= {most:x}");
                return Err(fault::detail(ErrorCode::XML_ERROR, ErrorDomain::NONE, text));
            }
            *part = value as u32;
        }
        let unique_id = node.attr("unique_id").and_then(read::decimal).and_then(|id| u32::try_from(id).ok());
        Ok(Parent { address: (parts[0], parts[1], parts[2], parts[3]), unique_id })
    }
}

impl Adapter {
    /// Reads the element; `None` when it names nothing.
    ///
    /// # Errors
    /// When its parts contradict its kind.
    pub fn parse(node: Node<'_>) -> Result<Option<Adapter>> {
        let name = node.attr("name").map(str::to_owned);
        match read::member::<AdapterType>(node, "type")? {
            Some(AdapterType::FcHost) => Ok(Some(Adapter::Fc(Fibre::parse(node)?))),
            Some(AdapterType::ScsiHost) => {
                let parent = node.child("parentaddr").map(Parent::parse).transpose()?;
                if name.is_some() && parent.is_some() {
                    let text = "Both 'name' and 'parent' cannot be specified for the 'scsi_host' adapter";
                    return Err(invalid(text));
                }
                Ok(Some(Adapter::Scsi { name, parent }))
            }
            None => {
                if ["wwnn", "wwpn", "parent"].iter().any(|name| node.attr(name).is_some()) {
                    let text =
                        "Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter 'type'";
                    return Err(invalid(text));
                }
                // Documents of old had nothing but a name.
                Ok(name.map(|name| Adapter::Scsi { name: Some(name), parent: None }))
            }
        }
    }

    /// Refuses an adapter that cannot be found by what is said of it.
    ///
    /// # Errors
    /// When neither name nor place is there.
    pub fn validate(&self) -> Result<()> {
        let Adapter::Scsi { name, parent } = self else { return Ok(()) };
        match parent {
            None if name.is_none() => {
                Err(invalid("Either 'name' or 'parent' must be specified for the 'scsi_host' adapter"))
            }
            Some(Parent { unique_id: None, .. }) => {
                Err(invalid("Missing or invalid scsi adapter 'unique_id' value"))
            }
            _ => Ok(()),
        }
    }

    /// Prints the element.
    pub fn format(&self, w: &mut Writer) {
        match self {
            Adapter::Scsi { name, parent } => {
                let element = w.element("adapter").attr("type", AdapterType::ScsiHost);
                element.attr_opt("name", name.as_ref()).children(|w| {
                    let Some(Parent { address: (domain, bus, slot, function), unique_id }) = parent else {
                        return;
                    };
                    let element = w.element("parentaddr").attr_opt("unique_id", *unique_id);
                    element.children(|w| {
                        let element = w.element("address").attr("domain", format!("0x{domain:04x}"));
                        let element = element.attr("bus", format!("0x{bus:02x}"));
                        let element = element.attr("slot", format!("0x{slot:02x}"));
                        element.attr("function", format!("0x{function:x}")).empty();
                    });
                });
            }
            Adapter::Fc(fibre) => {
                let element = w.element("adapter").attr("type", AdapterType::FcHost);
                let element = element.attr_opt("parent", fibre.parent.as_ref());
                let element = element.attr_opt("parent_wwnn", fibre.parent_wwnn.as_ref());
                let element = element.attr_opt("parent_wwpn", fibre.parent_wwpn.as_ref());
                let element = element.attr_opt("parent_fabric_wwn", fibre.parent_fabric_wwn.as_ref());
                let element = element.attr_opt("managed", fibre.managed.map(read::yes_no_text));
                element.attr("wwnn", &fibre.wwnn).attr("wwpn", &fibre.wwpn).empty();
            }
        }
    }
}
