//! What udev has written down of a device.
//!
//! A record is a file of lines, `E:KEY=VALUE` for a property and `S:path` for a link below `/dev`; its name is made of the
//! number of the device file, the number of the interface, or subsystem and name.

use crate::sysfs::Entry;
use std::path::Path;

/// A record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) links: Vec<String>,
}

fn key(entry: &Entry) -> String {
    if let Some(number) = entry.attr("dev") {
        let kind = if entry.subsystem == "block" { 'b' } else { 'c' };
        return format!("{kind}{number}");
    }
    match entry.attr("ifindex").filter(|_| entry.subsystem == "net") {
        Some(index) => format!("n{index}"),
        None => format!("+{}:{}", entry.subsystem, entry.name),
    }
}

/// The record of a device; empty when udev does not run.
pub(crate) fn record(root: &Path, entry: &Entry) -> Record {
    let path = root.join("run/udev/data").join(key(entry));
    std::fs::read_to_string(path).map(|text| parse(&text)).unwrap_or_default()
}

fn parse(text: &str) -> Record {
    let mut record = Record::default();
    for line in text.lines() {
        if let Some((key, value)) = line.strip_prefix("E:").and_then(|pair| pair.split_once('=')) {
            record.properties.push((key.to_owned(), value.to_owned()));
        } else if let Some(link) = line.strip_prefix("S:") {
            record.links.push(format!("/dev/{link}"));
        }
    }
    record.links.sort();
    record
}

/// Text in which udev has written unusual signs as `\xHH`.
pub(crate) fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let coded = || {
            let digits = std::str::from_utf8(rest.get(2..4)?).ok()?;
            (rest.get(1) == Some(&b'x')).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
        };
        match (*first == b'\\').then(coded).flatten() {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_record() {
        let record = parse("S:disk/b\nS:disk/a\nI:1\nE:ID_BUS=ata\nE:X=a=b\n");
        assert_eq!(record.links, ["/dev/disk/a", "/dev/disk/b"]);
        assert_eq!(record.properties[1], ("X".to_owned(), "a=b".to_owned()));
        assert_eq!(plain("A\\x20B\\"), "A B\\");
    }
}
