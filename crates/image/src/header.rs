//! Formats and their headers.

use crate::{be32, be64, le32, le64, qcow};

/// What an image's header says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Size of the disk in bytes; none where the format has no header that tells.
    pub capacity: Option<u64>,
    /// The name of the image it is based on, as the header spells it.
    pub base: Option<String>,
    /// The format of that image, when the header says it.
    pub base_format: Option<String>,
    /// The file that holds the data, when it is another one.
    pub data_file: Option<String>,
    /// The data are said to be in another file.
    pub external_data: bool,
    /// The contents are encrypted.
    pub encrypted: bool,
    /// The contents are encrypted, and by LUKS.
    pub luks: bool,
    /// Counts of references are written late.
    pub lazy_refcounts: bool,
    /// Clusters have parts of their own.
    pub extended_l2: bool,
    /// Bytes of a cluster, where the format has such.
    pub cluster: Option<u64>,
    /// Compatibility level of qcow2.
    pub compat: Option<&'static str>,
}

/// Formats by what stands at a place in the header.
const MAGIC: [(&str, usize, &[u8]); 16] = [
    ("luks", 0, b"LUKS\xba\xbe"),
    ("qcow2", 0, b"QFI\xfb\0\0\0\x02"),
    ("qcow2", 0, b"QFI\xfb\0\0\0\x03"),
    ("qcow", 0, b"QFI\xfb\0\0\0\x01"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
    ("vpc", 0, b"conectix"),
    ("vhdx", 0, b"vhdxfile"),
    ("cow", 0, b"OOOM"),
    ("bochs", 0, b"Bochs Virtual HD Image"),
    ("cloop", 0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
    ("ploop", 0, b"WithoutFreeSpace"),
    ("ploop", 0, b"WithouFreSpacExt"),
    ("iso", 32769, b"CD001"),
];

/// The format the bytes are of; `raw` when they are of none that is known.
pub fn probe(head: &[u8]) -> &'static str {
    let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    MAGIC.iter().find(|(_, at, magic)| is(*at, magic)).map_or("raw", |(format, ..)| format)
}

/// The payload of a LUKS container starts here, in sectors.
const LUKS_PAYLOAD: usize = 104;

impl Header {
    /// Reads the header of an image whose format is known. An image of another format, or one that is damaged, says nothing.
    pub fn read(format: &str, head: &[u8]) -> Header {
        let magic = |name: &str| probe(head) == name;
        match format {
            "qcow2" if magic("qcow2") => qcow::read(head).unwrap_or_default(),
            "qcow" if magic("qcow") => Header {
                capacity: be64(head, 24),
                base: qcow::base(head),
                encrypted: be32(head, 36).is_some_and(|method| method != 0),
                ..Header::default()
            },
            "qed" if magic("qed") => qed(head).unwrap_or_default(),
            "vmdk" if magic("vmdk") => vmdk(head),
            "vdi" if magic("vdi") => Header { capacity: le64(head, 368), ..Header::default() },
            "vpc" if magic("vpc") => Header { capacity: be64(head, 48), ..Header::default() },
            "cow" if magic("cow") => Header { capacity: be64(head, 1040), ..Header::default() },
            "bochs" if magic("bochs") => Header { capacity: le64(head, 88), ..Header::default() },
            _ => Header { encrypted: probe(head) == "luks", ..Header::default() },
        }
    }

    /// Bytes before the payload of a LUKS container (version 1).
    pub fn luks_payload(head: &[u8]) -> Option<u64> {
        (probe(head) == "luks").then(|| be32(head, LUKS_PAYLOAD).map(|sectors| u64::from(sectors) * 512))?
    }
}

fn qed(head: &[u8]) -> Option<Header> {
    const BACKING: u64 = 1;
    const BASE_IS_RAW: u64 = 4;
    let features = le64(head, 16)?;
    let mut header =
        Header { capacity: le64(head, 48), cluster: le32(head, 4).map(u64::from), ..Header::default() };
    if features & BACKING != 0 {
        let (at, length) = (le32(head, 56)? as usize, le32(head, 60)? as usize);
        header.base = qcow::name(head, at, length);
        // Which format it has is only known when it is none.
        header.base_format = (features & BASE_IS_RAW != 0).then(|| "raw".to_owned());
    }
    Some(header)
}

/// The descriptor of a VMDK image: a text of its own, or at the second sector of a sparse one.
fn vmdk(head: &[u8]) -> Header {
    let sparse = head.starts_with(b"KDMV");
    let capacity = if sparse { le64(head, 12).map(|sectors| sectors.saturating_mul(512)) } else { None };
    let at = if sparse { 512 } else { 0 };
    let text = head.get(at..).unwrap_or_default();
    let text = String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default());
    let base = text
        .lines()
        .find_map(|line| line.strip_prefix("parentFileNameHint=\"")?.strip_suffix('"'))
        .filter(|name| !name.is_empty());
    Header {
        capacity,
        base: base.map(str::to_owned),
        base_format: base.map(|_| "vmdk".to_owned()),
        ..Header::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert_eq!(probe(b""), "raw");
        assert_eq!(probe(b"QED\0rest"), "qed");
        assert_eq!(probe(b"conectix"), "vpc");
        let mut iso = vec![0; 33000];
        iso[32769..32774].copy_from_slice(b"CD001");
        assert_eq!(probe(&iso), "iso");
    }

    #[test]
    fn a_sparse_vmdk_and_a_text_one() {
        let mut head = vec![0; 2048];
        head[..4].copy_from_slice(b"KDMV");
        head[12..20].copy_from_slice(&100u64.to_le_bytes());
        let text = b"# Disk DescriptorFile\nparentFileNameHint=\"base.vmdk\"\n";
        head[512..512 + text.len()].copy_from_slice(text);
        let header = Header::read("vmdk", &head);
        assert_eq!((header.capacity, header.base.as_deref()), (Some(51200), Some("base.vmdk")));
        assert_eq!(Header::read("vmdk", text).base.as_deref(), Some("base.vmdk"));
        assert_eq!(Header::read("qcow2", &head), Header::default());
    }
}
