//! The names by which images mention other images.
//!
//! ```text
//! /path                     file        nbd:host:port:exportname=x   colons (nbd, rbd, sheepdog)
//! fat:/folder               folder      json:{"driver":…}            a node of the emulator
//! scheme[+transport]://…    address
//! ```
//!
//! Each becomes a `<source>` as a definition has it. What a definition cannot say of a place (a password, a user) is left
//! out, and [`Place::lossy`] tells so.

mod address;
mod cookie;
mod document;
mod protocol;
mod word;

pub use protocol::default_port;

use base::{Error, ErrorDomain, Result};
use xml::Tree;

/// Longest name that is read, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// Where an image is, as a definition says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Type of storage: `file`, `block`, `dir`, `network`, `nvme`.
    pub kind: &'static str,
    /// The element `<source>`.
    pub source: Tree,
    /// Whom an SSH server is asked as; no part of the element.
    pub user: Option<String>,
    /// An SSH server may have any key; no part of the element.
    pub any_key: bool,
    /// The name told more than is kept: a user or a password.
    pub lossy: bool,
}

impl Place {
    fn of(kind: &'static str, source: Tree) -> Place {
        Place { kind, source, user: None, any_key: false, lossy: false }
    }

    /// A file, a device or a folder: the path stands in an attribute.
    fn local(kind: &'static str, attr: &str, path: &str) -> Place {
        Place::of(kind, Tree::new("source").with(attr, path))
    }

    /// An image on a server.
    fn network(protocol: &str, name: Option<&str>) -> Place {
        let mut source = Tree::new("source").with("protocol", protocol);
        if let Some(name) = name {
            source.set("name", name);
        }
        Place::of("network", source)
    }

    /// Reads a name.
    ///
    /// # Errors
    /// When it names nothing that a definition could mean.
    pub fn parse(name: &str) -> Result<Place> {
        if name.len() > LONGEST {
            return Err(refused("the name of a backing image is too long"));
        }
        if is_path(name) {
            return Ok(Place::local("file", "file", name));
        }
        let mut place = if let Some(folder) = name.strip_prefix("fat:") {
            Place::local("dir", "dir", folder)
        } else if let Some(text) = name.strip_prefix("json:") {
            document::parse(name, text)?
        } else if name.contains("://") {
            address::parse(name)?
        } else {
            word::parse(name)?
        };
        protocol::default_ports(&mut place.source);
        Ok(place)
    }
}

/// What looks like a protocol is none: a relative path with a colon begins with `./`.
fn is_path(name: &str) -> bool {
    match (name.find(':'), name.find('/')) {
        (Some(colon), Some(slash)) => slash < colon,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

pub(crate) fn refused(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::STORAGE, text)
}

/// A server by its name.
fn host(name: &str, port: Option<u16>) -> Tree {
    let mut host = Tree::new("host").with("name", name);
    if let Some(port) = port.filter(|port| *port != 0) {
        host.set("port", port.to_string());
    }
    host
}

/// A server by its socket.
fn socket(path: &str) -> Tree {
    Tree::new("host").with("transport", "unix").with("socket", path)
}

fn port(text: &str) -> Result<u16> {
    text.parse().map_err(|_| refused(format!("failed to parse port number '{text}'")))
}

#[cfg(test)]
mod tests;
