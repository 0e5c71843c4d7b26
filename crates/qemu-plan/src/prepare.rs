//! What a start puts in the place of names: the volume of a pool, the port of a network.
//!
//! The planner works on a definition in which these have been resolved; the stored definition keeps the names. Who looks
//! the volume or port up (another driver, a test) is not known here.

use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// A volume as its pool tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// `file`, `block`, `dir`, `network`, `netdir`.
    pub kind: String,
    /// Path on the host.
    pub path: String,
}

/// Puts a volume's place into a disk of type `volume`. `pool` is the document of its pool.
///
/// # Errors
/// When the disk asks for a way to the volume that the pool does not have.
pub fn volume(disk: &mut Tree, pool: &Tree, volume: &Volume) -> Result<()> {
    let Some(source) = disk.child("source") else { return Ok(()) };
    let iscsi = pool.is("type", "iscsi");
    let mode = source.attr("mode").map(str::to_owned);
    if mode.is_some() && !iscsi {
        return Err(unsupported("disk source mode is only valid when storage pool is of iscsi type"));
    }
    if (iscsi && mode.as_deref() == Some("direct")) || pool.is("type", "iscsi-direct") {
        return iscsi_volume(disk, pool);
    }
    let attribute = match volume.kind.as_str() {
        "file" => "file",
        "block" => "dev",
        "dir" => "dir",
        other => {
            return Err(unsupported(format!("Using '{other}' volumes as disks is not supported")));
        }
    };
    disk.set("type", volume.kind.clone());
    let source = disk.child_or_new("source");
    ["pool", "volume", "mode"].into_iter().for_each(|name| source.unset(name));
    source.set(attribute, volume.path.clone());
    Ok(())
}

/// A volume reached over the network, as the emulator does it itself.
fn iscsi_volume(disk: &mut Tree, pool: &Tree) -> Result<()> {
    let target = pool.attr_at("source/device", "path").unwrap_or_default().to_owned();
    let host = pool.at("source/host");
    let part = |name: &str| host.and_then(|host| host.attr(name)).map(str::to_owned);
    let (name, port) = (part("name").unwrap_or_default(), part("port").unwrap_or_else(|| "3260".to_owned()));
    let auth = pool.at("source/auth").map(|auth| {
        let user = auth.attr("username").unwrap_or_default();
        let secret = auth.child("secret").cloned().unwrap_or_else(|| Tree::new("secret"));
        let secret = secret.with("type", "iscsi");
        Tree::new("auth").with("username", user).holding(secret)
    });
    // The last part of a volume's name is the number of its unit.
    let volume = disk.attr_at("source", "volume").unwrap_or_default();
    let lun = volume.rsplit(':').next().unwrap_or_default().to_owned();
    if lun.parse::<u32>().is_err() {
        return Err(unsupported(format!("invalid volume name '{volume}' for iscsi")));
    }
    disk.set("type", "network");
    let source = disk.child_or_new("source");
    ["pool", "volume", "mode"].into_iter().for_each(|name| source.unset(name));
    source.set("protocol", "iscsi");
    source.set("name", format!("{target}/{lun}"));
    source.children.insert(0, Tree::new("host").with("name", name).with("port", port));
    // The pool says who is asked for, if anybody.
    source.remove("auth");
    source.children.extend(auth);
    disk.remove("auth");
    Ok(())
}

/// Puts the port of a network into an interface of type `network`. `port` is the document of the port.
///
/// # Errors
/// When the network cannot be used by an emulator.
pub fn port(interface: &mut Tree, port: &Tree) -> Result<()> {
    let Some(plug) = port.child("plug") else { return Ok(()) };
    let mut source = Tree::new("source");
    match plug.attr("type").unwrap_or_default() {
        // The bridge of a network of the host's own, or one that was there before.
        "network" | "bridge" => {
            interface.set("type", "bridge");
            source.set("bridge", plug.attr("bridge").unwrap_or_default());
        }
        "direct" => {
            interface.set("type", "direct");
            source.set("dev", plug.attr("dev").unwrap_or_default());
            if let Some(mode) = plug.attr("mode") {
                source.set("mode", mode);
            }
        }
        "hostdev-pci" => {
            interface.set("type", "hostdev");
            interface.set("managed", plug.attr("managed").unwrap_or("no"));
            let address = plug.child("address").cloned().unwrap_or_else(|| Tree::new("address"));
            let address = address.with("type", "pci");
            source.children.push(address);
        }
        other => return Err(unsupported(format!("unexpected type of network port '{other}'"))),
    }
    match interface.child_mut("source") {
        Some(old) => *old = source,
        None => interface.children.push(source),
    }
    Ok(())
}

/// What becomes of a disk whose source is missing at a start: it may start without the disk, or without the medium.
///
/// Returns whether the disk is kept; `None` when the start must fail.
pub fn missing(disk: &mut Tree) -> Option<bool> {
    let policy = disk.attr_at("source", "startupPolicy").unwrap_or("mandatory");
    if policy != "optional" {
        return None;
    }
    if matches!(disk.attr("device"), Some("cdrom" | "floppy")) {
        disk.remove("source");
        disk.set("type", "file");
        return Some(true);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(kind: &str) -> Tree {
        let source = Tree::new("source")
            .holding(Tree::new("host").with("name", "example.org"))
            .holding(Tree::new("device").with("path", "iqn.2020-01.org.example"));
        Tree::new("pool").with("type", kind).holding(source)
    }

    fn disk(mode: Option<&str>) -> Tree {
        let source = Tree::new("source").with("pool", "p").with("volume", "unit:0:0:7");
        let source = mode.map_or_else(|| source.clone(), |mode| source.clone().with("mode", mode));
        Tree::new("disk").with("type", "volume").holding(source)
    }

    #[test]
    fn a_volume_becomes_what_it_is() {
        let found = Volume { kind: "block".into(), path: "/dev/x".into() };
        let mut plain = disk(None);
        volume(&mut plain, &pool("disk"), &found).unwrap();
        assert_eq!((plain.attr("type"), plain.attr_at("source", "dev")), (Some("block"), Some("/dev/x")));
        let mut direct = disk(Some("direct"));
        volume(&mut direct, &pool("iscsi"), &found).unwrap();
        assert_eq!(direct.attr_at("source", "name"), Some("iqn.2020-01.org.example/7"));
        assert_eq!(direct.attr_at("source/host", "port"), Some("3260"));
        assert!(volume(&mut disk(Some("direct")), &pool("disk"), &found).is_err());
    }

    #[test]
    fn a_port_says_what_an_interface_is() {
        let mut card = Tree::new("interface").with("type", "network");
        let plug = Tree::new("plug").with("type", "network").with("bridge", "br7");
        port(&mut card, &Tree::new("networkport").holding(plug)).unwrap();
        assert_eq!((card.attr("type"), card.attr_at("source", "bridge")), (Some("bridge"), Some("br7")));
        let plug = Tree::new("plug").with("type", "hostdev-pci").with("managed", "yes");
        let plug = plug.holding(Tree::new("address").with("bus", "0x02"));
        port(&mut card, &Tree::new("networkport").holding(plug)).unwrap();
        assert_eq!(
            (card.attr("type"), card.attr_at("source/address", "bus")),
            (Some("hostdev"), Some("0x02"))
        );
    }
}
