//! Aligning: what is asked for some disks becomes a word about every disk of the guest.

use crate::disk::SnapshotDisk;
use crate::fault::Kind;
use crate::snapshot::{Location, Snapshot};
use base::Result;
use conf_domain::Domain;
use xml::Tree;

const KIND: Kind = Kind::Snapshot;

/// A disk of the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuestDisk<'d> {
    pub(crate) tree: &'d Tree,
    pub(crate) target: &'d str,
}

impl<'d> GuestDisk<'d> {
    pub(crate) fn all(domain: &'d Domain) -> Vec<GuestDisk<'d>> {
        domain
            .all("disk")
            .map(|tree| GuestDisk { tree, target: tree.attr_at("target", "dev").unwrap_or_default() })
            .collect()
    }

    pub(crate) fn kind(self) -> &'d str {
        self.tree.attr("type").unwrap_or("file")
    }

    /// Path of its source on this host, or name on the network.
    pub(crate) fn path(self) -> Option<&'d str> {
        let name = match self.kind() {
            "file" => "file",
            "block" | "vhostvdpa" => "dev",
            "dir" => "dir",
            "network" => "name",
            "vhostuser" => "path",
            _ => return None,
        };
        self.tree.attr_at("source", name).filter(|path| !path.is_empty())
    }

    /// There is nothing in the drive.
    pub(crate) fn is_empty(self) -> bool {
        match self.kind() {
            "network" | "volume" | "nvme" | "vhostuser" => self.tree.child("source").is_none(),
            _ => self.path().is_none(),
        }
    }

    pub(crate) fn is_readonly(self) -> bool {
        self.tree.child("readonly").is_some()
    }

    /// What its definition wants done with it in snapshots.
    fn location(self) -> Option<Location> {
        match self.tree.attr("snapshot") {
            Some(word) => Location::from_word(word),
            // Contents that cannot be written change in no snapshot.
            None if self.is_readonly() => Some(Location::No),
            None => None,
        }
    }
}

/// The place of a disk by its target, or by the path of its source.
pub(crate) fn position(disks: &[GuestDisk<'_>], name: &str) -> Option<usize> {
    disks.iter().position(|disk| disk.target == name).or_else(|| {
        let by_path = name.starts_with('/');
        by_path.then(|| disks.iter().position(|disk| disk.path() == Some(name))).flatten()
    })
}

/// Aligns a snapshot with the definition it is of.
///
/// `default` is done with disks of which nothing is told; with `uniform` all others must be done the same way with.
/// `is_regular` tells whether a path is an ordinary file, next to which a new one can be made.
///
/// # Errors
/// When a disk is named twice or is not there, when modes disagree, or when no name for a file can be made up.
pub fn snapshot(
    snapshot: &mut Snapshot,
    domain: &Domain,
    default: Location,
    uniform: bool,
    is_regular: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let disks = GuestDisk::all(domain);
    if snapshot.disks.len() > disks.len() {
        return Err(KIND.unsupported("too many disk snapshot requests for domain"));
    }
    if disks.is_empty() {
        return Ok(());
    }
    let mut told: Vec<Option<SnapshotDisk>> = disks.iter().map(|_| None).collect();
    for mut disk in std::mem::take(&mut snapshot.disks) {
        let at = position(&disks, &disk.name);
        let Some((guest, slot)) = at.and_then(|at| Some((*disks.get(at)?, told.get_mut(at)?))) else {
            return Err(KIND.unsupported(format!("no disk named '{}'", disk.name)));
        };
        if slot.is_some() {
            return Err(KIND.unsupported(format!("disk '{}' specified twice", disk.name)));
        }
        let own = guest.location();
        let fits = |own: Location| !uniform || own == default || own == Location::No;
        match disk.location {
            None => disk.location = Some(own.filter(|own| fits(*own)).unwrap_or(default)),
            Some(location) => {
                let both_none = location == Location::No && own == Some(Location::No);
                if uniform && location != default && !both_none {
                    return Err(KIND.unsupported(format!(
                        "disk '{}' must use snapshot mode '{}'",
                        disk.name,
                        default.word()
                    )));
                }
            }
        }
        if let Some(path) = disk.path()
            && disk.location != Some(Location::External)
        {
            return Err(KIND.unsupported(format!(
                "file '{path}' for disk '{}' requires use of external snapshot mode",
                disk.name
            )));
        }
        disk.name = guest.target.to_owned();
        *slot = Some(disk);
    }
    for (guest, slot) in disks.iter().zip(&mut told) {
        let disk = slot.get_or_insert_with(|| {
            let location = if guest.is_empty() || guest.is_readonly() {
                Location::No
            } else {
                guest.location().unwrap_or(default)
            };
            SnapshotDisk { location: Some(location), ..SnapshotDisk::new(guest.target) }
        });
        if disk.location == Some(Location::External) && disk.path().is_none() {
            let path = made_up(*guest, disk, &snapshot.moment.name, is_regular)?;
            disk.source = Some(Tree::new("source").with("file", path));
        }
    }
    snapshot.disks = told.into_iter().flatten().collect();
    Ok(())
}

/// The path of the disk with the snapshot's name in place of its suffix.
fn made_up(
    guest: GuestDisk<'_>,
    disk: &SnapshotDisk,
    name: &str,
    is_regular: &dyn Fn(&str) -> bool,
) -> Result<String> {
    if disk.kind != "file" {
        return Err(KIND.unsupported(format!(
            "cannot generate external snapshot name for disk '{}' on a '{}' device",
            disk.name, disk.kind
        )));
    }
    let Some(path) = guest.path() else {
        return Err(KIND.unsupported(format!(
            "cannot generate external snapshot name for disk '{}' without source",
            disk.name
        )));
    };
    if !matches!(guest.kind(), "file" | "block" | "dir") || !is_regular(path) {
        return Err(KIND.unsupported(format!(
            "source for disk '{}' is not a regular file; refusing to generate external snapshot name",
            disk.name
        )));
    }
    let stem = match path.rsplit_once('.') {
        Some((stem, suffix)) if !suffix.contains('/') => stem,
        _ => path,
    };
    Ok(format!("{stem}.{name}"))
}
