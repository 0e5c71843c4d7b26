//! What documents of older drivers leave out.

use conf_domain::Domain;
use xml::{Node, Tree};

/// Parts that have had a meaning before they were written.
pub(crate) fn parts(parts: &mut Tree, root: Node<'_>) {
    for (name, attr, value) in
        [("nodename", "index", "0"), ("fdset", "index", "0"), ("blockjobs", "active", "no")]
    {
        parts.child_or_new(name).default_to(attr, value);
    }
    if parts.child("agentTimeout").is_none() {
        // Wait as long as it takes.
        parts.children.push(Tree::leaf("agentTimeout", "-2"));
    }
    let Some(job) = parts.child_mut("job") else { return };
    job.default_to("flags", "0x0");
    job.default_to("asyncStarted", "0");
    let disks = root.child("job").into_iter().flat_map(|job| job.children("disk"));
    for (disk, node) in job.all_mut("disk").zip(disks) {
        let old = node.child("migrationSource").filter(|source| source.attr("protocol").is_some());
        if let Some(old) = old {
            disk.remove("migrationSource");
            disk.children.push(migration_source(old));
        }
    }
}

/// The source stood in the element itself.
fn migration_source(node: Node<'_>) -> Tree {
    let mut new = Tree::new("migrationSource");
    let mut source = Tree::of(node);
    source.name = "source".into();
    for name in ["type", "format"] {
        if let Some(value) = node.attr(name) {
            new.set(name, value);
            source.unset(name);
        }
    }
    new.holding(source)
}

/// Names of objects and nodes that the driver derived from the aliases of devices.
pub(crate) fn devices(domain: &mut Domain) {
    for device in domain.devices_mut().iter_mut() {
        let Some(alias) = device.attr_at("alias", "name").map(str::to_owned) else { continue };
        match device.name.as_str() {
            "disk" => disk(device, &alias),
            "hostdev" if device.is("type", "scsi") => scsi(device, &alias),
            _ => {}
        }
    }
    for disk in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
        if let Some(source) = disk.child_mut("source").filter(|source| source.attr("protocol").is_some()) {
            source.default_to("tlsFromConfig", "0");
        }
    }
}

fn disk(disk: &mut Tree, alias: &str) {
    let secret = |holder: &Tree, name: &str| holder.at(&format!("{name}/secret")).is_some();
    let auth = secret(disk, "auth") || disk.child("source").is_some_and(|source| secret(source, "auth"));
    let encrypted =
        secret(disk, "encryption") || disk.child("source").is_some_and(|source| secret(source, "encryption"));
    let Some(source) = disk.child_mut("source") else { return };
    if encrypted {
        let luks = source.attr_at("encryption", "format").is_none_or(|format| format.starts_with("luks"));
        if luks {
            object(source, "encryption", &format!("{alias}-luks-secret0"));
        }
    }
    if auth && source.attr("protocol").is_some() {
        object(source, "auth", &format!("{alias}-secret0"));
    }
    if source.is("tls", "yes") && source.at("privateData/objects/TLSx509").is_none() {
        let objects = source.child_or_new("privateData").child_or_new("objects");
        objects.children.push(Tree::new("TLSx509").with("alias", format!("obj{alias}_tls0")));
    }
    order(source);
}

fn scsi(hostdev: &mut Tree, alias: &str) {
    let Some(source) = hostdev.child_mut("source") else { return };
    if source.at("privateData/nodenames").is_none() {
        let names = source.child_or_new("privateData").child_or_new("nodenames");
        let name = format!("libvirt-{alias}-backend");
        names.children.push(Tree::new("nodename").with("type", "storage").with("name", name));
    }
    if source.at("auth/secret").is_some() {
        object(source, "auth", &format!("{alias}-secret0"));
    }
    order(source);
}

/// Notes the name of a secret, unless one is noted.
fn object(source: &mut Tree, kind: &str, alias: &str) {
    let objects = source.child_or_new("privateData").child_or_new("objects");
    if objects.all("secret").any(|secret| secret.is("type", kind)) {
        return;
    }
    objects.children.push(Tree::new("secret").with("type", kind).with("alias", alias));
}

/// Secrets stand in the order of their kinds.
fn order(source: &mut Tree) {
    let Some(private) = source.child_mut("privateData") else { return };
    if let Some(objects) = private.child_mut("objects") {
        let rank = |object: &Tree| {
            let kinds = ["auth", "encryption", "httpcookie", "tlskey"];
            kinds.iter().position(|kind| object.is("type", kind)).unwrap_or(kinds.len())
        };
        objects.children.sort_by_key(rank);
    }
}
