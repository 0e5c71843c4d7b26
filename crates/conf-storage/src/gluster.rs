//! Volumes that a cluster lists, as sources of pools.

use crate::fault::invalid;
use crate::kind::Kind;
use crate::read;
use crate::source::{Host, Source};
use base::{Error, ErrorDomain, Result};
use xml::Document;

/// Sources for a kind of pool from a listing of volumes on `host`.
///
/// # Errors
/// When the listing is none.
pub fn sources(listing: &str, host: &str, kind: Kind) -> Result<Vec<Source>> {
    let document = Document::parse(listing).map_err(|error| crate::fault::malformed(listing, &error))?;
    let volumes = document.root().descend("volInfo/volumes");
    let Some(volumes) = volumes.filter(|_| document.root().name() == "cliOutput") else {
        return Ok(Vec::new());
    };
    let host = vec![Host { name: host.to_owned(), port: 0 }];
    let mut found = Vec::new();
    for volume in volumes.children("volume") {
        let name =
            read::text(volume, "name").ok_or_else(|| invalid("failed to extract gluster volume name"))?;
        found.push(match kind {
            Kind::Netfs => Source {
                hosts: host.clone(),
                dir: Some(name),
                format: Some("glusterfs"),
                ..Source::default()
            },
            Kind::Gluster => Source {
                hosts: host.clone(),
                dir: Some("/".to_owned()),
                name: Some(name),
                ..Source::default()
            },
            _ => return Err(Error::internal(ErrorDomain::STORAGE, "unsupported gluster lookup")),
        });
    }
    Ok(found)
}
