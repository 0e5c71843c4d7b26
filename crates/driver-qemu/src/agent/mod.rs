//! The agent in the guest: who is asked when the emulator cannot know.
//!
//! ```text
//! VSERPORT_CHANGE open   ─▶ connect ─▶ state of the channel, event        commands wait for each other, not for jobs
//! VSERPORT_CHANGE closed ─▶ close   ─▶ state of the channel, event
//! ```
//!
//! * [`facts`]: name, time, addresses, what else the guest knows of itself
//! * [`files`]: file systems
//! * [`users`]: passwords, keys
//! * [`processors`]: processors the guest uses
//! * [`power`]: sleep, end, new start

mod facts;
mod files;
mod power;
mod processors;
mod users;

use crate::guest::{Guest, Live};
use crate::{Driver, FROM, check_flags, error};
use api::consts::connect_domain_event_agent_lifecycle_reason as reason;
use api::consts::connect_domain_event_agent_lifecycle_state as condition;
use api::domain_agent::DomainGetFsinfoRet;
use api::event::{DomainEventCallbackAgentLifecyclePayload, Event};
use api::{Call, DomainAgent};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use qga::{Agent, AgentError, Patience};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use xml::Tree;

/// The channel of the agent.
const CHANNEL: &str = "org.qemu.guest_agent.0";

/// The shortest time that stands for something: no end.
const SHORTEST: i32 = -2;

fn unresponsive(text: &str) -> Error {
    error(ErrorCode::AGENT_UNRESPONSIVE, text)
}

/// Whether a device is the agent's channel.
fn is_channel(device: &Tree) -> bool {
    device.name == "channel" && device.is("type", "unix") && device.attr_at("target", "name") == Some(CHANNEL)
}

fn channel(domain: &Domain) -> Option<&Tree> {
    domain.all("channel").find(|device| is_channel(device))
}

/// Refuses numbers that are no time.
fn check_timeout(timeout: i32) -> Result<()> {
    if timeout >= SHORTEST {
        return Ok(());
    }
    let text = format!("guest agent timeout '{timeout}' is less than the minimum '{SHORTEST}'");
    Err(error(ErrorCode::INVALID_ARG, text))
}

/// Why an agent gives no answer, in the interface's words.
fn failed(command: &str, cause: &AgentError) -> Error {
    match cause {
        AgentError::Closed => unresponsive("QEMU guest agent is not connected"),
        AgentError::Unsynced => unresponsive("Guest agent not available for now"),
        AgentError::Timeout => error(ErrorCode::AGENT_COMMAND_TIMEOUT, "Guest agent not available for now"),
        AgentError::Refused { description, .. } => error(
            ErrorCode::AGENT_COMMAND_FAILED,
            format!("unable to execute QEMU agent command '{command}': {description}"),
        ),
        AgentError::Malformed(text) => {
            Error::internal(FROM, format!("cannot parse reply of QEMU agent command '{command}': {text}"))
        }
        AgentError::Io(cause) => Error::system(FROM, cause, "Unable to write to agent"),
    }
}

/// An answer of another shape than it should have.
fn malformed(command: &str) -> Error {
    Error::internal(FROM, format!("malformed return value of QEMU agent command '{command}'"))
}

impl Live {
    /// The agent, when it is there.
    fn agent(&self) -> Result<Arc<Agent>> {
        let Some(channel) = channel(&self.domain) else {
            return Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured"));
        };
        let agent = self.session.agent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connected = channel.attr_at("target", "state") == Some("connected");
        agent.filter(|_| connected).ok_or_else(|| unresponsive("QEMU guest agent is not connected"))
    }

    fn patience(&self) -> Patience {
        Patience::of(self.session.agent_seconds.load(Ordering::Acquire).saturating_add(SHORTEST))
    }

    /// Asks the agent; what it refuses is told apart from what goes wrong.
    fn ask_agent(&self, command: &str, arguments: &Json) -> Result<std::result::Result<Json, AgentError>> {
        match self.agent()?.command(command, arguments, self.patience()) {
            Err(cause @ AgentError::Refused { .. }) => Ok(Err(cause)),
            outcome => outcome.map(Ok).map_err(|cause| failed(command, &cause)),
        }
    }

    /// Asks the agent.
    fn agent_command(&self, command: &str, arguments: &Json) -> Result<Json> {
        self.ask_agent(command, arguments)?.map_err(|cause| failed(command, &cause))
    }
}

impl Driver {
    fn agent_changed(&self, guest: &Guest, connected: bool, why: i32) {
        let state = if connected { condition::CONNECTED } else { condition::DISCONNECTED };
        self.events.publish(Event::DomainAgentLifecycle(DomainEventCallbackAgentLifecyclePayload {
            dom: guest.reference(),
            state,
            reason: why,
        }));
    }

    /// A guest has been started: its agent is not there yet.
    pub(crate) fn agent_awaited(&self, guest: &Guest, domain: &Domain) {
        if channel(domain).is_some() {
            self.agent_changed(guest, false, reason::DOMAIN_STARTED);
        }
    }

    /// A guest that runs was taken over: its agent may be there.
    pub(crate) fn agent_taken_over(&self, guest: &Guest, live: &Live) {
        if channel(&live.domain)
            .is_some_and(|channel| channel.attr_at("target", "state") == Some("connected"))
        {
            self.connect_agent(guest, live);
        }
    }

    fn connect_agent(&self, guest: &Guest, live: &Live) {
        let path = channel(&live.domain).and_then(|channel| channel.attr_at("source", "path"));
        let Some(path) = path else { return };
        match Agent::connect(Path::new(path)) {
            Ok(agent) => {
                let mut slot = live.session.agent.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(old) = slot.replace(Arc::new(agent)) {
                    old.close();
                }
            }
            Err(cause) => log::warn!("guest '{}': its agent at {path}: {cause}", guest.value().name),
        }
    }

    /// The guest has opened or closed a channel.
    pub(crate) fn port_changed(&self, guest: &Arc<Guest>, live: &Live, alias: &str, open: bool) {
        let named =
            |device: &Tree| device.name == "channel" && device.attr_at("alias", "name") == Some(alias);
        let state = if open { "connected" } else { "disconnected" };
        let found = live.domain.all("channel").find(|device| named(device));
        let Some(device) = found else { return };
        if device.attr_at("target", "state") == Some(state) {
            return;
        }
        if is_channel(device) {
            if open {
                self.connect_agent(guest, live);
            } else {
                self.lose_agent(live);
            }
        }
        let noted = self.change_live(guest, |domain| {
            for device in domain.devices_mut().iter_mut().filter(|device| named(device)) {
                device.child_or_new("target").set("state", state);
            }
            Ok(())
        });
        if let Err(cause) = noted {
            log::error!("{cause}");
        }
        if is_channel(device) {
            self.agent_changed(guest, open, reason::CHANNEL);
        }
    }

    /// Closes the connection to the agent of a guest.
    pub(crate) fn lose_agent(&self, live: &Live) {
        if let Some(agent) = live.session.agent.lock().unwrap_or_else(PoisonError::into_inner).take() {
            agent.close();
        }
    }

    /// The guest ends, starts anew or sleeps: what somebody may have told its agent to do.
    pub(crate) fn agent_did(&self, live: &Live) {
        if let Some(agent) = live.session.agent.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            agent.happened();
        }
    }

    /// A command as a client wrote it, and the answer as the agent gave it.
    pub(crate) fn agent_text(&self, dom: &DomainRef, text: &str, timeout: i32) -> Result<Option<String>> {
        let guest = self.find(dom)?;
        let live = guest.live()?;
        check_timeout(timeout)?;
        let agent = live.agent()?;
        let request: Json = serde_json::from_str(text)
            .map_err(|cause| Error::internal(FROM, format!("cannot parse json {text}: {cause}")))?;
        let name = request.get("execute").and_then(Json::as_str).unwrap_or_default().to_owned();
        let answer = agent.raw(&request, Patience::of(timeout)).map_err(|cause| failed(&name, &cause))?;
        match answer {
            Some(answer) => match answer.get("error") {
                Some(fault) => {
                    let text = |member: &str| {
                        fault.get(member).and_then(Json::as_str).unwrap_or_default().to_owned()
                    };
                    let cause = AgentError::Refused { class: text("class"), description: text("desc") };
                    Err(failed(&name, &cause))
                }
                None => Ok(Some(answer.to_string())),
            },
            None => Ok(None),
        }
    }
}

impl DomainAgent for Driver {
    fn domain_fstrim(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        mount_point: Option<&str>,
        minimum: u64,
        flags: u32,
    ) -> Result<()> {
        self.trim(dom, mount_point, minimum, flags)
    }

    fn domain_fsfreeze(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        mountpoints: &[String],
        flags: u32,
    ) -> Result<i32> {
        self.freeze(dom, mountpoints, flags)
    }

    fn domain_fsthaw(&self, _cx: &Call, dom: &DomainRef, mountpoints: &[String], flags: u32) -> Result<i32> {
        self.thaw(dom, mountpoints, flags)
    }

    fn domain_get_fsinfo(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetFsinfoRet> {
        self.file_systems(dom, flags)
    }

    fn domain_set_user_password(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        user: Option<&str>,
        password: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        self.set_password(dom, user, password, flags)
    }

    fn domain_get_guest_vcpus(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<Vec<TypedParam>> {
        self.guest_vcpus(dom, flags)
    }

    fn domain_set_guest_vcpus(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        cpumap: &str,
        state: i32,
        flags: u32,
    ) -> Result<()> {
        self.set_guest_vcpus(dom, cpumap, state, flags)
    }

    fn domain_get_guest_info(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        types: u32,
        flags: u32,
    ) -> Result<Vec<TypedParam>> {
        self.guest_info(dom, types, flags)
    }

    fn domain_agent_set_response_timeout(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        timeout: i32,
        flags: u32,
    ) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainAgentSetResponseTimeout")?;
        check_timeout(timeout)?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        live.session.agent_seconds.store(timeout.saturating_sub(SHORTEST), Ordering::Release);
        self.write_status(&guest)?;
        Ok(0)
    }

    fn domain_authorized_ssh_keys_get(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        user: &str,
        flags: u32,
    ) -> Result<Vec<String>> {
        self.ssh_keys(dom, user, flags)
    }

    fn domain_authorized_ssh_keys_set(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        user: &str,
        keys: &[String],
        flags: u32,
    ) -> Result<()> {
        self.set_ssh_keys(dom, user, keys, flags)
    }
}
