//! The state of a guest, written to a descriptor by the emulator as if it migrated there.

use crate::guest::{Guest, Live, MONITOR_WAIT, failed};
use crate::work::{Doing, aborted};
use crate::{Driver, FROM};
use base::{Error, Result};
use qmp::Monitor;
use save_image::Format;
use serde_json::{Value as Json, json};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// How often the emulator is asked how far it is.
const STEP: Duration = Duration::from_millis(20);
/// As fast as it goes, in bytes a second.
const FASTEST: i64 = i64::MAX;

/// How far the emulator is.
enum Stage {
    On,
    Done,
    Cancelled,
    Failed(String),
}

fn stage(answer: &Json) -> Stage {
    let text = |name: &str| answer.get(name).and_then(Json::as_str);
    match text("status") {
        Some("completed") => Stage::Done,
        Some("cancelled") => Stage::Cancelled,
        Some("failed") => Stage::Failed(text("error-desc").unwrap_or("unexpectedly failed").to_owned()),
        _ => Stage::On,
    }
}

impl Driver {
    /// Writes a guest's state to a descriptor; the guest stands still when this is done.
    pub(crate) fn write_state(&self, guest: &Guest, fd: BorrowedFd<'_>, doing: Doing) -> Result<()> {
        let live = guest.live()?;
        live.session.works.begin(doing);
        let outcome = write(&live, fd);
        let fault = outcome.as_ref().err().map(ToString::to_string);
        if let Some(work) = live.session.works.end(fault).filter(|_| outcome.is_ok()) {
            self.work_completed(guest, &work);
        }
        outcome
    }
}

fn write(live: &Live, fd: BorrowedFd<'_>) -> Result<()> {
    let speed = live.command("query-migrate-parameters", Json::Null)?.get("max-bandwidth").cloned();
    live.command("migrate-set-parameters", json!({"max-bandwidth": FASTEST}))?;
    live.monitor
        .command_with_fd("getfd", &json!({"fdname": "migrate"}), fd, MONITOR_WAIT)
        .map_err(|cause| failed("getfd", &cause))?;
    let events = json!({"capabilities": [{"capability": "events", "state": true}]});
    live.command("migrate-set-capabilities", events)?;
    live.command("migrate", json!({"uri": "fd:migrate"}))?;
    let outcome = loop {
        std::thread::sleep(STEP);
        let answer = live.command("query-migrate", Json::Null)?;
        live.session.works.note(|work| work.note_migration(&answer));
        let work = live.session.works.now();
        let name = work.as_ref().map_or("migration job", |work| work.name());
        match stage(&answer) {
            Stage::On => {}
            Stage::Done => break Ok(()),
            Stage::Cancelled => {
                break Err(work.as_ref().map_or_else(|| Error::internal(FROM, name), aborted));
            }
            Stage::Failed(text) => break Err(Error::operation_failed(FROM, format!("{name}: {text}"))),
        }
    };
    if let Some(speed) = speed {
        let _ = live.command("migrate-set-parameters", json!({"max-bandwidth": speed}));
    }
    outcome
}

/// Lets an emulator that waits for it read its state from a descriptor that it has under a number.
pub(crate) fn read(monitor: &Monitor, number: i32) -> Result<()> {
    let ask = |name: &str, arguments: Json| {
        monitor.command(name, arguments, MONITOR_WAIT).map_err(|cause| failed(name, &cause))
    };
    ask("migrate-incoming", json!({"uri": format!("fd:{number}")}))?;
    loop {
        let answer = ask("query-migrate", Json::Null)?;
        match stage(&answer) {
            Stage::On => std::thread::sleep(STEP),
            Stage::Done => return Ok(()),
            Stage::Cancelled => return Err(Error::operation_failed(FROM, "restore job: canceled")),
            Stage::Failed(text) => return Err(Error::operation_failed(FROM, format!("restore job: {text}"))),
        }
    }
}

/// The plain stream of a packed file.
pub(super) fn unpack(file: File, format: Format) -> Result<OwnedFd> {
    let program = format.word();
    let refuse = |cause: &std::io::Error| Error::system(FROM, cause, format!("Unable to run '{program}'"));
    if format == Format::Sparse {
        let text = "files of saved guests with holes are not supported yet";
        return Err(Error::unsupported(FROM, text));
    }
    let path = host::program::find(program).ok_or_else(|| refuse(&std::io::Error::from_raw_os_error(2)))?;
    let (stream, mut child) =
        host::process::Command::new(path, &["-dc"]).read_through(file).map_err(|cause| refuse(&cause))?;
    // Somebody has to take its exit status.
    std::thread::spawn(move || drop(child.wait()));
    Ok(stream)
}
