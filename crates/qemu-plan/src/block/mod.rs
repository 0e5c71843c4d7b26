//! The block graph outside a command line: images for jobs, new images, names of images inside others.
//!
//! ```text
//! element with <source> ──▶ Block ──nodes──▶ blockdev-add            (how this guest uses it)
//!                             ├────place──▶ where it is, no more      (as another image mentions it)
//!                             ├────text───▶ path, address, json:{…}   (backing string)
//!                             └────create─▶ blockdev-create           (protocol, then format)
//! ```

mod create;
mod name;
mod text;

pub use create::{Creation, NewImage};
pub use name::{LONGEST, check, kept};

use crate::argv::disk::image::{self, Image, Location, Manner};
use crate::argv::disk::node;
use crate::argv::disk::protocol::{self, Reach};
use crate::argv::{Json, Names, Start};
use base::Result;
use xml::Tree;

/// An image.
#[derive(Debug, Clone)]
pub struct Block<'d> {
    image: Image<'d>,
}

/// Names of objects that an image's nodes refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The password of the image's server.
    pub password: Option<String>,
    /// Cookies for the image's server.
    pub cookies: Option<String>,
    /// Certificates.
    pub certificates: Option<String>,
    /// Keys to the format.
    pub format: Vec<String>,
    /// Keys to what the protocol decrypts.
    pub protocol: Vec<String>,
}

impl Keys {
    /// The objects whose names a running guest's status document keeps beside a source.
    pub fn kept(source: &Tree) -> Keys {
        let objects = source.at("privateData/objects");
        let secret = |kind: &'static str| {
            let secrets = objects.into_iter().flat_map(|objects| objects.all("secret"));
            let of_kind = secrets.filter(move |secret| secret.is("type", kind));
            of_kind.filter_map(|secret| secret.attr("alias")).map(str::to_owned)
        };
        Keys {
            password: secret("auth").next(),
            cookies: secret("httpcookie").next(),
            certificates: objects.and_then(|objects| objects.attr_at("TLSx509", "alias")).map(str::to_owned),
            format: secret("encryption").collect(),
            protocol: Vec::new(),
        }
    }
}

impl<'d> Block<'d> {
    /// The image that an element with a `<source>` names; nothing for an empty drive.
    pub fn of(holder: &'d Tree, names: Names, format: &'d str) -> Option<Block<'d>> {
        let mut image = Image::plain(names, Location::of(holder)?, format);
        image.dressed = true;
        Some(Block { image })
    }

    /// The image at a place that another image names, of a type of storage.
    pub fn at(source: &'d Tree, kind: &'d str, names: Names, format: &'d str) -> Block<'d> {
        let mut image = Image::plain(names, Location::plain(kind, source), format);
        image.dressed = true;
        Block { image }
    }

    /// The image of a disk, with all images behind it, each with the names that its source keeps.
    ///
    /// # Errors
    /// When a name is too long, or missing.
    pub fn of_disk(disk: &'d Tree) -> Result<Option<Block<'d>>> {
        let Some(location) = Location::of(disk) else { return Ok(None) };
        let format = disk.attr_at("driver", "type").unwrap_or("raw");
        let mut image = Image::plain(kept(location.source)?, location, format);
        image.read_only = disk.child("readonly").is_some() || disk.is("device", "cdrom");
        image.dressed = true;
        image.manner = Manner::of(disk);
        image.detect_zeroes = image::detect_zeroes(disk);
        image.table_cache = disk.child("driver").and_then(image::table_cache);
        image.floppy = disk.is("device", "floppy");
        image.ends = ends(disk);
        image.data = data(&image)?.map(Box::new);
        image.backing = behind(disk, &image)?.map(Box::new);
        Ok(Some(Block { image }))
    }

    /// The image is only read.
    #[must_use]
    pub fn read_only(mut self) -> Block<'d> {
        self.image.read_only = true;
        self
    }

    /// An SSH server is asked as a user, and may have any key.
    #[must_use]
    pub fn by_ssh(mut self, user: Option<&'d str>, any_key: bool) -> Block<'d> {
        self.image.location.login = user;
        self.image.location.any_key = any_key;
        self
    }

    /// Names of the image's nodes.
    pub fn names(&self) -> &Names {
        &self.image.names
    }

    /// Name of the node that others see.
    pub fn top(&self) -> String {
        self.image.top()
    }

    /// The emulator decrypts the image.
    pub fn locked(&self) -> bool {
        self.image.locked()
    }

    /// The image's server wants a password.
    pub fn asks(&self) -> bool {
        self.image.location.auth.is_some()
    }

    /// The image behind this one, as far as the definition knows it.
    pub fn behind(&self) -> Option<Block<'d>> {
        self.image.backing.as_deref().map(|image| Block { image: image.clone() })
    }

    /// Arguments of `blockdev-add` for this image alone, the node that reads its contents first.
    ///
    /// # Errors
    /// When the emulator cannot read it.
    pub fn nodes(&self, start: &Start, keys: &Keys) -> Result<Vec<Json>> {
        let reach = Reach {
            password: keys.password.clone(),
            cookies: keys.cookies.clone(),
            tls: keys.certificates.clone(),
            keys: keys.protocol.clone(),
            ..Reach::of(start)
        };
        node::nodes(&self.image, &reach, &keys.format)
    }

    /// Where the image is and nothing else: neither how this guest uses it nor what opens it.
    ///
    /// # Errors
    /// When the emulator cannot read it.
    pub fn place(&self, start: &Start) -> Result<Json> {
        protocol::node(&self.image, &Reach { bare: true, ..Reach::of(start) })
    }
}

fn ends(holder: &Tree) -> bool {
    holder.child("backingStore").is_some_and(|store| store.children.is_empty())
}

/// The image of an element below another; read as that is.
fn below<'d>(store: &'d Tree, above: &Image<'d>) -> Result<Option<Image<'d>>> {
    let Some(location) = Location::of(store) else { return Ok(None) };
    let format = store.attr_at("format", "type").unwrap_or("raw");
    let mut image = Image::plain(kept(location.source)?, location, format);
    image.dressed = true;
    image.manner = above.manner;
    image.table_cache = store.child("format").and_then(image::table_cache);
    Ok(Some(image))
}

fn data<'d>(above: &Image<'d>) -> Result<Option<Image<'d>>> {
    let Some(store) = above.location.source.child("dataStore") else { return Ok(None) };
    let mut image = below(store, above)?;
    if let Some(image) = &mut image {
        image.read_only = above.read_only;
    }
    Ok(image)
}

fn behind<'d>(holder: &'d Tree, above: &Image<'d>) -> Result<Option<Image<'d>>> {
    let Some(store) = holder.child("backingStore") else { return Ok(None) };
    let Some(mut image) = below(store, above)? else { return Ok(None) };
    image.read_only = true;
    image.ends = ends(store);
    image.data = data(&image)?.map(Box::new);
    image.backing = behind(store, &image)?.map(Box::new);
    Ok(Some(image))
}

#[cfg(test)]
mod tests;
