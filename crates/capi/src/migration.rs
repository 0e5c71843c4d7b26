//! Migration: who leads it.
//!
//! ```text
//! peer to peer: the source leads ── perform(destination URI) ──▶ source daemon ⇄ destination daemon
//! managed:      the client leads
//!   source: begin ─▶ destination: prepare ─▶ source: perform ─▶ destination: finish ─▶ source: confirm
//! ```

use crate::entry::{Entry, entries};
use crate::memory;
use crate::object::{ConnectObj, DomainObj, Wrap};
use crate::params::{self, VirTypedParameter};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result};
use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::sync::Arc;

type Ptr = *mut c_void;

const PEER2PEER: u64 = 2;
const TUNNELLED: u64 = 4;
/// `VIR_DRV_FEATURE_MIGRATION_P2P` and `VIR_DRV_FEATURE_MIGRATION_DIRECT`.
const FEATURE_P2P: i32 = 4;
const FEATURE_DIRECT: i32 = 5;

fn tunnel_flags(e: &Entry, flags: u64) -> Result<()> {
    e.exclusive(flags, (4, "VIR_MIGRATE_TUNNELLED"), (0x2_0000, "VIR_MIGRATE_PARALLEL"), "ctl")
}

fn disk_flags(e: &Entry, flags: u64) -> Result<()> {
    e.exclusive(flags, (64, "VIR_MIGRATE_NON_SHARED_DISK"), (128, "VIR_MIGRATE_NON_SHARED_INC"), "ctl")?;
    let disks = (192, "VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC");
    e.requires(flags, disks, (0x4_0000, "VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES"), "ctl")
}

/// The functions that take a URI look at the tunnel first, and at the disks only where the source leads.
fn check_uri_flags(e: &Entry, flags: u64) -> Result<()> {
    tunnel_flags(e, flags)?;
    if flags & PEER2PEER != 0 { disk_flags(e, flags) } else { Ok(()) }
}

fn check_flags(e: &Entry, flags: u64) -> Result<()> {
    e.exclusive(flags, (64, "VIR_MIGRATE_NON_SHARED_DISK"), (128, "VIR_MIGRATE_NON_SHARED_INC"), "ctl")?;
    tunnel_flags(e, flags)?;
    disk_flags(e, flags)
}

/// The arguments of the older functions as parameters.
fn collected(
    uri: *const c_char,
    dname: *const c_char,
    dxml: *const c_char,
    bandwidth: c_ulong,
) -> Vec<TypedParam> {
    let texts = [("migrate_uri", uri), ("destination_name", dname), ("destination_xml", dxml)];
    let given = texts.into_iter().filter_map(|(name, text)| Some((name, memory::read_optional(text)?)));
    let mut params: Vec<TypedParam> = given.map(|(name, text)| TypedParam::new(name, text)).collect();
    if bandwidth > 0 {
        params.push(TypedParam::new("bandwidth", bandwidth));
    }
    params
}

fn known(e: &Entry, flags: u64) -> Result<u32> {
    u32::try_from(flags).map_err(|_| {
        let text = format!("unsupported use of long flags in function {}", e.name);
        Error::new(ErrorCode::INVALID_ARG, e.domain, text)
    })
}

/// Whether the source can lead.
fn can_peer2peer(e: &Entry, domain: &DomainObj) -> Result<()> {
    if domain.conn.get().drivers.hypervisor.supports_feature(FEATURE_P2P) {
        return Ok(());
    }
    let text = "Peer-to-peer migration is not supported by the connection driver";
    Err(Error::new(ErrorCode::ARGUMENT_UNSUPPORTED, e.domain, text))
}

/// Led by the source.
fn peer2peer(
    e: &Entry,
    domain: &DomainObj,
    uri: Option<&str>,
    params: &[TypedParam],
    flags: u64,
) -> Result<c_int> {
    let conn = domain.conn.get();
    let flags = known(e, flags)?;
    conn.drivers.hypervisor.domain_migrate_perform3_params(
        &conn.call(),
        &domain.reference(),
        uri,
        params,
        &[],
        flags,
    )?;
    Ok(0)
}

fn to_uri(
    e: &Entry,
    domain: &DomainObj,
    uri: Option<String>,
    mut params: Vec<TypedParam>,
    flags: u64,
) -> Result<c_int> {
    if flags & PEER2PEER != 0 {
        can_peer2peer(e, domain)?;
        let Some(uri) = uri else { return e.present(false, "dconnuri").map(|()| -1) };
        return peer2peer(e, domain, Some(&uri), &params, flags);
    }
    // Led by nobody but the hypervisor itself: the URI is where it connects to.
    if let Some(uri) = uri
        && !params.iter().any(|param| param.field == "migrate_uri")
    {
        params.push(TypedParam::new("migrate_uri", uri));
    }
    if !domain.conn.get().drivers.hypervisor.supports_feature(FEATURE_DIRECT) {
        let text = "direct migration is not supported by the connection driver";
        return Err(Error::new(ErrorCode::ARGUMENT_UNSUPPORTED, e.domain, text));
    }
    peer2peer(e, domain, None, &params, flags)
}

/// Led by us.
fn managed(
    e: &Entry,
    domain: &DomainObj,
    dest: &Arc<ConnectObj>,
    params: &[TypedParam],
    flags: u64,
) -> Result<Ptr> {
    if flags & TUNNELLED != 0 {
        let text = "cannot perform tunnelled migration without using peer2peer flag";
        return Err(Error::new(ErrorCode::OPERATION_INVALID, e.domain, text));
    }
    let source = domain.conn.get();
    let flags = known(e, flags)?;
    let dom = domain.reference();
    let from = &source.drivers.hypervisor;
    let to = &dest.drivers.hypervisor;
    let begun = from.domain_migrate_begin3_params(&source.call(), &dom, params, flags)?;
    let mut all: Vec<TypedParam> =
        params.iter().filter(|param| param.field != "destination_xml").cloned().collect();
    all.push(TypedParam::new("destination_xml", begun.xml));
    let prepared = to.domain_migrate_prepare3_params(&dest.call(), &all, &begun.cookie_out, flags);
    let confirm = |cookie: &[u8], cancelled: bool| {
        from.domain_migrate_confirm3_params(&source.call(), &dom, params, cookie, flags, i32::from(cancelled))
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = confirm(&[], true);
            return Err(error);
        }
    };
    let mut moving = params.to_vec();
    if let Some(uri) = &prepared.uri_out {
        moving.retain(|param| param.field != "migrate_uri");
        moving.push(TypedParam::new("migrate_uri", TypedValue::String(uri.clone())));
    }
    if !moving.iter().any(|param| param.field == "migrate_uri") {
        let _ = confirm(&[], true);
        return Err(Error::internal(e.domain, "domainMigratePrepare3 did not set uri"));
    }
    let performed =
        from.domain_migrate_perform3_params(&source.call(), &dom, None, &moving, &prepared.cookie_out, flags);
    let (cookie, failure) = match performed {
        Ok(cookie) => (cookie, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut ending = moving;
    if !ending.iter().any(|param| param.field == "destination_name") {
        ending.push(TypedParam::new("destination_name", dom.name.clone()));
    }
    let finished =
        to.domain_migrate_finish3_params(&dest.call(), &ending, &cookie, flags, i32::from(failure.is_some()));
    let cancelled = failure.is_some() || finished.is_err();
    let cookie = finished.as_ref().map(|done| done.cookie_out.clone()).unwrap_or_default();
    let confirmed = confirm(&cookie, cancelled);
    if let Some(error) = failure {
        return Err(error);
    }
    let done = finished?;
    confirmed?;
    Ok(done.dom.wrap(dest))
}

/// The functions that take a connection: led by us, or by the source when asked for.
fn to_connection(
    e: &mut Entry,
    domain: Ptr,
    dconn: Ptr,
    dname: *const c_char,
    params: &[TypedParam],
    flags: u64,
) -> Result<Ptr> {
    let domain = e.item::<DomainRef>(domain)?;
    e.writable()?;
    let dest = e.conn(dconn)?;
    e.of(domain.conn.get());
    e.nonempty(dname, "dname")?;
    check_flags(e, flags)?;
    if dest.read_only {
        let text = format!("read only access prevents {}", e.name);
        return Err(Error::new(ErrorCode::OPERATION_DENIED, e.domain, text));
    }
    if flags & PEER2PEER == 0 {
        return managed(e, &domain, &dest, params, flags);
    }
    can_peer2peer(e, &domain)?;
    peer2peer(e, &domain, Some(&dest.uri), params, flags)?;
    let name = params.iter().find_map(|param| match (&param.field[..], &param.value) {
        ("destination_name", TypedValue::String(name)) => Some(name.clone()),
        _ => None,
    });
    let name = name.unwrap_or_else(|| domain.plain().name.clone());
    Ok(dest.drivers.hypervisor.domain_lookup_by_name(&dest.call(), &name)?.wrap(&dest))
}

entries! {
    20, std::ptr::null_mut() => fn virDomainMigrate(domain: Ptr, dconn: Ptr, flags: c_ulong, dname: *const c_char, uri: *const c_char, bandwidth: c_ulong) -> Ptr |e| {
        to_connection(e, domain, dconn, dname, &collected(uri, dname, std::ptr::null(), bandwidth), flags)
    }
    20, std::ptr::null_mut() => fn virDomainMigrate2(domain: Ptr, dconn: Ptr, dxml: *const c_char, flags: c_ulong, dname: *const c_char, uri: *const c_char, bandwidth: c_ulong) -> Ptr |e| {
        to_connection(e, domain, dconn, dname, &collected(uri, dname, dxml, bandwidth), flags)
    }
    20, std::ptr::null_mut() => fn virDomainMigrate3(domain: Ptr, dconn: Ptr, list: *mut VirTypedParameter, nparams: c_uint, flags: c_uint) -> Ptr |e| {
        to_connection(e, domain, dconn, std::ptr::null(), &params::read(list, nparams)?, u64::from(flags))
    }
    20, -1 => fn virDomainMigrateToURI(domain: Ptr, duri: *const c_char, flags: c_ulong, dname: *const c_char, bandwidth: c_ulong) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        e.nonnull(duri, "duri")?;
        e.nonempty(dname, "dname")?;
        check_uri_flags(e, flags)?;
        let params = collected(std::ptr::null(), dname, std::ptr::null(), bandwidth);
        to_uri(e, &domain, memory::read_optional(duri), params, flags)
    }
    20, -1 => fn virDomainMigrateToURI2(domain: Ptr, dconnuri: *const c_char, miguri: *const c_char, dxml: *const c_char, flags: c_ulong, dname: *const c_char, bandwidth: c_ulong) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        e.nonempty(dname, "dname")?;
        check_uri_flags(e, flags)?;
        to_uri(e, &domain, memory::read_optional(dconnuri), collected(miguri, dname, dxml, bandwidth), flags)
    }
    20, -1 => fn virDomainMigrateToURI3(domain: Ptr, dconnuri: *const c_char, list: *mut VirTypedParameter, nparams: c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        check_uri_flags(e, u64::from(flags))?;
        to_uri(e, &domain, memory::read_optional(dconnuri), params::read(list, nparams)?, u64::from(flags))
    }
}
