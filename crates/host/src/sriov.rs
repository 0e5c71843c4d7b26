//! Network adapters that show themselves as many: a physical function and its virtual ones.
//!
//! ```text
//! /sys/class/net/eth0/device/virtfn0 ──▶ …/0000:03:10.0      its net/ names the interface, while a driver has it
//!                                        …/0000:03:10.0/physfn ──▶ the physical function
//! ```

use std::fs;
use std::path::Path;

/// A virtual function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Address on the PCI bus, as `0000:03:10.0`.
    pub address: String,
    /// Its interface, if a driver of the host has it.
    pub interface: Option<String>,
}

/// Whether the PCI device with this address is a virtual function.
pub fn is_virtual(address: &str) -> bool {
    !address.contains('/') && Path::new("/sys/bus/pci/devices").join(address).join("physfn").exists()
}

/// The virtual functions of the adapter behind an interface, in the adapter's order.
pub fn functions(interface: &str) -> Vec<Function> {
    if interface.contains('/') {
        return Vec::new();
    }
    let device = Path::new("/sys/class/net").join(interface).join("device");
    (0..)
        .map_while(|number: u32| fs::read_link(device.join(format!("virtfn{number}"))).ok())
        .filter_map(|target| {
            let address = target.file_name()?.to_str()?.to_owned();
            let folder = Path::new("/sys/bus/pci/devices").join(&address).join("net");
            let first = fs::read_dir(folder).ok().and_then(|mut entries| entries.next()?.ok());
            let interface = first.and_then(|entry| entry.file_name().into_string().ok());
            Some(Function { address, interface })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_nothing() {
        assert!(!is_virtual("ffff:ff:1f.7") && !is_virtual("../../etc"));
        assert!(functions("lo").is_empty() && functions("../lo").is_empty());
    }
}
