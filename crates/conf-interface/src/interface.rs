//! The document itself, and the same within a bridge or a bond.

use crate::kind::{Kind, Type};
use crate::protocol::Protocol;
use crate::read::{decimal, filled, invalid, member, unsigned, word};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::fault;
use xml::{Document, Node, Writer};

base::text_enum! {
    /// When the host starts an interface.
    pub enum Start {
        None = "none",
        Onboot = "onboot",
        Hotplug = "hotplug",
    }
}

base::text_enum! {
    /// State of a link, in the kernel's words.
    pub enum LinkState {
        Unknown = "unknown",
        NotPresent = "notpresent",
        Down = "down",
        LowerLayerDown = "lowerlayerdown",
        Testing = "testing",
        Dormant = "dormant",
        Up = "up",
    }
}

/// The link of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// Megabits in a second; zero when it is not known.
    pub speed: u32,
    /// Its state.
    pub state: Option<LinkState>,
}

/// Most bytes that a frame may have.
const MTU_MAX: u64 = 100_000;

/// A network interface of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Unique on the host.
    pub name: String,
    /// When the host starts it.
    pub start: Option<Start>,
    /// Bytes of the largest frame; zero when it is not known. The kernel's word may be of any sign.
    pub mtu: i64,
    /// How it gets addresses.
    pub protocols: Vec<Protocol>,
    /// Its link.
    pub link: Link,
    /// What it is.
    pub kind: Kind,
}

/// Where an interface's element stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Outermost,
    Bridge,
    Bond,
}

impl Place {
    fn may_be(self, kind: Type) -> bool {
        match self {
            Place::Outermost => true,
            Place::Bridge => kind != Type::Bridge,
            Place::Bond => kind == Type::Ethernet,
        }
    }
}

impl Interface {
    /// Reads a document; `validate` holds it against the schema first.
    ///
    /// # Errors
    /// In the reference's words when the text is no XML or no interface, or when a part of it is missing or not
    /// understood.
    pub fn parse(text: &str, validate: bool) -> Result<Interface> {
        let document = Document::parse(text)
            .map_err(|error| fault::malformed(text, &error).in_domain(ErrorDomain::INTERFACE))?;
        let root = document.root();
        if root.name() != "interface" {
            let text = format!("expecting root element of 'interface', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        if validate {
            schema::validate(schema::Kind::Interface, root)?;
        }
        Interface::of(root, Place::Outermost)
    }

    pub(crate) fn of(node: Node<'_>, place: Place) -> Result<Interface> {
        let kind: Type = member(node, "type")?.ok_or_else(|| fault::missing("interface", "type"))?;
        if !place.may_be(kind) {
            return Err(invalid(format!("interface has unsupported type '{kind}'")));
        }
        let name = node.attr("name").ok_or_else(|| invalid("interface has no name"))?.to_owned();
        let link = node.child("link").map(Link::parse).transpose()?.unwrap_or_default();
        let outer = place == Place::Outermost;
        let start = node.child("start").filter(|_| outer);
        let mtu = node.child("mtu").filter(|_| outer);
        Ok(Interface {
            name,
            start: start.map(|node| word(node, "mode", "interface startmode")).transpose()?.flatten(),
            mtu: mtu.map(read_mtu).transpose()?.unwrap_or(0),
            protocols: node
                .children("protocol")
                .filter(|_| outer)
                .map(Protocol::parse)
                .collect::<Result<Vec<Protocol>>>()?,
            link,
            kind: Kind::parse(node, kind)?,
        })
    }

    /// The MAC address, of those whose document has one.
    pub fn mac(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ethernet { mac } => mac.as_deref(),
            Kind::Bridge(_) | Kind::Bond(_) | Kind::Vlan(_) => None,
        }
    }

    /// The document as text, ending in a newline.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        self.format_at(&mut w, Place::Outermost);
        w.finish()
    }

    pub(crate) fn format_within(&self, w: &mut Writer) {
        self.format_at(w, Place::Bridge);
    }

    fn format_at(&self, w: &mut Writer, place: Place) {
        let element = w.element("interface").attr("type", self.kind.word()).attr("name", &self.name);
        element.children_always(|w| {
            if place == Place::Outermost {
                if let Some(start) = self.start {
                    w.element("start").attr("mode", start).empty();
                }
                if self.mtu != 0 {
                    w.element("mtu").attr("size", self.mtu).empty();
                }
                self.protocols.iter().for_each(|protocol| protocol.format(w));
            }
            // A bridge's link is that of its ports.
            if !matches!(self.kind, Kind::Bridge(_)) {
                self.link.format(w);
            }
            self.kind.format(w);
        });
    }
}

impl Link {
    fn parse(node: Node<'_>) -> Result<Link> {
        let speed = unsigned(node, "speed")?;
        let state = match node.attr("state") {
            Some("") => None,
            _ => member(node, "state")?,
        };
        Ok(Link { speed, state })
    }

    fn format(self, w: &mut Writer) {
        if self != Link::default() {
            let element = w.element("link").attr_if(self.speed != 0, "speed", self.speed);
            element.attr_opt("state", self.state).empty();
        }
    }
}

fn read_mtu(node: Node<'_>) -> Result<i64> {
    let Some(text) = filled(node, "size") else { return Ok(0) };
    let number = decimal::<u32>(text).ok_or_else(|| invalid("interface mtu value is improper"))?;
    if u64::from(number) > MTU_MAX {
        let text = format!("value of the 'size' attribute of 'mtu' element must be at most {MTU_MAX}");
        return Err(invalid(text));
    }
    Ok(i64::from(number))
}
