//! What contradicts the kind of a network, checked when it is defined or started.

use base::{Error, Result};
use netaddr::Family;

use crate::fault::unsupported;
use crate::forward::{Device, Mode};
use crate::network::Network;
use crate::pci::PciAddress;
use crate::virtual_port::PortKind;

impl Network {
    /// Checks the definition. `is_virtual_function` says whether a PCI device of the host may be in a pool.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn validate(&self, is_virtual_function: &dyn Fn(&PciAddress) -> bool) -> Result<()> {
        self.check_pool(is_virtual_function)?;
        if !Mode::own_bridge(self.forward.mode) {
            self.check_foreign_bridge()?;
        }
        self.check_servers()?;
        self.check_portgroups()?;
        self.check_vlans()
    }

    fn check_pool(&self, is_virtual_function: &dyn Fn(&PciAddress) -> bool) -> Result<()> {
        let (name, mode) = (&self.name, self.forward.mode);
        for member in &self.forward.members {
            match (&member.device, mode) {
                (Device::Interface(dev), Some(Mode::Hostdev)) => {
                    return Err(unsupported(format!(
                        "hostdev network '{name}' lists '{dev}' in the device pool, but hostdev networks require all \
                         devices to be listed by PCI address, not network device name"
                    )));
                }
                (Device::Pci(_), mode) if mode != Some(Mode::Hostdev) => {
                    let word = Mode::word(mode);
                    return Err(unsupported(format!(
                        "network '{name}' has forward mode '{word}' but lists a device by PCI address in the device \
                         pool. This is only supported for networks with forward mode 'hostdev'"
                    )));
                }
                (Device::Pci(pci), _) if !is_virtual_function(pci) => {
                    return Err(unsupported(format!(
                        "device '/sys/bus/pci/devices/{pci}' in network '{name}' is not an SR-IOV Virtual Function"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A bridge or interface of the host is not the network's to configure.
    fn check_foreign_bridge(&self) -> Result<()> {
        let word = Mode::word(self.forward.mode);
        let dns = &self.dns;
        let records = !(dns.txts.is_empty() && dns.srvs.is_empty() && dns.hosts.is_empty());
        for (stated, element) in [
            (self.mac.is_some(), "<mac>"),
            (!self.ips.is_empty(), "<ip>"),
            (records, "<dns>"),
            (self.domain.is_some(), "<domain>"),
            (self.bandwidth.is_some() && self.bridge.name.is_none(), "network-wide <bandwidth>"),
        ] {
            if stated {
                return Err(unsupported(format!(
                    "Unsupported {element} element in network {} with forward mode='{word}'",
                    self.name
                )));
            }
        }
        Ok(())
    }

    /// Only one address of each family hands out addresses.
    fn check_servers(&self) -> Result<()> {
        for (family, word) in [(Family::Ipv4, "IPv4"), (Family::Ipv6, "IPv6")] {
            let servers = self.ips.iter().filter(|ip| ip.family() == family && ip.dhcp.serves()).count();
            if servers > 1 {
                return Err(unsupported(format!(
                    "Multiple {word} dhcp sections found -- dhcp is supported only for a single {word} address on \
                     each network"
                )));
            }
        }
        Ok(())
    }

    fn check_portgroups(&self) -> Result<()> {
        let name = &self.name;
        let limited = Mode::own_bridge(self.forward.mode) || self.bridge.name.is_some();
        let mut default = None;
        for (at, group) in self.portgroups.iter().enumerate() {
            if group.default {
                if let Some(first) = default {
                    return Err(unsupported(format!(
                        "network '{name}' has multiple default <portgroup> elements ({first} and {}), but only one \
                         default is allowed",
                        group.name
                    )));
                }
                default = Some(&group.name);
            }
            if self.portgroups.iter().take(at).any(|earlier| earlier.name == group.name) {
                return Err(unsupported(format!(
                    "multiple <portgroup> elements with the same name ({}) in network '{name}'",
                    group.name
                )));
            }
            if group.bandwidth.is_some() && !limited {
                return Err(unsupported(format!(
                    "Unsupported <bandwidth> element in network '{name}' in portgroup '{}' with forward mode='{}'",
                    group.name,
                    Mode::word(self.forward.mode)
                )));
            }
        }
        Ok(())
    }

    /// Tags need a switch that knows them.
    fn check_vlans(&self) -> Result<()> {
        let tagged = |virtual_port: Option<&crate::VirtualPort>| match self.forward.mode {
            Some(Mode::Passthrough | Mode::Hostdev) => true,
            Some(Mode::Bridge) => virtual_port.is_none_or(|port| port.kind == Some(PortKind::OpenVswitch)),
            _ => false,
        };
        let own = self.virtual_port.as_ref();
        let good = (self.vlan.is_none() || tagged(own))
            && self
                .portgroups
                .iter()
                .all(|group| group.vlan.is_none() || tagged(group.virtual_port.as_ref().or(own)));
        if good {
            return Ok(());
        }
        Err(unsupported(format!(
            "<vlan> element specified for network {}, whose type doesn't support vlan configuration",
            self.name
        )))
    }
}

/// An error of a broken invariant of networks.
pub fn internal(text: impl Into<String>) -> Error {
    Error::internal(base::ErrorDomain::NETWORK, text)
}
