//! Saved guests: the state of a running guest in a file, and back.
//!
//! ```text
//! Running ─ stop ─▶ Paused ─ state to a file ─▶ Off (saved)          save: the file is the client's
//!                                                                    managed save: the file is ours, the next start reads it
//! Off ─ state from a file ─▶ Paused ─▶ Running, or stays
//! ```
//!
//! * [`file`]: the files
//! * [`transfer`]: how the state gets there
//! * [`restore`]: the way back
//! * [`dump`]: what a debugger reads

mod dump;
pub(crate) mod file;
mod restore;
pub(crate) mod transfer;

use crate::guest::{Guest, exclusive_of};
use crate::work::Doing;
use crate::{Driver, FROM, check_flags, error, portable, stop};
use api::consts::domain_event_stopped_detail_type as stopped;
use api::consts::domain_event_suspended_detail_type as suspended;
use api::consts::domain_event_type as kind;
use api::consts::{domain_paused_reason as paused, domain_running_reason as running};
use api::consts::{domain_shutoff_reason as shutoff, domain_state as state};
use api::domain_job::{DomainGetJobInfoRet, DomainGetJobStatsRet};
use api::{Call, DomainJob};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::FormatFlags;
use engine::JobKind;
use file::{Part, Saved};
use save_image::{Data, Format};
use serde_json::Value as Json;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Flags of saving: without the cache, to run afterwards, to stay paused afterwards, variables of the firmware anew.
const BYPASS: u32 = 1;
const RUNNING: u32 = 2;
const PAUSED: u32 = 4;
const RESET_NVRAM: u32 = 8;

/// Refuses a guest that is to run and to stay paused.
fn check_wish(flags: u32, function: &str) -> Result<()> {
    if flags & RUNNING != 0 && flags & PAUSED != 0 {
        let text = "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive";
        return Err(Error::invalid_arg(ErrorDomain::DOM, function, "flags", text));
    }
    Ok(())
}

/// A parameter that is a path or a document.
fn text<'p>(params: &'p [TypedParam], name: &str) -> Option<&'p str> {
    params.iter().find(|param| param.field == name).and_then(|param| match &param.value {
        TypedValue::String(text) => Some(text.as_str()),
        _ => None,
    })
}

/// Refuses parameters that are not known.
fn check_params(params: &[TypedParam]) -> Result<()> {
    const KNOWN: [&str; 4] = ["file", "dxml", "image_format", "parallel.channels"];
    match params.iter().find(|param| !KNOWN.contains(&param.field.as_str())) {
        Some(param) => Err(Error::new(
            ErrorCode::ARGUMENT_UNSUPPORTED,
            ErrorDomain::NONE,
            format!("parameter '{}' not supported", param.field),
        )),
        None => Ok(()),
    }
}

impl Driver {
    /// The file of a guest that the driver keeps itself.
    pub(crate) fn managed_file(&self, name: &str) -> PathBuf {
        self.state_dir().join("save").join(format!("{name}.save"))
    }

    /// What is kept beside a guest follows its new name.
    pub(crate) fn move_kept(&self, old: &str, new: &str) {
        let state = self.state_dir();
        let folders =
            ["snapshot", "checkpoint"].map(|kind| (state.join(kind).join(old), state.join(kind).join(new)));
        let saved = (self.managed_file(old), self.managed_file(new));
        for (from, to) in folders.into_iter().chain([saved]).filter(|(from, _)| from.exists()) {
            if let Err(cause) = std::fs::rename(&from, &to) {
                log::error!("{} does not follow the new name: {cause}", from.display());
            }
        }
    }

    /// Whether the next start of a guest goes on where it was saved.
    pub(crate) fn is_saved(&self, name: &str) -> bool {
        self.managed_file(name).exists()
    }

    /// Lets the processors stand still for as long as something is done. True when they ran.
    pub(crate) fn hold_still(&self, guest: &Arc<Guest>, why: i32) -> Result<bool> {
        let live = guest.live()?;
        if guest.value().state.0 != state::RUNNING {
            return Ok(false);
        }
        live.command("stop", Json::Null)?;
        guest.change(|value| value.state = (state::PAUSED, why));
        self.save_status(guest);
        self.lifecycle(guest, kind::SUSPENDED, suspended::PAUSED);
        Ok(true)
    }

    /// Lets them go on.
    pub(crate) fn go_on(&self, guest: &Arc<Guest>) -> Result<()> {
        let live = guest.live()?;
        live.command("cont", Json::Null)?;
        guest.change(|value| value.state = (state::RUNNING, running::UNPAUSED));
        self.save_status(guest);
        self.lifecycle(guest, kind::RESUMED, 0);
        Ok(())
    }

    /// Lets the processors go on that the emulator itself had stopped; nobody was told.
    pub(crate) fn go_on_quietly(&self, guest: &Arc<Guest>) -> Result<()> {
        guest.live()?.command("cont", Json::Null).map(drop)
    }

    /// Saves a running guest whose job is held, and ends it.
    fn save_held(&self, guest: &Arc<Guest>, path: &Path, document: Option<&str>, flags: u32) -> Result<()> {
        let live = guest.live()?;
        if live.session.jobs.any() {
            return Err(error(ErrorCode::OPERATION_INVALID, "domain has active block job"));
        }
        let was_running = guest.value().state.0 == state::RUNNING;
        let saved = portable::kept(&live);
        let xml = match document {
            Some(text) => portable::document(&self.replacement(&saved, text)?, true),
            None => portable::document(&saved, true),
        };
        let data = Data { xml, cookie: Some(file::cookie(&live.domain).format()) };
        let to_run = if flags & (RUNNING | PAUSED) != 0 { flags & RUNNING != 0 } else { was_running };
        let stopped_by_us = self.hold_still(guest, paused::SAVE)?;
        let outcome = self.write_file(guest, path, &data, to_run);
        if let Err(cause) = outcome {
            let _ = std::fs::remove_file(path);
            if stopped_by_us && let Err(second) = self.go_on(guest) {
                log::error!("guest '{}' stays paused: {second}", guest.value().name);
            }
            return Err(cause);
        }
        self.finish(guest, shutoff::SAVED, stopped::SAVED, "saved")
    }

    fn write_file(&self, guest: &Arc<Guest>, path: &Path, data: &Data, to_run: bool) -> Result<()> {
        let part = Part::begin(path, data, to_run, Format::Raw)?;
        self.write_state(guest, part.file.as_fd(), Doing::Save)?;
        part.finish(path)
    }

    /// Ends a guest for a reason of its own.
    pub(crate) fn finish(&self, guest: &Arc<Guest>, why: i32, detail: i32, word: &str) -> Result<()> {
        let live = guest.live()?;
        live.session.ending.store(true, Ordering::Release);
        stop::end_and_wait(&live);
        self.settle(guest, &live, why, detail, word);
        Ok(())
    }

    fn save(
        &self,
        dom: &DomainRef,
        to: &str,
        document: Option<&str>,
        flags: u32,
        function: &str,
    ) -> Result<()> {
        check_flags(flags, BYPASS | RUNNING | PAUSED, function)?;
        let guest = self.find(dom)?;
        guest.live()?;
        self.await_backup(&guest)?;
        let _job = guest.begin(JobKind::Modify, "save")?;
        self.save_held(&guest, Path::new(to), document, flags)
    }

    fn managed_save(&self, dom: &DomainRef, flags: u32) -> Result<()> {
        check_wish(flags, "virDomainManagedSave")?;
        check_flags(flags, BYPASS | RUNNING | PAUSED, "qemuDomainManagedSave")?;
        let guest = self.find(dom)?;
        guest.live()?;
        self.await_backup(&guest)?;
        let _job = guest.begin(JobKind::Modify, "managed save")?;
        guest.live()?;
        let value = guest.value();
        if value.config.is_none() {
            let text = "cannot do managed save for transient domain";
            return Err(Error::operation_invalid(FROM, text));
        }
        let folder = self.state_dir().join("save");
        host::store::folder(&folder, 0o755).map_err(|cause| {
            Error::system(FROM, &cause, format!("cannot create directory '{}'", folder.display()))
        })?;
        self.save_held(&guest, &self.managed_file(&value.name), None, flags)
    }

    /// The document in a file of a saved guest.
    fn saved_xml(&self, path: &Path, flags: u32) -> Result<String> {
        let saved = Saved::open(path, false)?;
        let domain = self.saved_definition(&saved.data)?;
        let format = FormatFlags { secure: flags & 1 != 0, inactive: true, ..FormatFlags::default() };
        Ok(domain.format(format))
    }

    fn redefine_saved(&self, path: &Path, text: &str, flags: u32) -> Result<()> {
        let saved = Saved::open(path, true)?;
        let old = self.saved_definition(&saved.data)?;
        let new = self.replacement(&old, text)?;
        let xml = portable::document(&new, true);
        let to_run = if flags & (RUNNING | PAUSED) != 0 { flags & RUNNING != 0 } else { saved.running() };
        if xml == saved.data.xml && to_run == saved.running() {
            return Ok(());
        }
        saved.rewrite(path, xml, to_run)
    }

    /// The driver's own file of a guest, which has to be there.
    fn managed(&self, guest: &Guest) -> Result<PathBuf> {
        let path = self.managed_file(&guest.value().name);
        if path.exists() {
            return Ok(path);
        }
        Err(Error::operation_invalid(FROM, "domain does not have managed save image"))
    }
}

impl DomainJob for Driver {
    fn domain_core_dump(&self, cx: &Call, dom: &DomainRef, to: &str, flags: u32) -> Result<()> {
        self.domain_core_dump_with_format(cx, dom, to, 0, flags)
    }

    fn domain_core_dump_with_format(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        to: &str,
        dumpformat: u32,
        flags: u32,
    ) -> Result<()> {
        self.dump(dom, to, dumpformat, flags)
    }

    fn domain_save(&self, _cx: &Call, dom: &DomainRef, to: &str) -> Result<()> {
        self.save(dom, to, None, 0, "qemuDomainSaveFlags")
    }

    fn domain_save_flags(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        to: &str,
        dxml: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        check_wish(flags, "virDomainSaveFlags")?;
        self.save(dom, to, dxml, flags, "qemuDomainSaveFlags")
    }

    fn domain_save_params(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_wish(flags, "virDomainSaveParams")?;
        check_flags(flags, BYPASS | RUNNING | PAUSED, "qemuDomainSaveParams")?;
        check_params(params)?;
        match text(params, "file") {
            Some(to) => self.save(dom, to, text(params, "dxml"), flags, "qemuDomainSaveParams"),
            // Without a file the driver keeps it.
            None => self.managed_save(dom, flags),
        }
    }

    fn domain_restore(&self, _cx: &Call, from: &str) -> Result<()> {
        self.restore(Path::new(from), None, 0)
    }

    fn domain_restore_flags(&self, _cx: &Call, from: &str, dxml: Option<&str>, flags: u32) -> Result<()> {
        check_wish(flags, "virDomainRestoreFlags")?;
        check_flags(flags, BYPASS | RUNNING | PAUSED | RESET_NVRAM, "qemuDomainRestoreFlags")?;
        self.restore(Path::new(from), dxml, flags)
    }

    fn domain_restore_params(&self, _cx: &Call, params: &[TypedParam], flags: u32) -> Result<()> {
        check_wish(flags, "virDomainRestoreParams")?;
        check_flags(flags, BYPASS | RUNNING | PAUSED | RESET_NVRAM, "qemuDomainRestoreParams")?;
        check_params(params)?;
        let from = text(params, "file")
            .ok_or_else(|| error(ErrorCode::INVALID_ARG, "missing path to restore from"))?;
        self.restore(Path::new(from), text(params, "dxml"), flags)
    }

    fn domain_save_image_get_xml_desc(&self, _cx: &Call, file: &str, flags: u32) -> Result<String> {
        check_flags(flags, 1, "qemuDomainSaveImageGetXMLDesc")?;
        self.saved_xml(Path::new(file), flags)
    }

    fn domain_save_image_define_xml(&self, _cx: &Call, file: &str, dxml: &str, flags: u32) -> Result<()> {
        check_wish(flags, "virDomainSaveImageDefineXML")?;
        check_flags(flags, RUNNING | PAUSED, "qemuDomainSaveImageDefineXML")?;
        self.redefine_saved(Path::new(file), dxml, flags)
    }

    fn domain_managed_save(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        self.managed_save(dom, flags)
    }

    fn domain_has_managed_save_image(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainHasManagedSaveImage")?;
        let guest = self.find(dom)?;
        Ok(self.is_saved(&guest.value().name).into())
    }

    fn domain_managed_save_remove(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainManagedSaveRemove")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "remove managed save")?;
        let path = self.managed_file(&guest.value().name);
        std::fs::remove_file(&path).map_err(|cause| {
            let text = format!("Failed to remove managed save file '{}'", path.display());
            Error::system(FROM, &cause, text)
        })
    }

    fn domain_managed_save_get_xml_desc(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<String> {
        check_flags(flags, 1, "qemuDomainManagedSaveGetXMLDesc")?;
        let guest = self.find(dom)?;
        self.saved_xml(&self.managed(&guest)?, flags)
    }

    fn domain_managed_save_define_xml(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        dxml: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        check_wish(flags, "virDomainManagedSaveDefineXML")?;
        check_flags(flags, RUNNING | PAUSED, "qemuDomainManagedSaveDefineXML")?;
        let guest = self.find(dom)?;
        self.redefine_saved(&self.managed(&guest)?, dxml.unwrap_or_default(), flags)
    }

    fn domain_get_job_info(&self, _cx: &Call, dom: &DomainRef) -> Result<DomainGetJobInfoRet> {
        self.work_info(dom)
    }

    fn domain_get_job_stats(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetJobStatsRet> {
        self.work_stats(dom, flags)
    }

    fn domain_abort_job(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        self.abort_work(dom, 0)
    }

    fn domain_abort_job_flags(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        self.abort_work(dom, flags)
    }
}

/// Refuses two flags of a dump that cannot go together.
pub(super) fn dump_exclusive(flags: u32, one: (u32, &str), other: (u32, &str)) -> Result<()> {
    exclusive_of(flags, one, other, "virDomainCoreDumpWithFormat").map_err(|cause| {
        Error::new(cause.code(), ErrorDomain::DOM, cause.message().trim_start_matches("invalid argument: "))
    })
}
