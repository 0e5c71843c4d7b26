//! Files of saved guests.
//!
//! ```text
//! head (part) ─▶ definition, cookie ─▶ state ─▶ head (whole)     only a file that is whole is ever read
//! ```

use crate::{Driver, FROM, error};
use base::{Error, ErrorCode, Result};
use conf_domain::{Domain, ParseFlags};
use conf_snapshot::SaveCookie;
use save_image::{Data, Format, HEADER, Header};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file that is being written.
pub(crate) struct Part {
    pub(crate) file: File,
    header: Header,
}

/// A file that is read: its state begins where the file stands.
pub(crate) struct Saved {
    pub(crate) file: File,
    pub(crate) header: Header,
    pub(crate) data: Data,
}

fn cannot(cause: &std::io::Error, what: &str, path: &Path) -> Error {
    Error::system(FROM, cause, format!("{what} '{}'", path.display()))
}

impl Part {
    /// Begins a file.
    pub(crate) fn begin(path: &Path, data: &Data, running: bool, format: Format) -> Result<Part> {
        let (header, bytes) = data.begin(running, format)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|cause| cannot(&cause, "Failed to create file", path))?;
        file.write_all(&header.encode(false))
            .and_then(|()| file.write_all(&bytes))
            .map_err(|cause| cannot(&cause, "failed to write header to domain save file", path))?;
        Ok(Part { file, header })
    }

    /// The state is written: the file is whole.
    pub(crate) fn finish(mut self, path: &Path) -> Result<()> {
        let written = self
            .file
            .sync_data()
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(&self.header.encode(true)))
            .and_then(|()| self.file.sync_data());
        written.map_err(|cause| cannot(&cause, "unable to save file", path))
    }
}

impl Saved {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is not there, not whole or none.
    pub(crate) fn open(path: &Path, write: bool) -> Result<Saved> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(path)
            .map_err(|cause| cannot(&cause, "Failed to open file", path))?;
        let mut head = [0; HEADER];
        file.read_exact(&mut head)
            .map_err(|_| Error::operation_failed(FROM, "failed to read qemu header"))?;
        let header = Header::decode(&head)?;
        let mut bytes = Vec::new();
        (&mut file)
            .take(u64::from(header.length))
            .read_to_end(&mut bytes)
            .ok()
            .filter(|read| *read == header.length as usize)
            .ok_or_else(|| Error::operation_failed(FROM, "failed to read domain XML"))?;
        let data = header.data(&bytes)?;
        Ok(Saved { file, header, data })
    }

    /// Whether the guest ran.
    pub(crate) fn running(&self) -> bool {
        self.header.running != 0
    }

    /// Writes another definition into the file, and whether the guest is to run.
    pub(super) fn rewrite(mut self, path: &Path, xml: String, running: bool) -> Result<()> {
        let data = Data { xml, cookie: self.data.cookie.clone() };
        let bytes = self.header.replace(&data)?;
        self.header.running = u32::from(running);
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&self.header.encode(true)))
            .and_then(|()| self.file.write_all(&bytes))
            .and_then(|()| self.file.sync_data())
            .map_err(|cause| cannot(&cause, "failed to write xml to", path))
    }
}

impl Driver {
    /// The definition in a file.
    pub(super) fn saved_definition(&self, data: &Data) -> Result<Domain> {
        let flags = ParseFlags { inactive: true, skip_validate: true, ..ParseFlags::default() };
        self.parse(&data.xml, flags)
    }

    /// The definition that a client puts in the place of a saved one.
    pub(crate) fn replacement(&self, saved: &Domain, text: &str) -> Result<Domain> {
        let flags = ParseFlags { inactive: true, migratable: true, ..ParseFlags::default() };
        let new = self.parse(text, flags)?;
        let refuse = |text: String| Err(error(ErrorCode::CONFIG_UNSUPPORTED, text));
        if new.name != saved.name {
            return refuse(format!(
                "Target domain name '{}' does not match source '{}'",
                new.name, saved.name
            ));
        }
        if new.uuid != saved.uuid {
            return refuse(format!("Target domain uuid {} does not match source {}", new.uuid, saved.uuid));
        }
        if new.memory_kib() != saved.memory_kib() {
            return refuse(format!(
                "Target domain max memory {} does not match source {}",
                new.memory_kib(),
                saved.memory_kib()
            ));
        }
        if new.vcpus_max() != saved.vcpus_max() {
            return refuse(format!(
                "Target domain vCPU max {} does not match source {}",
                new.vcpus_max(),
                saved.vcpus_max()
            ));
        }
        let machine = |domain: &Domain| domain.tree.attr_at("os/type", "machine").map(str::to_owned);
        if machine(&new) != machine(saved) {
            return refuse(format!(
                "Target domain machine type {} does not match source {}",
                machine(&new).unwrap_or_default(),
                machine(saved).unwrap_or_default()
            ));
        }
        Ok(new)
    }
}

/// The driver's notes for a guest that is saved.
pub(crate) fn cookie(live: &Domain) -> SaveCookie {
    // No guest has a network of its own kind inside the emulator that could not be saved.
    let inside = |nic: &xml::Tree| nic.is("type", "user") && nic.attr_at("backend", "type") != Some("passt");
    SaveCookie { cpu: live.tree.child("cpu").cloned(), slirp_helper: !live.all("interface").any(inside) }
}
