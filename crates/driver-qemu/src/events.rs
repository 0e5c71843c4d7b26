//! What emulators tell: one thread handles it, in order for each guest.

use crate::guest::{Guest, Live};
use crate::{Driver, stop};
use api::consts::{
    domain_event_resumed_detail_type as resumed, domain_event_shutdown_detail_type as shutdown,
};
use api::consts::{
    domain_event_stopped_detail_type as stopped, domain_event_suspended_detail_type as suspended,
};
use api::consts::{
    domain_event_type as kind, domain_paused_reason as paused, domain_running_reason as running,
};
use api::consts::{domain_shutoff_reason as shutoff, domain_state as state};
use api::event::{
    DomainEventBalloonChangeMsg, DomainEventRebootMsg, DomainEventRtcChangeMsg, DomainEventWatchdogMsg, Event,
};
use api::event::{DomainEventCallbackMigrationIterationPayload, DomainMonitorEventPayload};
use base::Uuid;
use qmp::Notice;
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

/// Handles notices until the driver ends.
pub(crate) fn run(driver: &Arc<Driver>, notices: &Receiver<(Uuid, i32, Notice)>) {
    while let Ok((uuid, id, notice)) = notices.recv() {
        let Some(guest) = driver.guests.by_uuid(uuid) else { continue };
        // A notice of an earlier run of the same guest, or of a start that failed.
        let Some(live) = guest.value().live.clone().filter(|live| live.id == id) else { continue };
        match notice {
            Notice::Closed => {
                live.session.close();
                driver.gone(&guest, &live);
            }
            Notice::Event(event) => driver.heard(&guest, &live, &event),
        }
    }
}

impl Driver {
    /// The monitor is closed: the emulator has ended, and nobody asked it to.
    fn gone(&self, guest: &Arc<Guest>, live: &Arc<Live>) {
        // Whoever destroys the guest settles it.
        let ended = guest.job().is_some_and(|(kind, ..)| kind == engine::JobKind::Destroy);
        if ended || live.session.ending.load(Ordering::Acquire) {
            return;
        }
        stop::end_quietly(live);
        let was_shut_down = guest.value().state.0 == state::SHUTDOWN;
        if was_shut_down {
            self.settle(guest, live, shutoff::SHUTDOWN, stopped::SHUTDOWN, "shutdown");
        } else {
            self.settle(guest, live, shutoff::CRASHED, stopped::FAILED, "crashed");
        }
    }

    fn heard(&self, guest: &Arc<Guest>, live: &Arc<Live>, event: &qmp::Event) {
        let dom = guest.reference();
        self.events.publish(Event::DomainMonitor(DomainMonitorEventPayload {
            dom: dom.clone(),
            event: event.name.clone(),
            seconds: event.seconds,
            micros: event.micros,
            details: (!event.data.is_null()).then(|| event.data.to_string()),
        }));
        let number = |name: &str| event.data.get(name).and_then(Json::as_i64);
        let text = |name: &str| event.data.get(name).and_then(Json::as_str).unwrap_or_default();
        match event.name.as_str() {
            "STOP" => self.stopped(guest, live),
            "RESUME" => self.resumed(guest, live),
            "SHUTDOWN" => {
                self.agent_did(live);
                let from_guest = event.data.get("guest").and_then(Json::as_bool);
                self.shut_down(guest, live, from_guest);
            }
            "RESET" => {
                self.agent_did(live);
                self.events.publish(Event::DomainReboot(DomainEventRebootMsg { dom }));
            }
            "SUSPEND" => self.fell_asleep(guest, live, false),
            "SUSPEND_DISK" => self.fell_asleep(guest, live, true),
            "WAKEUP" => self.woke_up(guest),
            "RTC_CHANGE" => {
                if let Some(offset) = number("offset") {
                    self.events.publish(Event::DomainRtcChange(DomainEventRtcChangeMsg { dom, offset }));
                }
            }
            "MIGRATION_PASS" => {
                if let Some(iteration) = number("pass").and_then(|pass| i32::try_from(pass).ok()) {
                    let payload = DomainEventCallbackMigrationIterationPayload { dom, iteration };
                    self.events.publish(Event::DomainMigrationIteration(payload));
                }
            }
            "WATCHDOG" => {
                let actions = ["none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi"];
                let action = actions.iter().position(|action| *action == text("action")).unwrap_or(0) as i32;
                self.events.publish(Event::DomainWatchdog(DomainEventWatchdogMsg { dom, action }));
            }
            "BALLOON_CHANGE" => {
                if let Some(actual) = number("actual") {
                    let actual = (actual.max(0) as u64).div_ceil(1024);
                    self.note_balloon(guest, actual);
                    self.events
                        .publish(Event::DomainBalloonChange(DomainEventBalloonChangeMsg { dom, actual }));
                }
            }
            _ if self.heard_of_screens(guest, event) => {}
            _ => self.heard_of_devices(guest, live, event),
        }
    }

    /// The processors stand still, at the wish of a client or for a reason of the emulator's own.
    fn stopped(&self, guest: &Arc<Guest>, live: &Live) {
        let value = guest.value();
        let by_client = guest.job().is_some();
        if live.session.restarting.load(Ordering::Acquire) {
            return;
        }
        if value.state.0 == state::RUNNING && !by_client {
            guest.change(|value| value.state = (state::PAUSED, paused::UNKNOWN));
            self.save_status(guest);
            self.lifecycle(guest, kind::SUSPENDED, suspended::PAUSED);
        }
    }

    fn resumed(&self, guest: &Arc<Guest>, live: &Live) {
        let value = guest.value();
        let by_client = guest.job().is_some();
        if live.session.restarting.swap(false, Ordering::AcqRel) {
            return;
        }
        if value.state.0 == state::PAUSED && !by_client {
            guest.change(|value| value.state = (state::RUNNING, running::UNPAUSED));
            self.save_status(guest);
            self.lifecycle(guest, kind::RESUMED, resumed::UNPAUSED);
        }
    }

    /// The guest has switched itself off, or the emulator was told to end.
    fn shut_down(&self, guest: &Arc<Guest>, live: &Arc<Live>, from_guest: Option<bool>) {
        if guest.value().state.0 == state::SHUTDOWN {
            return;
        }
        let destroyed = guest.job().is_some_and(|(kind, ..)| kind == engine::JobKind::Destroy)
            || live.session.ending.load(Ordering::Acquire);
        let restart =
            !destroyed && (live.will_reboot() || live.domain.tree.text_of("on_poweroff") == Some("restart"));
        if restart {
            live.session.reboot_on_shutdown.store(false, Ordering::Release);
            live.session.restarting.store(true, Ordering::Release);
            let again =
                live.command("system_reset", Json::Null).and_then(|_| live.command("cont", Json::Null));
            match again {
                Ok(_) => {
                    guest.change(|value| value.state = (state::RUNNING, running::BOOTED));
                    self.save_status(guest);
                    return;
                }
                Err(cause) => {
                    live.session.restarting.store(false, Ordering::Release);
                    log::error!("guest '{}' cannot be reset: {cause}", guest.value().name);
                }
            }
        }
        guest.change(|value| value.state = (state::SHUTDOWN, 1));
        let detail = match from_guest {
            Some(true) => shutdown::GUEST,
            Some(false) => shutdown::HOST,
            None => shutdown::FINISHED,
        };
        self.lifecycle(guest, kind::SHUTDOWN, detail);
        if destroyed {
            return;
        }
        stop::end_quietly(live);
        self.settle(guest, live, shutoff::SHUTDOWN, stopped::SHUTDOWN, "shutdown");
    }
}
