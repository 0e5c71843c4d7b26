//! Status documents: what a later daemon needs to find a running guest again.

use crate::config::header;
use crate::guest::Guest;
use crate::{Driver, FROM};
use api::consts::domain_state as state;
use base::{Error, Result};
use conf_domain::{Domain, FormatFlags};
use std::path::PathBuf;
use std::sync::PoisonError;
use xml::Writer;

/// Words for states.
pub(crate) const STATES: &[&str] =
    &["nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"];

/// Words for the reasons of running and being paused, by number.
pub(crate) const RUNNING: &[&str] = &[
    "unknown",
    "booted",
    "migrated",
    "restored",
    "from snapshot",
    "unpaused",
    "migration canceled",
    "save canceled",
    "wakeup",
    "crashed",
    "post-copy",
    "post-copy failed",
];
pub(crate) const PAUSED: &[&str] = &[
    "unknown",
    "user",
    "migration",
    "save",
    "dump",
    "ioerror",
    "watchdog",
    "from snapshot",
    "shutdown",
    "snapshot",
    "panicked",
    "starting up",
    "post-copy",
    "post-copy failed",
    "api error",
];

fn words(value: (i32, i32)) -> (&'static str, &'static str) {
    let word = |list: &'static [&'static str], number: i32| {
        usize::try_from(number).ok().and_then(|number| list.get(number)).copied().unwrap_or("unknown")
    };
    let reasons = if value.0 == state::PAUSED { PAUSED } else { RUNNING };
    (word(STATES, value.0), word(reasons, value.1))
}

impl Driver {
    pub(crate) fn status_file(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.xml"))
    }

    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.pid"))
    }

    /// Writes the status of a running guest.
    pub(crate) fn write_status(&self, guest: &Guest) -> Result<()> {
        // Calls and events change a guest at the same time: what is written last must be what it was last.
        let _last = guest.status.lock().unwrap_or_else(PoisonError::into_inner);
        let value = guest.value();
        let Some(live) = &value.live else { return Ok(()) };
        let (state, reason) = words(value.state);
        let mut w = Writer::new();
        let pid = live.process.pid();
        w.element("domstatus").attr("state", state).attr("reason", reason).attr("pid", pid).children(|w| {
            for taint in &live.tainted {
                w.element("taint").attr("flag", taint).empty();
            }
            let socket = live.private_dir.join("monitor.sock");
            w.element("monitor").attr("path", socket.display()).attr("type", "unix").empty();
            w.element("vcpus").children(|w| {
                for vcpu in &live.vcpus {
                    if let Some(thread) = vcpu.thread {
                        w.element("vcpu").attr("id", vcpu.id).attr("pid", thread).empty();
                    }
                }
            });
            w.element("libDir").attr("path", live.private_dir.display()).empty();
            if live.will_reboot() {
                w.element("fakereboot").empty();
            }
            if let Some(cgroup) = &live.cgroup {
                w.element("cgroup").attr("path", cgroup.path().display()).empty();
            }
            crate::block::job::record::write(&live.session.jobs, w);
            crate::backup::record::write(&live.session.backup, w);
            let flags =
                FormatFlags { secure: true, status: true, actual_net: true, ..FormatFlags::default() };
            live.domain.format_into(w, flags);
        });
        let text = header(&value.name) + &w.finish();
        let path = self.status_file(&value.name);
        let failed = |cause: &std::io::Error| {
            Error::system(FROM, cause, format!("cannot write status '{}'", path.display()))
        };
        host::store::write_volatile(&path, text.as_bytes(), 0o600).map_err(|cause| failed(&cause))?;
        host::store::write_volatile(&self.pid_file(&value.name), format!("{pid}\n").as_bytes(), 0o644)
            .map_err(|cause| failed(&cause))
    }

    /// Writes the status where a failure cannot be told to anybody.
    pub(crate) fn save_status(&self, guest: &Guest) {
        if let Err(cause) = self.write_status(guest) {
            log::error!("{cause}");
        }
    }

    /// Removes the status of a guest that does not run any more.
    pub(crate) fn forget_status(&self, guest: &Guest, name: &str) {
        let _last = guest.status.lock().unwrap_or_else(PoisonError::into_inner);
        // The status goes last: as long as it is there, a later daemon cleans up.
        for path in [self.pid_file(name), self.status_file(name)] {
            if let Err(cause) = host::store::remove(&path) {
                log::error!("{}: {cause}", path.display());
            }
        }
    }

    /// Changes the definition of a running guest and writes its status.
    pub(crate) fn change_live(
        &self,
        guest: &Guest,
        change: impl FnOnce(&mut Domain) -> Result<()>,
    ) -> Result<()> {
        guest.change_live(change)?;
        self.write_status(guest)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_of_states() {
        assert_eq!(super::words((1, 1)), ("running", "booted"));
        assert_eq!(super::words((3, 1)), ("paused", "user"));
        assert_eq!(super::words((3, 99)), ("paused", "unknown"));
    }
}
