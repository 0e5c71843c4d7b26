//! `net`: a network interface.

use base::Result;
use conf_domain::fault;
use xml::Writer;

use crate::read::{Part, invalid, unsupported};

base::text_enum! {
    /// States of a link, as the kernel names them.
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

base::text_enum! {
    /// What an interface can do in the place of the processor, in the order of documents.
    pub enum Feature {
        /// Checks sums of what it receives.
        Rx = "rx",
        /// Makes sums of what it sends.
        Tx = "tx",
        /// Collects what it sends from several places.
        ScatterGather = "sg",
        /// Cuts TCP segments.
        TcpSegmentation = "tso",
        /// Cuts UDP fragments.
        UdpFragmentation = "ufo",
        /// Cuts segments of any kind.
        GenericSegmentation = "gso",
        /// Joins segments of any kind.
        GenericReceive = "gro",
        /// Joins large segments.
        LargeReceive = "lro",
        /// Takes tags off.
        RxVlan = "rxvlan",
        /// Puts tags on.
        TxVlan = "txvlan",
        /// Filters by several fields.
        NTuple = "ntuple",
        /// Hashes what it receives.
        RxHash = "rxhash",
        /// Reads and writes memory of others.
        Rdma = "rdma",
        /// Cuts segments within tunnels.
        TxUdpTunnel = "txudptnl",
        /// Switches between its functions.
        SwitchDev = "switchdev",
    }
}

base::text_enum! {
    /// Kinds of interfaces that are told apart.
    pub enum Medium {
        /// Wire.
        Ethernet = "80203",
        /// Air.
        Wireless = "80211",
    }
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Net {
    /// The kernel's name.
    pub interface: String,
    /// Hardware address as text.
    pub address: Option<String>,
    /// Megabits in a second; 0 when the kernel does not know.
    pub speed: u32,
    /// State of the link.
    pub state: Option<LinkState>,
    /// In the order of [`Feature`].
    pub features: Vec<Feature>,
    /// Wire or air.
    pub medium: Option<Medium>,
}

impl Net {
    pub(crate) fn parse(part: Part<'_>) -> Result<Net> {
        let mut net = Net { interface: part.needed("interface", "network interface")?, ..Net::default() };
        net.address = part.text("address");
        for node in part.node.children("feature") {
            let name = node.attr("name").ok_or_else(|| invalid("missing network device feature name"))?;
            let unknown = || invalid(format!("unknown network device feature '{name}'"));
            let feature = Feature::parse(name).ok_or_else(unknown)?;
            if !net.features.contains(&feature) {
                net.features.push(feature);
            }
        }
        net.features.sort();
        if let Some((word, _)) = part.inner().next().filter(|(word, _)| !word.is_empty()) {
            let medium = Medium::parse(word)
                .ok_or_else(|| unsupported(format!("invalid network type supplied for '{}'", part.device)))?;
            net.medium = Some(medium);
        }
        if let Some(node) = part.node.child("link") {
            if let Some(text) = node.attr("state") {
                let state = LinkState::parse(text);
                net.state = Some(state.ok_or_else(|| fault::attribute("link", "state", text))?);
            }
            if let Some(text) = node.attr("speed") {
                let speed = text.parse();
                net.speed =
                    speed.map_err(|_| fault::number("link", "speed", text, "non-negative integer"))?;
            }
        }
        Ok(net)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("interface", &self.interface);
        w.leaf_opt("address", self.address.as_ref());
        w.element("link")
            .attr_opt("speed", Some(self.speed).filter(|speed| *speed > 0))
            .attr_opt("state", self.state)
            .empty_or_nothing();
        for feature in &self.features {
            w.element("feature").attr("name", feature).empty();
        }
        if let Some(medium) = self.medium {
            w.element("capability").attr("type", medium).empty();
        }
    }
}
