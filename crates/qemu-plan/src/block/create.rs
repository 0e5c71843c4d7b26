//! New images: what `blockdev-create` is told, for the place where the contents go and for the format.

use super::{Block, Keys};
use crate::argv::disk::node::{driver, may_have_backing};
use crate::argv::{Json, Start};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// What a new image is to be like.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewImage<'b> {
    /// Size that the guest sees, in bytes.
    pub capacity: u64,
    /// Size of the file, in bytes.
    pub physical: u64,
    /// The image it is an overlay of.
    pub backing: Option<&'b Block<'b>>,
    /// Version of qcow2: `0.10` or `1.1`; `None` leaves it to the emulator.
    pub compat: Option<&'b str>,
    /// Size of clusters, in bytes.
    pub cluster: Option<u64>,
    /// Parts of clusters are allocated by themselves.
    pub parts: bool,
}

/// Options of the two steps; what is not there needs no step.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    /// Makes the place where the contents go.
    pub protocol: Option<Json>,
    /// Writes the format into it.
    pub format: Option<Json>,
}

impl Block<'_> {
    /// How the image is made.
    ///
    /// # Errors
    /// When the emulator cannot make images of this format, or not encrypt them so.
    pub fn create(&self, new: &NewImage<'_>, start: &Start, keys: &Keys) -> Result<Creation> {
        Ok(Creation { protocol: self.make_place(new, start)?, format: self.make_format(new, start, keys)? })
    }

    fn make_place(&self, new: &NewImage<'_>, start: &Start) -> Result<Option<Json>> {
        let location = &self.image.location;
        Ok(match (location.kind, location.protocol()) {
            ("file", _) => Some(self.place(start)?.put("size", new.physical)),
            ("network", protocol @ ("gluster" | "nfs" | "rbd" | "sheepdog" | "ssh")) => {
                let place = self.place(start)?.without("driver");
                Some(Json::driver(protocol).put("location", place.value()).put("size", new.physical))
            }
            _ => None,
        })
    }

    fn file(&self) -> String {
        if self.image.part().is_some() { self.image.slice() } else { self.image.storage() }
    }

    fn make_format(&self, new: &NewImage<'_>, start: &Start, keys: &Keys) -> Result<Option<Json>> {
        let format = self.image.format;
        if format == "raw" {
            let Some(encryption) = self.image.location.encryption.filter(|_| self.locked()) else {
                return Ok(None);
            };
            let json = luks(encryption, keys)?.put("driver", "luks");
            return Ok(Some(json.put("file", self.file()).put("size", new.capacity)));
        }
        let makes = ["qcow", "qcow2", "qed", "vmdk", "vdi", "vpc", "vhd", "ploop"];
        if !makes.contains(&format) {
            return Err(unsupported(format!("creation of storage format '{format}' is not supported")));
        }
        let json = Json::driver(driver(format)?).put("file", self.file()).put("size", new.capacity);
        let json = if format == "qcow2" { self.qcow2(json, new) } else { json };
        let json = match new.backing.filter(|_| may_have_backing(format)) {
            Some(backing) => {
                let json = json.put("backing-file", backing.text(start, false)?);
                let told = matches!(format, "qcow2" | "qed");
                json.put_opt("backing-fmt", told.then(|| backing.format_name()))
            }
            None => json,
        };
        let encryption = self.image.location.encryption.filter(|_| matches!(format, "qcow" | "qcow2"));
        let Some(encryption) = encryption.filter(|_| self.locked()) else { return Ok(Some(json)) };
        Ok(Some(json.put("encrypt", luks(encryption, keys)?.put("format", "luks").value())))
    }

    fn qcow2(&self, json: Json, new: &NewImage<'_>) -> Json {
        let version = match new.compat {
            Some("0.10") => Some("v2"),
            Some("1.1") => Some("v3"),
            _ => None,
        };
        let data = self.image.data.as_ref();
        json.put_opt("version", version)
            .put_opt("cluster-size", new.cluster.filter(|size| *size != 0))
            .put_true("extended-l2", new.parts)
            .put_opt("data-file", data.map(|data| data.top()))
            .put_true("data-file-raw", data.is_some())
    }

    /// The format as another image tells it of this one.
    fn format_name(&self) -> &str {
        if self.image.format == "raw" && self.locked() { "luks" } else { self.image.format }
    }
}

/// How LUKS is to encrypt.
fn luks(encryption: &Tree, keys: &Keys) -> Result<Json> {
    if !encryption.is("format", "luks") {
        return Err(unsupported("creation of qcow/qcow2 files supports only 'luks' encryption"));
    }
    let cipher = |name: &str| encryption.attr_at("cipher", name);
    let ivgen = |name: &str| encryption.attr_at("ivgen", name);
    let algorithm = cipher("name").map(|name| match cipher("size") {
        Some(size) if size != "0" => format!("{name}-{size}"),
        _ => name.to_owned(),
    });
    Ok(Json::new()
        .put_opt("key-secret", keys.format.first().cloned())
        .put_opt("cipher-alg", algorithm)
        .put_opt("cipher-mode", cipher("mode"))
        .put_opt("hash-alg", cipher("hash"))
        .put_opt("ivgen-alg", ivgen("name"))
        .put_opt("ivgen-hash-alg", ivgen("hash")))
}
