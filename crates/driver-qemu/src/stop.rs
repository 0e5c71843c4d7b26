//! The end of a guest: by a client, by itself, by accident. However it comes, what is left of it goes once.

use crate::guest::{Guest, Live};
use crate::hooks::Moment;
use crate::nic::Owner;
use crate::{Driver, not_running};
use api::consts::{domain_event_stopped_detail_type as stopped, domain_event_type as kind};
use api::consts::{domain_shutoff_reason as reason, domain_state as state};
use base::Result;
use engine::JobKind;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// How long an emulator has to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last events of an emulator are waited for once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Driver {
    /// Ends a guest at a client's wish.
    pub(crate) fn destroy(&self, guest: &Arc<Guest>, why: &str) -> Result<()> {
        if let Some(live) = &guest.value().live {
            self.interrupt_work(live);
        }
        let _job = guest.begin(JobKind::Destroy, why)?;
        self.destroy_held(guest, "destroyed")
    }

    /// Ends a guest whose job is held.
    pub(crate) fn destroy_held(&self, guest: &Arc<Guest>, word: &str) -> Result<()> {
        let live = guest.value().live.clone().ok_or_else(not_running)?;
        end(&live);
        live.session.wait_closed(LAST_WORDS);
        let (why, detail) = match word {
            "failed" => (reason::FAILED, stopped::FAILED),
            _ => (reason::DESTROYED, stopped::DESTROYED),
        };
        self.settle(guest, &live, why, detail, word);
        Ok(())
    }

    /// Takes away what is left of a guest that has ended, and tells. Does nothing the second time.
    pub(crate) fn settle(&self, guest: &Arc<Guest>, live: &Arc<Live>, why: i32, detail: i32, word: &str) {
        let mut first = false;
        guest.change(|value| {
            if value.live.as_ref().is_some_and(|current| Arc::ptr_eq(&current.run, &live.run)) {
                value.live = None;
                value.state = (state::SHUTOFF, why);
                first = true;
            }
        });
        if !first {
            return;
        }
        live.session.removals.give_up();
        live.session.jobs.give_up();
        self.give_up_backup(guest, live);
        let name = guest.value().name.clone();
        let log = self.log_dir().join(format!("{name}.log"));
        if let Ok(mut log) = std::fs::File::options().append(true).open(log) {
            let _ = writeln!(log, "shutting down, reason={word}");
        }
        self.hook_after(Moment::Stopped, &live.domain, "-");
        self.nics.disconnect(&Owner::of(&live.domain), live.domain.all("interface"));
        // While a folder is there, a later daemon finds the group, also of a guest without a status document.
        if let Some(cgroup) = &live.cgroup {
            cgroup.remove();
        }
        let _ = host::store::remove_folder(&live.private_dir);
        if let Some(short) =
            live.private_dir.file_name().and_then(|folder| folder.to_str()?.strip_prefix("domain-"))
        {
            let _ = host::store::remove_folder(&self.run_dir().join("channel").join(short));
            self.remove_memory_folders(short);
        }
        self.forget_status(guest, &name);
        self.hook_after(Moment::Release, &live.domain, word);
        let dom = base::object::DomainRef { name, uuid: guest.uuid, id: -1 };
        let transient = guest.value().config.is_none();
        if transient {
            if word != "from-snapshot" {
                self.forget_all_snapshots(guest);
                self.forget_all_checkpoints(guest);
            }
            self.guests.remove(guest.uuid);
        }
        let payload = api::event::DomainEventLifecycleMsg { dom, event: kind::STOPPED, detail };
        self.events.publish(api::event::Event::DomainLifecycle(payload));
    }
}

/// Ends the emulator: asks first, so that it writes what it holds, then insists.
fn end(live: &Live) {
    live.process.terminate();
    if !live.process.wait(PATIENCE) {
        log::warn!("process {} does not end, killing it", live.process.pid());
        live.process.kill();
        live.process.wait(PATIENCE);
    }
}

/// Ends the emulator and waits until its last events have been dealt with.
pub(crate) fn end_and_wait(live: &Live) {
    end(live);
    live.session.wait_closed(LAST_WORDS);
}

/// Ends the emulator of a guest that has shut down already.
pub(crate) fn end_quietly(live: &Live) {
    end(live);
}
