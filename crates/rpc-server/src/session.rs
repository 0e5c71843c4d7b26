//! Procedures about the connection itself: authentication, opening, features, event registration.

use crate::client::{Client, locked};
use crate::dispatch::{Reply, decode, nothing};
use crate::server::Shared;
use crate::subscription::Only;
use api::consts;
use api::event::Kind;
use api::{Call, OpenRequest};
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::generated::qemu::*;
use proto::generated::remote_connection::*;
use proto::row::Procedure;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Driver features that the server itself answers for (`VIR_DRV_FEATURE_*`).
mod feature {
    pub(super) const REMOTE: i32 = 2;
    pub(super) const FD_PASSING: i32 = 8;
    pub(super) const TYPED_PARAM_STRING: i32 = 9;
    pub(super) const PROGRAM_KEEPALIVE: i32 = 10;
    pub(super) const REMOTE_EVENT_CALLBACK: i32 = 14;
    pub(super) const REMOTE_CLOSE_CALLBACK: i32 = 15;
    pub(super) const NETWORK_UPDATE_HAS_CORRECT_ORDER: i32 = 16;
}

/// Kinds of authentication on the wire.
const AUTH_NONE: i32 = 0;
const AUTH_POLKIT: i32 = 2;

/// Flag of `connect_open`: the connection may only read.
const OPEN_READ_ONLY: u32 = 1;
/// Flags that `connect_open` knows: read-only, no aliases, no automatic start of a daemon.
const OPEN_FLAGS: u32 = 7;

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::RPC, text)
}

/// The error of calls that need an open connection.
pub(crate) fn not_open(family: &str) -> Error {
    internal(match family {
        "network" => "network connection not open",
        "interface" => "interface connection not open",
        "storage" => "storage connection not open",
        "node_device" => "node device connection not open",
        "secret" => "secret connection not open",
        "nwfilter" => "nwfilter connection not open",
        _ => "hypervisor connection not open",
    })
}

/// Serves a procedure that the table marks `server`.
pub(crate) fn serve(
    shared: &Shared,
    client: &Arc<Client>,
    cx: &Call,
    row: &Procedure,
    payload: &[u8],
) -> Result<Reply> {
    match row.name {
        "auth_list" => {
            nothing(payload)?;
            let kind = if client.authenticated.load(Ordering::Relaxed) { AUTH_NONE } else { AUTH_POLKIT };
            Ok(Reply::of(&AuthListRet { types: vec![kind] }, None))
        }
        "auth_sasl_init" | "auth_sasl_start" | "auth_sasl_step" | "auth_polkit" => {
            log::warn!("client {} asks for authentication that is not offered", client.id.0);
            Err(Error::bare(ErrorCode::AUTH_FAILED, ErrorDomain::RPC))
        }
        "connect_open" => open(shared, client, cx, &decode(payload)?),
        "connect_close" => {
            nothing(payload)?;
            close(client);
            Ok(Reply::empty(None))
        }
        "connect_supports_feature" => supports(client, &decode(payload)?),
        "connect_get_uri" => {
            nothing(payload)?;
            let drivers = locked(&client.session).drivers.clone().ok_or_else(|| not_open(""))?;
            Ok(Reply::of(&ConnectGetUriRet { uri: drivers.uri.clone() }, None))
        }
        "connect_set_identity" => {
            let args: ConnectSetIdentityArgs = decode(payload)?;
            // Only who may do everything anyway may speak for somebody else.
            if cx.read_only() || cx.identity().uid != Some(rustix::process::geteuid().as_raw()) {
                return Err(Error::new(
                    ErrorCode::OPERATION_DENIED,
                    ErrorDomain::RPC,
                    "caller is not allowed to set the identity of the connection",
                ));
            }
            set_identity(client, &args);
            Ok(Reply::empty(None))
        }
        "connect_register_close_callback" => close_callback(client, true),
        "connect_unregister_close_callback" => close_callback(client, false),
        _ => events(client, row, payload),
    }
}

fn open(shared: &Shared, client: &Arc<Client>, cx: &Call, args: &ConnectOpenArgs) -> Result<Reply> {
    if locked(&client.session).drivers.is_some() {
        return Err(internal("connection already open"));
    }
    if args.flags & !OPEN_FLAGS != 0 {
        return Err(Error::unsupported_flags(
            ErrorDomain::NONE,
            "virConnectOpenInternal",
            args.flags & !OPEN_FLAGS,
        ));
    }
    let read_only = client.entry.read_only || args.flags & OPEN_READ_ONLY != 0;
    let drivers = shared.opener.open(cx, OpenRequest { uri: args.name.as_deref(), read_only })?;
    let mut session = locked(&client.session);
    session.read_only = read_only;
    session.drivers = Some(Arc::new(drivers));
    Ok(Reply::empty(None))
}

fn close(client: &Client) {
    let drivers = {
        let mut session = locked(&client.session);
        session.close_callback = false;
        session.drivers.take()
    };
    *locked(&client.subscriptions) = Default::default();
    if let Some(drivers) = drivers {
        drivers.hypervisor.connection_closed(client.id);
    }
}

fn supports(client: &Client, args: &ConnectSupportsFeatureArgs) -> Result<Reply> {
    let supported = match args.feature {
        feature::PROGRAM_KEEPALIVE => {
            client.keepalive.store(true, Ordering::Relaxed);
            true
        }
        feature::FD_PASSING
        | feature::TYPED_PARAM_STRING
        | feature::REMOTE_EVENT_CALLBACK
        | feature::REMOTE_CLOSE_CALLBACK
        | feature::NETWORK_UPDATE_HAS_CORRECT_ORDER => true,
        feature::REMOTE => false,
        other => {
            let drivers = locked(&client.session).drivers.clone().ok_or_else(|| not_open(""))?;
            drivers.hypervisor.supports_feature(other)
        }
    };
    Ok(Reply::of(&ConnectSupportsFeatureRet { supported: supported.into() }, None))
}

fn set_identity(client: &Client, args: &ConnectSetIdentityArgs) {
    use base::param::TypedValue::{Int, LLong, String, UInt, ULLong};
    let mut identity = (*client.identity()).clone();
    for param in &args.params {
        match (param.field.as_str(), &param.value) {
            ("user-name", String(name)) => identity.user_name = Some(name.clone()),
            ("group-name", String(name)) => identity.group_name = Some(name.clone()),
            ("sasl-user-name", String(name)) => identity.sasl_name = Some(name.clone()),
            ("x509-distinguished-name", String(name)) => identity.x509_name = Some(name.clone()),
            ("selinux-context", String(label)) => identity.selinux_context = Some(label.clone()),
            ("unix-user-id", ULLong(id)) => identity.uid = u32::try_from(*id).ok(),
            ("unix-group-id", ULLong(id)) => identity.gid = u32::try_from(*id).ok(),
            ("process-id", LLong(id)) => identity.pid = i32::try_from(*id).ok(),
            (name, Int(_) | UInt(_) | LLong(_) | ULLong(_) | String(_)) => {
                log::debug!("identity: {name} is not used");
            }
            (name, _) => log::debug!("identity: {name} has an odd type"),
        }
    }
    *locked(&client.identity) = Arc::new(identity);
}

fn close_callback(client: &Client, wanted: bool) -> Result<Reply> {
    let mut session = locked(&client.session);
    if session.drivers.is_none() {
        return Err(not_open(""));
    }
    if session.close_callback == wanted {
        let text = if wanted {
            "A close callback is already registered"
        } else {
            "A different callback was requested"
        };
        return Err(internal(text));
    }
    session.close_callback = wanted;
    Ok(Reply::empty(None))
}

fn events(client: &Client, row: &Procedure, payload: &[u8]) -> Result<Reply> {
    if locked(&client.session).drivers.is_none() {
        return Err(not_open(row.family));
    }
    let mut heard = locked(&client.subscriptions);
    let known = |kind: Kind, event: i32| {
        let last = match kind {
            Kind::Domain => consts::domain_event_id::NIC_MAC_CHANGE,
            Kind::Network | Kind::Storage | Kind::NodeDevice | Kind::Secret => 1,
            Kind::Qemu => -1,
        };
        if (0..=last).contains(&event) {
            Ok(())
        } else {
            Err(internal(format!("unsupported event ID {event}")))
        }
    };
    let only = |uuid: Option<base::Uuid>| uuid.map_or(Only::Any, Only::Uuid);
    let mut removed = |kind: Kind, id: i32, what: &str| {
        let text = || internal(format!("{what} event callback {id} not registered"));
        if heard.remove(kind, id) { Ok(Reply::empty(None)) } else { Err(text()) }
    };
    match row.name {
        "connect_domain_event_register" => {
            nothing(payload)?;
            if !heard.add_legacy(0) {
                return Err(internal("domain event 0 already registered"));
            }
            Ok(Reply::of(&ConnectDomainEventRegisterRet { cb_registered: 1 }, None))
        }
        "connect_domain_event_deregister" => {
            nothing(payload)?;
            if !heard.remove_legacy(0) {
                return Err(internal("domain event 0 not registered"));
            }
            Ok(Reply::of(&ConnectDomainEventDeregisterRet { cb_registered: 0 }, None))
        }
        "connect_domain_event_register_any" => {
            let args: ConnectDomainEventRegisterAnyArgs = decode(payload)?;
            known(Kind::Domain, args.event_id)?;
            if !heard.add_legacy(args.event_id) {
                return Err(internal(format!("domain event {} already registered", args.event_id)));
            }
            Ok(Reply::empty(None))
        }
        "connect_domain_event_deregister_any" => {
            let args: ConnectDomainEventDeregisterAnyArgs = decode(payload)?;
            known(Kind::Domain, args.event_id)?;
            if !heard.remove_legacy(args.event_id) {
                return Err(internal(format!("domain event {} not registered", args.event_id)));
            }
            Ok(Reply::empty(None))
        }
        "connect_domain_event_callback_register_any" => {
            let args: ConnectDomainEventCallbackRegisterAnyArgs = decode(payload)?;
            known(Kind::Domain, args.event_id)?;
            let callback_id =
                heard.add(Kind::Domain, args.event_id, only(args.dom.map(|dom| dom.uuid)), None);
            Ok(Reply::of(&ConnectDomainEventCallbackRegisterAnyRet { callback_id }, None))
        }
        "connect_domain_event_callback_deregister_any" => {
            let args: ConnectDomainEventCallbackDeregisterAnyArgs = decode(payload)?;
            removed(Kind::Domain, args.callback_id, "domain")
        }
        "connect_network_event_register_any" => {
            let args: ConnectNetworkEventRegisterAnyArgs = decode(payload)?;
            known(Kind::Network, args.event_id)?;
            let callback_id =
                heard.add(Kind::Network, args.event_id, only(args.net.map(|net| net.uuid)), None);
            Ok(Reply::of(&ConnectNetworkEventRegisterAnyRet { callback_id }, None))
        }
        "connect_network_event_deregister_any" => {
            let args: ConnectNetworkEventDeregisterAnyArgs = decode(payload)?;
            removed(Kind::Network, args.callback_id, "network")
        }
        "connect_storage_pool_event_register_any" => {
            let args: ConnectStoragePoolEventRegisterAnyArgs = decode(payload)?;
            known(Kind::Storage, args.event_id)?;
            let callback_id =
                heard.add(Kind::Storage, args.event_id, only(args.pool.map(|pool| pool.uuid)), None);
            Ok(Reply::of(&ConnectStoragePoolEventRegisterAnyRet { callback_id }, None))
        }
        "connect_storage_pool_event_deregister_any" => {
            let args: ConnectStoragePoolEventDeregisterAnyArgs = decode(payload)?;
            removed(Kind::Storage, args.callback_id, "storage pool")
        }
        "connect_node_device_event_register_any" => {
            let args: ConnectNodeDeviceEventRegisterAnyArgs = decode(payload)?;
            known(Kind::NodeDevice, args.event_id)?;
            let only = args.dev.map_or(Only::Any, |dev| Only::Name(dev.name));
            let callback_id = heard.add(Kind::NodeDevice, args.event_id, only, None);
            Ok(Reply::of(&ConnectNodeDeviceEventRegisterAnyRet { callback_id }, None))
        }
        "connect_node_device_event_deregister_any" => {
            let args: ConnectNodeDeviceEventDeregisterAnyArgs = decode(payload)?;
            removed(Kind::NodeDevice, args.callback_id, "node device")
        }
        "connect_secret_event_register_any" => {
            let args: ConnectSecretEventRegisterAnyArgs = decode(payload)?;
            known(Kind::Secret, args.event_id)?;
            let callback_id = heard.add(Kind::Secret, args.event_id, only(args.secret.map(|s| s.uuid)), None);
            Ok(Reply::of(&ConnectSecretEventRegisterAnyRet { callback_id }, None))
        }
        "connect_secret_event_deregister_any" => {
            let args: ConnectSecretEventDeregisterAnyArgs = decode(payload)?;
            removed(Kind::Secret, args.callback_id, "secret")
        }
        "connect_domain_monitor_event_register" => {
            let args: ConnectDomainMonitorEventRegisterArgs = decode(payload)?;
            let callback_id = heard.add(Kind::Qemu, -1, only(args.dom.map(|dom| dom.uuid)), args.event);
            Ok(Reply::of(&ConnectDomainMonitorEventRegisterRet { callback_id }, None))
        }
        "connect_domain_monitor_event_deregister" => {
            let args: ConnectDomainMonitorEventDeregisterArgs = decode(payload)?;
            removed(Kind::Qemu, args.callback_id, "qemu monitor")
        }
        _ => Err(Error::no_support(row.c_name).in_domain(ErrorDomain(row.error_domain))),
    }
}
