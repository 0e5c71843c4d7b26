//! Starting, pausing and ending guests at a client's wish.

use crate::guest::{Guest, Value};
use crate::start::How;
use crate::{Driver, FROM, check_flags, not_running};
use api::consts::domain_state as state;
use api::consts::{
    domain_event_resumed_detail_type as resumed, domain_event_suspended_detail_type as suspended,
};
use api::consts::{
    domain_event_type as kind, domain_paused_reason as paused, domain_running_reason as running,
};
use api::{Call, DomainLifecycle};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use engine::JobKind;
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Flags of starting that are served: paused, autodestroy, bypass cache, force boot, validate, reset NVRAM.
const CREATE_FLAGS: u32 = 0x3f;

/// What was saved is of no interest.
const FORCE_BOOT: u32 = 8;

/// Elements of a definition by the interface's number of the event.
const EVENTS: [&str; 3] = ["on_poweroff", "on_reboot", "on_crash"];

/// Actions by their number.
const ACTIONS: [&str; 6] =
    ["destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart"];

fn how(cx: &Call, flags: u32) -> How {
    How { paused: flags & 1 != 0, bound_to: (flags & 2 != 0).then(|| cx.connection()), incoming: None }
}

impl Driver {
    fn create(&self, cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainRef> {
        check_flags(flags, CREATE_FLAGS, "qemuDomainCreateWithFlags")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "start")?;
        if guest.value().live.is_some() {
            return Err(Error::operation_invalid(FROM, "domain is already running"));
        }
        self.complete_stored(&guest);
        let domain = guest.value().stored().ok_or_else(not_running)?;
        if flags & FORCE_BOOT != 0 {
            self.forget_managed(&guest);
        }
        if !self.go_on_managed(&guest, flags & 1 != 0)? {
            self.launch(&guest, domain, how(cx, flags))?;
        }
        Ok(guest.reference())
    }

    fn create_xml(&self, cx: &Call, xml: &str, flags: u32) -> Result<DomainRef> {
        check_flags(flags, CREATE_FLAGS, "qemuDomainCreateXML")?;
        const VALIDATE: u32 = 16;
        if flags & VALIDATE != 0 {
            conf_domain::domain::validate(xml)?;
        }
        let parse = ParseFlags { inactive: true, abi_update: true, ..ParseFlags::default() };
        let domain = self.parse(xml, parse)?;
        let (guest, new) = self.admit(&domain)?;
        let _job = guest.begin(JobKind::Modify, "create")?;
        let outcome = self.launch(&guest, domain, how(cx, flags));
        if outcome.is_err() && new {
            self.guests.remove(guest.uuid);
        }
        outcome.map(|()| guest.reference())
    }

    /// The guest that a definition is for, and whether it was not known before: then it has no stored definition and is for
    /// the caller to take out when it does not come up.
    pub(crate) fn admit(&self, domain: &Domain) -> Result<(Arc<Guest>, bool)> {
        self.guests.exclusively(|| {
            if let Some(guest) = self.conflict(domain, true)? {
                return Ok::<_, Error>((guest, false));
            }
            let value = Value {
                name: domain.name.clone(),
                config: None,
                live: None,
                autostart: false,
                autostart_once: false,
                state: (state::SHUTOFF, 0),
            };
            let guest = Arc::new(Guest::new(domain.uuid, value));
            self.guests.insert(guest.clone());
            Ok((guest, true))
        })
    }

    fn shut(&self, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainShutdownFlags")?;
        let guest = self.find(dom)?;
        let by_agent = flags & AGENT != 0;
        // Without a wish the guest is asked itself, when its agent is there.
        if by_agent || (flags == 0 && guest.value().live.as_ref().is_some_and(|live| self.has_agent(live))) {
            let done = self.agent_shutdown(&guest, false);
            if done.is_ok() || flags == AGENT {
                return done;
            }
        }
        let _job = guest.begin(JobKind::Modify, "shutdown")?;
        // This call alone says so in the name of the driver.
        let live = guest.live().map_err(|_| Error::operation_invalid(FROM, "domain is not running"))?;
        live.session.reboot_on_shutdown.store(false, Ordering::Release);
        live.command("system_powerdown", Json::Null).map(drop)
    }
}

/// The guest is asked itself to end or start anew.
const AGENT: u32 = 2;

impl DomainLifecycle for Driver {
    fn domain_create(&self, cx: &Call, dom: &DomainRef) -> Result<()> {
        self.create(cx, dom, 0).map(drop)
    }

    fn domain_create_with_flags(&self, cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainRef> {
        self.create(cx, dom, flags)
    }

    fn domain_create_xml(&self, cx: &Call, xml_desc: &str, flags: u32) -> Result<DomainRef> {
        self.create_xml(cx, xml_desc, flags)
    }

    fn domain_suspend(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "suspend")?;
        let live = guest.live()?;
        if guest.value().state.0 == state::PAUSED {
            guest.change(|value| value.state = (state::PAUSED, paused::USER));
            return Ok(());
        }
        live.command("stop", Json::Null)?;
        guest.change(|value| value.state = (state::PAUSED, paused::USER));
        self.save_status(&guest);
        self.lifecycle(&guest, kind::SUSPENDED, suspended::PAUSED);
        Ok(())
    }

    fn domain_resume(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "resume")?;
        let live = guest.live()?;
        if guest.value().state.0 == state::RUNNING {
            return Err(Error::operation_invalid(FROM, "domain is already running"));
        }
        live.command("cont", Json::Null)?;
        guest.change(|value| value.state = (state::RUNNING, running::UNPAUSED));
        self.save_status(&guest);
        self.lifecycle(&guest, kind::RESUMED, resumed::UNPAUSED);
        Ok(())
    }

    fn domain_shutdown(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        self.shut(dom, 0)
    }

    fn domain_shutdown_flags(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        self.shut(dom, flags)
    }

    fn domain_reboot(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainReboot")?;
        let guest = self.find(dom)?;
        if flags & AGENT != 0
            || (flags == 0 && guest.value().live.as_ref().is_some_and(|live| self.has_agent(live)))
        {
            let done = self.agent_shutdown(&guest, true);
            if done.is_ok() || flags == AGENT {
                return done;
            }
        }
        let _job = guest.begin(JobKind::Modify, "reboot")?;
        let live = guest.live()?;
        // Before the button is pressed: the guest may be off before the answer is read.
        live.session.reboot_on_shutdown.store(true, Ordering::Release);
        let pressed = live.command("system_powerdown", Json::Null);
        if pressed.is_err() {
            live.session.reboot_on_shutdown.store(false, Ordering::Release);
        }
        pressed.map(drop)
    }

    fn domain_reset(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainReset")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "reset")?;
        guest.live()?.command("system_reset", Json::Null).map(drop)
    }

    fn domain_destroy(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        let guest = self.find(dom)?;
        self.destroy(&guest, "destroy")
    }

    fn domain_destroy_flags(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainDestroyFlags")?;
        let guest = self.find(dom)?;
        self.destroy(&guest, "destroy")
    }

    fn domain_inject_nmi(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainInjectNMI")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "inject NMI")?;
        guest.live()?.command("inject-nmi", Json::Null).map(drop)
    }

    fn domain_pm_suspend_for_duration(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        target: u32,
        duration: u64,
        flags: u32,
    ) -> Result<()> {
        self.suspend_guest(dom, target, duration, flags)
    }

    fn domain_fd_associate(&self, cx: &Call, dom: &DomainRef, name: &str, flags: u32) -> Result<()> {
        self.associate(cx, dom, name, flags)
    }

    fn domain_pm_wakeup(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainPMWakeup")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "wake up")?;
        guest.live()?.command("system_wakeup", Json::Null).map(drop)
    }

    fn domain_set_lifecycle_action(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        type_: u32,
        action: u32,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetLifecycleAction")?;
        let wrong = |what: &str, number: u32| {
            Error::new(
                ErrorCode::INVALID_ARG,
                ErrorDomain::DOMAIN,
                format!("invalid lifecycle {what} '{number}'"),
            )
        };
        let element = *EVENTS.get(type_ as usize).ok_or_else(|| wrong("type", type_))?;
        let word = *ACTIONS.get(action as usize).ok_or_else(|| wrong("action", action))?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set lifecycle action")?;
        let active = guest.value().live.is_some();
        let (on_live, on_config) = match flags & 3 {
            0 => (active, !active),
            bits => (bits & 1 != 0, bits & 2 != 0),
        };
        let change = |domain: &mut conf_domain::Domain| {
            conf_domain::lifecycle::allowed(element.trim_start_matches("on_"), word)?;
            domain.tree.child_or_new(element).text = Some(word.to_owned());
            qemu_plan::check_lifecycle(domain)
        };
        let live = on_live.then(|| guest.live()).transpose()?;
        // Both are checked before either is changed.
        if let Some(live) = &live {
            change(&mut live.domain.clone())?;
        }
        if on_config {
            self.change_config(&guest, change)?;
        }
        if let Some(live) = live {
            if element == "on_reboot" {
                let wanted = if word == "destroy" { "shutdown" } else { "reset" };
                live.command("set-action", serde_json::json!({ "reboot": wanted }))?;
            }
            self.change_live(&guest, change)?;
        }
        Ok(())
    }
}
