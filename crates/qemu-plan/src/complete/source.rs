//! Sources of disks, with all images behind them: ports of servers, units of targets, who decrypts.

use xml::Tree;

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
pub(super) fn complete(holder: &mut Tree) {
    if let Some(encryption) = holder.child_mut("encryption") {
        engine(encryption);
    }
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

fn engine(encryption: &mut Tree) {
    if matches!(encryption.attr("format"), Some("luks2" | "luks-any" | "luks" | "qcow")) {
        encryption.default_to("engine", "qemu");
    }
}

fn one(source: &mut Tree) {
    if let Some(encryption) = source.child_mut("encryption") {
        engine(encryption);
    }
    let protocol = source.attr("protocol").unwrap_or_default().to_owned();
    if protocol == "iscsi"
        && let Some(name) = source.attr("name").filter(|name| !name.contains('/')).map(str::to_owned)
    {
        source.set("name", format!("{name}/0"));
    }
    let Some(port) = port(&protocol) else { return };
    for host in source.all_mut("host") {
        if host.attr("transport").is_none_or(|transport| transport == "tcp") && host.attr("name").is_some() {
            host.default_to("port", port);
        }
    }
}
