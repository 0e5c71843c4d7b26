//! The name by which another image mentions an image.

use super::Block;
use crate::argv::disk::image::Location;
use crate::argv::disk::protocol::{bracketed, url};
use crate::argv::{Json, Start};
use base::Result;
use xml::Tree;

impl Block<'_> {
    /// The name: a path, an address where that says all, or a document; `pretty` breaks a document into lines.
    ///
    /// # Errors
    /// When the emulator cannot read the image.
    pub fn text(&self, start: &Start, pretty: bool) -> Result<String> {
        if self.image.part().is_none()
            && let Some(name) = short(&self.image.location, self.image.format)
        {
            return Ok(name);
        }
        let place = self.place(start)?;
        let place = match self.image.part() {
            Some((offset, size)) => {
                let part = Json::driver("raw").put("offset", offset).put("size", size);
                part.put("file", place.value())
            }
            None => place,
        };
        if !pretty {
            return Ok(format!("json:{}", Json::new().put("file", place.value()).text()));
        }
        let inner = serde_json::to_string_pretty(&place.value()).unwrap_or_default();
        Ok(format!("json:{{\"file\":{inner}\n}}\n"))
    }
}

/// A name without a document, where there is one that says all.
fn short(location: &Location<'_>, format: &str) -> Option<String> {
    let source = location.source;
    let attr = |name: &str| source.attr(name).unwrap_or_default();
    match location.kind {
        "file" => Some(attr("file").to_owned()),
        "block" => Some(attr("dev").to_owned()),
        "dir" if format == "fat" => Some(format!("fat:{}", attr("dir"))),
        "dir" => Some(attr("dir").to_owned()),
        "network" => address(source),
        _ => None,
    }
}

fn address(source: &Tree) -> Option<String> {
    let mut hosts = source.all("host");
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    let told = ["ssl", "cookies", "timeout", "readahead", "reconnect", "initiator"];
    if host.attr("transport").is_some_and(|transport| transport != "tcp")
        || told.iter().any(|name| source.child(name).is_some())
    {
        return None;
    }
    let name = source.attr("name");
    match source.attr("protocol")? {
        "nbd" if name.is_none() => {
            let address = url(source, "nbd", "");
            Some(address.strip_suffix('/').unwrap_or(&address).to_owned())
        }
        protocol @ ("nbd" | "http" | "https" | "ftp" | "ftps" | "tftp" | "iscsi" | "gluster") => {
            Some(url(source, protocol, name.unwrap_or_default()))
        }
        "sheepdog" => {
            let (server, port) = (host.attr("name")?, host.attr("port").unwrap_or("0"));
            Some(format!("sheepdog:{}:{port}:{}", bracketed(server), name?))
        }
        _ => None,
    }
}
