//! Functions that hand out structures: statistics, addresses, file systems, leases.

use crate::entry::{Entry, entries};
use crate::generated::structures::{
    virDomainBlockJobInfo, virDomainBlockStatsStruct, virDomainInterfaceStatsStruct,
    virDomainMemoryStatStruct, virVcpuInfo,
};
use crate::handle;
use crate::memory::{self, fixed, free, put, text};
use crate::object::{DomainObj, Wrap};
use crate::params::{self, VirTypedParameter, virTypedParamsFree};
use api::domain_info::DomainStatsRecord;
use base::Result;
use base::object::{DomainRef, NetworkRef};
use std::ffi::{c_char, c_int, c_longlong, c_uint, c_void};
use std::sync::Arc;

type Ptr = *mut c_void;

macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ })+) => {
        $($(#[$doc])* #[repr(C)] #[derive(Clone, Copy, Debug)] #[allow(missing_docs, reason = "the names are those of C")]
        pub struct $name { $(pub $field: $type),+ })+
    };
}
structures! {
    /// `struct _virDomainDiskError`
    DiskError { disk: *mut c_char, error: c_int }
    /// `struct _virDomainFSInfo`
    FsInfo { mountpoint: *mut c_char, name: *mut c_char, fstype: *mut c_char, count: usize, aliases: *mut *mut c_char }
    /// `struct _virDomainIOThreadInfo`
    IoThreadInfo { id: c_uint, cpumap: *mut u8, length: c_int }
    /// `struct _virDomainIPAddress`
    IpAddress { kind: c_int, address: *mut c_char, prefix: c_uint }
    /// `struct _virDomainInterface`
    Interface { name: *mut c_char, hwaddr: *mut c_char, count: c_uint, addresses: *mut IpAddress }
    /// `struct _virDomainStatsRecord`
    StatsRecord { dom: Ptr, params: *mut VirTypedParameter, count: c_int }
    /// `struct _virNetworkDHCPLease`
    Lease {
        iface: *mut c_char, expiry: c_longlong, kind: c_int, mac: *mut c_char, iaid: *mut c_char, ipaddr: *mut c_char,
        prefix: c_uint, hostname: *mut c_char, clientid: *mut c_char
    }
    /// `struct _virSecurityLabel`
    SecurityLabel { label: [c_char; 4097], enforcing: c_int }
}

/// A structure of its own block.
fn boxed<T: Copy>(value: T) -> Result<*mut T> {
    let data = memory::zeroed::<T>(1)?;
    put(data, value);
    Ok(data)
}

/// Hands out an array of structures, each in its own block, ended by NULL.
fn give<T>(items: &[*mut T], target: *mut *mut *mut T) -> Result<c_int> {
    put(target, memory::array(items)?);
    Ok(items.len() as c_int)
}

fn signed(text: &[i8]) -> String {
    let bytes: Vec<u8> = text.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Copies at most `room` bytes of a structure, which callers built for an older release ask for.
fn put_part<T>(target: *mut T, room: usize, value: &T) {
    let size = size_of::<T>().min(room);
    // SAFETY: the caller's structure has `room` bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), target.cast::<u8>(), size);
    };
}

fn stats(
    e: &mut Entry,
    conn: &Arc<crate::object::ConnectObj>,
    doms: &[DomainRef],
    (stats, flags): (c_uint, c_uint),
    target: *mut *mut *mut StatsRecord,
) -> Result<c_int> {
    let active = (1, "VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE");
    let _ = (&e, active);
    let records = conn.drivers.hypervisor.connect_get_all_domain_stats(&conn.call(), doms, stats, flags)?;
    let one = |record: DomainStatsRecord| {
        let params = params::array(&record.params)?;
        boxed(StatsRecord { dom: record.dom.wrap(conn), params, count: record.params.len() as c_int })
    };
    let items: Result<Vec<*mut StatsRecord>> = records.into_iter().map(one).collect();
    give(&items?, target)
}

entries! {
    20, -1 => fn virConnectGetAllDomainStats(conn: Ptr, which: c_uint, target: *mut *mut *mut StatsRecord, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(target, "retStats")?;
        stats(e, &conn, &[], (which, flags), target)
    }
    20, -1 => fn virDomainListGetStats(doms: *const Ptr, which: c_uint, target: *mut *mut *mut StatsRecord, flags: c_uint) -> c_int |e| {
        e.nonnull(doms, "doms")?;
        e.nonnull(target, "retStats")?;
        let mut list: Vec<Arc<DomainObj>> = Vec::new();
        let mut at = doms;
        // SAFETY: the caller's array ends with NULL.
        while !unsafe { *at }.is_null() {
            // SAFETY: as above.
            let domain = e.item::<DomainRef>(unsafe { *at })?;
            if list.first().is_some_and(|first| !Arc::ptr_eq(first.conn.get(), domain.conn.get())) {
                return Err(e.bad("doms", "domains in 'doms' array must belong to a single connection"));
            }
            list.push(domain);
            // SAFETY: the end was not reached.
            at = unsafe { at.add(1) };
        }
        let Some(first) = list.first() else {
            return Err(e.bad("doms", "doms array in virDomainListGetStats must contain at least one domain"));
        };
        let conn = first.conn.get().clone();
        let refs: Vec<DomainRef> = list.iter().map(|domain| domain.reference()).collect();
        stats(e, &conn, &refs, (which, flags), target)
    }
    20, -1 => fn virDomainBlockStats(dom: Ptr, disk: *const c_char, target: *mut virDomainBlockStatsStruct, size: usize) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.nonnull(disk, "disk")?;
        e.nonnull(target, "stats")?;
        if size > size_of::<virDomainBlockStatsStruct>() {
            return Err(e.bad("size", format!("size in virDomainBlockStats must not exceed {}", size_of::<virDomainBlockStatsStruct>())));
        }
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_block_stats(&conn.call(), &domain.reference(), &memory::read(disk))?;
        put_part(target, size, &virDomainBlockStatsStruct {
            rd_req: ret.rd_req, rd_bytes: ret.rd_bytes, wr_req: ret.wr_req, wr_bytes: ret.wr_bytes, errs: ret.errs,
        });
        Ok(0)
    }
    20, -1 => fn virDomainInterfaceStats(dom: Ptr, device: *const c_char, target: *mut virDomainInterfaceStatsStruct, size: usize) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.nonnull(device, "device")?;
        e.nonnull(target, "stats")?;
        if size > size_of::<virDomainInterfaceStatsStruct>() {
            return Err(e.bad("size", format!("size in virDomainInterfaceStats must not exceed {}", size_of::<virDomainInterfaceStatsStruct>())));
        }
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_interface_stats(&conn.call(), &domain.reference(), &memory::read(device))?;
        put_part(target, size, &virDomainInterfaceStatsStruct {
            rx_bytes: ret.rx_bytes, rx_packets: ret.rx_packets, rx_errs: ret.rx_errs, rx_drop: ret.rx_drop,
            tx_bytes: ret.tx_bytes, tx_packets: ret.tx_packets, tx_errs: ret.tx_errs, tx_drop: ret.tx_drop,
        });
        Ok(0)
    }
    20, -1 => fn virDomainMemoryStats(dom: Ptr, target: *mut virDomainMemoryStatStruct, room: c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        if room == 0 {
            return Ok(0);
        }
        e.nonnull(target, "stats")?;
        let conn = domain.conn.get();
        let list = conn.drivers.hypervisor.domain_memory_stats(&conn.call(), &domain.reference(), room.min(1024), flags)?;
        let items: Vec<_> = list.iter().map(|s| virDomainMemoryStatStruct { tag: s.tag, val: s.val }).collect();
        Ok(memory::fill(target, room, &items) as c_int)
    }
    20, -1 => fn virDomainGetBlockJobInfo(dom: Ptr, disk: *const c_char, info: *mut virDomainBlockJobInfo, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.nonnull(disk, "disk")?;
        e.nonnull(info, "info")?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_block_job_info(&conn.call(), &domain.reference(), &memory::read(disk), flags)?;
        let found = ret.found != 0;
        let data = virDomainBlockJobInfo { type_: ret.type_, bandwidth: ret.bandwidth, cur: ret.cur, end: ret.end };
        put(info, if found { data } else { virDomainBlockJobInfo::default() });
        Ok(c_int::from(found))
    }
    20, -1 => fn virDomainGetVcpus(domain: Ptr, info: *mut virVcpuInfo, maxinfo: c_int, cpumaps: *mut u8, maplen: c_int) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(info, "info")?;
        e.positive(i128::from(maxinfo), "maxinfo")?;
        // Length and maps come together or not at all.
        if cpumaps.is_null() {
            if maplen != 0 {
                return Err(e.bad("maplen", "maplen in virDomainGetVcpus must not be zero"));
            }
        } else {
            e.positive(i128::from(maplen), "maplen")?;
        }
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_vcpus(&conn.call(), &domain.reference(), maxinfo, maplen)?;
        let items: Vec<_> = ret.info.iter().map(|v| virVcpuInfo {
            number: v.number, state: v.state, cpuTime: v.cpu_time, cpu: v.cpu,
        }).collect();
        memory::fill(cpumaps, i64::from(maxinfo) * i64::from(maplen), &ret.cpumaps);
        Ok(memory::fill(info, maxinfo, &items) as c_int)
    }
    20, -1 => fn virDomainGetDiskErrors(dom: Ptr, target: *mut DiskError, room: c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        if room > 0 {
            e.nonnull(target, "errors")?;
        }
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_disk_errors(&conn.call(), &domain.reference(), room, flags)?;
        if room == 0 {
            return Ok(ret.nerrors);
        }
        let items: Result<Vec<DiskError>> =
            ret.errors.iter().map(|d| Ok(DiskError { disk: text(&d.disk)?, error: d.error })).collect();
        Ok(memory::fill(target, room, &items?) as c_int)
    }
    20, -1 => fn virDomainGetFSInfo(dom: Ptr, target: *mut *mut *mut FsInfo, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.writable()?;
        e.nonnull(target, "info")?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_fsinfo(&conn.call(), &domain.reference(), flags)?;
        let items: Result<Vec<*mut FsInfo>> = ret.info.iter().map(|f| boxed(FsInfo {
            mountpoint: text(&f.mountpoint)?, name: text(&f.name)?, fstype: text(&f.fstype)?,
            count: f.dev_aliases.len(), aliases: memory::text_array(&f.dev_aliases)?,
        })).collect();
        give(&items?, target)
    }
    20, -1 => fn virDomainGetIOThreadInfo(dom: Ptr, target: *mut *mut *mut IoThreadInfo, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.nonnull(target, "info")?;
        e.exclusive(u64::from(flags), (1, "VIR_DOMAIN_AFFECT_LIVE"), (2, "VIR_DOMAIN_AFFECT_CONFIG"), "ctl")?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_iothread_info(&conn.call(), &domain.reference(), flags)?;
        let items: Result<Vec<*mut IoThreadInfo>> = ret.info.iter().map(|t| {
            let (cpumap, length) = memory::bytes(&t.cpumap)?;
            boxed(IoThreadInfo { id: t.iothread_id, cpumap: cpumap.cast(), length: length as c_int })
        }).collect();
        give(&items?, target)
    }
    20, -1 => fn virDomainInterfaceAddresses(dom: Ptr, target: *mut *mut *mut Interface, source: c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        put(target, std::ptr::null_mut());
        e.nonnull(target, "ifaces")?;
        if source == 1 {
            e.writable()?;
        }
        let conn = domain.conn.get();
        let list = conn.drivers.hypervisor.domain_interface_addresses(&conn.call(), &domain.reference(), source, flags)?;
        let items: Result<Vec<*mut Interface>> = list.iter().map(|i| {
            let addresses: Result<Vec<IpAddress>> = i.addrs.iter()
                .map(|a| Ok(IpAddress { kind: a.type_, address: text(&a.addr)?, prefix: a.prefix })).collect();
            let addresses = addresses?;
            let array = if addresses.is_empty() { std::ptr::null_mut() } else { memory::array(&addresses)? };
            boxed(Interface {
                name: text(&i.name)?, hwaddr: memory::optional_text(i.hwaddr.as_deref())?,
                count: addresses.len() as c_uint, addresses: array,
            })
        }).collect();
        give(&items?, target)
    }
    20, -1 => fn virDomainGetSecurityLabel(domain: Ptr, target: *mut SecurityLabel) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(target, "seclabel")?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_security_label(&conn.call(), &domain.reference())?;
        put(target, SecurityLabel { label: fixed(&signed(&ret.label)), enforcing: ret.enforcing });
        Ok(0)
    }
    20, -1 => fn virDomainGetSecurityLabelList(domain: Ptr, target: *mut *mut SecurityLabel) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(target, "seclabels")?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_security_label_list(&conn.call(), &domain.reference())?;
        let items: Vec<SecurityLabel> = ret.labels.iter()
            .map(|l| SecurityLabel { label: fixed(&signed(&l.label)), enforcing: l.enforcing }).collect();
        put(target, memory::array(&items)?);
        Ok(ret.ret)
    }
    19, -1 => fn virNetworkGetDHCPLeases(network: Ptr, mac: *const c_char, target: *mut *mut *mut Lease, flags: c_uint) -> c_int |e| {
        let network = e.item::<NetworkRef>(network)?;
        let (conn, mac) = (network.conn.get(), memory::read_optional(mac));
        let ret = conn.drivers.network.network_get_dhcp_leases(&conn.call(), network.plain(), mac.as_deref(), c_int::from(!target.is_null()), flags)?;
        if target.is_null() {
            return Ok(ret.ret as c_int);
        }
        let optional = |value: &Option<String>| memory::optional_text(value.as_deref());
        let items: Result<Vec<*mut Lease>> = ret.leases.iter().map(|l| boxed(Lease {
            iface: text(&l.iface)?, expiry: l.expirytime, kind: l.type_, mac: optional(&l.mac)?, iaid: optional(&l.iaid)?,
            ipaddr: text(&l.ipaddr)?, prefix: l.prefix, hostname: optional(&l.hostname)?, clientid: optional(&l.clientid)?,
        })).collect();
        give(&items?, target)
    }
}

/// Frees what a structure of the caller's block leads to, and the block.
fn release<T: Copy>(item: *mut T, texts: impl FnOnce(T)) {
    if !item.is_null() {
        // SAFETY: a block that was handed out here and not freed yet, by the contract.
        texts(unsafe { *item });
        free(item);
    }
}

/// `virDomainStatsRecordListFree`
#[unsafe(no_mangle)]
pub extern "C" fn virDomainStatsRecordListFree(stats: *mut *mut StatsRecord) {
    if stats.is_null() {
        return;
    }
    let mut at = stats;
    // SAFETY: the array ends with NULL.
    while !unsafe { *at }.is_null() {
        // SAFETY: as above.
        release(unsafe { *at }, |record| {
            virTypedParamsFree(record.params, record.count);
            drop(handle::release(record.dom));
        });
        // SAFETY: the end was not reached.
        at = unsafe { at.add(1) };
    }
    free(stats);
}

/// `virDomainFSInfoFree`
#[unsafe(no_mangle)]
pub extern "C" fn virDomainFSInfoFree(info: *mut FsInfo) {
    release(info, |info| {
        [info.mountpoint, info.name, info.fstype].into_iter().for_each(free);
        for at in 0..info.count {
            // SAFETY: the array has `count` elements.
            free(unsafe { *info.aliases.add(at) });
        }
        free(info.aliases);
    });
}

/// `virDomainIOThreadInfoFree`
#[unsafe(no_mangle)]
pub extern "C" fn virDomainIOThreadInfoFree(info: *mut IoThreadInfo) {
    release(info, |info| free(info.cpumap));
}

/// `virDomainInterfaceFree`
#[unsafe(no_mangle)]
pub extern "C" fn virDomainInterfaceFree(iface: *mut Interface) {
    release(iface, |iface| {
        free(iface.name);
        free(iface.hwaddr);
        for at in 0..iface.count as usize {
            // SAFETY: the array has `count` elements.
            free(unsafe { (*iface.addresses.add(at)).address });
        }
        free(iface.addresses);
    });
}

/// `virNetworkDHCPLeaseFree`
#[unsafe(no_mangle)]
pub extern "C" fn virNetworkDHCPLeaseFree(lease: *mut Lease) {
    release(lease, |l| [l.iface, l.mac, l.iaid, l.ipaddr, l.hostname, l.clientid].into_iter().for_each(free));
}
