//! Which hierarchies the machine has: the unified one, one for each controller, or both side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a controller limits or counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Shares and limits of processor time.
    Cpu,
    /// Processor time used.
    CpuAccounting,
    /// Processors and memory nodes that may be used.
    CpuSet,
    /// Memory.
    Memory,
    /// Transfers of block devices.
    BlockIo,
    /// Device nodes that may be opened.
    Devices,
}

/// All of them.
pub const CONTROLLERS: [Controller; 6] = [
    Controller::Cpu,
    Controller::CpuAccounting,
    Controller::CpuSet,
    Controller::Memory,
    Controller::BlockIo,
    Controller::Devices,
];

impl Controller {
    /// The name of the controller's own hierarchy.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::CpuAccounting => "cpuacct",
            Controller::CpuSet => "cpuset",
            Controller::Memory => "memory",
            Controller::BlockIo => "blkio",
            Controller::Devices => "devices",
        }
    }

    /// The name in the unified hierarchy; accounting is always there.
    fn unified(self) -> Option<&'static str> {
        match self {
            Controller::Cpu => Some("cpu"),
            Controller::CpuSet => Some("cpuset"),
            Controller::Memory => Some("memory"),
            Controller::BlockIo => Some("io"),
            Controller::CpuAccounting | Controller::Devices => None,
        }
    }
}

/// Where controllers are found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hierarchies {
    /// Mount of the unified hierarchy and the controllers that are in it.
    pub unified: Option<(PathBuf, BTreeSet<Controller>)>,
    /// Mounts of hierarchies of their own, without those the unified one serves.
    pub own: BTreeMap<Controller, PathBuf>,
}

impl Hierarchies {
    /// Reads a table of mounts (`/proc/self/mounts`); `controllers` gives the text of a folder's `cgroup.controllers`.
    pub fn of(mounts: &str, controllers: impl Fn(&Path) -> Option<String>) -> Hierarchies {
        let mut found = Hierarchies::default();
        for line in mounts.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(path), Some(kind), Some(options)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            match kind {
                "cgroup2" => {
                    let path = PathBuf::from(path);
                    let text = controllers(&path).unwrap_or_default();
                    let has = |controller: &Controller| match controller.unified() {
                        Some(name) => text.split_whitespace().any(|word| word == name),
                        None => *controller == Controller::CpuAccounting,
                    };
                    let set = CONTROLLERS.into_iter().filter(has).collect();
                    found.unified.get_or_insert((path, set));
                }
                "cgroup" => {
                    let options: BTreeSet<&str> = options.split(',').collect();
                    for controller in CONTROLLERS {
                        if options.contains(controller.name()) {
                            found.own.entry(controller).or_insert_with(|| PathBuf::from(path));
                        }
                    }
                }
                _ => {}
            }
        }
        if let Some((_, served)) = &found.unified {
            found.own.retain(|controller, _| !served.contains(controller));
        }
        found
    }

    /// The machine's.
    pub fn machine() -> Hierarchies {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Hierarchies::of(&mounts, |path| std::fs::read_to_string(path.join("cgroup.controllers")).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts() {
        let hybrid = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/cpuacct cgroup rw,cpuacct 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = Hierarchies::of(hybrid, |_| Some(String::new()));
        assert_eq!(found.own, BTreeMap::from([(Controller::Cpu, PathBuf::from("/sys/fs/cgroup/cpu"))]));
        let (path, served) = found.unified.unwrap();
        assert_eq!(path, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(served, BTreeSet::from([Controller::CpuAccounting]));
        let unified = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let found = Hierarchies::of(unified, |_| Some("cpuset cpu io memory pids\n".to_owned()));
        assert_eq!(found.unified.unwrap().1.len(), 5);
        assert_eq!(Hierarchies::of("proc /proc proc rw 0 0\n", |_| None), Hierarchies::default());
    }
}
