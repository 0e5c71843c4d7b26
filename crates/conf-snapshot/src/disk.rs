//! A disk in a snapshot: what is done with it, and where its new file lies.

use crate::fault::Kind;
use crate::snapshot::Location;
use base::Result;
use conf_domain::{device, elements};
use xml::{Node, Tree, Writer};

/// Formats of files that a snapshot can be made into; the others are found on reading only.
const FORMATS: &[&str] = &[
    "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow",
    "qcow2", "qed", "vmdk",
];

/// A disk in a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotDisk {
    /// Target of the disk (`vda`), or before aligning perhaps the path of its source.
    pub name: String,
    /// What is done with it; not told before aligning.
    pub location: Option<Location>,
    /// Type of the new source: `file`, `block` or `network`.
    pub kind: String,
    /// `<driver>` with the format of the new file.
    pub driver: Option<Tree>,
    /// `<source>`: the new file.
    pub source: Option<Tree>,
    /// The snapshot is being deleted, and this disk's part is not merged yet.
    pub deleting: bool,
}

impl SnapshotDisk {
    /// A disk of which nothing is told but its name.
    pub fn new(name: &str) -> SnapshotDisk {
        SnapshotDisk {
            name: name.to_owned(),
            location: None,
            kind: "file".to_owned(),
            driver: None,
            source: None,
            deleting: false,
        }
    }

    /// Path of the new file, device, or image on the network.
    pub fn path(&self) -> Option<&str> {
        let source = self.source.as_ref()?;
        let path = match self.kind.as_str() {
            "block" => source.attr("dev"),
            "network" => source.attr("name"),
            "file" => source.attr("file"),
            _ => None,
        };
        path.filter(|path| !path.is_empty())
    }

    /// Format of the new file.
    pub fn format(&self) -> Option<&str> {
        self.driver.as_ref()?.attr("type")
    }

    /// Says the format of the new file.
    pub fn set_format(&mut self, format: &str) {
        self.driver.get_or_insert_with(|| Tree::new("driver")).set("type", format);
    }

    pub(crate) fn read(node: Node<'_>) -> Result<SnapshotDisk> {
        let kind = Kind::Snapshot;
        let mut tree = elements::Elements::domain()
            .place("domainsnapshot/disks/disk")
            .map(|place| {
                let mut tree = place.read(node);
                place.sort(&mut tree);
                tree
            })
            .unwrap_or_default();
        let Some(name) = tree.attr("name") else {
            return Err(kind.internal("missing name from disk snapshot element"));
        };
        let mut disk = SnapshotDisk::new(name);
        if let Some(word) = tree.attr("snapshot") {
            let location = Location::from_word(word)
                .ok_or_else(|| conf_domain::fault::attribute("disk", "snapshot", word))?;
            disk.location = Some(location);
        }
        if let Some(word) = tree.attr("type") {
            if !device::STORAGE_TYPES.contains(&word) {
                return Err(conf_domain::fault::attribute("disk", "type", word));
            }
            if ["dir", "volume"].contains(&word) {
                return Err(kind.invalid(format!("unsupported disk snapshot type '{word}'")));
            }
            disk.kind = word.to_owned();
        }
        device::storage(&mut tree, &disk.kind)?;
        if let Some(source) = tree.child_mut("source") {
            // What numbers images while a guest runs is not kept.
            source.unset("index");
            if disk.kind != "network" {
                source.remove("host");
            }
        }
        if let Some(driver) = tree.child_mut("driver") {
            driver.children.retain(|child| child.name != "metadata_cache" || !child.children.is_empty());
        }
        disk.deleting = tree.child("snapshotDeleteInProgress").is_some();
        if let Some(format) = tree.attr_at("driver", "type")
            && !FORMATS.contains(&format)
        {
            return Err(kind.unsupported(format!("unknown disk snapshot driver '{format}'")));
        }
        let taken =
            |name: &str| tree.child(name).filter(|part| !part.attrs.is_empty() || !part.children.is_empty());
        disk.driver = taken("driver").cloned();
        disk.source = taken("source").cloned();
        if let Some(path) = disk.path()
            && disk.kind != "network"
            && !path.starts_with('/')
        {
            return Err(kind.invalid(format!("disk snapshot image path '{path}' must be absolute")));
        }
        if disk.location.is_none() && (disk.path().is_some() || disk.format().is_some()) {
            disk.location = Some(Location::External);
        }
        Ok(disk)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        let told = self.path().is_some() || self.format().is_some();
        w.element("disk")
            .attr("name", &self.name)
            .attr_opt("snapshot", self.location.map(Location::word))
            .attr_if(told, "type", &self.kind)
            .children(|w| {
                if self.deleting {
                    w.element("snapshotDeleteInProgress").empty();
                }
                if told {
                    for part in [&self.driver, &self.source].into_iter().flatten() {
                        elements::write(part, w);
                    }
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xml::Document;

    fn read(attrs: &str, inside: &str) -> Result<SnapshotDisk> {
        let text = format!("<disk name='vda' snapshot='external' {attrs}>{inside}</disk>");
        let document = Document::parse(&text).unwrap();
        SnapshotDisk::read(document.root())
    }

    #[test]
    fn parts_of_other_kinds_are_not_kept() {
        let host = "<source file='/x'><host name='h' port='1'/></source>";
        let mut w = Writer::new();
        read("type='file'", &format!("<driver type='qcow2'><metadata_cache/></driver>{host}"))
            .unwrap()
            .write(&mut w);
        let text = w.finish();
        assert!(text.contains("<source file='/x'/>") && text.contains("<driver type='qcow2'/>"), "{text}");
    }

    #[test]
    fn kinds_are_refused_here_or_when_a_file_is_made_up() {
        for kind in ["dir", "volume"] {
            let refused = read(&format!("type='{kind}'"), "").unwrap_err();
            assert!(refused.message().ends_with(&format!("unsupported disk snapshot type '{kind}'")));
        }
        for kind in ["nvme", "vhostuser", "vhostvdpa"] {
            assert_eq!(read(&format!("type='{kind}'"), "").unwrap().path(), None);
        }
        assert!(read("", "<driver type='luks'/>").unwrap_err().message().ends_with("driver 'luks'"));
    }
}
