//! `<networkport>`: a guest's connection to a network.

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use netaddr::Mac;
use xml::{Document, Node, Writer};

use crate::bridge::MacTableManager;
use crate::fault::{invalid, malformed};
use crate::forward::PciDriver;
use crate::pci::PciAddress;
use crate::virtual_port::PortRules;
use crate::{Bandwidth, VirtualPort, Vlan, read};

base::text_enum! {
    /// How macvtap interfaces of one device see each other.
    pub enum DirectMode {
        Vepa = "vepa",
        Private = "private",
        Bridge = "bridge",
        Passthrough = "passthrough",
    }
}

base::text_enum! {
    enum PlugKind {
        None = "none",
        Network = "network",
        Bridge = "bridge",
        Direct = "direct",
        HostdevPci = "hostdev-pci",
    }
}

/// What the port is plugged into.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Plug {
    /// Not decided yet.
    #[default]
    None,
    /// The network's own bridge.
    Network {
        /// Bridge.
        bridge: String,
        /// Keeper of its address table.
        mac_table_manager: Option<MacTableManager>,
    },
    /// A bridge of the host.
    Bridge {
        /// Bridge.
        bridge: String,
        /// Keeper of its address table.
        mac_table_manager: Option<MacTableManager>,
    },
    /// A macvtap interface.
    Direct {
        /// Interface below.
        dev: String,
        /// Mode.
        mode: DirectMode,
    },
    /// A PCI function that the guest gets.
    Hostdev {
        /// The function.
        address: PciAddress,
        /// Taken from its host driver and given back.
        managed: Option<bool>,
        /// Driver.
        driver: Option<PciDriver>,
        /// Variant of the driver.
        model: Option<String>,
    },
}

/// A guest's connection to a network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetworkPort {
    /// Identity.
    pub uuid: Uuid,
    /// Name of the guest.
    pub owner_name: String,
    /// Identity of the guest.
    pub owner_uuid: Uuid,
    /// Class of ports.
    pub group: Option<String>,
    /// Hardware address of the guest's interface.
    pub mac: Mac,
    /// Profile.
    pub virtual_port: Option<VirtualPort>,
    /// Speed.
    pub bandwidth: Option<Bandwidth>,
    /// Traffic class that guarantees the speed.
    pub class_id: Option<u32>,
    /// Tags.
    pub vlan: Option<Vlan>,
    /// Does not see other isolated ports.
    pub isolated: Option<bool>,
    /// The guest may change its filters.
    pub trust_guest_rx_filters: Option<bool>,
    /// What it is plugged into.
    pub plug: Plug,
}

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::NETWORK, text)
}

impl NetworkPort {
    /// Reads a document.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(text: &str) -> Result<NetworkPort> {
        let document = Document::parse(text).map_err(|error| malformed(text, &error))?;
        let root = document.root();
        if root.name() != "networkport" {
            let text = format!("expecting root element of 'networkport', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        let uuid = |node: Option<Node<'_>>, missing: &str| {
            let text = node.map(Node::text).filter(|text| !text.is_empty());
            let text = text.ok_or_else(|| internal(missing))?;
            text.parse::<Uuid>().map_err(|_| internal(format!("Unable to parse UUID '{text}'")))
        };
        let mut port = NetworkPort {
            uuid: uuid(root.child("uuid"), "network port has no uuid")?,
            ..NetworkPort::default()
        };
        port.owner_name = root
            .descend("owner/name")
            .map(Node::text)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| internal("network port has no owner name"))?;
        port.owner_uuid = uuid(root.descend("owner/uuid"), "network port has no owner UUID")?;
        port.group = root.child_text("group").filter(|text| !text.is_empty());
        let mac = root.child("mac").and_then(|node| read::filled(node, "address"));
        let mac = mac.ok_or_else(|| internal("network port has no mac"))?;
        port.mac = mac.parse().map_err(|_| internal(format!("Unable to parse MAC '{mac}'")))?;
        if let Some(node) = root.child("virtualport") {
            // An element without any content is a statement as well.
            let parsed = VirtualPort::parse(node, PortRules::default(), &mut || [0; 16])?;
            port.virtual_port = Some(parsed.unwrap_or_default());
        }
        if let Some(node) = root.child("bandwidth") {
            port.bandwidth = Bandwidth::parse(node, true, Some(&mut port.class_id))?;
        }
        port.vlan = root.child("vlan").map(Vlan::parse).transpose()?;
        if let Some(node) = root.child("port") {
            port.isolated = read::yes_no(node, "isolated")?;
        }
        if let Some(node) = root.child("rxfilters") {
            port.trust_guest_rx_filters = read::yes_no(node, "trustGuest")?;
        }
        if let Some(node) = root.child("plug") {
            port.plug = Plug::parse(node)?;
        }
        Ok(port)
    }

    /// The document as text, ending in a newline.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        w.element("networkport").children(|w| {
            w.leaf("uuid", self.uuid);
            w.element("owner").children(|w| {
                w.leaf("name", &self.owner_name);
                w.leaf("uuid", self.owner_uuid);
            });
            w.leaf_opt("group", self.group.as_ref());
            w.element("mac").attr("address", self.mac).empty();
            if let Some(port) = &self.virtual_port {
                port.format(w);
            }
            if let Some(bandwidth) = &self.bandwidth {
                bandwidth.format(self.class_id, w);
            }
            if let Some(vlan) = &self.vlan {
                vlan.format(w);
            }
            if let Some(isolated) = self.isolated {
                w.element("port").attr("isolated", read::yes_no_text(isolated)).empty();
            }
            if let Some(trust) = self.trust_guest_rx_filters {
                w.element("rxfilters").attr("trustGuest", read::yes_no_text(trust)).empty();
            }
            self.plug.format(w);
        });
        w.finish()
    }
}

impl Plug {
    fn parse(node: Node<'_>) -> Result<Plug> {
        let kind = read::member::<PlugKind>(node, "type")?.unwrap_or(PlugKind::None);
        let bridge = || {
            let bridge = read::filled(node, "bridge")
                .ok_or_else(|| invalid("Missing network port bridge name"))?
                .to_owned();
            let manager = read::filled(node, "macTableManager").map(|text| {
                MacTableManager::parse(text).ok_or_else(|| {
                    invalid(format!("Invalid macTableManager setting '{text}' in network port"))
                })
            });
            Ok::<_, Error>((bridge, manager.transpose()?))
        };
        Ok(match kind {
            PlugKind::None => Plug::None,
            PlugKind::Network => {
                let (bridge, mac_table_manager) = bridge()?;
                Plug::Network { bridge, mac_table_manager }
            }
            PlugKind::Bridge => {
                let (bridge, mac_table_manager) = bridge()?;
                Plug::Bridge { bridge, mac_table_manager }
            }
            PlugKind::Direct => {
                let dev = read::filled(node, "dev")
                    .ok_or_else(|| invalid("Missing network port link device name"))?
                    .to_owned();
                let mode = match read::filled(node, "mode") {
                    None => DirectMode::Vepa,
                    Some(text) => DirectMode::parse(text)
                        .ok_or_else(|| invalid(format!("Invalid mode setting '{text}' in network port")))?,
                };
                Plug::Direct { dev, mode }
            }
            PlugKind::HostdevPci => {
                let managed = read::yes_no(node, "managed")?;
                let driver = node.child("driver");
                let (driver, model) = match driver {
                    None => (None, None),
                    Some(node) => {
                        (read::member(node, "name")?, read::filled(node, "model").map(str::to_owned))
                    }
                };
                let address =
                    node.child("address").ok_or_else(|| invalid("Missing network port PCI address"))?;
                Plug::Hostdev { address: PciAddress::parse(address)?, managed, driver, model }
            }
        })
    }

    fn format(&self, w: &mut Writer) {
        match self {
            Plug::None => {}
            Plug::Network { bridge, mac_table_manager } | Plug::Bridge { bridge, mac_table_manager } => {
                let kind =
                    if matches!(self, Plug::Network { .. }) { PlugKind::Network } else { PlugKind::Bridge };
                w.element("plug")
                    .attr("type", kind)
                    .attr("bridge", bridge)
                    .attr_opt("macTableManager", *mac_table_manager)
                    .empty();
            }
            Plug::Direct { dev, mode } => {
                w.element("plug").attr("type", PlugKind::Direct).attr("dev", dev).attr("mode", mode).empty();
            }
            Plug::Hostdev { address, managed, driver, model } => {
                w.element("plug")
                    .attr("type", PlugKind::HostdevPci)
                    .attr_opt("managed", managed.map(read::yes_no_text))
                    .children(|w| {
                        if driver.is_some() || model.is_some() {
                            w.element("driver")
                                .attr_opt("name", *driver)
                                .attr_opt("model", model.as_ref())
                                .empty();
                        }
                        address.attributes(w.element("address")).empty();
                    });
            }
        }
    }
}
