//! Who wants to hear of which events.

use api::event::{Event, Kind};
use base::Uuid;
use proto::message::{Header, Status, Type};
use std::collections::BTreeMap;

/// What a subscription is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Only {
    /// Nothing: all objects.
    Any,
    /// One domain, network, pool or secret.
    Uuid(Uuid),
    /// One node device.
    Name(String),
}

#[derive(Debug)]
struct Subscription {
    kind: Kind,
    event: i32,
    only: Only,
    /// Name of the QEMU event, for subscriptions to the monitor.
    monitor: Option<String>,
}

/// Subscriptions of one client.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    next: i32,
    callbacks: BTreeMap<i32, Subscription>,
    /// Event numbers of domains heard in the old form.
    legacy: Vec<i32>,
}

impl Subscriptions {
    /// Nobody listens.
    pub(crate) fn is_empty(&self) -> bool {
        self.callbacks.is_empty() && self.legacy.is_empty()
    }

    /// Adds a subscription, gives its number.
    pub(crate) fn add(&mut self, kind: Kind, event: i32, only: Only, monitor: Option<String>) -> i32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1).max(0);
        self.callbacks.insert(id, Subscription { kind, event, only, monitor });
        id
    }

    /// Removes a subscription; false when there is none with this number and kind.
    pub(crate) fn remove(&mut self, kind: Kind, id: i32) -> bool {
        let there = self.callbacks.get(&id).is_some_and(|subscription| subscription.kind == kind);
        if there {
            self.callbacks.remove(&id);
        }
        there
    }

    /// Adds an event in the old form; false when it is heard already.
    pub(crate) fn add_legacy(&mut self, event: i32) -> bool {
        let new = !self.legacy.contains(&event);
        if new {
            self.legacy.push(event);
        }
        new
    }

    /// Removes an event in the old form; false when it was not heard.
    pub(crate) fn remove_legacy(&mut self, event: i32) -> bool {
        let before = self.legacy.len();
        self.legacy.retain(|heard| *heard != event);
        self.legacy.len() < before
    }

    /// Messages that tell this client of the event.
    pub(crate) fn messages(&self, event: &Event) -> Vec<Vec<u8>> {
        let (kind, number) = event.id();
        let mut messages = Vec::new();
        let header = |program: u32, version: u32, procedure: u32| Header {
            program,
            version,
            procedure: procedure as i32,
            kind: Type::Message as u32,
            serial: 0,
            status: Status::Ok as u32,
        };
        if kind == Kind::Domain
            && self.legacy.contains(&number)
            && let Some(procedure) = event.legacy_procedure()
        {
            let (program, _) = event.callback_procedure();
            let mut message = header(program.number, program.version, procedure).begin();
            event.encode_payload(&mut message);
            proto::message::finish(&mut message);
            messages.push(message);
        }
        for (id, subscription) in &self.callbacks {
            if subscription.kind != kind || subscription.event != number || !subscription.wants(event) {
                continue;
            }
            let (program, procedure) = event.callback_procedure();
            let mut message = header(program.number, program.version, procedure).begin();
            event.encode_callback(*id, &mut message);
            proto::message::finish(&mut message);
            messages.push(message);
        }
        messages
    }
}

impl Subscription {
    fn wants(&self, event: &Event) -> bool {
        if let (Some(name), Event::DomainMonitor(payload)) = (&self.monitor, event)
            && *name != payload.event
        {
            return false;
        }
        match &self.only {
            Only::Any => true,
            Only::Name(name) => event.node_device().is_some_and(|device| device.name == *name),
            Only::Uuid(uuid) => {
                let of = event
                    .domain()
                    .map(|domain| domain.uuid)
                    .or_else(|| event.network().map(|network| network.uuid))
                    .or_else(|| event.storage_pool().map(|pool| pool.uuid))
                    .or_else(|| event.secret().map(|secret| secret.uuid));
                of == Some(*uuid)
            }
        }
    }
}
