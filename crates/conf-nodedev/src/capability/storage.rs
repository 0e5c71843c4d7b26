//! `storage`: a block device.

use base::Result;
use xml::Writer;

use crate::read::{Part, internal};

/// A block device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Storage {
    /// Its file.
    pub block: String,
    /// What it hangs on: `scsi`, `usb` …
    pub bus: Option<String>,
    /// `disk`, `cdrom`, `floppy`, `sd`.
    pub drive_type: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Its medium can be changed.
    pub removable: Option<Medium>,
    /// It can come and go itself.
    pub hotpluggable: bool,
    /// Bytes, when the medium stays.
    pub size: u64,
    /// Bytes of a block; 0 when unknown.
    pub block_size: u64,
    /// How many of them.
    pub blocks: u64,
}

/// A medium that can be changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Medium {
    /// There is one.
    pub present: bool,
    /// Bytes.
    pub size: u64,
    /// What is written on it.
    pub label: Option<String>,
}

impl Storage {
    pub(crate) fn parse(part: Part<'_>) -> Result<Storage> {
        let mut storage = Storage {
            block: part.needed("block", "block device path")?,
            bus: part.text("bus"),
            drive_type: part.text("drive_type"),
            model: part.text("model"),
            vendor: part.text("vendor"),
            serial: part.text("serial"),
            ..Storage::default()
        };
        for (word, inner) in part.inner() {
            match word {
                "hotpluggable" => storage.hotpluggable = true,
                "removable" => {
                    let present = inner.loose_number("media_available");
                    storage.removable = Some(Medium {
                        present: present.unwrap_or(0) != 0,
                        label: inner.text("media_label"),
                        size: inner.needed_number("media_size", "removable media size")?,
                    });
                }
                "" => return Err(part.complaint("missing storage capability type")),
                other => {
                    let text = format!("unknown storage capability type '{other}' for '{}'", part.device);
                    return Err(internal(text));
                }
            }
        }
        if storage.removable.is_none() {
            storage.size = part.needed_number("size", "size")?;
        }
        Ok(storage)
    }

    /// Derives the number of blocks from the size, for blocks of this many bytes.
    pub fn set_block_size(&mut self, bytes: u64) {
        let size = self.removable.as_ref().map_or(self.size, |medium| medium.size);
        self.block_size = bytes;
        self.blocks = size.checked_div(bytes).unwrap_or(0);
    }

    fn geometry(&self, w: &mut Writer) {
        if self.block_size > 0 {
            w.leaf("logical_block_size", self.block_size);
        }
        if self.blocks > 0 {
            w.leaf("num_blocks", self.blocks);
        }
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("block", &self.block);
        w.leaf_opt("bus", self.bus.as_ref());
        w.leaf_opt("drive_type", self.drive_type.as_ref());
        w.leaf_opt("model", self.model.as_ref());
        w.leaf_opt("vendor", self.vendor.as_ref());
        w.leaf_opt("serial", self.serial.as_ref());
        match &self.removable {
            Some(medium) => w.element("capability").attr("type", "removable").children_always(|w| {
                w.leaf("media_available", u8::from(medium.present));
                w.leaf("media_size", medium.size);
                w.leaf_opt("media_label", medium.label.as_ref());
                self.geometry(w);
            }),
            None => {
                w.leaf("size", self.size);
                self.geometry(w);
            }
        }
        if self.hotpluggable {
            w.element("capability").attr("type", "hotpluggable").empty();
        }
    }
}
