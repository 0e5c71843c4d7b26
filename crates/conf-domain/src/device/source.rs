//! Sources of disks, with all images behind them: ports of servers, units of targets.

use crate::fault::{attribute, missing};
use base::Result;
use xml::Tree;

/// Protocols of images on the network.
const PROTOCOLS: &[&str] = &[
    "nbd", "rbd", "sheepdog", "gluster", "iscsi", "http", "https", "ftp", "ftps", "tftp", "ssh", "vxhs",
    "nfs",
];

/// Attributes of a source that belong to no type of storage but to all.
const ANY: &[&str] = &["startupPolicy", "index"];

/// Keeps the attributes of a source that its type of storage knows.
///
/// # Errors
/// When the protocol of a network is missing or not known.
pub(super) fn keep(holder: &mut Tree, kind: &str) -> Result<()> {
    let Some(source) = holder.child_mut("source") else { return Ok(()) };
    let own: &[&str] = match kind {
        "file" => &["file", "fdgroup"],
        "block" | "vhostvdpa" => &["dev"],
        "dir" => &["dir"],
        "network" => &["protocol", "name", "query", "tls", "tlsHostname"],
        "volume" => &["pool", "volume", "mode"],
        "nvme" => &["type", "managed", "namespace"],
        "vhostuser" => &["type", "path"],
        _ => return Ok(()),
    };
    source.attrs.retain(|name, _| own.contains(&name) || ANY.contains(&name));
    if kind == "network" {
        match source.attr("protocol") {
            None => return Err(missing("source", "protocol")),
            Some(word) if !PROTOCOLS.contains(&word) => return Err(attribute("source", "protocol", word)),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Port of a protocol whose servers are named without one.
fn port(protocol: &str) -> Option<&'static str> {
    Some(match protocol {
        "http" => "80",
        "https" => "443",
        "ftp" => "21",
        "ftps" => "990",
        "tftp" => "69",
        "ssh" => "22",
        "nbd" => "10809",
        "iscsi" => "3260",
        "sheepdog" => "7000",
        "gluster" => "24007",
        "vxhs" => "9999",
        _ => return None,
    })
}

/// Completes the source of a device and of every image behind it.
pub(crate) fn complete(holder: &mut Tree) {
    if let Some(source) = holder.child_mut("source") {
        one(source);
        if let Some(store) = source.child_mut("dataStore") {
            complete(store);
        }
    }
    for name in ["backingStore", "mirror"] {
        if let Some(behind) = holder.child_mut(name) {
            complete(behind);
        }
    }
}

/// Completes the source of a SCSI device, whose server's port stays open.
pub(crate) fn complete_iscsi(hostdev: &mut Tree) {
    if let Some(source) = hostdev.child_mut("source") {
        unit(source);
    }
}

/// Without one, the first unit of a target is meant.
fn unit(source: &mut Tree) {
    if source.is("protocol", "iscsi")
        && let Some(name) = source.attr("name").filter(|name| !name.contains('/')).map(str::to_owned)
    {
        source.set("name", format!("{name}/0"));
    }
}

fn one(source: &mut Tree) {
    unit(source);
    let protocol = source.word("protocol");
    let Some(port) = port(&protocol) else { return };
    for host in source.all_mut("host") {
        if host.attr("transport").is_none_or(|transport| transport == "tcp") && host.attr("name").is_some() {
            host.default_to("port", port);
        }
    }
}
