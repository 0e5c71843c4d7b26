//! `<bridge>`: the bridge that carries a network.

use base::Result;
use xml::{Node, Writer};

use crate::fault::invalid;
use crate::read;

base::text_enum! {
    /// Who keeps the table of hardware addresses of a bridge.
    pub enum MacTableManager {
        Kernel = "kernel",
        Libvirt = "libvirt",
    }
}

/// The bridge of a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bridge {
    /// Kernel name; may hold `%d` before the network is stored.
    pub name: Option<String>,
    /// Zone of firewalld.
    pub zone: Option<String>,
    /// Spanning tree protocol.
    pub stp: bool,
    /// Seconds a new port waits before it forwards.
    pub delay: u64,
    /// Keeper of the address table.
    pub mac_table_manager: Option<MacTableManager>,
    /// Whether the document says something of the spanning tree.
    pub stp_given: bool,
}

impl Default for Bridge {
    fn default() -> Bridge {
        Bridge { name: None, zone: None, stp: true, delay: 0, mac_table_manager: None, stp_given: false }
    }
}

impl Bridge {
    pub(crate) fn parse(node: Node<'_>, network: &str) -> Result<Bridge> {
        let text = |name| read::filled(node, name).map(str::to_owned);
        let stp = read::filled(node, "stp");
        let delay = match read::filled(node, "delay") {
            None => 0,
            Some(text) => read::decimal(text)
                .ok_or_else(|| invalid(format!("Invalid delay value in network '{network}'")))?,
        };
        let manager = read::filled(node, "macTableManager").map(|text| {
            MacTableManager::parse(text).ok_or_else(|| {
                invalid(format!("Invalid macTableManager setting '{text}' in network '{network}'"))
            })
        });
        Ok(Bridge {
            name: text("name"),
            zone: text("zone"),
            // Whatever is not "off" is on.
            stp: stp != Some("off"),
            delay,
            mac_table_manager: manager.transpose()?,
            stp_given: stp.is_some(),
        })
    }

    /// Whether anything is stated.
    pub(crate) fn is_default(&self) -> bool {
        self.name.is_none() && self.zone.is_none() && self.mac_table_manager.is_none()
    }

    /// Prints the element; `own`: the bridge is the network's own, not one of the host.
    pub(crate) fn format(&self, own: bool, w: &mut Writer) {
        w.element("bridge")
            .attr_opt("name", self.name.as_ref())
            .attr_opt("zone", self.zone.as_ref())
            .attr_if(own, "stp", if self.stp { "on" } else { "off" })
            .attr_if(own, "delay", self.delay)
            .attr_opt("macTableManager", self.mac_table_manager)
            .empty_or_nothing();
    }
}
