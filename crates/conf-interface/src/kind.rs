//! What an interface is: `<bridge>`, `<bond>`, `<vlan>`, or a card of its own.

use crate::interface::{Interface, Place};
use crate::read::{decimal, filled, invalid, word};
use base::Result;
use xml::{Node, Writer};

base::text_enum! {
    /// The word for what an interface is.
    pub enum Type {
        Ethernet = "ethernet",
        Bridge = "bridge",
        Bond = "bond",
        Vlan = "vlan",
    }
}

/// What an interface is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A card, or what looks like one.
    Ethernet {
        /// Its MAC address as it was written.
        mac: Option<String>,
    },
    /// A switch of the kernel.
    Bridge(Bridge),
    /// Several interfaces that act as one.
    Bond(Bond),
    /// A part of an interface's traffic that has a tag.
    Vlan(Vlan),
}

impl Kind {
    /// The word for it.
    pub fn word(&self) -> Type {
        match self {
            Kind::Ethernet { .. } => Type::Ethernet,
            Kind::Bridge(_) => Type::Bridge,
            Kind::Bond(_) => Type::Bond,
            Kind::Vlan(_) => Type::Vlan,
        }
    }

    pub(crate) fn parse(node: Node<'_>, kind: Type) -> Result<Kind> {
        let part = || {
            node.child(kind.as_str())
                .ok_or_else(|| invalid(format!("{kind} interface misses the {kind} element")))
        };
        Ok(match kind {
            Type::Ethernet => {
                let mac = node.child("mac").and_then(|mac| filled(mac, "address"));
                Kind::Ethernet { mac: mac.map(str::to_owned) }
            }
            Type::Bridge => Kind::Bridge(Bridge::parse(part()?)?),
            Type::Bond => Kind::Bond(Bond::parse(part()?)?),
            Type::Vlan => Kind::Vlan(Vlan::parse(part()?)?),
        })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        match self {
            Kind::Ethernet { mac } => {
                if let Some(mac) = mac {
                    w.element("mac").attr("address", mac).empty();
                }
            }
            Kind::Bridge(bridge) => bridge.format(w),
            Kind::Bond(bond) => bond.format(w),
            Kind::Vlan(vlan) => vlan.format(w),
        }
    }
}

/// A bridge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bridge {
    /// Whether bridges agree on a tree without loops; nothing when it is not known.
    pub stp: Option<bool>,
    /// How long a port listens before it forwards, as it was written.
    pub delay: Option<String>,
    /// Its ports.
    pub ports: Vec<Interface>,
}

impl Bridge {
    fn parse(node: Node<'_>) -> Result<Bridge> {
        let stp = match node.attr("stp") {
            Some("on") => Some(true),
            Some("off") => Some(false),
            _ => None,
        };
        let delay = node.attr("delay").map(str::to_owned);
        Ok(Bridge { stp, delay, ports: within(node, Place::Bridge)? })
    }

    fn format(&self, w: &mut Writer) {
        let stp = self.stp.map(|on| if on { "on" } else { "off" });
        let element = w.element("bridge").attr_opt("stp", stp).attr_opt("delay", self.delay.as_ref());
        element.children_always(|w| self.ports.iter().for_each(|port| port.format_within(w)));
    }
}

base::text_enum! {
    /// How a bond uses its interfaces.
    pub enum BondMode {
        BalanceRr = "balance-rr",
        ActiveBackup = "active-backup",
        BalanceXor = "balance-xor",
        Broadcast = "broadcast",
        Lacp = "802.3ad",
        BalanceTlb = "balance-tlb",
        BalanceAlb = "balance-alb",
    }
}

base::text_enum! {
    /// Who tells whether a cable is in.
    pub enum Carrier {
        Ioctl = "ioctl",
        Netif = "netif",
    }
}

base::text_enum! {
    /// Which interfaces' answers to ARP are looked at.
    pub enum Validate {
        Active = "active",
        Backup = "backup",
        All = "all",
    }
}

/// How a bond notices that an interface fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Monitor {
    /// The card is asked.
    Mii {
        /// Milliseconds between questions.
        frequency: i32,
        /// Milliseconds that a failure must last.
        down_delay: i32,
        /// Milliseconds that a recovery must last.
        up_delay: i32,
        /// Who is asked.
        carrier: Option<Carrier>,
    },
    /// A neighbour is asked.
    Arp {
        /// Milliseconds between questions.
        interval: i32,
        /// Its address, as it was written.
        target: String,
        /// Which interfaces' answers are looked at.
        validate: Option<Validate>,
    },
}

impl Monitor {
    fn mii(node: Node<'_>) -> Result<Monitor> {
        let refused = |what: &str| invalid(format!("bond interface miimon {what}"));
        let delay = |name: &str| match filled(node, name) {
            Some(text) => decimal(text).ok_or_else(|| refused(&format!("{name} invalid"))),
            None => Ok(0),
        };
        Ok(Monitor::Mii {
            frequency: filled(node, "freq")
                .and_then(decimal)
                .ok_or_else(|| refused("freq missing or invalid"))?,
            down_delay: delay("downdelay")?,
            up_delay: delay("updelay")?,
            carrier: word(node, "carrier", "mii bonding carrier")?,
        })
    }

    fn arp(node: Node<'_>) -> Result<Monitor> {
        let refused = |what: &str| invalid(format!("bond interface arpmon {what}"));
        Ok(Monitor::Arp {
            interval: filled(node, "interval")
                .and_then(decimal)
                .ok_or_else(|| refused("interval missing or invalid"))?,
            target: filled(node, "target").ok_or_else(|| refused("target missing"))?.to_owned(),
            validate: word(node, "validate", "arp bonding validate")?,
        })
    }

    fn format(&self, w: &mut Writer) {
        match self {
            Monitor::Mii { frequency, down_delay, up_delay, carrier } => w
                .element("miimon")
                .attr("freq", frequency)
                .attr_if(*down_delay != 0, "downdelay", down_delay)
                .attr_if(*up_delay != 0, "updelay", up_delay)
                .attr_opt("carrier", *carrier)
                .empty(),
            Monitor::Arp { interval, target, validate } => w
                .element("arpmon")
                .attr("interval", interval)
                .attr("target", target)
                .attr_opt("validate", *validate)
                .empty(),
        }
    }
}

/// A bond.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bond {
    /// How it uses its interfaces.
    pub mode: Option<BondMode>,
    /// How it notices failures.
    pub monitor: Option<Monitor>,
    /// Its interfaces.
    pub members: Vec<Interface>,
}

impl Bond {
    fn parse(node: Node<'_>) -> Result<Bond> {
        let mode = word(node, "mode", "bonding mode")?;
        let members = within(node, Place::Bond)?;
        let monitor = match (node.child("miimon"), node.child("arpmon")) {
            (Some(mii), _) => Some(Monitor::mii(mii)?),
            (None, Some(arp)) => Some(Monitor::arp(arp)?),
            (None, None) => None,
        };
        Ok(Bond { mode, monitor, members })
    }

    fn format(&self, w: &mut Writer) {
        w.element("bond").attr_opt("mode", self.mode).children_always(|w| {
            if let Some(monitor) = &self.monitor {
                monitor.format(w);
            }
            self.members.iter().for_each(|member| member.format_within(w));
        });
    }
}

/// A part of an interface's traffic that has a tag.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vlan {
    /// The tag, as it was written.
    pub tag: String,
    /// Name of the interface whose traffic it is.
    pub parent: String,
}

impl Vlan {
    fn parse(node: Node<'_>) -> Result<Vlan> {
        let missing = |what: &str| invalid(format!("vlan interface misses {what}"));
        let tag = filled(node, "tag").ok_or_else(|| missing("the tag attribute"))?;
        let parent = node.child("interface").and_then(|parent| filled(parent, "name"));
        let parent = parent.ok_or_else(|| missing("name attribute"))?;
        Ok(Vlan { tag: tag.to_owned(), parent: parent.to_owned() })
    }

    fn format(&self, w: &mut Writer) {
        w.element("vlan").attr("tag", &self.tag).children(|w| {
            w.element("interface").attr("name", &self.parent).empty();
        });
    }
}

fn within(node: Node<'_>, place: Place) -> Result<Vec<Interface>> {
    node.children("interface").map(|child| Interface::of(child, place)).collect()
}
