//! References on objects, and the getters that ask nobody.

use crate::entry::{Entry, enter};
use crate::handle;
use crate::memory;
use crate::object::{DomainObj, Item, Wrap};
use base::object::{
    DomainCheckpointRef, DomainRef, DomainSnapshotRef, InterfaceRef, NetworkPortRef, NetworkRef,
    NodeDeviceRef, NwfilterBindingRef, NwfilterRef, SecretRef, StoragePoolRef, StorageVolRef,
};
use base::{Error, Uuid};
use std::ffi::{c_char, c_int, c_uint, c_void};

macro_rules! references {
    ($($kind:ident, $domain:literal: $free:ident $reference:ident;)+) => {
        $(
            #[doc = concat!("`", stringify!($reference), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $reference(object: *mut c_void) -> c_int {
                enter(stringify!($reference), $domain, -1, |e| {
                    e.item::<$kind>(object)?;
                    handle::retain(object);
                    Ok(0)
                })
            }

            #[doc = concat!("`", stringify!($free), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $free(object: *mut c_void) -> c_int {
                enter(stringify!($free), $domain, -1, |e| {
                    drop(e.item::<$kind>(object)?);
                    drop(handle::release(object));
                    Ok(0)
                })
            }
        )+
    };
}
references! {
    DomainRef, 20: virDomainFree virDomainRef;
    NetworkRef, 19: virNetworkFree virNetworkRef;
    NetworkPortRef, 19: virNetworkPortFree virNetworkPortRef;
    InterfaceRef, 26: virInterfaceFree virInterfaceRef;
    StoragePoolRef, 18: virStoragePoolFree virStoragePoolRef;
    StorageVolRef, 18: virStorageVolFree virStorageVolRef;
    NodeDeviceRef, 22: virNodeDeviceFree virNodeDeviceRef;
    SecretRef, 30: virSecretFree virSecretRef;
    NwfilterRef, 33: virNWFilterFree virNWFilterRef;
    NwfilterBindingRef, 33: virNWFilterBindingFree virNWFilterBindingRef;
    DomainSnapshotRef, 35: virDomainSnapshotFree virDomainSnapshotRef;
    DomainCheckpointRef, 69: virDomainCheckpointFree virDomainCheckpointRef;
}

macro_rules! texts {
    ($($kind:ident, $domain:literal: $($name:ident = $at:literal)+;)+) => {
        $($(
            #[doc = concat!("`", stringify!($name), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(object: *mut c_void) -> *const c_char {
                enter(stringify!($name), $domain, std::ptr::null(), |e| Ok(e.item::<$kind>(object)?.text($at)))
            }
        )+)+
    };
}
texts! {
    DomainRef, 20: virDomainGetName = 0;
    NetworkRef, 19: virNetworkGetName = 0;
    InterfaceRef, 26: virInterfaceGetName = 0 virInterfaceGetMACString = 1;
    StoragePoolRef, 18: virStoragePoolGetName = 0;
    StorageVolRef, 18: virStorageVolGetName = 0 virStorageVolGetKey = 1;
    NodeDeviceRef, 22: virNodeDeviceGetName = 0;
    SecretRef, 30: virSecretGetUsageID = 0;
    NwfilterRef, 33: virNWFilterGetName = 0;
    NwfilterBindingRef, 33: virNWFilterBindingGetPortDev = 0 virNWFilterBindingGetFilterName = 1;
    DomainSnapshotRef, 35: virDomainSnapshotGetName = 0;
    DomainCheckpointRef, 69: virDomainCheckpointGetName = 0;
}

macro_rules! connections {
    ($($kind:ident, $domain:literal: $name:ident;)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`; lent out, not a reference")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(object: *mut c_void) -> *mut c_void {
                enter(stringify!($name), $domain, std::ptr::null_mut(), |e| {
                    Ok(e.item::<$kind>(object)?.conn.pointer())
                })
            }
        )+
    };
}
connections! {
    DomainRef, 20: virDomainGetConnect;
    NetworkRef, 19: virNetworkGetConnect;
    InterfaceRef, 26: virInterfaceGetConnect;
    StoragePoolRef, 18: virStoragePoolGetConnect;
    StorageVolRef, 18: virStorageVolGetConnect;
    SecretRef, 30: virSecretGetConnect;
    DomainSnapshotRef, 35: virDomainSnapshotGetConnect;
    DomainCheckpointRef, 69: virDomainCheckpointGetConnect;
}

macro_rules! uuids {
    ($($kind:ident, $domain:literal: $bytes:ident $text:ident;)+) => {
        $(
            #[doc = concat!("`", stringify!($bytes), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $bytes(object: *mut c_void, uuid: *mut u8) -> c_int {
                enter(stringify!($bytes), $domain, -1, |e| {
                    let object = e.item::<$kind>(object)?;
                    e.nonnull(uuid, "uuid")?;
                    memory::put(uuid.cast::<[u8; 16]>(), object.plain().uuid.0);
                    Ok(0)
                })
            }

            #[doc = concat!("`", stringify!($text), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $text(object: *mut c_void, buf: *mut c_char) -> c_int {
                enter(stringify!($text), $domain, -1, |e| {
                    let object = e.item::<$kind>(object)?;
                    e.nonnull(buf, "buf")?;
                    memory::put(buf.cast::<[c_char; 37]>(), memory::fixed(&object.plain().uuid.to_string()));
                    Ok(0)
                })
            }
        )+
    };
}
uuids! {
    DomainRef, 20: virDomainGetUUID virDomainGetUUIDString;
    NetworkRef, 19: virNetworkGetUUID virNetworkGetUUIDString;
    NetworkPortRef, 19: virNetworkPortGetUUID virNetworkPortGetUUIDString;
    StoragePoolRef, 18: virStoragePoolGetUUID virStoragePoolGetUUIDString;
    SecretRef, 30: virSecretGetUUID virSecretGetUUIDString;
    NwfilterRef, 33: virNWFilterGetUUID virNWFilterGetUUIDString;
}

/// A text that is no UUID; each kind of object has its words for it.
fn malformed(e: &Entry) -> Error {
    let text = match e.name {
        "virDomainLookupByUUIDString" => "Invalid UUID".to_owned(),
        name => format!("uuidstr in {name} must be a valid UUID"),
    };
    e.bad("uuidstr", text)
}

macro_rules! lookups {
    ($($name:ident, $domain:literal: $driver:ident.$method:ident;)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(conn: *mut c_void, uuidstr: *const c_char) -> *mut c_void {
                enter(stringify!($name), $domain, std::ptr::null_mut(), |e| {
                    let conn = e.conn(conn)?;
                    e.nonnull(uuidstr, "uuidstr")?;
                    let uuid: Uuid = memory::read(uuidstr).parse().map_err(|_| malformed(e))?;
                    Ok(conn.drivers.$driver.$method(&conn.call(), uuid)?.wrap(&conn))
                })
            }
        )+
    };
}
lookups! {
    virDomainLookupByUUIDString, 20: hypervisor.domain_lookup_by_uuid;
    virNetworkLookupByUUIDString, 19: network.network_lookup_by_uuid;
    virStoragePoolLookupByUUIDString, 18: storage.storage_pool_lookup_by_uuid;
    virSecretLookupByUUIDString, 30: secret.secret_lookup_by_uuid;
    virNWFilterLookupByUUIDString, 33: nwfilter.nwfilter_lookup_by_uuid;
}

/// `virNetworkPortLookupByUUIDString`
#[unsafe(no_mangle)]
pub extern "C" fn virNetworkPortLookupByUUIDString(net: *mut c_void, uuidstr: *const c_char) -> *mut c_void {
    enter("virNetworkPortLookupByUUIDString", 19, std::ptr::null_mut(), |e| {
        let net = e.item::<NetworkRef>(net)?;
        e.nonnull(uuidstr, "uuidstr")?;
        let uuid: Uuid = memory::read(uuidstr).parse().map_err(|_| malformed(e))?;
        let conn = net.conn.get();
        Ok(conn.drivers.network.network_port_lookup_by_uuid(&conn.call(), net.plain(), uuid)?.wrap(conn))
    })
}

/// `virDomainGetID`
#[unsafe(no_mangle)]
pub extern "C" fn virDomainGetID(domain: *mut c_void) -> c_uint {
    enter("virDomainGetID", 20, c_uint::MAX, |e| Ok(e.item::<DomainRef>(domain)?.id() as c_uint))
}

/// `virSecretGetUsageType`
#[unsafe(no_mangle)]
pub extern "C" fn virSecretGetUsageType(secret: *mut c_void) -> c_int {
    enter("virSecretGetUsageType", 30, -1, |e| Ok(e.item::<SecretRef>(secret)?.plain().usage_type))
}

/// `virDomainSnapshotGetDomain`; lent out, not a reference
#[unsafe(no_mangle)]
pub extern "C" fn virDomainSnapshotGetDomain(snapshot: *mut c_void) -> *mut c_void {
    enter("virDomainSnapshotGetDomain", 35, std::ptr::null_mut(), |e| {
        let item = e.item::<DomainSnapshotRef>(snapshot)?;
        Ok(item.owner(|| DomainObj::domain(item.conn.get(), item.plain().dom.clone())))
    })
}

/// `virDomainCheckpointGetDomain`; lent out, not a reference
#[unsafe(no_mangle)]
pub extern "C" fn virDomainCheckpointGetDomain(checkpoint: *mut c_void) -> *mut c_void {
    enter("virDomainCheckpointGetDomain", 69, std::ptr::null_mut(), |e| {
        let item = e.item::<DomainCheckpointRef>(checkpoint)?;
        Ok(item.owner(|| DomainObj::domain(item.conn.get(), item.plain().dom.clone())))
    })
}

/// `virNetworkPortGetNetwork`; lent out, not a reference
#[unsafe(no_mangle)]
pub extern "C" fn virNetworkPortGetNetwork(port: *mut c_void) -> *mut c_void {
    enter("virNetworkPortGetNetwork", 19, std::ptr::null_mut(), |e| {
        let item = e.item::<NetworkPortRef>(port)?;
        Ok(item.owner(|| Item::new(item.conn.get(), item.plain().net.clone())))
    })
}
