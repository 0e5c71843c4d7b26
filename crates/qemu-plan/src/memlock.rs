//! How much memory the emulator of a guest must be able to lock.
//!
//! Devices of the host reach into the memory of a guest by themselves, so that its pages must stay where they are. An
//! emulator may lock no more than its limit says; the limit follows from the definition.

use conf_domain::Domain;
use xml::Tree;

/// A limit for locked memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nothing is locked: the limit stays what it is.
    Inherited,
    /// Bytes.
    Bytes(u64),
    /// Everything may be locked.
    Unlimited,
}

/// What documents write for no limit, in KiB.
const UNLIMITED_KIB: u64 = 9_007_199_254_740_991;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Room for the registers of all devices that are mapped into a guest of a PC.
const DEVICE_ROOM: u64 = GIB;

/// The limit that a guest needs.
pub fn limit(domain: &Domain) -> Limit {
    if let Some(kib) = hard_limit(domain) {
        return Limit::Bytes(kib.saturating_mul(1024));
    }
    if domain.tree.at("memoryBacking/locked").is_some() {
        return Limit::Unlimited;
    }
    let users = Users::of(domain);
    if matches!(domain.tree.attr_at("os/type", "arch"), Some("ppc64" | "ppc64le")) && domain.kind() == "kvm" {
        return Limit::Bytes(power(domain, users));
    }
    let spaces = users.spaces();
    if spaces == 0 {
        return Limit::Inherited;
    }
    let memory = domain.memory_kib().saturating_mul(1024);
    Limit::Bytes(memory.saturating_mul(spaces).saturating_add(DEVICE_ROOM))
}

fn hard_limit(domain: &Domain) -> Option<u64> {
    let kib: u64 = domain.tree.child("memtune")?.text_of("hard_limit")?.parse().ok()?;
    (kib < UNLIMITED_KIB).then_some(kib)
}

/// Devices that reach into the memory of a guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Users {
    /// Devices handed over by VFIO.
    vfio: u64,
    /// NVMe disks that the emulator drives itself.
    nvme: u64,
    /// Network devices and disks behind vDPA.
    vdpa: u64,
    /// The guest has an IOMMU of its own, so that each device sees memory its own way.
    iommu: bool,
}

impl Users {
    fn of(domain: &Domain) -> Users {
        let mut users = Users::default();
        for device in domain.devices() {
            match (device.name.as_str(), device.attr("type")) {
                ("hostdev", Some("pci" | "mdev")) | ("interface", Some("hostdev")) => users.vfio += 1,
                ("disk", Some("nvme")) => users.nvme += 1,
                ("interface", Some("vdpa")) | ("disk", Some("vhostvdpa")) => users.vdpa += 1,
                ("iommu", _) => users.iommu = true,
                _ => {}
            }
            users.nvme += backing(device, "nvme");
            users.vdpa += backing(device, "vhostvdpa");
        }
        users
    }

    /// How many times the memory is locked.
    fn spaces(self) -> u64 {
        let vfio = if self.iommu { self.vfio } else { self.vfio.min(1) };
        vfio + self.nvme + self.vdpa
    }
}

/// Images of a kind below a disk.
fn backing(device: &Tree, kind: &str) -> u64 {
    let mut count = 0;
    let mut image = device.child("backingStore").filter(|_| device.name == "disk");
    while let Some(own) = image {
        count += u64::from(own.is("type", kind));
        image = own.child("backingStore");
    }
    count
}

/// Guests of POWER lock the tables of their memory as well.
///
/// Every guest: 1/128 of the memory it can grow to for its page table, and for windows of 32 bits 4 MiB per host bridge
/// and 8 MiB besides. With devices of the host also the greater of 2 GiB per host bridge (windows as they were once)
/// and the memory with 1/512 of it per host bridge and 8 MiB (windows of 64 bits over everything).
fn power(domain: &Domain, users: Users) -> u64 {
    let memory = domain.memory_kib().saturating_mul(1024);
    let grown = domain.tree.text_of("maxMemory").and_then(|text| text.parse::<u64>().ok());
    let grown = grown.map_or(memory, |kib| kib.saturating_mul(1024));
    let bridges = domain.all("controller").filter(|device| device.is("model", "pci-root")).count() as u64;
    let base = grown / 128 + 4 * MIB * bridges + 8 * MIB;
    if users.spaces() == 0 {
        return base;
    }
    let old = 2 * GIB * bridges;
    let wide = memory.saturating_add(memory / 512 * bridges).saturating_add(8 * MIB);
    base.saturating_add(old.max(wide))
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf_domain::ParseFlags;

    fn of(inside: &str) -> Limit {
        let text = format!(
            "<domain type='kvm'><name>t</name><memory>1048576</memory><os><type arch='x86_64' machine='q35'>hvm</type>\
             </os>{inside}</domain>"
        );
        let flags = ParseFlags { inactive: true, ..ParseFlags::default() };
        limit(&Domain::parse(&text, flags, &mut || [1; 16]).unwrap())
    }

    #[test]
    fn what_is_locked() {
        const DEVICE: &str = "<hostdev mode='subsystem' type='pci'><source>\
            <address domain='0x0' bus='0x1' slot='0x0' function='0x0'/></source></hostdev>";
        let devices = |inside: &str| format!("<devices>{inside}</devices>");
        assert_eq!(of(""), Limit::Inherited);
        assert_eq!(of("<memoryBacking><locked/></memoryBacking>"), Limit::Unlimited);
        assert_eq!(of("<memtune><hard_limit>2048</hard_limit></memtune>"), Limit::Bytes(2 << 20));
        assert_eq!(of(&devices(&DEVICE.repeat(2))), Limit::Bytes(2 * GIB));
        let own = format!("{}<iommu model='intel'/>", DEVICE.repeat(2));
        assert_eq!(of(&devices(&own)), Limit::Bytes(3 * GIB));
    }
}
