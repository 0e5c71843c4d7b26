//! Names that are addresses: `gluster+unix:///volume/image?socket=/path`.

use super::{Place, host, protocol, refused, socket};
use base::Result;
use uri::Uri;

/// Reads an address.
///
/// # Errors
/// When it is none, or of no protocol that images have.
pub(super) fn parse(text: &str) -> Result<Place> {
    let uri = Uri::read(text)?;
    let scheme = uri.scheme.as_deref().ok_or_else(|| refused(format!("missing scheme in '{text}'")))?;
    let (name, transport) = scheme.split_once('+').unwrap_or((scheme, "tcp"));
    let protocol = protocol::known(name)?;
    if !matches!(transport, "tcp" | "unix" | "rdma") {
        return Err(refused(format!("invalid protocol transport type '{transport}'")));
    }
    let path = uri.path.as_deref().unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    if protocol == "gluster" && path.split_once('/').is_none_or(|(volume, _)| volume.is_empty()) {
        return Err(refused(format!("missing volume name or image path in '{text}'")));
    }
    // An export may have no name, a file on a server has one, if an empty one.
    let named = protocol != "nbd" || !path.is_empty();
    let mut place = Place::network(protocol, named.then_some(path));
    if matches!(protocol, "http" | "https")
        && let Some(query) = &uri.query
    {
        place.source.set("query", query.as_str());
    }
    let server = if transport == "unix" {
        let path = uri.param("socket").filter(|path| !path.is_empty());
        socket(path.ok_or_else(|| refused(format!("missing socket for unix transport in '{text}'")))?)
    } else {
        let server = host(uri.server.as_deref().unwrap_or_default(), Some(uri.port));
        if transport == "rdma" { server.with("transport", "rdma") } else { server }
    };
    place.source.children.push(server);
    place.lossy = uri.user.is_some();
    Ok(place)
}
