//! Placing guests into control groups, and the limits and counters of these groups.
//!
//! ```text
//! own hierarchies:   <cpu>/machine/qemu-1-name.libvirt-qemu/{emulator,vcpu0,iothread1}   in each of them
//! unified hierarchy: <unified>/machine.slice/machine-qemu\x2d1\x2dname.scope/libvirt/{emulator,vcpu0,…}
//! ```
//!
//! A machine may have both; a controller that the unified hierarchy serves is taken there. A machine without a
//! writable hierarchy gives no groups; guests run then where the daemon runs, and what needs a group says so.

mod hierarchy;
mod knobs;

pub use hierarchy::{CONTROLLERS, Controller, Hierarchies};
pub use knobs::{DeviceLimit, Limit, UNLIMITED_KIB};

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A part of a guest with limits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it.
    Whole,
    /// What is neither a processor nor an I/O thread.
    Emulator,
    /// One processor.
    Vcpu(u32),
    /// One I/O thread.
    IoThread(u32),
}

impl Part {
    fn folder(self) -> String {
        match self {
            Part::Whole => String::new(),
            Part::Emulator => "emulator".to_owned(),
            Part::Vcpu(number) => format!("vcpu{number}"),
            Part::IoThread(number) => format!("iothread{number}"),
        }
    }
}

/// Why a group did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The guest has no group with this controller.
    #[error("cgroup {0} controller is not mounted")]
    Missing(&'static str),
    /// A number outside what the kernel takes.
    #[error("{0}")]
    Range(String),
    /// Not with this kernel or these settings.
    #[error("{0}")]
    Refused(String),
    /// A file of the group.
    #[error("{text}: {cause}")]
    File {
        /// What was tried, without the reason.
        text: String,
        /// The reason.
        cause: io::Error,
    },
    /// A counter that the hierarchy in use does not keep.
    #[error("operation '{0}' not supported for backend 'cgroup V2'")]
    Backend(&'static str),
}

/// Result of a question to a group.
pub type Result<T, E = CgroupError> = std::result::Result<T, E>;

/// The groups of one guest, one in each hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cgroup {
    /// Folder in the unified hierarchy and the controllers it has.
    unified: Option<(PathBuf, BTreeSet<Controller>)>,
    /// Folders in hierarchies of their own.
    own: BTreeMap<Controller, PathBuf>,
}

/// A part of a group's name, with the escapes that systemd uses for scopes.
fn escaped(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':') => c.to_string(),
            c => c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        })
        .collect()
}

/// A name that may stand in a path: other characters are left out.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(64).collect()
}

/// Where the group of a machine lies below a hierarchy's mount.
fn place(partition: &str, driver: &str, id: i32, name: &str, systemd: bool) -> PathBuf {
    let short: String = name.chars().take(20).collect();
    if systemd && partition == "/machine" {
        return Path::new("machine.slice")
            .join(format!("machine-{driver}\\x2d{id}\\x2d{}.scope", escaped(&short)));
    }
    let mut path = PathBuf::new();
    for word in partition.split('/').filter(|word| !word.is_empty() && *word != "..") {
        let known = matches!(word, "machine" | "user" | "system") || word.ends_with(".partition");
        path.push(if known { word.to_owned() } else { format!("{word}.partition") });
    }
    path.join(format!("{}.libvirt-{driver}", plain(&format!("{driver}-{id}-{short}"))))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let written = faults::at(faults::Point::Cgroup).and_then(|()| fs::write(path, text));
    written.map_err(|cause| CgroupError::File {
        text: format!("Unable to write to '{}'", path.display()),
        cause,
    })
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map(|text| text.trim_end().to_owned()).map_err(|cause| CgroupError::File {
        text: format!("Unable to read from '{}'", path.display()),
        cause,
    })
}

/// Gives a new group of the processor sets' own hierarchy what its parent has; without that nothing can run in it.
fn inherit_sets(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = path.join(file);
        if read(&own).is_ok_and(|text| text.is_empty()) {
            write(&own, &read(&parent.join(file))?)?;
        }
    }
    Ok(())
}

/// Makes a folder and those above it, down from the mount.
fn make(mount: &Path, below: &Path, controller: Option<Controller>, parents: bool) -> Result<PathBuf> {
    let mut path = mount.to_owned();
    let count = below.components().count();
    for (at, component) in below.components().enumerate() {
        path.push(component);
        if path.is_dir() {
            continue;
        }
        if at + 1 < count && !parents {
            let cause = io::Error::from_raw_os_error(2);
            return Err(CgroupError::File { text: format!("Unable to find '{}'", path.display()), cause });
        }
        fs::create_dir(&path).or_else(|cause| if path.is_dir() { Ok(()) } else { Err(cause) }).map_err(
            |cause| CgroupError::File {
                text: format!("Failed to create v1 controller for group {}", path.display()),
                cause,
            },
        )?;
        if controller == Some(Controller::CpuSet) {
            // A group without sets is of no use.
            inherit_sets(&path).inspect_err(|_| drop(fs::remove_dir(&path)))?;
        }
    }
    Ok(path)
}

/// Hands the controllers of a unified group to its children.
fn delegate(path: &Path) {
    let Ok(text) = read(&path.join("cgroup.controllers")) else { return };
    for name in text.split_whitespace().filter(|name| ["cpu", "cpuset", "memory", "io"].contains(name)) {
        if let Err(cause) = write(&path.join("cgroup.subtree_control"), &format!("+{name}")) {
            log::debug!("{cause}");
        }
    }
}

impl Cgroup {
    /// Creates the groups of a guest and the ones its emulator runs in. Hierarchies that cannot be written are left out.
    ///
    /// # Errors
    /// When there is no hierarchy to be written at all.
    pub fn create(driver: &str, id: i32, name: &str, partition: &str) -> Result<Cgroup> {
        let found = Hierarchies::machine();
        let systemd = Path::new("/run/systemd/system").is_dir();
        let below = place(partition, driver, id, name, systemd);
        let parents = partition == "/machine";
        let unmade = Unmade(Some(below.clone()));
        let mut group = Cgroup::default();
        let mut failed = None;
        if let Some((mount, served)) = found.unified {
            let outcome = make(&mount, &below, None, parents).inspect(|_| {
                let mut up = mount.clone();
                delegate(&up);
                for component in below.components() {
                    up.push(component);
                    delegate(&up);
                }
            });
            match outcome {
                Ok(path) => group.unified = Some((path, served)),
                Err(cause) => failed = Some(cause),
            }
        }
        for (controller, mount) in found.own {
            match make(&mount, &below, Some(controller), parents) {
                Ok(path) => drop(group.own.insert(controller, path)),
                Err(cause) => failed = Some(cause),
            }
        }
        if group == Cgroup::default() {
            return Err(failed.unwrap_or(CgroupError::Missing("any")));
        }
        group.part(Part::Emulator)?;
        unmade.made();
        Ok(group)
    }

    /// Groups of a guest with this number and name: left by somebody, or of another daemon.
    pub fn find(driver: &str, id: i32, name: &str, partition: &str) -> Option<Cgroup> {
        let systemd = Path::new("/run/systemd/system").is_dir();
        Cgroup::below(Hierarchies::machine(), &place(partition, driver, id, name, systemd))
    }

    /// Groups that an earlier daemon made; `path` is what [`Cgroup::path`] gave.
    pub fn adopt(path: &Path) -> Option<Cgroup> {
        let found = Hierarchies::machine();
        let mounts = found.own.values().chain(found.unified.as_ref().map(|(mount, _)| mount));
        let below = mounts.filter_map(|mount| path.strip_prefix(mount).ok()).next()?.to_owned();
        Cgroup::below(found, &below)
    }

    /// The groups of a place, in all hierarchies that have it.
    fn below(found: Hierarchies, below: &Path) -> Option<Cgroup> {
        let group = Cgroup {
            unified: found
                .unified
                .map(|(mount, served)| (mount.join(below), served))
                .filter(|(path, _)| path.is_dir()),
            own: found
                .own
                .into_iter()
                .map(|(controller, mount)| (controller, mount.join(below)))
                .filter(|(_, path)| path.is_dir())
                .collect(),
        };
        (group != Cgroup::default()).then_some(group)
    }

    /// One of the folders, by which the groups are found again.
    pub fn path(&self) -> &Path {
        let unified = self.unified.as_ref().map(|(path, _)| path);
        unified.or_else(|| self.own.values().next()).map_or(Path::new(""), PathBuf::as_path)
    }

    /// Whether the guest has a group with this controller.
    pub fn has(&self, controller: Controller) -> bool {
        self.folder(controller, Part::Whole).is_ok()
    }

    /// The folder of a part under a controller, and whether it is of the unified hierarchy.
    fn folder(&self, controller: Controller, part: Part) -> Result<(PathBuf, bool)> {
        if let Some((path, served)) = &self.unified
            && served.contains(&controller)
        {
            let path =
                if part == Part::Whole { path.clone() } else { path.join("libvirt").join(part.folder()) };
            return Ok((path, true));
        }
        let path = self.own.get(&controller).ok_or(CgroupError::Missing(controller.name()))?;
        Ok((if part == Part::Whole { path.clone() } else { path.join(part.folder()) }, false))
    }

    /// Controllers whose limits parts have for themselves; memory and transfers are of the whole.
    const PARTED: [Controller; 3] = [Controller::Cpu, Controller::CpuAccounting, Controller::CpuSet];

    /// Makes the groups of a part. Gives the folders in hierarchies of their own and in the unified one.
    fn part(&self, part: Part) -> Result<(Vec<PathBuf>, Option<PathBuf>)> {
        let mut own = Vec::new();
        for (controller, path) in &self.own {
            if Cgroup::PARTED.contains(controller) {
                own.push(make(path, Path::new(&part.folder()), Some(*controller), true)?);
            }
        }
        let mut unified = None;
        if let Some((path, _)) = &self.unified {
            let below = Path::new("libvirt").join(part.folder());
            let new = !path.join(&below).is_dir();
            let folder = make(path, &below, None, true)?;
            if new {
                // Threads of one process may only be spread over groups that are for threads from the start.
                write(&folder.join("cgroup.type"), "threaded")?;
            }
            delegate(&path.join("libvirt"));
            unified = Some(folder);
        }
        Ok((own, unified))
    }

    /// Moves a whole process into the emulator's part.
    ///
    /// # Errors
    /// When the kernel refuses; the groups are without the process then.
    pub fn enter(&self, pid: i32) -> Result<()> {
        self.take_in(pid).inspect_err(|_| self.let_go(pid))
    }

    /// Moves a process to the nearest group above that takes it.
    fn let_go(&self, pid: i32) {
        let unified = self.unified.as_ref().map(|(path, _)| path);
        for path in self.own.values().chain(unified) {
            let mut above = path.ancestors().skip(1).map(|path| path.join("cgroup.procs"));
            let took = above.any(|file| {
                let file = fs::File::options().write(true).open(file);
                file.and_then(|mut file| file.write_all(pid.to_string().as_bytes())).is_ok()
            });
            if !took {
                log::warn!("process {pid} stays in control group {}", path.display());
            }
        }
    }

    fn take_in(&self, pid: i32) -> Result<()> {
        let (own, unified) = self.part(Part::Emulator)?;
        for path in own.iter().chain(&unified) {
            write(&path.join("cgroup.procs"), &pid.to_string())?;
        }
        for (controller, path) in &self.own {
            if !Cgroup::PARTED.contains(controller) {
                write(&path.join("cgroup.procs"), &pid.to_string())?;
            }
        }
        Ok(())
    }

    /// Moves one thread into a part of its own.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter_thread(&self, part: Part, thread: i32) -> Result<()> {
        let (own, unified) = self.part(part)?;
        for path in own {
            write(&path.join("tasks"), &thread.to_string())?;
        }
        if let Some(path) = unified {
            write(&path.join("cgroup.threads"), &thread.to_string())?;
        }
        Ok(())
    }

    /// Removes the groups of a part that is gone.
    pub fn remove_part(&self, part: Part) {
        let own = self.own.values().map(|path| path.join(part.folder()));
        let unified = self.unified.iter().map(|(path, _)| path.join("libvirt").join(part.folder()));
        for path in own.chain(unified).filter(|path| path.is_dir()) {
            rmdir(&path, Instant::now() + PATIENCE);
        }
    }

    /// Removes the groups, which must be empty.
    pub fn remove(&self) {
        let unified = self.unified.as_ref().map(|(path, _)| path);
        let end = Instant::now() + PATIENCE;
        for path in self.own.values().chain(unified) {
            clear(path, end);
        }
    }
}

/// Groups that are being made at a place. When that is not completed, for whatever reason, those that are there go again.
struct Unmade(Option<PathBuf>);

impl Unmade {
    fn made(mut self) {
        self.0 = None;
    }
}

impl Drop for Unmade {
    fn drop(&mut self) {
        let group = self.0.take().and_then(|below| Cgroup::below(Hierarchies::machine(), &below));
        if let Some(group) = group {
            group.remove();
        }
    }
}

/// How long the groups of a guest may take to become empty: on a loaded machine processes take their time to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Removes a group and the groups in it.
fn clear(path: &Path, end: Instant) {
    for entry in fs::read_dir(path).into_iter().flatten().filter_map(io::Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear(&entry.path(), end);
        }
    }
    rmdir(path, end);
}

/// Removes an empty group. The last process has ended, but its exit status may not have been taken yet.
fn rmdir(path: &Path, end: Instant) {
    loop {
        match fs::remove_dir(path) {
            Ok(()) => return,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return,
            Err(cause) if Instant::now() >= end => {
                return log::warn!("cannot remove control group {}: {cause}", path.display());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(escaped("a-b c.d"), "a\\x2db\\x20c.d");
        let of = |partition, systemd| place(partition, "qemu", 1, "a b/c", systemd).display().to_string();
        assert_eq!(of("/machine", false), "machine/qemu-1-abc.libvirt-qemu");
        assert_eq!(of("/machine", true), "machine.slice/machine-qemu\\x2d1\\x2da\\x20b\\x2fc.scope");
        assert_eq!(of("/machine/web", false), "machine/web.partition/qemu-1-abc.libvirt-qemu");
        assert_eq!(of("/../x", false), "x.partition/qemu-1-abc.libvirt-qemu");
    }
}
