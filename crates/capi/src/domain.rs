//! Functions of domains that do more than check and ask: descriptors, streams, numbers that change, data in buffers.

use crate::entry::{Entry, entries};
use crate::memory::{self, get, put};
use crate::object::{DomainObj, Wrap};
use crate::params::{self, VirTypedParameter};
use crate::stream::StreamObj;
use base::object::{DomainRef, DomainSnapshotRef, NetworkRef, StorageVolRef};
use base::{Error, ErrorCode, Result};
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

type Ptr = *mut c_void;
const NULL: Ptr = std::ptr::null_mut();

/// Copies of a caller's descriptors.
pub(crate) fn copies(e: &Entry, fds: &[c_int]) -> Result<Vec<OwnedFd>> {
    let copy = |fd: &c_int| {
        if *fd < 0 {
            return Err(e.bad("fd", format!("fd {fd} in {} is not valid", e.name)));
        }
        // SAFETY: the descriptor is the caller's and open during the call.
        let borrowed = unsafe { BorrowedFd::borrow_raw(*fd) };
        borrowed
            .try_clone_to_owned()
            .map_err(|error| Error::system(e.domain, &error, "cannot copy a descriptor"))
    };
    fds.iter().map(copy).collect()
}

/// Graphics are handed a socket.
fn is_socket(e: &Entry, fd: c_int) -> Result<()> {
    // SAFETY: the descriptor is the caller's and open during the call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let kind = rustix::fs::fstat(borrowed).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    if matches!(kind, Ok(rustix::fs::FileType::Socket)) {
        return Ok(());
    }
    Err(e.bad("fd", format!("fd {fd} must be a socket")))
}

fn refresh(domain: &DomainObj) -> Result<()> {
    let conn = domain.conn.get();
    let now = conn.drivers.hypervisor.domain_lookup_by_uuid(&conn.call(), domain.plain().uuid)?;
    domain.set_id(now.id);
    Ok(())
}

fn open_stream(e: &mut Entry, stream: Ptr) -> Result<Arc<StreamObj>> {
    e.other::<StreamObj>(stream)
}

/// Live and configuration exclude each other.
fn one_state(e: &Entry, flags: c_uint) -> Result<()> {
    e.exclusive(u64::from(flags), (1, "VIR_DOMAIN_AFFECT_LIVE"), (2, "VIR_DOMAIN_AFFECT_CONFIG"), "ctl")
}

fn unsupported_uri(e: &Entry, kind: c_int, uri: *const c_char) -> Result<()> {
    // Titles and descriptions have no address.
    if kind == 0 || kind == 1 {
        e.null(uri, "uri")?;
    }
    if kind == 2 {
        e.nonnull(uri, "uri")?;
    }
    Ok(())
}

/// Titles have no line breaks and no address; elements have an address, and a prefix when they are set.
fn metadata_arguments(
    e: &Entry,
    kind: c_int,
    metadata: *const c_char,
    key: *const c_char,
    uri: *const c_char,
) -> Result<()> {
    if kind == 1 && memory::read(metadata).contains('\n') {
        let text = "metadata title can't contain newlines";
        return Err(e.bad("metadata", text));
    }
    match kind {
        0 | 1 => {
            e.null(uri, "uri")?;
            e.null(key, "key")
        }
        2 => {
            e.nonnull(uri, "uri")?;
            if metadata.is_null() { Ok(()) } else { e.nonnull(key, "key") }
        }
        _ => Ok(()),
    }
}

entries! {
    20, -1 => fn virDomainCreate(domain: Ptr) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        let conn = domain.conn.get();
        conn.drivers.hypervisor.domain_create(&conn.call(), &domain.reference())?;
        refresh(&domain)?;
        Ok(0)
    }
    20, -1 => fn virDomainCreateWithFlags(domain: Ptr, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        let conn = domain.conn.get();
        let now = conn.drivers.hypervisor.domain_create_with_flags(&conn.call(), &domain.reference(), flags)?;
        domain.set_id(now.id);
        Ok(0)
    }
    20, -1 => fn virDomainCreateWithFiles(domain: Ptr, nfiles: c_uint, files: *const c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        let conn = domain.conn.get();
        let call = conn.call_with(copies(e, memory::slice(files, nfiles)?)?);
        let now = conn.drivers.hypervisor.domain_create_with_files(&call, &domain.reference(), flags)?;
        domain.set_id(now.id);
        Ok(0)
    }
    20, NULL => fn virDomainCreateXMLWithFiles(conn: Ptr, xml: *const c_char, nfiles: c_uint, files: *const c_int, flags: c_uint) -> Ptr |e| {
        let conn = e.conn(conn)?;
        e.nonnull(xml, "xmlDesc")?;
        e.writable()?;
        let call = conn.call_with(copies(e, memory::slice(files, nfiles)?)?);
        Ok(conn.drivers.hypervisor.domain_create_xml_with_files(&call, &memory::read(xml), flags)?.wrap(&conn))
    }
    20, -1 => fn virDomainDestroy(domain: Ptr) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        let conn = domain.conn.get();
        conn.drivers.hypervisor.domain_destroy(&conn.call(), &domain.reference())?;
        domain.set_id(-1);
        Ok(0)
    }
    20, -1 => fn virDomainDestroyFlags(domain: Ptr, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        let conn = domain.conn.get();
        conn.drivers.hypervisor.domain_destroy_flags(&conn.call(), &domain.reference(), flags)?;
        domain.set_id(-1);
        Ok(0)
    }
    20, -1 => fn virDomainFDAssociate(domain: Ptr, name: *const c_char, nfds: c_uint, fds: *const c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonzero(i128::from(nfds), "nfds")?;
        e.nonnull(fds, "fds")?;
        e.writable()?;
        let conn = domain.conn.get();
        let call = conn.call_with(copies(e, memory::slice(fds, nfds)?)?);
        conn.drivers.hypervisor.domain_fd_associate(&call, &domain.reference(), &memory::read(name), flags)?;
        Ok(0)
    }
    20, -1 => fn virDomainOpenGraphics(dom: Ptr, idx: c_uint, fd: c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.nonnegative(i128::from(fd), "fd")?;
        is_socket(e, fd)?;
        e.writable()?;
        let conn = domain.conn.get();
        let call = conn.call_with(copies(e, &[fd])?);
        conn.drivers.hypervisor.domain_open_graphics(&call, &domain.reference(), idx, flags)?;
        Ok(0)
    }
    20, -1 => fn virDomainOpenGraphicsFD(dom: Ptr, idx: c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.writable()?;
        let conn = domain.conn.get();
        let call = conn.call();
        conn.drivers.hypervisor.domain_open_graphics_fd(&call, &domain.reference(), idx, flags)?;
        match call.take_returned().pop() {
            Some(fd) => Ok(std::os::fd::IntoRawFd::into_raw_fd(fd)),
            None => Err(Error::internal(e.domain, "no file descriptor received")),
        }
    }
    20, -1 => fn virDomainOpenConsole(dom: Ptr, dev_name: *const c_char, st: Ptr, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        let stream = open_stream(e, st)?;
        e.writable()?;
        let (conn, name) = (domain.conn.get(), memory::read_optional(dev_name));
        stream.open(conn.drivers.hypervisor.domain_open_console(&conn.call(), &domain.reference(), name.as_deref(), flags)?)?;
        Ok(0)
    }
    20, -1 => fn virDomainOpenChannel(dom: Ptr, name: *const c_char, st: Ptr, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        let stream = open_stream(e, st)?;
        e.writable()?;
        let (conn, name) = (domain.conn.get(), memory::read_optional(name));
        stream.open(conn.drivers.hypervisor.domain_open_channel(&conn.call(), &domain.reference(), name.as_deref(), flags)?)?;
        Ok(0)
    }
    20, std::ptr::null_mut() => fn virDomainScreenshot(domain: Ptr, stream: Ptr, screen: c_uint, flags: c_uint) -> *mut c_char |e| {
        let domain = e.item::<DomainRef>(domain)?;
        let stream = open_stream(e, stream)?;
        e.writable()?;
        let conn = domain.conn.get();
        let (mime, data) = conn.drivers.hypervisor.domain_screenshot(&conn.call(), &domain.reference(), screen, flags)?;
        stream.open(data)?;
        memory::optional_text(mime.as_deref())
    }
    18, -1 => fn virStorageVolDownload(vol: Ptr, stream: Ptr, offset: c_ulonglong, length: c_ulonglong, flags: c_uint) -> c_int |e| {
        let vol = e.item::<StorageVolRef>(vol)?;
        let stream = open_stream(e, stream)?;
        e.writable()?;
        let conn = vol.conn.get();
        stream.open(conn.drivers.storage.storage_vol_download(&conn.call(), vol.plain(), offset, length, flags)?)?;
        Ok(0)
    }
    18, -1 => fn virStorageVolUpload(vol: Ptr, stream: Ptr, offset: c_ulonglong, length: c_ulonglong, flags: c_uint) -> c_int |e| {
        let vol = e.item::<StorageVolRef>(vol)?;
        let stream = open_stream(e, stream)?;
        e.writable()?;
        let conn = vol.conn.get();
        stream.open(conn.drivers.storage.storage_vol_upload(&conn.call(), vol.plain(), offset, length, flags)?)?;
        Ok(0)
    }
    20, -1 => fn virDomainBlockPeek(dom: Ptr, disk: *const c_char, offset: c_ulonglong, size: usize, buffer: Ptr, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.writable()?;
        e.nonnull(disk, "disk")?;
        e.nonempty(disk, "disk")?;
        if size > 0 {
            e.nonnull(buffer, "buffer")?;
        }
        let conn = domain.conn.get();
        let want = u32::try_from(size).map_err(|_| e.bad("size", "size too large"))?;
        let data = conn.drivers.hypervisor.domain_block_peek(&conn.call(), &domain.reference(), &memory::read(disk), offset, want, flags)?;
        memory::fill(buffer.cast::<u8>(), size, &data);
        Ok(0)
    }
    20, -1 => fn virDomainMemoryPeek(dom: Ptr, start: c_ulonglong, size: usize, buffer: Ptr, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.writable()?;
        e.exclusive(u64::from(flags), (1, "VIR_MEMORY_VIRTUAL"), (2, "VIR_MEMORY_PHYSICAL"), "ctl")?;
        if size > 0 {
            e.nonnull(buffer, "buffer")?;
        }
        let conn = domain.conn.get();
        let want = u32::try_from(size).map_err(|_| e.bad("size", "size too large"))?;
        let data = conn.drivers.hypervisor.domain_memory_peek(&conn.call(), &domain.reference(), start, want, flags)?;
        memory::fill(buffer.cast::<u8>(), size, &data);
        Ok(0)
    }
    20, -1 => fn virDomainSendKey(domain: Ptr, codeset: c_uint, holdtime: c_uint, keycodes: *const c_uint, nkeycodes: c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        e.nonnull(keycodes, "keycodes")?;
        e.positive(i128::from(nkeycodes), "nkeycodes")?;
        if nkeycodes > 16 {
            return Err(e.bad("nkeycodes", "nkeycodes must be <= 16"));
        }
        let conn = domain.conn.get();
        let codes = memory::slice(keycodes, nkeycodes)?;
        conn.drivers.hypervisor.domain_send_key(&conn.call(), &domain.reference(), codeset, holdtime, codes, flags)?;
        Ok(0)
    }
    20, -1 => fn virDomainRename(dom: Ptr, new_name: *const c_char, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(dom)?;
        e.nonnull(new_name, "new_name")?;
        e.nonempty(new_name, "new_name")?;
        e.writable()?;
        let conn = domain.conn.get();
        let name = memory::read(new_name);
        conn.drivers.hypervisor.domain_rename(&conn.call(), &domain.reference(), Some(&name), flags)
    }
    20, std::ptr::null_mut() => fn virDomainGetMetadata(domain: Ptr, kind: c_int, uri: *const c_char, flags: c_uint) -> *mut c_char |e| {
        let domain = e.item::<DomainRef>(domain)?;
        one_state(e, flags)?;
        unsupported_uri(e, kind, uri)?;
        let (conn, uri) = (domain.conn.get(), memory::read_optional(uri));
        memory::text(&conn.drivers.hypervisor.domain_get_metadata(&conn.call(), &domain.reference(), kind, uri.as_deref(), flags)?)
    }
    20, -1 => fn virDomainSetMetadata(domain: Ptr, kind: c_int, metadata: *const c_char, key: *const c_char, uri: *const c_char, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        metadata_arguments(e, kind, metadata, key, uri)?;
        let conn = domain.conn.get();
        let texts = [metadata, key, uri].map(memory::read_optional);
        conn.drivers.hypervisor.domain_set_metadata(&conn.call(), &domain.reference(), kind, texts[0].as_deref(), texts[1].as_deref(), texts[2].as_deref(), flags)?;
        Ok(0)
    }
    19, -1 => fn virNetworkSetMetadata(network: Ptr, kind: c_int, metadata: *const c_char, key: *const c_char, uri: *const c_char, flags: c_uint) -> c_int |e| {
        let network = e.item::<NetworkRef>(network)?;
        e.writable()?;
        metadata_arguments(e, kind, metadata, key, uri)?;
        let conn = network.conn.get();
        let texts = [metadata, key, uri].map(memory::read_optional);
        conn.drivers.network.network_set_metadata(&conn.call(), network.plain(), kind, texts[0].as_deref(), texts[1].as_deref(), texts[2].as_deref(), flags)?;
        Ok(0)
    }
    20, std::ptr::null_mut() => fn virDomainGetSchedulerType(domain: Ptr, nparams: *mut c_int) -> *mut c_char |e| {
        let domain = e.item::<DomainRef>(domain)?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_scheduler_type(&conn.call(), &domain.reference())?;
        put(nparams, ret.nparams);
        memory::text(&ret.type_)
    }
    20, -1 => fn virDomainAuthorizedSSHKeysGet(domain: Ptr, user: *const c_char, keys: *mut *mut *mut c_char, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(user, "user")?;
        e.nonnull(keys, "keys")?;
        e.writable()?;
        let conn = domain.conn.get();
        let list = conn.drivers.hypervisor.domain_authorized_ssh_keys_get(&conn.call(), &domain.reference(), &memory::read(user), flags)?;
        put(keys, memory::text_array(&list)?);
        Ok(list.len() as c_int)
    }
    20, -1 => fn virDomainGetMessages(domain: Ptr, msgs: *mut *mut *mut c_char, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(msgs, "msgs")?;
        let conn = domain.conn.get();
        let list = conn.drivers.hypervisor.domain_get_messages(&conn.call(), &domain.reference(), flags)?;
        put(msgs, memory::text_array(&list)?);
        Ok(list.len() as c_int)
    }
    20, -1 => fn virDomainGetGuestVcpus(domain: Ptr, target: *mut *mut VirTypedParameter, nparams: *mut c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.writable()?;
        e.nonnull(target, "params")?;
        e.nonnull(nparams, "nparams")?;
        let conn = domain.conn.get();
        let list = conn.drivers.hypervisor.domain_get_guest_vcpus(&conn.call(), &domain.reference(), flags)?;
        params::give(&list, target, nparams.cast())?;
        Ok(0)
    }
    20, -1 => fn virDomainGetJobStats(domain: Ptr, kind: *mut c_int, target: *mut *mut VirTypedParameter, nparams: *mut c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(kind, "type")?;
        e.nonnull(target, "params")?;
        e.nonnull(nparams, "nparams")?;
        e.requires(u64::from(flags), (1, "VIR_DOMAIN_JOB_STATS_COMPLETED"), (2, "VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED"), "ctl")?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_job_stats(&conn.call(), &domain.reference(), flags)?;
        put(kind, ret.type_);
        params::give(&ret.params, target, nparams)?;
        Ok(0)
    }
    20, -1 => fn virDomainGetCPUStats(domain: Ptr, target: *mut VirTypedParameter, nparams: c_uint, start_cpu: c_int, ncpus: c_uint, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        // Three ways to ask: how many parameters, how many processors, or both values for some of them.
        if start_cpu == -1 {
            if ncpus != 1 {
                return Err(e.bad("start_cpu", "ncpus in virDomainGetCPUStats must be 1 when start_cpu is -1"));
            }
        } else {
            e.nonnegative(i128::from(start_cpu), "start_cpu")?;
        }
        if nparams > 0 {
            e.nonnull(target, "params")?;
        } else {
            e.null(target, "params")?;
        }
        if ncpus == 0 {
            e.null(target, "params")?;
            if start_cpu != 0 {
                return Err(e.bad("start_cpu", "start_cpu in virDomainGetCPUStats must be zero"));
            }
        }
        if nparams > 0 && ncpus > c_uint::MAX / nparams {
            let text = format!("input too large: {nparams} * {ncpus}");
            return Err(Error::new(ErrorCode::OVERFLOW, e.domain, text));
        }
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_cpu_stats(&conn.call(), &domain.reference(), nparams, start_cpu, ncpus, flags)?;
        if nparams > 0 && ncpus > 0 {
            let mut count = (nparams * ncpus).min(ret.params.len() as c_uint) as c_int;
            params::fill(&ret.params, target, &raw mut count)?;
        }
        Ok(ret.nparams)
    }
    20, -1 => fn virDomainGetEmulatorPinInfo(domain: Ptr, cpumap: *mut u8, maplen: c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(cpumap, "cpumap")?;
        e.positive(i128::from(maplen), "maplen")?;
        one_state(e, flags)?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_emulator_pin_info(&conn.call(), &domain.reference(), maplen, flags)?;
        memory::fill(cpumap, maplen, &ret.cpumaps);
        Ok(ret.ret)
    }
    20, -1 => fn virDomainGetVcpuPinInfo(domain: Ptr, ncpumaps: c_int, cpumaps: *mut u8, maplen: c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.positive(i128::from(ncpumaps), "ncpumaps")?;
        e.nonnull(cpumaps, "cpumaps")?;
        e.positive(i128::from(maplen), "maplen")?;
        one_state(e, flags)?;
        let conn = domain.conn.get();
        let ret = conn.drivers.hypervisor.domain_get_vcpu_pin_info(&conn.call(), &domain.reference(), ncpumaps, maplen, flags)?;
        memory::fill(cpumaps, i64::from(ncpumaps) * i64::from(maplen), &ret.cpumaps);
        Ok(ret.num)
    }
    35, -1 => fn virDomainSnapshotListNames(domain: Ptr, names: *mut *mut c_char, nameslen: c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnegative(i128::from(nameslen), "nameslen")?;
        if nameslen > 0 {
            e.nonnull(names, "names")?;
        }
        let conn = domain.conn.get();
        let list = conn.drivers.hypervisor.domain_snapshot_list_names(&conn.call(), &domain.reference(), nameslen, flags)?;
        memory::fill_names(names, nameslen, &list)
    }
    35, -1 => fn virDomainSnapshotListChildrenNames(snapshot: Ptr, names: *mut *mut c_char, nameslen: c_int, flags: c_uint) -> c_int |e| {
        let snapshot = e.item::<DomainSnapshotRef>(snapshot)?;
        e.nonnegative(i128::from(nameslen), "nameslen")?;
        if nameslen > 0 {
            e.nonnull(names, "names")?;
        }
        let conn = snapshot.conn.get();
        let list = conn.drivers.hypervisor.domain_snapshot_list_children_names(&conn.call(), snapshot.plain(), nameslen, flags)?;
        memory::fill_names(names, nameslen, &list)
    }
}

/// `virDomainCreateLinux`, an older name.
#[unsafe(no_mangle)]
pub extern "C" fn virDomainCreateLinux(conn: Ptr, xml: *const c_char, flags: c_uint) -> Ptr {
    crate::generated::libvirt_domain_lifecycle::virDomainCreateXML(conn, xml, flags)
}

entries! {
    private
    0, -1 => fn virDomainQemuMonitorCommand(domain: Ptr, cmd: *const c_char, result: *mut *mut c_char, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(result, "result")?;
        e.writable()?;
        let conn = domain.conn.get();
        let text = conn.drivers.hypervisor.domain_monitor_command(&conn.call(), &domain.reference(), &memory::read(cmd), flags)?;
        put(result, memory::text(&text)?);
        Ok(0)
    }
    0, -1 => fn virDomainQemuMonitorCommandWithFiles(
        domain: Ptr, cmd: *const c_char, ninfiles: c_uint, infiles: *const c_int, noutfiles: *mut c_uint,
        outfiles: *mut *mut c_int, result: *mut *mut c_char, flags: c_uint,
    ) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(cmd, "cmd")?;
        if ninfiles > 0 {
            e.nonnull(infiles, "infiles")?;
        }
        e.nonnull(result, "result")?;
        e.writable()?;
        let conn = domain.conn.get();
        let call = conn.call_with(copies(e, memory::slice(infiles, ninfiles)?)?);
        let text = conn.drivers.hypervisor.domain_monitor_command_with_files(&call, &domain.reference(), &memory::read(cmd), flags)?;
        let fds: Vec<c_int> = call.take_returned().into_iter().map(std::os::fd::IntoRawFd::into_raw_fd).collect();
        if !outfiles.is_null() {
            put(outfiles, memory::array(&fds)?);
            put(noutfiles, fds.len() as c_uint);
        }
        put(result, memory::text(&text)?);
        Ok(0)
    }
    0, -1 => fn virDomainLxcOpenNamespace(domain: Ptr, fdlist: *mut *mut c_int, flags: c_uint) -> c_int |e| {
        let domain = e.item::<DomainRef>(domain)?;
        e.nonnull(fdlist, "fdlist")?;
        e.writable()?;
        let conn = domain.conn.get();
        let call = conn.call();
        conn.drivers.hypervisor.domain_open_namespace(&call, &domain.reference(), flags)?;
        let fds: Vec<c_int> = call.take_returned().into_iter().map(std::os::fd::IntoRawFd::into_raw_fd).collect();
        put(fdlist, memory::array(&fds)?);
        Ok(fds.len() as c_int)
    }
    0, -1 => fn virDomainLxcEnterNamespace(
        domain: Ptr, nfdlist: c_uint, fdlist: *const c_int, noldfdlist: *mut c_uint, oldfdlist: *mut *mut c_int, flags: c_uint,
    ) -> c_int |e| {
        let _ = e.item::<DomainRef>(domain)?;
        e.known_flags(flags, 0)?;
        put(noldfdlist, 0);
        put(oldfdlist, std::ptr::null_mut());
        for fd in memory::slice(fdlist, nfdlist)? {
            // SAFETY: the descriptor is the caller's and open during the call.
            if *fd >= 0 && unsafe { libc::setns(*fd, 0) } < 0 {
                let error = std::io::Error::last_os_error();
                return Err(Error::system(e.domain, &error, "Unable to join domain namespace"));
            }
        }
        Ok(0)
    }
    0, -1 => fn virDomainLxcEnterSecurityLabel(model: Ptr, label: Ptr, _oldlabel: Ptr, flags: c_uint) -> c_int |e| {
        e.nonnull(model, "model")?;
        e.nonnull(label, "label")?;
        e.known_flags(flags, 0)?;
        Err(Error::new(ErrorCode::ARGUMENT_UNSUPPORTED, e.domain, "Security model cannot be entered"))
    }
    0, -1 => fn virDomainLxcEnterCGroup(domain: Ptr, flags: c_uint) -> c_int |e| {
        let _ = e.item::<DomainRef>(domain)?;
        e.writable()?;
        e.known_flags(flags, 0)?;
        e.unsupported()
    }
}

/// The number of a caller's element counter, never negative.
pub(crate) fn room(count: *const c_int) -> usize {
    usize::try_from(get(count)).unwrap_or(0)
}
