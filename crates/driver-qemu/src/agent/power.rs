//! Sleep, end and new start, as the guest does them itself.

use super::failed;
use crate::guest::{Guest, Live};
use crate::{Driver, check_flags, error};
use api::consts::domain_event_started_detail_type as started;
use api::consts::domain_event_type as kind;
use api::consts::{domain_running_reason as running, domain_state as state};
use api::event::{DomainEventPmsuspendDiskMsg, DomainEventPmsuspendMsg, DomainEventPmwakeupMsg, Event};
use base::object::DomainRef;
use base::{ErrorCode, Result};
use serde_json::{Value as Json, json};

/// The ways to sleep, in the order of their numbers.
const SLEEPS: [&str; 3] = ["guest-suspend-ram", "guest-suspend-disk", "guest-suspend-hybrid"];

/// Tells the agent to do what is not answered, and waits until it is done.
fn end(live: &Live, command: &str, arguments: &Json) -> Result<()> {
    live.agent()?.ending(command, arguments, live.patience()).map_err(|cause| failed(command, &cause))
}

impl Driver {
    /// Whether the guest's agent listens.
    pub(crate) fn has_agent(&self, live: &Live) -> bool {
        live.agent().is_ok()
    }

    /// Tells the guest to end, or to start anew.
    pub(crate) fn agent_shutdown(&self, guest: &Guest, again: bool) -> Result<()> {
        let live = guest.live()?;
        live.agent()?;
        let mode = if again { "reboot" } else { "powerdown" };
        end(&live, "guest-shutdown", &json!({"mode": mode}))
    }

    pub(crate) fn suspend_guest(
        &self,
        dom: &DomainRef,
        target: u32,
        duration: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainPMSuspendForDuration")?;
        if duration != 0 {
            let text = "Duration not supported. Use 0 for now";
            return Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, text));
        }
        let Some(command) = SLEEPS.get(target as usize) else {
            return Err(error(ErrorCode::INVALID_ARG, format!("Unknown suspend target: {target}")));
        };
        let guest = self.find(dom)?;
        let live = guest.live()?;
        let agent = live.agent()?;
        let machine = live.command("query-current-machine", Json::Null)?;
        if machine.get("wakeup-suspend-support").and_then(Json::as_bool) == Some(false) {
            let text = "Domain does not have suspend support";
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        let stays = live.domain.tree.child("pm").and_then(|pm| match target {
            0 => pm.attr_at("suspend-to-mem", "enabled"),
            _ => pm.attr_at("suspend-to-disk", "enabled"),
        });
        if stays == Some("no") {
            let what = if target == 0 { "S3" } else { "S4" };
            let text = format!("{what} state is disabled for this domain");
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
        drop(agent);
        end(&live, command, &Json::Null)
    }
}

impl Driver {
    /// The guest sleeps: in memory, or with its memory on a disk, after which its emulator ends.
    pub(crate) fn fell_asleep(&self, guest: &Guest, live: &Live, on_disk: bool) {
        self.agent_did(live);
        if matches!(guest.value().state.0, state::RUNNING) {
            guest.change(|value| value.state = (state::PMSUSPENDED, 0));
            self.save_status(guest);
            self.lifecycle(guest, kind::PMSUSPENDED, i32::from(on_disk));
        }
        let dom = guest.reference();
        self.events.publish(if on_disk {
            Event::DomainPmsuspendDisk(DomainEventPmsuspendDiskMsg { dom })
        } else {
            Event::DomainPmsuspend(DomainEventPmsuspendMsg { dom })
        });
    }

    /// The guest is awake again.
    pub(crate) fn woke_up(&self, guest: &Guest) {
        if guest.value().state.0 == state::PMSUSPENDED {
            guest.change(|value| value.state = (state::RUNNING, running::WAKEUP));
            self.save_status(guest);
            self.lifecycle(guest, kind::STARTED, started::WAKEUP);
        }
        self.events.publish(Event::DomainPmwakeup(DomainEventPmwakeupMsg { dom: guest.reference() }));
    }
}
