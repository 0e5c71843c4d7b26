//! Dumps of guests for debuggers.

use super::dump_exclusive;
use crate::guest::{Guest, Live, MONITOR_WAIT, failed};
use crate::work::Doing;
use crate::{Driver, FROM, check_flags, error};
use api::consts::domain_event_stopped_detail_type as stopped;
use api::consts::domain_shutoff_reason as shutoff;
use api::consts::{domain_paused_reason as paused, domain_state as state};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use engine::JobKind;
use serde_json::{Value as Json, json};
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The guest ends afterwards, goes on meanwhile, goes past the cache, starts anew afterwards; its memory only.
const CRASH: u32 = 1;
const LIVE: u32 = 2;
const BYPASS: u32 = 4;
const RESET: u32 = 8;
const MEMORY: u32 = 16;

/// Formats by their numbers: as clients call them and as the emulator does.
const FORMATS: [(&str, &str); 8] = [
    ("elf", "elf"),
    ("kdump-zlib", "kdump-zlib"),
    ("kdump-lzo", "kdump-lzo"),
    ("kdump-snappy", "kdump-snappy"),
    ("win-dmp", "win-dmp"),
    ("kdump-raw-zlib", "kdump-raw-zlib"),
    ("kdump-raw-lzo", "kdump-raw-lzo"),
    ("kdump-raw-snappy", "kdump-raw-snappy"),
];

/// How often the emulator is asked how far it is.
const STEP: Duration = Duration::from_millis(20);

fn create(path: &str) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(Path::new(path))
        .map_err(|cause| Error::system(FROM, &cause, format!("Failed to create file '{path}'")))
}

/// Writes the memory in a format.
fn memory(live: &Live, file: &File, format: &str) -> Result<()> {
    let known = live.command("query-dump-guest-memory-capability", Json::Null)?;
    let formats = known.get("formats").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if format != "elf" && !formats.iter().any(|known| known.as_str() == Some(format)) {
        let text = format!("unsupported dumpformat '{format}' for this QEMU binary");
        return Err(error(ErrorCode::INVALID_ARG, text));
    }
    live.monitor
        .command_with_fd("getfd", &json!({"fdname": "dump"}), file.as_fd(), MONITOR_WAIT)
        .map_err(|cause| failed("getfd", &cause))?;
    let mut arguments = json!({"paging": false, "protocol": "fd:dump", "detach": true});
    if format != "elf"
        && let Some(map) = arguments.as_object_mut()
    {
        map.insert("format".to_owned(), json!(format));
    }
    let begun = live.command("dump-guest-memory", arguments);
    if begun.is_err() {
        let _ = live.command("closefd", json!({"fdname": "dump"}));
    }
    begun?;
    loop {
        let answer = live.command("query-dump", Json::Null)?;
        live.session.works.note(|work| work.note_dump(&answer));
        match answer.get("status").and_then(Json::as_str) {
            Some("completed") => return Ok(()),
            Some("failed") => {
                return Err(Error::operation_failed(FROM, "memory-only dump job: unexpectedly failed"));
            }
            _ => std::thread::sleep(STEP),
        }
    }
}

impl Driver {
    pub(super) fn dump(&self, dom: &DomainRef, to: &str, format: u32, flags: u32) -> Result<()> {
        dump_exclusive(flags, (CRASH, "VIR_DUMP_CRASH"), (LIVE, "VIR_DUMP_LIVE"))?;
        dump_exclusive(flags, (CRASH, "VIR_DUMP_CRASH"), (RESET, "VIR_DUMP_RESET"))?;
        dump_exclusive(flags, (LIVE, "VIR_DUMP_LIVE"), (RESET, "VIR_DUMP_RESET"))?;
        let Some((_, name)) = FORMATS.get(format as usize) else {
            let text = format!("dumpformat '{format}' is not supported");
            return Err(Error::invalid_arg(
                ErrorDomain::DOM,
                "virDomainCoreDumpWithFormat",
                "dumpformat",
                &text,
            ));
        };
        check_flags(flags, CRASH | LIVE | BYPASS | RESET | MEMORY, "qemuDomainCoreDumpWithFormat")?;
        let guest = self.find(dom)?;
        guest.live()?;
        self.await_backup(&guest)?;
        let _job = guest.begin(JobKind::Modify, "dump")?;
        let live = guest.live()?;
        let ran = guest.value().state.0 == state::RUNNING;
        if flags & LIVE == 0 {
            self.hold_still(&guest, paused::DUMP)?;
        }
        let outcome = self.dump_held(&guest, &live, to, name, flags);
        if flags & CRASH != 0 && outcome.is_ok() {
            return self.finish(&guest, shutoff::CRASHED, stopped::CRASHED, "crashed");
        }
        let outcome = outcome.and_then(|()| {
            if flags & RESET != 0 { live.command("system_reset", Json::Null).map(drop) } else { Ok(()) }
        });
        // The state that was written stands still, whoever stopped it.
        if ran && let Err(cause) = self.after_dump(&guest, flags & LIVE != 0) {
            log::error!("guest '{}' stays paused after a dump: {cause}", guest.value().name);
        }
        outcome
    }

    fn after_dump(&self, guest: &Arc<Guest>, alive: bool) -> Result<()> {
        if alive && guest.value().state.0 == state::RUNNING {
            // The emulator stopped it for the last part.
            self.hold_still(guest, paused::DUMP)?;
        }
        self.go_on(guest)
    }

    fn dump_held(&self, guest: &Guest, live: &Live, to: &str, format: &str, flags: u32) -> Result<()> {
        if flags & MEMORY != 0 {
            let file = create(to)?;
            live.session.works.begin(Doing::MemoryDump);
            let outcome = memory(live, &file, format);
            live.session.works.end(outcome.as_ref().err().map(ToString::to_string));
            return outcome;
        }
        if format != "elf" {
            let text = "kdump-compressed format is only supported with memory-only dump";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let file = create(to)?;
        let outcome = self.write_state(guest, file.as_fd(), Doing::Dump);
        if outcome.is_err() {
            let _ = std::fs::remove_file(to);
        }
        outcome
    }
}
