//! Names of vendors and products, from the lists that distributions install.
//!
//! ```text
//! 8086  Intel Corporation
//! <tab>100e  82540EM Gigabit Ethernet Controller
//! <tab><tab>8086 001e  …                            what is two levels deep names subsystems
//! C 00  …                                           what follows the vendors names classes
//! ```

use std::collections::HashMap;
use std::path::Path;

/// Where the list of PCI vendors may be.
const PCI: &[&str] = &["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "var/lib/pciutils/pci.ids"];
/// No list has more.
const LIST_MAX: u64 = 32 << 20;

/// A list of vendors and their products.
#[derive(Debug, Default)]
pub(crate) struct Names {
    vendors: HashMap<u32, String>,
    products: HashMap<(u32, u32), String>,
}

impl Names {
    /// The installed list of PCI vendors; empty when there is none.
    pub(crate) fn pci(root: &Path) -> Names {
        let path = PCI.iter().map(|path| root.join(path)).find(|path| path.is_file());
        let small = |path: &std::path::PathBuf| path.metadata().is_ok_and(|file| file.len() <= LIST_MAX);
        let bytes = path.filter(small).and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        Names::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Names {
        let mut names = Names::default();
        let mut vendor = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let numbered = |line: &str| {
                let (number, name) = line.split_at_checked(4)?;
                let name = name.strip_prefix("  ")?;
                Some((u32::from_str_radix(number, 16).ok()?, name.trim().to_owned()))
            };
            if line.starts_with("\t\t") {
                continue;
            }
            match line.strip_prefix('\t') {
                Some(line) => {
                    if let (Some(vendor), Some((number, name))) = (vendor, numbered(line)) {
                        names.products.insert((vendor, number), name);
                    }
                }
                None => {
                    let found = numbered(line);
                    vendor = found.as_ref().map(|(number, _)| *number);
                    names.vendors.extend(found);
                }
            }
        }
        names
    }

    /// Who made it.
    pub(crate) fn vendor(&self, vendor: u32) -> Option<String> {
        self.vendors.get(&vendor).cloned()
    }

    /// What it is.
    pub(crate) fn product(&self, vendor: u32, product: u32) -> Option<String> {
        self.products.get(&(vendor, product)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_and_products() {
        let names =
            Names::parse("# list\n8086  Intel\n\t100e  Card\n\t\t8086 001e  Sub\nC 00  Class\n\t01  Old\n");
        assert_eq!(names.vendor(0x8086).as_deref(), Some("Intel"));
        assert_eq!(names.product(0x8086, 0x100e).as_deref(), Some("Card"));
        assert_eq!((names.vendors.len(), names.products.len()), (1, 1));
    }
}
