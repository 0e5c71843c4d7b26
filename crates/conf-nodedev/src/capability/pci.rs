//! `pci`: a PCI function.

use base::{Error, ErrorDomain, Result};
use conf_domain::fault;
use std::fmt;
use std::str::FromStr;
use xml::{Node, Writer};

use super::mdev::{self, MdevType};
use super::vpd::Vpd;
use crate::read::{Identifier, Part, decimal, hexadecimal, invalid};

/// Where a PCI function is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Address {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u32,
    /// Slot.
    pub slot: u32,
    /// Function.
    pub function: u32,
}

impl fmt::Display for Address {
    /// As the kernel spells it: `0000:00:02.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.slot, self.function)
    }
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Address, ()> {
        let number = |text: &str| u32::from_str_radix(text, 16).map_err(|_| ());
        let mut parts = text.split([':', '.']);
        let mut next = || parts.next().ok_or(()).and_then(number);
        let address = Address { domain: next()?, bus: next()?, slot: next()?, function: next()? };
        if parts.next().is_some() { Err(()) } else { Ok(address) }
    }
}

impl Address {
    fn parse(node: Node<'_>) -> Result<Address> {
        let number = |name: &str| {
            let text = node.attr(name).unwrap_or("0");
            decimal(text)
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| fault::number("address", name, text, "non-negative integer"))
        };
        let address = Address {
            domain: number("domain")?,
            bus: number("bus")?,
            slot: number("slot")?,
            function: number("function")?,
        };
        address.check()?;
        Ok(address)
    }

    /// Refuses numbers that no bus has. A domain may have more bits than a guest's.
    fn check(self) -> Result<()> {
        let text = match self {
            Address { bus, .. } if bus > 0xff => {
                format!("Invalid PCI address bus='0x{bus:X}', must be <= 0xFF")
            }
            Address { slot, .. } if slot > 0x1f => {
                format!("Invalid PCI address slot='0x{slot:X}', must be <= 0x1F")
            }
            Address { function, .. } if function > 7 => {
                format!("Invalid PCI address function=0x{function:X}, must be <= 7")
            }
            _ => return Ok(()),
        };
        Err(Error::xml(ErrorDomain::NONE, text))
    }

    fn format(self, w: &mut Writer) {
        w.element("address")
            .attr("domain", format_args!("0x{:04x}", self.domain))
            .attr("bus", format_args!("0x{:02x}", self.bus))
            .attr("slot", format_args!("0x{:02x}", self.slot))
            .attr("function", format_args!("0x{:x}", self.function))
            .empty();
    }
}

base::text_enum! {
    /// What the header of a function says it is, unless it is an endpoint.
    pub enum Bridge {
        Pci = "pci-bridge",
        CardBus = "cardbus-bridge",
    }
}

base::text_enum! {
    /// Speeds of a link in gigatransfers a second.
    pub enum Speed {
        Gen1 = "2.5",
        Gen2 = "5",
        Gen3 = "8",
        Gen4 = "16",
        Gen5 = "32",
        Gen6 = "64",
    }
}

/// A link: what it can do, or what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// Number of the port; told with what the link can do.
    pub port: Option<u32>,
    /// Speed.
    pub speed: Option<Speed>,
    /// Lanes.
    pub width: u32,
}

/// PCI Express.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Express {
    /// What the link can do.
    pub capability: Option<Link>,
    /// What it does.
    pub status: Option<Link>,
}

/// A PCI function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pci {
    /// Class, of 24 bits.
    pub class: Option<u32>,
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub product: Identifier,
    /// Who made it.
    pub vendor: Identifier,
    /// The function that this one is a virtual one of.
    pub physical_function: Option<Address>,
    /// Its virtual functions, and how many it can have.
    pub virtual_functions: Option<(Vec<Address>, u32)>,
    /// A bridge.
    pub bridge: Option<Bridge>,
    /// What mediated devices it can have.
    pub mdev_types: Vec<MdevType>,
    /// What it says of itself.
    pub vpd: Option<Vpd>,
    /// Number of its isolation group and who is in it.
    pub iommu_group: Option<(u32, Vec<Address>)>,
    /// Node of memory that it is near.
    pub numa_node: Option<i32>,
    /// PCI Express.
    pub express: Option<Express>,
}

impl Pci {
    pub(crate) fn parse(part: Part<'_>) -> Result<Pci> {
        let class = part
            .text("class")
            .map(|text| hexadecimal(&text).ok_or_else(|| part.complaint("invalid PCI class supplied")));
        let mut pci = Pci {
            class: class.transpose()?,
            address: Address {
                domain: part.needed_u32("domain", "PCI domain ID")?,
                bus: part.needed_u32("bus", "PCI bus ID")?,
                slot: part.needed_u32("slot", "PCI slot ID")?,
                function: part.needed_u32("function", "PCI function ID")?,
            },
            vendor: part.identifier("vendor", "PCI vendor ID")?,
            product: part.identifier("product", "PCI product ID")?,
            ..Pci::default()
        };
        for (word, inner) in part.typed()? {
            let addresses = || inner.node.children("address").map(Address::parse).collect::<Result<Vec<_>>>();
            match word {
                "phys_function" => {
                    let function = addresses()?.first().copied();
                    let missing = || invalid("Missing address in 'phys_function' capability");
                    pci.physical_function = Some(function.ok_or_else(missing)?);
                }
                "virt_functions" => {
                    let most = inner
                        .node
                        .attr("maxCount")
                        .map(|text| text.parse().map_err(|_| invalid("Malformed 'maxCount' parameter")));
                    pci.virtual_functions = Some((addresses()?, most.transpose()?.unwrap_or(0)));
                }
                "mdev_types" => pci.mdev_types.extend(mdev::types(inner)?),
                "vpd" => pci.vpd = Some(Vpd::parse(inner)?),
                word => {
                    if let Some(bridge) = Bridge::parse(word) {
                        pci.bridge = Some(bridge);
                    }
                }
            }
        }
        if let Some(node) = part.node.child("iommuGroup") {
            let text = node.attr("number").ok_or_else(|| fault::missing("iommuGroup", "number"))?;
            let number = decimal(text).and_then(|number| u32::try_from(number).ok());
            let number =
                number.ok_or_else(|| fault::number("iommuGroup", "number", text, "non-negative integer"))?;
            let members: Result<Vec<_>> = node.children("address").map(Address::parse).collect();
            pci.iommu_group = Some((number, members?));
        }
        if let Some(text) = part.node.child("numa").and_then(|node| node.attr("node")) {
            let node: i32 = text.parse().map_err(|_| part.complaint("invalid NUMA node ID supplied"))?;
            pci.numa_node = (node >= 0).then_some(node);
        }
        if let Some(node) = part.node.child("pci-express") {
            let mut express = Express::default();
            for link in node.children("link") {
                let validity = link.attr("validity").unwrap_or_default();
                match validity {
                    "cap" => express.capability = Some(Link::parse(link)?),
                    "sta" => express.status = Some(Link { port: None, ..Link::parse(link)? }),
                    _ => {}
                }
            }
            pci.express = Some(express);
        }
        Ok(pci)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf_opt("class", self.class.map(|class| format!("0x{class:06x}")));
        w.leaf("domain", self.address.domain);
        w.leaf("bus", self.address.bus);
        w.leaf("slot", self.address.slot);
        w.leaf("function", self.address.function);
        self.product.format("product", w);
        self.vendor.format("vendor", w);
        if let Some(function) = self.physical_function {
            w.element("capability").attr("type", "phys_function").children(|w| function.format(w));
        }
        if let Some((functions, most)) = &self.virtual_functions {
            w.element("capability")
                .attr("type", "virt_functions")
                .attr_if(*most > 0, "maxCount", most)
                .children(|w| functions.iter().for_each(|function| function.format(w)));
        }
        if let Some(bridge) = self.bridge {
            w.element("capability").attr("type", bridge).empty();
        }
        mdev::format_types(&self.mdev_types, w);
        if let Some(vpd) = &self.vpd {
            vpd.format(w);
        }
        if let Some((number, members)) = &self.iommu_group {
            w.element("iommuGroup")
                .attr("number", number)
                .children(|w| members.iter().for_each(|member| member.format(w)));
        }
        if let Some(node) = self.numa_node {
            w.element("numa").attr("node", node).empty();
        }
        if let Some(express) = self.express {
            w.element("pci-express").children(|w| {
                for (validity, link) in [("cap", express.capability), ("sta", express.status)] {
                    if let Some(link) = link {
                        link.format(validity, w);
                    }
                }
            });
        }
    }
}

impl Link {
    fn parse(node: Node<'_>) -> Result<Link> {
        let number = |name: &str| {
            let read = |text: &str| {
                text.parse().map_err(|_| fault::number("link", name, text, "non-negative integer"))
            };
            node.attr(name).map(read).transpose()
        };
        let width = number("width")?.ok_or_else(|| fault::missing("link", "width"))?;
        let speed = node
            .attr("speed")
            .map(|text| Speed::parse(text).ok_or_else(|| fault::attribute("link", "speed", text)));
        Ok(Link { port: number("port")?, speed: speed.transpose()?, width })
    }

    fn format(self, validity: &str, w: &mut Writer) {
        w.element("link")
            .attr("validity", validity)
            .attr_opt("port", self.port)
            .attr_opt("speed", self.speed)
            .attr("width", self.width)
            .empty();
    }
}
