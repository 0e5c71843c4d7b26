//! What the installed emulators can do, asked once and remembered.
//!
//! Every emulator is asked in a thread of its own when the daemon starts; who needs an answer waits for that
//! emulator only. What was found out is kept in the cache folder, in the reference's form and place, so that the
//! next start asks nothing.

use crate::{FROM, error};
use base::{Error, ErrorCode, Result};
use host::Layout;
use host::process::Command;
use host::program::Search;
use qemu_caps::arch::{self, Arch};
use qemu_caps::document::{self, Stamp};
use qemu_caps::{Caps, Flag, Probe};
use qmp::Message;
use qmp::message::Lines;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long an emulator may take to answer; a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(60);

type Slot = Arc<OnceLock<Result<Arc<Caps>>>>;

/// Emulators by path, each with the time of change it was asked at.
#[derive(Debug)]
pub(crate) struct Emulators {
    cache: PathBuf,
    slots: Mutex<HashMap<PathBuf, (i128, Slot)>>,
}

fn changed(path: &Path) -> std::io::Result<i128> {
    let metadata = std::fs::metadata(path)?;
    Ok(i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()))
}

/// Time of change of a file in seconds; 0 when there is none.
fn changed_seconds(path: &Path) -> i64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.ctime())
}

/// Time of modification of a folder in seconds; 0 when there is none.
fn modified(path: &Path) -> i64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.mtime())
}

impl Emulators {
    pub(crate) fn new(layout: &Layout) -> Emulators {
        Emulators { cache: layout.cache().join("qemu/capabilities"), slots: Mutex::default() }
    }

    /// Emulators that are installed, by architecture.
    pub(crate) fn installed() -> Vec<(&'static Arch, PathBuf)> {
        let mut search = Search::new();
        arch::ALL.iter().filter_map(|arch| Some((arch, Emulators::path_of(arch, &mut search)?))).collect()
    }

    /// The emulator of an architecture. PCs with 32 bits are served by the emulator of those with 64 as well.
    fn path_of(arch: &Arch, search: &mut Search) -> Option<PathBuf> {
        let mut find = |name: &str| search.find(&format!("qemu-system-{name}"));
        let other = (arch.name, std::env::consts::ARCH) == ("i686", "x86_64");
        let own = find(arch.name).or_else(|| find(arch.emulator));
        own.or_else(|| other.then(|| find("x86_64")).flatten())
    }

    /// Asks all installed emulators in the background, a few at a time, those that can be accelerated first.
    pub(crate) fn probe_all(self: &Arc<Emulators>) {
        let mut installed = Emulators::installed();
        installed.sort_by_key(|(arch, _)| !arch.runs_on(std::env::consts::ARCH));
        let mut paths: Vec<PathBuf> = installed.into_iter().map(|(_, path)| path).collect();
        let mut known = HashSet::new();
        paths.retain(|path| known.insert(path.clone()));
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(paths.len());
        let left = Arc::new(Mutex::new(VecDeque::from(paths)));
        for _ in 0..workers {
            let (emulators, left) = (self.clone(), left.clone());
            let spawned = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(path) = next else { break };
                    if let Err(cause) = emulators.get(&path) {
                        log::error!("{}: {cause}", path.display());
                    }
                }
                // Answers and documents are large, and what is kept of them is small.
                host::memory::give_back();
            });
            if let Err(cause) = spawned {
                log::error!("cannot probe emulators in the background: {cause}");
            }
        }
    }

    /// What an emulator can do; waits for the answer when it is being asked.
    pub(crate) fn get(&self, path: &Path) -> Result<Arc<Caps>> {
        let now = changed(path).map_err(|cause| {
            Error::system(FROM, &cause, format!("Cannot check QEMU binary {}", path.display()))
        })?;
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            match slots.get(path) {
                Some((then, slot)) if *then == now => slot.clone(),
                _ => slots.entry(path.to_owned()).insert_entry((now, Slot::default())).get().1.clone(),
            }
        };
        slot.get_or_init(|| self.find_out(path)).clone()
    }

    /// What the emulator of an architecture can do.
    pub(crate) fn of_arch(&self, arch: &str) -> Result<Arc<Caps>> {
        let path = Arch::of(arch).and_then(|arch| Emulators::path_of(arch, &mut Search::new()));
        let path = path.ok_or_else(|| {
            let text = format!("unable to find any emulator to serve '{arch}' architecture");
            error(ErrorCode::CONFIG_UNSUPPORTED, text)
        })?;
        self.get(&path)
    }

    /// Place of an emulator's cache document: the SHA-256 sum of its path.
    fn cache_file(&self, path: &Path) -> PathBuf {
        let mut name = String::new();
        for byte in Sha256::digest(path.as_os_str().as_encoded_bytes()) {
            let _ = write!(name, "{byte:02x}");
        }
        self.cache.join(format!("{name}.xml"))
    }

    fn remembered(&self, path: &Path, stamp: &Stamp) -> Option<Arc<Caps>> {
        let text = std::fs::read_to_string(self.cache_file(path)).ok()?;
        let (caps, kept) = match document::read(&text) {
            Ok(found) => found,
            Err(cause) => {
                log::warn!("capabilities of {} are not read: {cause}", path.display());
                return None;
            }
        };
        let same = caps.binary == path.display().to_string() && kept == *stamp;
        // Acceleration may have come or gone without any of the files changing.
        let current = !hardware(&caps) || caps.has(Flag::Kvm) == host::kvm::usable();
        (same && current).then(|| Arc::new(caps))
    }

    fn find_out(&self, path: &Path) -> Result<Arc<Caps>> {
        let stamp = stamp(path);
        if let Some(caps) = self.remembered(path, &stamp) {
            return Ok(caps);
        }
        let caps = ask(path)?;
        let text = document::write(&caps, &stamp);
        let kept = std::fs::create_dir_all(&self.cache)
            .and_then(|()| host::store::write_volatile(&self.cache_file(path), text.as_bytes(), 0o600));
        if let Err(cause) = kept {
            log::warn!("capabilities of {} are asked for again next time: {cause}", path.display());
        }
        Ok(Arc::new(caps))
    }
}

/// Whether guests of an emulator could be accelerated by this host at all.
fn hardware(caps: &Caps) -> bool {
    Arch::of(&caps.arch).is_some_and(|arch| arch.runs_on(std::env::consts::ARCH))
}

/// Folders in which distributions keep the modules of emulators.
fn module_folders() -> [String; 3] {
    let arch = std::env::consts::ARCH;
    [format!("/usr/lib/{arch}-linux-gnu/qemu"), "/usr/lib64/qemu".to_owned(), "/usr/lib/qemu".to_owned()]
}

/// What the capabilities of an emulator depend on, now.
fn stamp(path: &Path) -> Stamp {
    let node = host::node::Tree::machine();
    let (root, kvm) = (Path::new("/"), host::kvm::usable());
    Stamp {
        emulator_changed: changed_seconds(path),
        self_changed: std::env::current_exe().map_or(0, |own| changed_seconds(&own)),
        self_version: crate::host_info::LIBRARY_VERSION,
        microcode: node.microcode().unwrap_or(0),
        kernel: Some(host::node::kernel()),
        host_cpu: node.cpu_signature(),
        modules_changed: module_folders().iter().map(|folder| modified(Path::new(folder))).max().unwrap_or(0),
        nesting: kvm && host::kvm::nesting(root),
        secure_guest: kvm && host::kvm::secure_guests(root),
    }
}

/// Starts an emulator without a machine, once or twice, and asks it.
fn ask(path: &Path) -> Result<Caps> {
    let mut probe = Probe::new(&path.display().to_string(), false);
    talk(path, &mut probe)?;
    if probe.again() {
        probe.restart();
        talk(path, &mut probe)?;
    }
    Ok(probe.finish())
}

/// One connection.
fn talk(path: &Path, probe: &mut Probe) -> Result<()> {
    let mut arguments = probe.arguments();
    arguments.extend(["-qmp".to_owned(), "stdio".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let command = Command::new(path, &arguments);
    let mut lines = Lines::default();
    let mut outcome = None;
    let finished = command.converse(LIMIT, |arrived| match step(probe, &mut lines, arrived) {
        Ok(Some(bytes)) => Some(bytes),
        Ok(None) => {
            outcome = Some(Ok(()));
            None
        }
        Err(text) => {
            outcome = Some(Err(text));
            None
        }
    });
    let finished = finished.map_err(|cause| {
        Error::system(FROM, &cause, format!("Failed to probe capabilities for {}", path.display()))
    })?;
    match outcome {
        Some(Ok(())) => Ok(()),
        Some(Err(text)) => Err(Error::internal(FROM, text)),
        None => {
            let said = String::from_utf8_lossy(&finished.err);
            let said = said.trim();
            Err(Error::internal(
                FROM,
                format!("Failed to start QEMU binary {} for probing: {said}", path.display()),
            ))
        }
    }
}

/// What to send after something arrived; nothing when the dialogue is over.
fn step(
    probe: &mut Probe,
    lines: &mut Lines,
    arrived: &[u8],
) -> std::result::Result<Option<Vec<u8>>, String> {
    let mut send = Vec::new();
    for message in lines.feed(arrived).map_err(|garbage| garbage.to_string())? {
        match message {
            Message::Greeting { .. } => {}
            Message::Reply { result, .. } => {
                let answer = result.map_err(|(_, text)| text);
                probe.reply(answer).map_err(|cause| cause.to_string())?;
            }
            Message::Event(_) | Message::Unknown => continue,
        }
        let Some(command) = probe.command() else { return Ok(None) };
        send.extend_from_slice(command.to_string().as_bytes());
        send.push(b'\n');
    }
    Ok(Some(send))
}
