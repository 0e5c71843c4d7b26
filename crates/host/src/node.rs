//! What the machine is: processors, memory, their use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Facts of `virsh nodeinfo`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Architecture, e.g. `x86_64`.
    pub arch: String,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Processors online.
    pub cpus: u32,
    /// Frequency in MHz, 0 when not known.
    pub mhz: u32,
    /// NUMA nodes.
    pub nodes: u32,
    /// Sockets per node.
    pub sockets: u32,
    /// Cores per socket.
    pub cores: u32,
    /// Threads per core.
    pub threads: u32,
}

/// A file tree that stands for `/`, so that recorded machines can be read too.
#[derive(Debug, Clone)]
pub struct Tree(PathBuf);

/// A size of pages as mounts write it, e.g. `2M`, in KiB.
fn page_kib(text: &str) -> u64 {
    let (digits, factor) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 1),
        Some(digits) if text.ends_with('M') => (digits, 1 << 10),
        Some(digits) => (digits, 1 << 20),
        None => return text.parse::<u64>().unwrap_or(0) / 1024,
    };
    digits.parse::<u64>().unwrap_or(0).saturating_mul(factor)
}

impl Tree {
    /// The tree below a folder.
    pub fn below(root: &Path) -> Tree {
        Tree(root.to_owned())
    }

    /// This machine.
    pub fn machine() -> Tree {
        Tree(PathBuf::from("/"))
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok()
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }

    /// Numbers in a list like `0-3,5`.
    fn list(&self, path: &str) -> Option<BTreeSet<u32>> {
        let text = self.text(path)?;
        let mut set = BTreeSet::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            if last < first || last > 1 << 20 {
                return None;
            }
            set.extend(first..=last);
        }
        Some(set)
    }

    /// Processors that are online.
    pub fn online(&self) -> BTreeSet<u32> {
        self.list("sys/devices/system/cpu/online").unwrap_or_else(|| BTreeSet::from([0]))
    }

    /// Processors that could be.
    pub fn present(&self) -> BTreeSet<u32> {
        self.list("sys/devices/system/cpu/present").unwrap_or_else(|| self.online())
    }

    /// Processors of each NUMA node that is online.
    pub fn numa_cpus(&self) -> BTreeMap<u32, BTreeSet<u32>> {
        let nodes = self.list("sys/devices/system/node/online").unwrap_or_default();
        let cpus = |node: &u32| self.list(&format!("sys/devices/system/node/node{node}/cpulist"));
        nodes.iter().map(|node| (*node, cpus(node).unwrap_or_default())).collect()
    }

    /// File systems of huge pages: where they are mounted, and the size of their pages in KiB. The first of the kernel's
    /// usual size comes first.
    pub fn huge_pages(&self) -> Vec<(String, u64)> {
        let usual = self.meminfo("Hugepagesize").unwrap_or(0);
        let mounts = self.text("proc/mounts").unwrap_or_default();
        let mut found: Vec<(String, u64)> = mounts
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ').skip(1);
                let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
                let size = options.split(',').find_map(|option| option.strip_prefix("pagesize="));
                (kind == "hugetlbfs").then(|| (path.to_owned(), size.map_or(usual, page_kib)))
            })
            .collect();
        found.sort_by_key(|(_, size)| *size != usual);
        found
    }

    /// A field of `/proc/meminfo` in KiB.
    fn meminfo(&self, name: &str) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Memory in KiB.
    pub fn memory_kib(&self) -> u64 {
        self.meminfo("MemTotal").unwrap_or(0)
    }

    /// Free memory in bytes, without caches.
    pub fn free_memory(&self) -> u64 {
        self.meminfo("MemFree").unwrap_or(0) * 1024
    }

    /// `total`, `free`, `buffers`, `cached` in KiB.
    pub fn memory_stats(&self) -> Vec<(&'static str, u64)> {
        [("total", "MemTotal"), ("free", "MemFree"), ("buffers", "Buffers"), ("cached", "Cached")]
            .into_iter()
            .filter_map(|(name, field)| Some((name, self.meminfo(field)?)))
            .collect()
    }

    /// Nanoseconds since boot in the kernel, in programs, idle and waiting for disks; of one processor or of all.
    pub fn cpu_stats(&self, cpu: Option<u32>) -> Option<Vec<(&'static str, u64)>> {
        let text = self.text("proc/stat")?;
        let name = cpu.map_or_else(|| "cpu".to_owned(), |cpu| format!("cpu{cpu}"));
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(&name))?;
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        let tick = 1_000_000_000 / 100;
        let sum =
            |indexes: &[usize]| indexes.iter().filter_map(|index| ticks.get(*index)).sum::<u64>() * tick;
        Some(vec![
            ("kernel", sum(&[2, 5, 6])),
            ("user", sum(&[0, 1])),
            ("idle", sum(&[3])),
            ("iowait", sum(&[4])),
        ])
    }

    /// Facts of the machine.
    pub fn node(&self) -> Node {
        let online = self.online();
        let mut sockets = BTreeSet::new();
        let mut cores = BTreeSet::new();
        let mut threads = 1;
        for cpu in &online {
            let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            let socket = self.number(&format!("{topology}/physical_package_id")).unwrap_or(0);
            let core = self.number(&format!("{topology}/core_id")).unwrap_or(u64::from(*cpu));
            sockets.insert(socket);
            cores.insert((socket, core));
            let siblings =
                self.list(&format!("{topology}/thread_siblings_list")).map_or(1, |list| list.len());
            threads = threads.max(siblings as u32);
        }
        let nodes = self.list("sys/devices/system/node/online").map_or(1, |list| list.len().max(1)) as u32;
        let per_socket = (cores.len() / sockets.len().max(1)).max(1) as u32;
        let sockets_per_node = (sockets.len() as u32 / nodes).max(1);
        let mut node = Node {
            arch: std::env::consts::ARCH.to_owned(),
            memory_kib: self.memory_kib(),
            cpus: online.len() as u32,
            mhz: self.mhz(),
            nodes,
            sockets: sockets_per_node,
            cores: per_socket,
            threads,
        };
        // Where the product does not come out, everything is shown as cores of one socket.
        if node.nodes * node.sockets * node.cores * node.threads != node.cpus {
            node = Node { nodes: 1, sockets: 1, cores: node.cpus, threads: 1, ..node };
        }
        node
    }

    fn mhz(&self) -> u32 {
        let text = self.text("proc/cpuinfo").unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("cpu MHz")?.split_once(':').map(|(_, value)| value));
        line.and_then(|value| value.trim().split('.').next()?.parse().ok()).unwrap_or(0)
    }

    /// The model name of the first processor.
    pub fn cpu_model(&self) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        text.lines()
            .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()))
    }

    /// What kind of processor the host has, in words: enough to tell that it is another one.
    pub fn cpu_signature(&self) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        if let (Some(vendor), Some(name), Some(family), Some(model), Some(stepping)) =
            (field("vendor_id"), field("model name"), field("cpu family"), field("model"), field("stepping"))
        {
            return Some(format!("{vendor}, {name}, family: {family}, model: {model}, stepping: {stepping}"));
        }
        if let (Some(name), Some(revision)) = (field("cpu"), field("revision")) {
            return Some(format!("{name}, rev {revision}"));
        }
        let (vendor, facilities) = (field("vendor_id")?, field("facilities")?);
        Some(format!("{vendor}, {}, facilities: {facilities}", field("processor 0")?))
    }

    /// The microcode's version.
    pub fn microcode(&self) -> Option<u32> {
        let text = self.text("proc/cpuinfo")?;
        let value =
            text.lines().find_map(|line| Some(line.strip_prefix("microcode")?.split_once(':')?.1.trim()))?;
        u32::from_str_radix(value.trim_start_matches("0x"), 16).ok()
    }

    /// The machine's UUID from its firmware or, failing that, the one the system made up.
    pub fn uuid(&self) -> Option<base::Uuid> {
        let firmware = self.text("sys/class/dmi/id/product_uuid").and_then(|text| text.trim().parse().ok());
        firmware
            .filter(|uuid: &base::Uuid| !uuid.is_trivial())
            .or_else(|| self.text("etc/machine-id")?.trim().parse().ok())
    }

    /// Sizes of pages in KiB, the plain ones first.
    pub fn page_sizes_kib(&self) -> Vec<u64> {
        let mut sizes = vec![rustix::param::page_size() as u64 / 1024];
        let folders = fs::read_dir(self.0.join("sys/kernel/mm/hugepages")).into_iter().flatten();
        let mut large: Vec<u64> = folders
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()
            })
            .collect();
        large.sort_unstable();
        sizes.extend(large);
        sizes
    }

    /// Name of the host.
    pub fn hostname(&self) -> String {
        self.text("proc/sys/kernel/hostname").map(|text| text.trim().to_owned()).unwrap_or_default()
    }
}

/// Release and version of the running kernel.
pub fn kernel() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.release().to_string_lossy(), name.version().to_string_lossy())
}

/// IOMMU groups of PCI devices by address (`0000:01:00.0`), as the kernel's `iommu_groups` folder lists them.
pub fn iommu_groups() -> std::collections::HashMap<String, u32> {
    let mut groups = std::collections::HashMap::new();
    for entry in fs::read_dir("/sys/kernel/iommu_groups").into_iter().flatten().filter_map(Result::ok) {
        let Some(group) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        for device in fs::read_dir(entry.path().join("devices")).into_iter().flatten().filter_map(Result::ok)
        {
            groups.insert(device.file_name().to_string_lossy().into_owned(), group);
        }
    }
    groups
}

/// Counters of a network device of the host, as it receives and as it sends: bytes, packets, errors, packets dropped.
pub fn device_counters(device: &str) -> Option<([u64; 4], [u64; 4])> {
    // The table of the network this process is in; the files below /sys may be of another.
    let text = fs::read_to_string("/proc/self/net/dev").ok()?;
    let line = text.lines().find_map(|line| {
        let (name, rest) = line.split_once(':')?;
        (name.trim() == device).then_some(rest)
    })?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let side = |at: usize| {
        Some([*numbers.get(at)?, *numbers.get(at + 1)?, *numbers.get(at + 2)?, *numbers.get(at + 3)?])
    };
    Some((side(0)?, side(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_makes_sense() {
        let node = Tree::machine().node();
        assert!(node.cpus > 0 && node.memory_kib > 0, "{node:?}");
        assert_eq!(node.nodes * node.sockets * node.cores * node.threads, node.cpus, "{node:?}");
        assert_eq!(Tree::machine().memory_stats().len(), 4);
        assert!(device_counters("lo").is_some());
        assert_eq!(Tree::machine().cpu_stats(None).map(|stats| stats.len()), Some(4));
    }
}
