//! Functions about the host, secrets, networks and devices that fill buffers of the caller.

use crate::domain::room;
use crate::entry::entries;
use crate::memory::{self, fixed, get, put};
use crate::params::{self, VirTypedParameter};
use base::Result;
use base::object::{NetworkPortRef, NetworkRef, NodeDeviceRef, SecretRef};
use std::ffi::{CString, c_char, c_int, c_uint, c_ulong, c_ulonglong, c_void};
use std::sync::PoisonError;

type Ptr = *mut c_void;

/// `struct _virNodeInfo`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of C")]
pub struct NodeInfo {
    pub model: [c_char; 32],
    pub memory: c_ulong,
    pub cpus: c_uint,
    pub mhz: c_uint,
    pub nodes: c_uint,
    pub sockets: c_uint,
    pub cores: c_uint,
    pub threads: c_uint,
}

/// `struct _virNodeCPUStats` and `struct _virNodeMemoryStats`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of C")]
pub struct NodeStat {
    pub field: [c_char; 80],
    pub value: c_ulonglong,
}

/// `struct _virSecurityModel`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of C")]
pub struct SecurityModel {
    pub model: [c_char; 257],
    pub doi: [c_char; 257],
}

fn stats(list: Vec<(String, u64)>, total: c_int, target: *mut NodeStat, count: *mut c_int) {
    if room(count) == 0 {
        put(count, total);
        return;
    }
    let items: Vec<NodeStat> =
        list.into_iter().map(|(field, value)| NodeStat { field: fixed(&field), value }).collect();
    put(count, memory::fill(target, room(count), &items) as c_int);
}

fn signed<const N: usize>(text: &[i8]) -> [c_char; N] {
    let bytes: Vec<u8> = text.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
    fixed(&String::from_utf8_lossy(&bytes))
}

entries! {
    20, -1 => fn virNodeGetInfo(conn: Ptr, info: *mut NodeInfo) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(info, "info")?;
        let ret = conn.drivers.hypervisor.node_get_info(&conn.call())?;
        put(info, NodeInfo {
            model: signed(&ret.model), memory: ret.memory, cpus: ret.cpus as _, mhz: ret.mhz as _, nodes: ret.nodes as _,
            sockets: ret.sockets as _, cores: ret.cores as _, threads: ret.threads as _,
        });
        Ok(0)
    }
    20, -1 => fn virNodeGetSecurityModel(conn: Ptr, target: *mut SecurityModel) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(target, "secmodel")?;
        let ret = conn.drivers.hypervisor.node_get_security_model(&conn.call())?;
        put(target, SecurityModel { model: signed(&ret.model), doi: signed(&ret.doi) });
        Ok(0)
    }
    20, -1 => fn virNodeGetCPUStats(conn: Ptr, cpu: c_int, target: *mut NodeStat, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(nparams, "nparams")?;
        e.nonnegative(i128::from(get(nparams)), "*nparams")?;
        if cpu < -1 {
            return Err(e.bad("cpuNum", "cpuNum in virNodeGetCPUStats only accepts -1 as a negative value"));
        }
        let ret = conn.drivers.hypervisor.node_get_cpu_stats(&conn.call(), cpu, get(nparams), flags)?;
        stats(ret.params.into_iter().map(|p| (p.field, p.value)).collect(), ret.nparams, target, nparams);
        Ok(0)
    }
    20, -1 => fn virNodeGetMemoryStats(conn: Ptr, cell: c_int, target: *mut NodeStat, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(nparams, "nparams")?;
        e.nonnegative(i128::from(get(nparams)), "*nparams")?;
        if cell < -1 {
            return Err(e.bad("cellNum", "cellNum in virNodeGetMemoryStats only accepts -1 as a negative value"));
        }
        let ret = conn.drivers.hypervisor.node_get_memory_stats(&conn.call(), get(nparams), cell, flags)?;
        stats(ret.params.into_iter().map(|p| (p.field, p.value)).collect(), ret.nparams, target, nparams);
        Ok(0)
    }
    20, -1 => fn virNodeGetCPUMap(conn: Ptr, cpumap: *mut *mut u8, online: *mut c_uint, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        let (map, count) = (c_int::from(!cpumap.is_null()), c_int::from(!online.is_null()));
        let ret = conn.drivers.hypervisor.node_get_cpu_map(&conn.call(), map, count, flags)?;
        if !cpumap.is_null() {
            put(cpumap, memory::bytes(&ret.cpumap)?.0.cast());
        }
        put(online, ret.online);
        Ok(ret.ret)
    }
    20, -1 => fn virNodeGetCellsFreeMemory(conn: Ptr, target: *mut c_ulonglong, start: c_int, max: c_int) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(target, "freeMems")?;
        e.positive(i128::from(max), "maxCells")?;
        e.nonnegative(i128::from(start), "startCell")?;
        let list = conn.drivers.hypervisor.node_get_cells_free_memory(&conn.call(), start, max)?;
        Ok(memory::fill(target, max, &list) as c_int)
    }
    20, -1 => fn virNodeGetFreePages(conn: Ptr, npages: c_uint, pages: *const c_uint, start: c_int, cells: c_uint, counts: *mut c_ulonglong, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonzero(i128::from(npages), "npages")?;
        e.nonnull(pages, "pages")?;
        e.nonzero(i128::from(cells), "cellCount")?;
        e.nonnull(counts, "counts")?;
        let list = conn.drivers.hypervisor.node_get_free_pages(&conn.call(), memory::slice(pages, npages)?, start, cells, flags)?;
        Ok(memory::fill(counts, u64::from(npages) * u64::from(cells), &list) as c_int)
    }
    20, -1 => fn virNodeAllocPages(conn: Ptr, npages: c_uint, sizes: *const c_uint, counts: *const c_ulonglong, start: c_int, cells: c_uint, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.writable()?;
        e.nonzero(i128::from(npages), "npages")?;
        e.nonnull(sizes, "pageSizes")?;
        e.nonnull(counts, "pageCounts")?;
        e.nonzero(i128::from(cells), "cellCount")?;
        conn.drivers.hypervisor.node_alloc_pages(&conn.call(), memory::slice(sizes, npages)?, memory::slice(counts, npages)?, start, cells, flags)
    }
    20, -1 => fn virNodeGetSEVInfo(conn: Ptr, target: *mut *mut VirTypedParameter, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        e.nonnull(nparams, "nparams")?;
        e.nonnegative(i128::from(get(nparams)), "*nparams")?;
        e.writable()?;
        let ret = conn.drivers.hypervisor.node_get_sev_info(&conn.call(), get(nparams), flags)?;
        params::give(&ret.params, target, nparams)?;
        Ok(0)
    }
    20, -1 => fn virConnectGetCPUModelNames(conn: Ptr, arch: *const c_char, models: *mut *mut *mut c_char, flags: c_uint) -> c_int |e| {
        let conn = e.conn(conn)?;
        put(models, std::ptr::null_mut());
        e.nonnull(arch, "arch")?;
        let ret = conn.drivers.hypervisor.connect_get_cpu_model_names(&conn.call(), &memory::read(arch), c_int::from(!models.is_null()), flags)?;
        if !models.is_null() {
            put(models, memory::text_array(&ret.models)?);
        }
        Ok(ret.ret)
    }
    30, std::ptr::null_mut() => fn virSecretGetValue(secret: Ptr, size: *mut usize, flags: c_uint) -> *mut u8 |e| {
        let secret = e.item::<SecretRef>(secret)?;
        e.writable()?;
        e.nonnull(size, "value_size")?;
        let conn = secret.conn.get();
        let value = conn.drivers.secret.secret_get_value(&conn.call(), secret.plain(), flags)?;
        let (data, length) = memory::bytes(&value)?;
        put(size, length);
        Ok(data.cast())
    }
    19, std::ptr::null_mut() => fn virNetworkGetMetadata(network: Ptr, kind: c_int, uri: *const c_char, flags: c_uint) -> *mut c_char |e| {
        let network = e.item::<NetworkRef>(network)?;
        e.exclusive(u64::from(flags), (1, "VIR_NETWORK_UPDATE_AFFECT_LIVE"), (2, "VIR_NETWORK_UPDATE_AFFECT_CONFIG"), "ctl")?;
        match kind {
            0 | 1 => e.null(uri, "uri")?,
            2 => e.nonnull(uri, "uri")?,
            _ => {}
        }
        let (conn, uri) = (network.conn.get(), memory::read_optional(uri));
        memory::text(&conn.drivers.network.network_get_metadata(&conn.call(), network.plain(), kind, uri.as_deref(), flags)?)
    }
    19, -1 => fn virNetworkPortGetParameters(port: Ptr, target: *mut *mut VirTypedParameter, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let port = e.item::<NetworkPortRef>(port)?;
        e.nonnull(target, "params")?;
        e.nonnull(nparams, "nparams")?;
        let conn = port.conn.get();
        let ret = conn.drivers.network.network_port_get_parameters(&conn.call(), port.plain(), 0, flags)?;
        params::give(&ret.params, target, nparams)?;
        Ok(0)
    }
    22, std::ptr::null() => fn virNodeDeviceGetParent(dev: Ptr) -> *const c_char |e| {
        let dev = e.item::<NodeDeviceRef>(dev)?;
        let mut late = dev.late.lock().unwrap_or_else(PoisonError::into_inner);
        if late.is_none() {
            let conn = dev.conn.get();
            let parent: Result<Option<String>> = conn.drivers.node_device.node_device_get_parent(&conn.call(), &dev.plain().name);
            *late = parent?.map(|name| CString::new(name).unwrap_or_default());
        }
        Ok(late.as_ref().map_or(std::ptr::null(), |name| name.as_ptr()))
    }
}
