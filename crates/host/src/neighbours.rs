//! Neighbours of the host: which address of the network belongs to which address of the wire.

use std::fs;
use std::net::IpAddr;

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Address in the network.
    pub address: IpAddr,
    /// Address on the wire, six numbers with colons.
    pub mac: String,
    /// The host's device it was seen at.
    pub device: String,
}

/// Neighbours that answer, as the kernel's table has them.
pub fn all() -> Vec<Neighbour> {
    parse(&fs::read_to_string("/proc/net/arp").unwrap_or_default())
}

fn parse(table: &str) -> Vec<Neighbour> {
    let one = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, _, flags, mac, _, device] = fields.as_slice() else { return None };
        // An entry without the flag of completeness has no address on the wire.
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
        (flags & 2 != 0).then_some(())?;
        Some(Neighbour {
            address: address.parse().ok()?,
            mac: (*mac).to_owned(),
            device: (*device).to_owned(),
        })
    };
    table.lines().skip(1).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn table() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     10.0.0.1         0x1         0x2         52:54:00:00:00:01     *        br0\n\
                     10.0.0.2         0x1         0x0         00:00:00:00:00:00     *        br0\n";
        let found = super::parse(table);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].mac.as_str(), found[0].device.as_str()), ("52:54:00:00:00:01", "br0"));
    }
}
