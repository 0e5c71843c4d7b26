//! Guests that go on where they were saved.

use super::file::Saved;
use super::{PAUSED, RUNNING};
use crate::guest::Guest;
use crate::start::{How, Incoming};
use crate::{Driver, FROM};
use api::consts::domain_event_resumed_detail_type as resumed;
use api::consts::domain_event_started_detail_type as started;
use api::consts::domain_event_suspended_detail_type as suspended;
use api::consts::domain_event_type as kind;
use api::consts::{domain_paused_reason as paused, domain_running_reason as running, domain_state as state};
use base::{Error, Result};
use conf_domain::Domain;
use conf_snapshot::SaveCookie;
use engine::JobKind;
use save_image::Format;
use serde_json::Value as Json;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use xml::Tree;

/// The processor that a saved guest saw.
fn processor(cookie: Option<&str>) -> Option<Tree> {
    SaveCookie::parse(cookie?)?.cpu
}

impl Driver {
    pub(super) fn restore(&self, path: &Path, document: Option<&str>, flags: u32) -> Result<()> {
        let saved = Saved::open(path, false)?;
        let known = self.saved_definition(&saved.data)?;
        let domain = match document {
            Some(text) => self.replacement(&known, text)?,
            None => known,
        };
        let to_run = if flags & (RUNNING | PAUSED) != 0 { flags & RUNNING != 0 } else { saved.running() };
        let (guest, new) = self.admit(&domain)?;
        let _job = guest.begin(JobKind::Modify, "restore")?;
        let outcome = self.go_on_from(&guest, domain, saved, to_run);
        if outcome.is_err() && new {
            self.guests.remove(guest.uuid);
        }
        outcome
    }

    /// Starts a guest whose job is held from a file.
    fn go_on_from(&self, guest: &Arc<Guest>, domain: Domain, saved: Saved, to_run: bool) -> Result<()> {
        if guest.value().live.is_some() {
            return Err(Error::operation_invalid(FROM, "domain is already running"));
        }
        let cpu = processor(saved.data.cookie.as_deref());
        let fd: OwnedFd = match saved.header.format {
            Format::Raw => saved.file.into(),
            format => super::transfer::unpack(saved.file, format)?,
        };
        let how = How { incoming: Some(Incoming { fd: Some(fd), cpu }), ..How::default() };
        self.launch(guest, domain, how)?;
        self.restored(guest, to_run)
    }

    /// Lets a guest that has its state again run, or stay paused, and tells.
    pub(crate) fn restored(&self, guest: &Arc<Guest>, to_run: bool) -> Result<()> {
        let live = guest.live()?;
        self.lifecycle(guest, kind::STARTED, started::RESTORED);
        if to_run {
            live.command("cont", Json::Null)?;
            guest.change(|value| value.state = (state::RUNNING, running::RESTORED));
            self.write_status(guest)?;
            self.lifecycle(guest, kind::RESUMED, resumed::FROM_SNAPSHOT);
        } else {
            guest.change(|value| value.state = (state::PAUSED, paused::MIGRATION));
            self.write_status(guest)?;
            self.lifecycle(guest, kind::SUSPENDED, suspended::RESTORED);
        }
        Ok(())
    }

    /// Starts a stored guest whose job is held from the driver's own file, if there is one. False when there is none, or
    /// none of use: then the guest starts anew.
    pub(crate) fn go_on_managed(&self, guest: &Arc<Guest>, paused: bool) -> Result<bool> {
        let path = self.managed_file(&guest.value().name);
        if !path.exists() {
            return Ok(false);
        }
        let opened = Saved::open(&path, false).and_then(|saved| {
            let domain = self.saved_definition(&saved.data)?;
            Ok((saved, domain))
        });
        let (saved, domain) = match opened {
            Ok(opened) => opened,
            Err(cause) => {
                log::warn!("{} is of no use: {cause}", path.display());
                self.forget_managed(guest);
                return Ok(false);
            }
        };
        let to_run = saved.running() && !paused;
        self.go_on_from(guest, domain, saved, to_run)?;
        self.forget_managed(guest);
        Ok(true)
    }

    /// Removes the driver's own file of a guest.
    pub(crate) fn forget_managed(&self, guest: &Guest) {
        let path = self.managed_file(&guest.value().name);
        if let Err(cause) = std::fs::remove_file(&path)
            && cause.kind() != std::io::ErrorKind::NotFound
        {
            log::warn!("{}: {cause}", path.display());
        }
    }
}
