//! `<domaincheckpoint>`: a point from which on changed blocks are noted, for later backups.

use crate::align::{GuestDisk, position};
use crate::fault::{self, Kind};
use crate::moment::{self, Guest, Moment};
use base::Result;
use conf_domain::{Domain, Reader};
use xml::{Document, Node, Writer};

const KIND: Kind = Kind::Checkpoint;

/// A disk in a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointDisk {
    /// Target of the disk, or before aligning perhaps the path of its source.
    pub name: String,
    /// Whether its changed blocks are noted.
    pub noted: bool,
    /// Name of the bitmap that notes them.
    pub bitmap: Option<String>,
    /// Bytes that changed since, when they were asked for.
    pub size: Option<u64>,
}

impl CheckpointDisk {
    /// A disk whose changed blocks are or are not noted.
    pub fn new(name: &str, noted: bool) -> CheckpointDisk {
        CheckpointDisk { name: name.to_owned(), noted, bitmap: None, size: None }
    }

    fn read(node: Node<'_>) -> Result<CheckpointDisk> {
        let Some(name) = node.attr("name") else {
            return Err(KIND.invalid("missing name from disk checkpoint element"));
        };
        let noted = match node.attr("checkpoint") {
            None | Some("bitmap") => true,
            Some("no") => false,
            Some(other) => {
                return Err(KIND.unsupported(format!("unknown disk checkpoint setting '{other}'")));
            }
        };
        let mut disk = CheckpointDisk::new(name, noted);
        if noted {
            disk.bitmap = node.attr("bitmap").map(str::to_owned);
        }
        Ok(disk)
    }
}

/// What is printed of a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Show {
    /// Passwords and other secrets.
    pub secure: bool,
    /// Not the definition of the guest.
    pub no_domain: bool,
    /// Bytes that changed.
    pub size: bool,
}

/// A checkpoint.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Checkpoint {
    /// Name, time, parent.
    pub moment: Moment,
    /// Disks.
    pub disks: Vec<CheckpointDisk>,
    /// Definition of the guest.
    pub guest: Guest,
}

impl Checkpoint {
    /// Reads a document; with `redefine` one that was made before, else one that is made at `now`.
    ///
    /// # Errors
    /// With the reference's words. These documents are always held against their schema.
    pub fn parse(text: &str, redefine: bool, now: i64, reader: &mut Reader<'_>) -> Result<Checkpoint> {
        let document = Document::parse(text).map_err(|error| fault::malformed(KIND, text, &error))?;
        let root = document.root();
        if root.name() != "domaincheckpoint" {
            return Err(fault::root("domaincheckpoint", root.name()));
        }
        schema::validate(schema::Kind::DomainCheckpoint, root)?;
        let moment = moment::read(root, KIND, redefine, now)?;
        let mut checkpoint = Checkpoint { moment, ..Checkpoint::default() };
        if redefine && let Some(node) = root.child("domain").filter(|node| node.attr("type").is_some()) {
            checkpoint.guest = Guest::Full(Box::new(reader.definition(node, moment::STORED)?));
        }
        let disks = root.child("disks").into_iter().flat_map(|disks| disks.children("disk"));
        checkpoint.disks = disks.map(CheckpointDisk::read).collect::<Result<_>>()?;
        Ok(checkpoint)
    }

    /// Aligns with the definition it is of: without any disk named, the changes of all that can be written are noted.
    ///
    /// # Errors
    /// When a disk is named twice, is not there or cannot be written.
    pub fn align(&mut self, domain: &Domain) -> Result<()> {
        let guests = GuestDisk::all(domain);
        if self.disks.len() > guests.len() {
            return Err(KIND.unsupported("too many disk checkpoint requests for domain"));
        }
        let all = self.disks.is_empty();
        let mut told: Vec<Option<CheckpointDisk>> = guests.iter().map(|_| None).collect();
        for mut disk in std::mem::take(&mut self.disks) {
            let at = position(&guests, &disk.name);
            let Some((guest, slot)) = at.and_then(|at| Some((*guests.get(at)?, told.get_mut(at)?))) else {
                return Err(KIND.unsupported(format!("no disk named '{}'", disk.name)));
            };
            if slot.is_some() {
                return Err(KIND.unsupported(format!("disk '{}' specified twice", disk.name)));
            }
            if disk.noted && (guest.is_empty() || guest.is_readonly()) {
                return Err(KIND.unsupported(format!("disk '{}' is empty or readonly", disk.name)));
            }
            disk.name = guest.target.to_owned();
            *slot = Some(disk);
        }
        for (guest, slot) in guests.iter().zip(&mut told) {
            let noted = all && !guest.is_empty() && !guest.is_readonly();
            slot.get_or_insert_with(|| CheckpointDisk::new(guest.target, noted));
        }
        self.disks = told.into_iter().flatten().collect();
        self.name_bitmaps();
        Ok(())
    }

    /// Bitmaps without a name of their own are called as the checkpoint.
    pub fn name_bitmaps(&mut self) {
        for disk in self.disks.iter_mut().filter(|disk| disk.noted) {
            disk.bitmap.get_or_insert_with(|| self.moment.name.clone());
        }
    }

    /// The document.
    pub fn format(&self, show: Show) -> String {
        let mut w = Writer::new();
        w.element("domaincheckpoint").children(|w| {
            moment::write_names(&self.moment, w);
            moment::write_place(&self.moment, w);
            if !self.disks.is_empty() {
                w.element("disks").children(|w| {
                    for disk in &self.disks {
                        w.element("disk")
                            .attr("name", &disk.name)
                            .attr("checkpoint", if disk.noted { "bitmap" } else { "no" })
                            .attr_opt("bitmap", disk.bitmap.as_ref())
                            .attr_opt("size", disk.size.filter(|_| show.size && disk.noted))
                            .empty();
                    }
                });
            }
            if !show.no_domain {
                moment::write_guest(&self.guest, show.secure, w);
            }
        });
        w.finish()
    }
}
