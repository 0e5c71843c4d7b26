//! Counters of network interfaces, as the guest sees them.

use super::Record;
use crate::tuning::interface;
use crate::{Driver, FROM};
use api::domain_info::DomainInterfaceStatsRet;
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// Counters of one direction: bytes, packets, errors, packets dropped.
pub(crate) type Counters = [u64; 4];

/// What an interface's device on the host counts: what the guest has received, what it has sent.
pub(crate) fn counters(interface: &Tree) -> Option<(Counters, Counters)> {
    let name = interface.attr_at("target", "dev")?;
    let (received, sent) = host::node::device_counters(name)?;
    // What the host receives by a tap device the guest has sent; a device on top of another counts as the guest does.
    Some(if interface.is("type", "direct") { (received, sent) } else { (sent, received) })
}

pub(super) fn add(record: &mut Record<'_>) {
    let Some(live) = record.value.live.clone() else { return };
    let all: Vec<&Tree> = live.domain.all("interface").collect();
    if all.is_empty() {
        return;
    }
    record.put("net.count", all.len() as u32);
    for (index, interface) in all.into_iter().enumerate() {
        let Some(name) = interface.attr_at("target", "dev") else { continue };
        record.put(format!("net.{index}.name"), name);
        let Some((received, sent)) = counters(interface) else { continue };
        for (side, numbers) in [("rx", received), ("tx", sent)] {
            for (what, number) in ["bytes", "pkts", "errs", "drop"].into_iter().zip(numbers) {
                record.put(format!("net.{index}.{side}.{what}"), number);
            }
        }
    }
}

impl Driver {
    pub(crate) fn interface_stats(&self, dom: &DomainRef, device: &str) -> Result<DomainInterfaceStatsRet> {
        let live = self.find(dom)?.live()?;
        let found = interface::find(&live.domain, device)?;
        if found.is("type", "vhostuser") {
            let text = "interface stats are not supported for this type of interface";
            return Err(Error::new(ErrorCode::OPERATION_UNSUPPORTED, FROM, text));
        }
        let (received, sent) = counters(found)
            .ok_or_else(|| Error::internal(ErrorDomain::NONE, "/proc/net/dev: Interface not found"))?;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let [rx_bytes, rx_packets, rx_errs, rx_drop] = received.map(number);
        let [tx_bytes, tx_packets, tx_errs, tx_drop] = sent.map(number);
        Ok(DomainInterfaceStatsRet {
            rx_bytes,
            rx_packets,
            rx_errs,
            rx_drop,
            tx_bytes,
            tx_packets,
            tx_errs,
            tx_drop,
        })
    }
}
