//! Addresses of a guest's interfaces, from whoever knows them.

use crate::{Driver, check_flags, error};
use api::domain_info::DomainInterface;
use base::object::DomainRef;
use base::{ErrorCode, Result};

const LEASES: u32 = 0;
const AGENT: u32 = 1;
const NEIGHBOURS: u32 = 2;

impl Driver {
    pub(crate) fn interface_addresses(
        &self,
        dom: &DomainRef,
        source: u32,
        flags: u32,
    ) -> Result<Vec<DomainInterface>> {
        check_flags(flags, 0, "qemuDomainInterfaceAddresses")?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        match source {
            LEASES => self.nics.lent(&live.domain),
            AGENT => self.agent_addresses(&guest),
            NEIGHBOURS => {
                let known = host::neighbours::all();
                let mut found = Vec::new();
                for interface in live.domain.all("interface") {
                    let Some(mac) = interface.attr_at("mac", "address") else { continue };
                    let addrs: Vec<_> = known
                        .iter()
                        .filter(|neighbour| neighbour.mac.eq_ignore_ascii_case(mac))
                        .map(|neighbour| api::DomainIpAddr {
                            type_: i32::from(neighbour.address.is_ipv6()),
                            addr: neighbour.address.to_string(),
                            prefix: 0,
                        })
                        .collect();
                    if !addrs.is_empty() {
                        found.push(DomainInterface {
                            name: interface.attr_at("target", "dev").unwrap_or_default().to_owned(),
                            hwaddr: Some(mac.to_owned()),
                            addrs,
                        });
                    }
                }
                Ok(found)
            }
            other => {
                let text = format!("Unknown IP address data source {}", other as i32);
                Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, text))
            }
        }
    }
}
