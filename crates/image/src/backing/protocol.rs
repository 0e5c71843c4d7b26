//! Protocols of images on servers.

use super::refused;
use base::Result;
use xml::Tree;

/// Protocols with the ports of servers that are named without one.
const PROTOCOLS: &[(&str, Option<&str>)] = &[
    ("nbd", Some("10809")),
    ("rbd", None),
    ("sheepdog", Some("7000")),
    ("gluster", Some("24007")),
    ("iscsi", Some("3260")),
    ("http", Some("80")),
    ("https", Some("443")),
    ("ftp", Some("21")),
    ("ftps", Some("990")),
    ("tftp", Some("69")),
    ("ssh", Some("22")),
    ("vxhs", Some("9999")),
    ("nfs", None),
];

/// The port of a protocol's servers when none is said.
pub fn default_port(protocol: &str) -> Option<&'static str> {
    PROTOCOLS.iter().find(|(name, _)| *name == protocol).and_then(|(_, port)| *port)
}

/// The protocol of a name.
///
/// # Errors
/// When there is none.
pub(super) fn known(name: &str) -> Result<&'static str> {
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name);
    known.map(|(name, _)| *name).ok_or_else(|| refused(format!("invalid backing protocol '{name}'")))
}

/// Gives servers without a port that of their protocol.
pub(super) fn default_ports(source: &mut Tree) {
    let Some(port) = source.attr("protocol").and_then(default_port) else { return };
    for host in source.all_mut("host") {
        if host.attr("name").is_some() {
            host.default_to("port", port);
        }
    }
}
