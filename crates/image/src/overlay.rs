//! New qcow2 images that are based on another one: they hold nothing of their own yet.
//!
//! ```text
//! cluster 0  header, format and name of the base
//! cluster 1  table of reference counts ─▶ cluster 2
//! cluster 2  reference counts of the clusters in use
//! cluster 3… first table of the map; nothing is mapped, so all reads go to the base
//! ```
//!
//! The format is described in QEMU's `docs/interop/qcow2.txt`.

const CLUSTER_BITS: u32 = 16;
/// Bytes of a cluster.
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Bytes of the disk that one entry of the first table covers.
const COVERED: u64 = CLUSTER * CLUSTER / 8;
/// Bytes of the header of version 3 with the kind of compression.
const HEADER: u32 = 112;
/// Extension that names the format of the base.
const BASE_FORMAT: u32 = 0xe279_2aca;
/// Longest name of a base.
const NAME: usize = 1023;
/// Most tables of the map whose reference counts fit one cluster.
const MOST_TABLES: u64 = 8192;

/// What a new image's file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Bytes at places; everything else is zero.
    pub parts: Vec<(u64, Vec<u8>)>,
    /// Length of the file.
    pub length: u64,
}

/// A new image of `size` bytes, based on an image of a format. `None` when the size or the name is beyond the format.
pub fn create(size: u64, base: Option<(&str, &str)>) -> Option<Layout> {
    let size = size.checked_next_multiple_of(512)?;
    let entries = size.div_ceil(COVERED);
    let tables = (entries * 8).div_ceil(CLUSTER).max(1);
    if tables > MOST_TABLES || base.is_some_and(|(name, _)| name.len() > NAME) {
        return None;
    }
    let used = 3 + tables;
    let mut header = Vec::new();
    let (name, format) = base.unwrap_or_default();
    let mut extensions = Vec::new();
    if base.is_some() {
        extensions.extend(BASE_FORMAT.to_be_bytes());
        extensions.extend((format.len() as u32).to_be_bytes());
        extensions.extend(format.as_bytes());
        extensions.resize(extensions.len().next_multiple_of(8), 0);
    }
    // The end of the extensions.
    extensions.extend([0; 8]);
    let name_at = if base.is_some() { u64::from(HEADER) + extensions.len() as u64 } else { 0 };
    header.extend(b"QFI\xfb");
    header.extend(3u32.to_be_bytes());
    header.extend(name_at.to_be_bytes());
    header.extend((name.len() as u32).to_be_bytes());
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(size.to_be_bytes());
    // Encryption: none.
    header.extend(0u32.to_be_bytes());
    header.extend((entries as u32).to_be_bytes());
    header.extend((3 * CLUSTER).to_be_bytes());
    header.extend(CLUSTER.to_be_bytes());
    header.extend(1u32.to_be_bytes());
    // Snapshots: none. Features: none.
    header.extend([0; 4 + 8 + 3 * 8]);
    // Reference counts of sixteen bits.
    header.extend(4u32.to_be_bytes());
    header.extend(HEADER.to_be_bytes());
    header.resize(HEADER as usize, 0);
    header.extend(extensions);
    header.extend(name.as_bytes());
    let counts: Vec<u8> = (0..used).flat_map(|_| 1u16.to_be_bytes()).collect();
    let parts = vec![(0, header), (CLUSTER, (2 * CLUSTER).to_be_bytes().to_vec()), (2 * CLUSTER, counts)];
    Some(Layout { parts, length: used * CLUSTER })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;

    #[test]
    fn reads_as_it_was_made() {
        let layout = create(10 << 30, Some(("/images/a.img", "raw"))).unwrap();
        assert_eq!(layout.length, 4 * CLUSTER);
        let header = Header::read("qcow2", &layout.parts[0].1);
        assert_eq!(header.capacity, Some(10 << 30));
        assert_eq!(header.base.as_deref(), Some("/images/a.img"));
        assert_eq!(header.base_format.as_deref(), Some("raw"));
    }

    #[test]
    fn bounds() {
        assert!(create(u64::MAX, None).is_none());
        assert!(create(1 << 20, Some((&"x".repeat(1024), "raw"))).is_none());
        assert!(create(0, None).is_some());
    }
}
