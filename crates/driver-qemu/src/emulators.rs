//! What the installed emulators can do, asked once and remembered.
//!
//! Every emulator is asked in a thread of its own when the daemon starts; who needs an answer waits for that
//! emulator only. What was found out is kept in the cache folder, in the reference's form and place, so that the
//! next start asks nothing.

use crate::{FROM, error};
use base::{Error, ErrorCode, Result};
use host::Layout;
use host::process::Command;
use qemu_caps::document::{self, Stamp};
use qemu_caps::{Caps, Flag, Probe};
use qmp::Message;
use qmp::message::Lines;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
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

fn changed(path: &Path) -> Option<i128> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()))
}

/// Time of change of a file in seconds; 0 when there is none.
fn changed_seconds(path: &Path) -> i64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.ctime())
}

impl Emulators {
    pub(crate) fn new(layout: &Layout) -> Emulators {
        Emulators { cache: layout.cache().join("qemu/capabilities"), slots: Mutex::default() }
    }

    /// Emulators that are installed: architecture and path.
    pub(crate) fn installed() -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for folder in std::env::split_paths(&host::process::path()) {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.filter_map(std::result::Result::ok) {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(arch) = name.strip_prefix("qemu-system-") else { continue };
                let arch = match arch {
                    "i386" => "i686",
                    "arm" => "armv7l",
                    other => other,
                };
                if !arch.contains(['-', '.']) && host::process::executable(&entry.path()) {
                    found.entry(arch.to_owned()).or_insert_with(|| entry.path());
                }
            }
        }
        found
    }

    /// Asks all installed emulators in the background.
    pub(crate) fn probe_all(self: &Arc<Emulators>) {
        for path in Emulators::installed().into_values() {
            let emulators = self.clone();
            let spawned = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
                if let Err(cause) = emulators.get(&path) {
                    log::error!("{}: {cause}", path.display());
                }
            });
            if let Err(cause) = spawned {
                log::error!("cannot probe emulators in the background: {cause}");
            }
        }
    }

    /// What an emulator can do; waits for the answer when it is being asked.
    pub(crate) fn get(&self, path: &Path) -> Result<Arc<Caps>> {
        let missing = || {
            error(
                ErrorCode::INVALID_ARG,
                format!("Cannot check QEMU binary {}: No such file or directory", path.display()),
            )
        };
        let now = changed(path).ok_or_else(missing)?;
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = slots.entry(path.to_owned()).or_insert_with(|| (now, Slot::default()));
            if entry.0 != now {
                *entry = (now, Slot::default());
            }
            entry.1.clone()
        };
        slot.get_or_init(|| self.find_out(path)).clone()
    }

    /// What the emulator of an architecture can do.
    pub(crate) fn of_arch(&self, arch: &str) -> Result<Arc<Caps>> {
        let path = Emulators::installed().remove(arch);
        let path = path.ok_or_else(|| {
            error(ErrorCode::CONFIG_UNSUPPORTED, format!("Emulator for {arch} is not installed"))
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
        let current = !hardware(&caps) || caps.has(Flag::Kvm) == kvm_usable();
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
    caps.arch == std::env::consts::ARCH || caps.arch == "i686" && std::env::consts::ARCH == "x86_64"
}

fn kvm_usable() -> bool {
    let device = Path::new("/dev/kvm");
    std::fs::OpenOptions::new().read(true).write(true).open(device).is_ok()
}

/// What the capabilities of an emulator depend on, now.
fn stamp(path: &Path) -> Stamp {
    let node = host::node::Tree::machine();
    Stamp {
        emulator_changed: changed_seconds(path),
        self_changed: std::env::current_exe().map_or(0, |own| changed_seconds(&own)),
        self_version: crate::host_info::LIBRARY_VERSION,
        microcode: node.microcode().unwrap_or(0),
        kernel: Some(host::node::kernel()),
        host_cpu: node.cpu_signature(),
        ..Stamp::default()
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
    let failed = |text: &str| {
        Error::internal(FROM, format!("Failed to probe capabilities for {}: {}", path.display(), text.trim()))
    };
    let mut arguments = probe.arguments();
    arguments.extend(["-qmp".to_owned(), "stdio".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let command = Command::new(path, &arguments);
    let mut lines = Lines::default();
    let mut outcome = Err("the emulator ended".to_owned());
    let finished = command.converse(LIMIT, |arrived| match step(probe, &mut lines, arrived) {
        Ok(Some(bytes)) => Some(bytes),
        Ok(None) => {
            outcome = Ok(());
            None
        }
        Err(text) => {
            outcome = Err(text);
            None
        }
    });
    let finished = finished.map_err(|cause| {
        Error::system(FROM, &cause, format!("Failed to probe capabilities for {}", path.display()))
    })?;
    outcome.map_err(|text| {
        let said = String::from_utf8_lossy(&finished.err);
        failed(if said.trim().is_empty() { &text } else { &said })
    })
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
