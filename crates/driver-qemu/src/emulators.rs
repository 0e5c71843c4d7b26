//! What the installed emulators can do, asked once and remembered.
//!
//! Every emulator is asked in a thread of its own when the daemon starts; who needs an answer waits for that
//! emulator only. Answers are kept in the cache folder, under the program's path and time of change, so that the
//! next start asks nothing.

use crate::{FROM, error};
use base::{Error, ErrorCode, Result};
use host::Layout;
use host::process::Command;
use qemu_plan::caps::{Caps, QUERIES, TCG_QUERIES};
use qmp::Message;
use qmp::message::Lines;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long an emulator may take to answer; a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(60);

/// Form of the files answers are kept in; others are not read.
const FORM: u64 = 2;

type Slot = Arc<OnceLock<Result<Arc<Caps>>>>;

/// Emulators by path, each with the time of change it was asked at.
#[derive(Debug)]
pub(crate) struct Emulators {
    cache: PathBuf,
    slots: Mutex<HashMap<PathBuf, (i128, Slot)>>,
}

fn changed(path: &Path) -> Option<i128> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()))
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
        slot.get_or_init(|| self.remembered(path, now).map_or_else(|| self.ask(path, now), Ok)).clone()
    }

    /// What the emulator of an architecture can do.
    pub(crate) fn of_arch(&self, arch: &str) -> Result<Arc<Caps>> {
        let path = Emulators::installed().remove(arch);
        let path = path.ok_or_else(|| {
            error(ErrorCode::CONFIG_UNSUPPORTED, format!("Emulator for {arch} is not installed"))
        })?;
        self.get(&path)
    }

    fn cache_file(&self, path: &Path) -> PathBuf {
        let name: String = path
            .display()
            .to_string()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        self.cache.join(format!("{name}.json"))
    }

    fn remembered(&self, path: &Path, now: i128) -> Option<Arc<Caps>> {
        let text = std::fs::read_to_string(self.cache_file(path)).ok()?;
        let document: Value = serde_json::from_str(&text).ok()?;
        if document.get("changed")?.as_str()? != now.to_string() || document.get("form")?.as_u64()? != FORM {
            return None;
        }
        Some(Arc::new(caps(path, document.get("answers")?, document.get("tcg")?)))
    }

    fn ask(&self, path: &Path, now: i128) -> Result<Arc<Caps>> {
        let answers = dialogue(path, "kvm:tcg", QUERIES)?;
        let accelerated = answers.pointer("/query-kvm/enabled").and_then(Value::as_bool).unwrap_or(false);
        let tcg = if accelerated { dialogue(path, "tcg", TCG_QUERIES)? } else { Value::Null };
        let caps = caps(path, &answers, &tcg);
        let document =
            json!({"changed": now.to_string(), "form": FORM, "answers": answers, "tcg": tcg}).to_string();
        let kept = std::fs::create_dir_all(&self.cache)
            .and_then(|()| host::store::write_volatile(&self.cache_file(path), document.as_bytes(), 0o644));
        if let Err(cause) = kept {
            log::warn!("capabilities of {} are asked for again next time: {cause}", path.display());
        }
        Ok(Arc::new(caps))
    }
}

fn caps(path: &Path, answers: &Value, tcg: &Value) -> Caps {
    let mut caps = Caps::from_answers(&path.display().to_string(), &|query| answers.get(query).cloned());
    if !tcg.is_null() {
        caps.add_tcg(&|query| tcg.get(query).cloned());
    }
    caps
}

/// Runs an emulator without a machine and asks it; an object of answers by query.
fn dialogue(path: &Path, accel: &str, queries: &[&str]) -> Result<Value> {
    let machine = format!("none,accel={accel}");
    let mut command = Command::new(
        path,
        &["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", &machine, "-qmp", "stdio"],
    );
    let mut lines = vec![json!({"execute": "qmp_capabilities", "id": "greeting"}).to_string()];
    lines.extend(queries.iter().map(|query| json!({"execute": query, "id": query}).to_string()));
    lines.push(json!({"execute": "quit"}).to_string());
    command.input = (lines.join("\n") + "\n").into_bytes();
    let finished = command.run(LIMIT).map_err(|cause| {
        Error::system(FROM, &cause, format!("Failed to probe capabilities for {}", path.display()))
    })?;
    let messages = Lines::default().feed(&finished.out).map_err(|cause| {
        Error::internal(FROM, format!("Failed to probe capabilities for {}: {cause}", path.display()))
    })?;
    let mut answers = serde_json::Map::new();
    for message in messages {
        if let Message::Reply { id: Some(id), result: Ok(value) } = message {
            answers.insert(id, value);
        }
    }
    if !answers.contains_key("greeting") {
        let said = String::from_utf8_lossy(&finished.err);
        let text = format!("Failed to probe capabilities for {}: {}", path.display(), said.trim());
        return Err(Error::internal(FROM, text));
    }
    Ok(Value::Object(answers))
}
