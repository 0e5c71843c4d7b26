//! Pieces of a device, handed to a running emulator one after the other; a failure takes back those that were handed over.

use crate::block::disk;
use crate::guest::{Live, MONITOR_WAIT, failed};
use crate::nic::Ends;
use crate::{Driver, FROM};
use base::{Error, Result};
use conf_domain::Domain;
use qemu_plan::Caps;
use qemu_plan::argv::piece::Piece;
use qemu_plan::argv::secret::Vault;
use qemu_plan::argv::{self, Start};
use serde_json::{Map, Value as Json, json};
use std::os::fd::AsFd;
use xml::Tree;

/// A command that takes something back.
pub(crate) type Back = (&'static str, Json);

/// What the emulator answered to pieces that clients want to know about.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// Pseudo terminals by the name of their character device.
    pub(super) terminals: Vec<(String, String)>,
    /// What takes the pieces back, the last piece first.
    pub(super) back: Vec<Back>,
}

/// Commands for a piece: the one that hands it over, and the one that takes it back.
fn commands(piece: &Piece, caps: &Caps) -> Option<((&'static str, Json), Back)> {
    let id = |json: &Json, name: &str| json.get(name).cloned().unwrap_or_default();
    match piece {
        Piece::Object(json) => {
            let arguments = json.clone().value();
            let back = json!({"id": id(&arguments, "id")});
            Some((("object-add", arguments), ("object-del", back)))
        }
        Piece::Blockdev(json) => {
            let arguments = json.clone().value();
            let back = json!({"node-name": id(&arguments, "node-name")});
            Some((("blockdev-add", arguments), ("blockdev-del", back)))
        }
        Piece::Netdev(json) => {
            let arguments = json.clone().value();
            let back = json!({"id": id(&arguments, "id")});
            Some((("netdev_add", arguments), ("netdev_del", back)))
        }
        Piece::Chardev(chardev) => {
            let arguments = chardev.json(caps).value();
            let back = json!({"id": chardev.id});
            Some((("chardev-add", arguments), ("chardev-remove", back)))
        }
        Piece::Device(json) => {
            let arguments = json.clone().value();
            let back = json!({"id": id(&arguments, "id")});
            Some((("device_add", arguments), ("device_del", back)))
        }
        Piece::Passed(_) | Piece::Plain(..) => None,
    }
}

/// Descriptors of a network back end go over the monitor by names.
fn name_descriptors(arguments: &mut Map<String, Json>, alias: &str) {
    for (one, many, what) in [("fd", "fds", "fd"), ("vhostfd", "vhostfds", "vhostfd")] {
        if arguments.contains_key(one) {
            arguments.insert(one.to_owned(), json!(format!("{what}-{alias}0")));
        } else if let Some(Json::String(list)) = arguments.get(many) {
            let names: Vec<String> =
                (0..list.split(':').count()).map(|at| format!("{what}-{alias}{at}")).collect();
            arguments.insert(many.to_owned(), json!(names.join(":")));
        }
    }
}

/// Takes back what was handed over.
pub(super) fn take_back(live: &Live, back: &[Back]) {
    for (name, arguments) in back {
        if let Err(cause) = live.command(name, arguments.clone()) {
            log::warn!("{name} {arguments}: {cause}");
        }
    }
}

impl Handed {
    /// Names of block nodes among what was handed over, the first one first.
    pub(crate) fn node_names(&self) -> Vec<String> {
        let name = |(_, arguments): &Back| arguments.get("node-name")?.as_str().map(str::to_owned);
        self.back.iter().rev().filter_map(name).collect()
    }

    /// Takes everything back.
    pub(crate) fn take_back(&self, live: &Live) {
        take_back(live, &self.back);
    }
}

impl Driver {
    /// Facts of the start of a guest that runs, for planning more of it.
    pub(super) fn start_of(&self, live: &Live) -> Start {
        let short = live.private_dir.file_name().and_then(|name| name.to_str()?.strip_prefix("domain-"));
        let short = short.unwrap_or_default().to_owned();
        let key = std::fs::read(live.private_dir.join("master-key.aes")).ok();
        let key: Option<[u8; 32]> = key.and_then(|key| key.try_into().ok());
        Start {
            private_dir: live.private_dir.display().to_string(),
            channel_dir: self.run_dir().join("channel").join(&short).display().to_string(),
            vault: key.map(|key| Vault { key, iv: host::random::bytes::<16> }),
            host: self.facts(&short),
            short_name: short,
            ..Start::default()
        }
    }

    /// Hands the pieces of the device of a name to the emulator. `ends` are descriptors that its network back end needs.
    pub(super) fn hand_over(
        &self,
        live: &Live,
        domain: &Domain,
        alias: &str,
        node: u32,
        ends: &Ends,
    ) -> Result<Handed> {
        let caps = self.caps_for(domain)?;
        let mut start = self.start_of(live);
        // Numbers of our own mean nothing to the emulator; they are replaced by names.
        if !ends.taps.is_empty() {
            start.tap_fds.insert(alias.to_owned(), vec![0; ends.taps.len()]);
        }
        if !ends.vhosts.is_empty() {
            start.vhost_fds.insert(alias.to_owned(), vec![0; ends.vhosts.len()]);
        }
        let pieces = argv::pieces(domain, &caps, &start, alias, node)?;
        let mut handed = Handed::default();
        let outcome = self.hand_pieces(live, &caps, &pieces, alias, ends, &mut handed);
        match outcome {
            Ok(()) => Ok(handed),
            Err(cause) => {
                take_back(live, &handed.back);
                Err(cause)
            }
        }
    }

    /// Hands the nodes of a disk's images to the emulator, as far as it does not have them. Gives what was handed over and
    /// the node that reads the top image.
    pub(crate) fn hand_images(&self, live: &Live, new: &Tree) -> Result<(Handed, Option<String>)> {
        let mut handed = Handed::default();
        let Some((_, top)) = disk::images(new).first().copied() else { return Ok((handed, None)) };
        let alias = disk::alias(new);
        let mut domain = live.domain.clone();
        for device in domain.devices_mut().iter_mut().filter(|device| device.name == "disk") {
            if disk::alias(device) == alias {
                *device = new.clone();
                // These belong to the disk, not to its images.
                device.remove("throttlefilters");
                device.child_or_new("driver").unset("copy_on_read");
            }
        }
        let caps = self.caps_for(&domain)?;
        let mut pieces = argv::pieces(&domain, &caps, &self.start_of(live), alias, self.next_node(live))?;
        let answer = live.command("query-named-block-nodes", json!({"flat": true}))?;
        let known: Vec<&str> = answer
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|node| node.get("node-name")?.as_str())
            .collect();
        let name = |json: &argv::Json| json.get("node-name").and_then(Json::as_str).map(str::to_owned);
        pieces.retain(|piece| match piece {
            Piece::Device(_) => false,
            Piece::Blockdev(json) => name(json).is_none_or(|name| !known.contains(&name.as_str())),
            // What a running disk has for itself it has already.
            Piece::Object(json) => {
                json.get("id").and_then(Json::as_str).is_none_or(|id| !id.starts_with("throttle-"))
            }
            _ => true,
        });
        let (storage, format) = disk::nodes(top);
        let has = |wanted: &str| {
            pieces
                .iter()
                .any(|piece| matches!(piece, Piece::Blockdev(json) if name(json).as_deref() == Some(wanted)))
        };
        let node = if has(&format) || known.contains(&format.as_str()) { format } else { storage };
        match self.hand_pieces(live, &caps, &pieces, alias, &Ends::default(), &mut handed) {
            Ok(()) => Ok((handed, Some(node))),
            Err(cause) => {
                take_back(live, &handed.back);
                Err(cause)
            }
        }
    }

    pub(super) fn hand_pieces(
        &self,
        live: &Live,
        caps: &Caps,
        pieces: &[Piece],
        alias: &str,
        ends: &Ends,
        handed: &mut Handed,
    ) -> Result<()> {
        for piece in pieces {
            let Some(((name, mut arguments), back)) = commands(piece, caps) else {
                if matches!(piece, Piece::Passed(_)) {
                    return Err(Error::internal(FROM, "descriptors of this device cannot be handed over"));
                }
                continue;
            };
            if let (Piece::Netdev(_), Some(arguments)) = (piece, arguments.as_object_mut()) {
                let taps = ends.taps.iter().enumerate().map(|(at, fd)| (format!("fd-{alias}{at}"), fd));
                let vhosts =
                    ends.vhosts.iter().enumerate().map(|(at, fd)| (format!("vhostfd-{alias}{at}"), fd));
                for (name, fd) in taps.chain(vhosts) {
                    live.monitor
                        .command_with_fd("getfd", &json!({"fdname": name}), fd.as_fd(), MONITOR_WAIT)
                        .map_err(|cause| failed("getfd", &cause))?;
                }
                name_descriptors(arguments, alias);
            }
            let answer = live.run.command(name, arguments)?;
            if let (Piece::Chardev(chardev), Some(path)) = (piece, answer.get("pty").and_then(Json::as_str)) {
                handed.terminals.push((chardev.id.clone(), path.to_owned()));
            }
            handed.back.insert(0, back);
        }
        Ok(())
    }

    /// What takes back the pieces of a device that is gone, except the device itself.
    pub(super) fn leftovers(&self, live: &Live, domain: &Domain, alias: &str) -> Vec<Back> {
        let Ok(caps) = self.caps_for(domain) else { return Vec::new() };
        let mut start = self.start_of(live);
        start.tap_fds.insert(alias.to_owned(), vec![0]);
        let pieces = argv::pieces(domain, &caps, &start, alias, 0).unwrap_or_else(|cause| {
            log::warn!("what device '{alias}' leaves behind is not known: {cause}");
            Vec::new()
        });
        let mut back: Vec<Back> = pieces
            .iter()
            .filter(|piece| !matches!(piece, Piece::Device(_) | Piece::Blockdev(_)))
            .filter_map(|piece| commands(piece, &caps))
            .map(|(_, back)| back)
            .collect();
        back.reverse();
        back
    }
}
