//! Facts of the host that the machine of one start depends on: memory, processors, time, the daemon's settings.

use std::collections::{BTreeMap, BTreeSet};
use xml::Tree;

/// A file system of huge pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePages {
    /// Where it is mounted.
    pub mount: String,
    /// Size of its pages in KiB.
    pub size_kib: u64,
    /// Its pages are meant by a definition that names no size.
    pub default: bool,
}

/// What the emulator does about its own deprecated parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deprecation {
    /// Nothing.
    #[default]
    None,
    /// Hides them in its answers.
    Omit,
    /// Refuses them as well.
    Reject,
    /// Ends when they are used.
    Crash,
}

impl Deprecation {
    /// Reads the word of a definition or of the daemon's settings.
    pub fn named(word: &str) -> Option<Deprecation> {
        Some(match word {
            "none" => Deprecation::None,
            "omit" => Deprecation::Omit,
            "reject" => Deprecation::Reject,
            "crash" => Deprecation::Crash,
            _ => return None,
        })
    }
}

/// Facts of the host.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Folder of the guest's memory files.
    pub memory_dir: String,
    /// File systems of huge pages.
    pub huge_pages: Vec<HugePages>,
    /// Processors of the host's NUMA nodes.
    pub node_cpus: BTreeMap<u32, BTreeSet<u32>>,
    /// Nodes that were chosen for a guest with automatic placement.
    pub placement: BTreeSet<u32>,
    /// Seconds since 1970.
    pub now: i64,
    /// A dump of the emulator has the guest's memory in it unless the definition says otherwise.
    pub dump_core: bool,
    /// What guests do about deprecated parts unless their definition says otherwise.
    pub deprecation: Deprecation,
    /// Where the guest's state comes from, in the emulator's notation, e.g. `tcp:10.0.0.1:5000`.
    pub incoming: Option<String>,
    /// Tables of the host (`<sysinfo>`), for guests that show them as their own.
    pub host_tables: Option<Tree>,
}
