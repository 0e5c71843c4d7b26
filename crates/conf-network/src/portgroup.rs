//! `<portgroup>`: settings that guests choose by name.

use base::Result;
use xml::{Node, Writer};

use crate::fault::invalid;
use crate::read;
use crate::virtual_port::PortRules;
use crate::{Bandwidth, VirtualPort, Vlan};

/// A named class of ports.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortGroup {
    /// Name.
    pub name: String,
    /// Guests that name no group are in this one.
    pub default: bool,
    /// Guests may change their filters.
    pub trust_guest_rx_filters: Option<bool>,
    /// Tags.
    pub vlan: Option<Vlan>,
    /// Profile; may lack its kind and ids.
    pub virtual_port: Option<VirtualPort>,
    /// Speed.
    pub bandwidth: Option<Bandwidth>,
}

impl PortGroup {
    pub(crate) fn parse(node: Node<'_>, random: &mut dyn FnMut() -> [u8; 16]) -> Result<PortGroup> {
        let name = read::filled(node, "name")
            .ok_or_else(|| invalid("Missing required name attribute in portgroup"))?
            .to_owned();
        let trust_guest_rx_filters = read::yes_no(node, "trustGuestRxFilters")?;
        let default = node.attr("default") == Some("yes");
        let virtual_port = match node.child("virtualport") {
            Some(node) => VirtualPort::parse(node, PortRules::default(), random)?,
            None => None,
        };
        let bandwidth = match node.child("bandwidth") {
            Some(node) => Bandwidth::parse(node, false, None)?,
            None => None,
        };
        let vlan = node.child("vlan").map(Vlan::parse).transpose()?;
        Ok(PortGroup { name, default, trust_guest_rx_filters, vlan, virtual_port, bandwidth })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.element("portgroup")
            .attr("name", &self.name)
            .attr_if(self.default, "default", "yes")
            .attr_opt("trustGuestRxFilters", self.trust_guest_rx_filters.map(read::yes_no_text))
            .children_always(|w| {
                if let Some(vlan) = &self.vlan {
                    vlan.format(w);
                }
                if let Some(port) = &self.virtual_port {
                    port.format(w);
                }
                if let Some(bandwidth) = &self.bandwidth {
                    bandwidth.format(None, w);
                }
            });
    }
}
