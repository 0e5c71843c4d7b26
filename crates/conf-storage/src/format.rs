//! Formats: of image files, of file systems, of partition tables, of partitions.

base::text_enum! {
    /// Formats of image files.
    pub enum FileFormat {
        None = "none",
        Raw = "raw",
        Dir = "dir",
        Bochs = "bochs",
        Cloop = "cloop",
        Dmg = "dmg",
        Iso = "iso",
        Vpc = "vpc",
        Vdi = "vdi",
        Fat = "fat",
        Vhd = "vhd",
        Ploop = "ploop",
        Cow = "cow",
        Qcow = "qcow",
        Qcow2 = "qcow2",
        Qed = "qed",
        Vmdk = "vmdk",
    }
}

/// Formats of image files, as lists show them.
pub const FILES: &[&str] = &[
    "none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow",
    "qcow2", "qed", "vmdk",
];

/// File systems on devices.
pub const FILE_SYSTEMS: &[&str] = &[
    "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+", "xfs", "ocfs2",
    "vmfs",
];

/// File systems of other hosts.
pub const NETWORK_FILE_SYSTEMS: &[&str] = &["auto", "nfs", "glusterfs", "cifs"];

/// Volume managers.
pub const VOLUME_MANAGERS: &[&str] = &["unknown", "lvm2"];

/// Labels of disks.
pub const DISK_LABELS: &[&str] = &["unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"];

/// The label of a disk by the name that partitioning tools give it.
pub fn probe_label(tool: &str) -> Option<&'static str> {
    let name = if tool == "msdos" { "dos" } else { tool };
    DISK_LABELS.iter().find(|label| **label == name).copied()
}

/// Kinds of partitions.
pub const PARTITIONS: &[&str] =
    &["none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_enumeration_agree() {
        let names: Vec<&str> = FileFormat::ALL.iter().map(|format| format.as_str()).collect();
        assert_eq!(names, FILES);
    }
}
