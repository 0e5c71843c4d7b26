//! The connection as its client sees it: signs of life, subscriptions, the end.

use crate::channel::Keepalive;
use crate::connection::{Attached, Remote, Void};
use api::event::Kind;
use api::event_loop::Readiness;
use api::session::{CloseReason, OnClose, OnEvent, Subject, Subscription};
use api::{EventLoop, Session};
use base::param::TypedParam;
use base::{Error, ErrorDomain, Result};
use proto::generated::qemu::{
    ConnectDomainMonitorEventDeregisterArgs, ConnectDomainMonitorEventRegisterArgs,
};
use proto::generated::remote_connection::{
    ConnectDomainEventCallbackRegisterAnyArgs, ConnectNetworkEventRegisterAnyArgs,
    ConnectNodeDeviceEventRegisterAnyArgs, ConnectSecretEventRegisterAnyArgs, ConnectSetIdentityArgs,
    ConnectStoragePoolEventRegisterAnyArgs, ConnectSupportsFeatureArgs,
};
use proto::generated::table;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// `VIR_DRV_FEATURE_PROGRAM_KEEPALIVE`.
const FEATURE_KEEPALIVE: i32 = 10;

impl Remote {
    /// Whether the daemon knows a feature.
    pub fn knows(&self, feature: i32) -> bool {
        let args = ConnectSupportsFeatureArgs { feature };
        self.call::<_, i32>(&table::REMOTE, 60, &args).is_ok_and(|supported| supported != 0)
    }

    /// Leaves the program's loop.
    pub(crate) fn detach(&self) {
        let attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(attached) = attached {
            attached.event_loop.remove_handle(attached.watch);
            if let Some(timer) = attached.timer {
                attached.event_loop.remove_timeout(timer);
            }
        }
    }
}

impl Session for Remote {
    fn is_alive(&self) -> Result<bool> {
        Ok(self.channel.is_alive())
    }

    fn is_secure(&self) -> Result<bool> {
        let theirs: i32 = self.call(&table::REMOTE, 149, &Void)?;
        Ok(self.secure && theirs != 0)
    }

    fn is_encrypted(&self) -> Result<bool> {
        let _: i32 = self.call(&table::REMOTE, 149, &Void)?;
        Ok(self.encrypted)
    }

    fn set_keepalive(&self, interval: i32, count: u32) -> Result<bool> {
        if !self.knows(FEATURE_KEEPALIVE) {
            return Ok(false);
        }
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(attached) = attached.as_mut() else {
            let text = "the caller doesn't support keepalive protocol; perhaps it's missing event loop implementation";
            return Err(Error::internal(ErrorDomain::REMOTE, text));
        };
        let seconds = u64::try_from(interval).unwrap_or(0);
        self.channel.state().keepalive = (seconds > 0).then_some(Keepalive {
            interval: Duration::from_secs(seconds),
            count,
            unanswered: 0,
        });
        let rest = if seconds > 0 { interval.saturating_mul(1000) } else { -1 };
        match attached.timer {
            Some(timer) => attached.event_loop.update_timeout(timer, rest),
            None => {
                let channel = self.channel.clone();
                attached.timer = attached.event_loop.add_timeout(rest, Box::new(move || channel.beat()));
            }
        }
        Ok(true)
    }

    fn set_identity(&self, params: &[TypedParam], flags: u32) -> Result<()> {
        let args = ConnectSetIdentityArgs { params: params.to_vec(), flags };
        self.call::<_, Void>(&table::REMOTE, 419, &args).map(drop)
    }

    fn subscribe(&self, what: &Subscription) -> Result<i32> {
        let event_id = what.id;
        let remote = &table::REMOTE;
        match (what.kind, &what.subject) {
            (Kind::Network, subject) => {
                let net = match subject {
                    Some(Subject::Network(net)) => Some(net.clone()),
                    _ => None,
                };
                self.call(remote, 313, &ConnectNetworkEventRegisterAnyArgs { event_id, net })
            }
            (Kind::Storage, subject) => {
                let pool = match subject {
                    Some(Subject::StoragePool(pool)) => Some(pool.clone()),
                    _ => None,
                };
                self.call(remote, 368, &ConnectStoragePoolEventRegisterAnyArgs { event_id, pool })
            }
            (Kind::NodeDevice, subject) => {
                let dev = match subject {
                    Some(Subject::NodeDevice(dev)) => Some(dev.clone()),
                    _ => None,
                };
                self.call(remote, 374, &ConnectNodeDeviceEventRegisterAnyArgs { event_id, dev })
            }
            (Kind::Secret, subject) => {
                let secret = match subject {
                    Some(Subject::Secret(secret)) => Some(secret.clone()),
                    _ => None,
                };
                self.call(remote, 380, &ConnectSecretEventRegisterAnyArgs { event_id, secret })
            }
            (kind, subject) => {
                let dom = match subject {
                    Some(Subject::Domain(dom)) => Some(dom.clone()),
                    _ => None,
                };
                if kind == Kind::Qemu {
                    let (event, flags) = what.monitor.clone().unwrap_or_default();
                    let args = ConnectDomainMonitorEventRegisterArgs { dom, event, flags };
                    return self.call(&table::QEMU, 4, &args);
                }
                self.call(remote, 316, &ConnectDomainEventCallbackRegisterAnyArgs { event_id, dom })
            }
        }
    }

    fn unsubscribe(&self, what: &Subscription, number: i32) -> Result<()> {
        let procedure = match what.kind {
            Kind::Network => 314,
            Kind::Storage => 369,
            Kind::NodeDevice => 375,
            Kind::Secret => 381,
            Kind::Qemu => {
                let args = ConnectDomainMonitorEventDeregisterArgs { callback_id: number };
                return self.call::<_, Void>(&table::QEMU, 5, &args).map(drop);
            }
            _ => 317,
        };
        self.call::<i32, Void>(&table::REMOTE, procedure, &number).map(drop)
    }

    fn on_event(&self, action: OnEvent) {
        self.channel.state().on_event = Some(action);
    }

    fn on_close(&self, action: OnClose) {
        self.channel.state().on_close = Some(action);
    }

    fn listen(&self, limit: Duration) {
        self.channel.listen(limit);
    }

    fn attach(&self, event_loop: Arc<dyn EventLoop>) {
        let channel = self.channel.clone();
        let looping = event_loop.clone();
        let own = Arc::new(std::sync::atomic::AtomicI32::new(-1));
        let watch = own.clone();
        let action = move |_: Readiness| {
            channel.read_if_free();
            if !channel.is_alive() {
                looping.remove_handle(watch.load(std::sync::atomic::Ordering::Relaxed));
            }
        };
        if let Some(watch) = event_loop.add_handle(self.channel.fd(), Readiness::READABLE, Box::new(action)) {
            own.store(watch, std::sync::atomic::Ordering::Relaxed);
            let attached = Attached { event_loop, watch, timer: None };
            *self.attached.lock().unwrap_or_else(PoisonError::into_inner) = Some(attached);
        }
    }

    fn close(&self) {
        self.detach();
        if self.channel.is_alive() {
            self.channel.state().on_close = None;
            let _ = self.call::<_, Void>(&table::REMOTE, 2, &Void);
            let gone = Error::internal(ErrorDomain::RPC, "client socket is closed");
            self.channel.close(CloseReason::Client, gone);
        }
    }
}
