//! Vital product data, as a PCI function stores it.
//!
//! ```text
//! resource: tag, length (16 bits, little-endian), content        0x82 name, 0x90 read only, 0x91 writable, 0x78 end
//! field:    key (2 letters), length (8 bits), text
//! ```

use conf_nodedev::capability::vpd::{ReadOnly, ReadWrite, Vpd};

const NAME: u8 = 0x82;
const READ_ONLY: u8 = 0x90;
const READ_WRITE: u8 = 0x91;

/// Reads the data; nothing when it is broken.
pub(super) fn parse(mut rest: &[u8]) -> Option<Vpd> {
    let mut vpd = Vpd::default();
    while let Some((tag, tail)) = rest.split_first() {
        // Short resources have their length in the tag; all that means something here is the end.
        if tag & 0x80 == 0 {
            break;
        }
        let (length, tail) = tail.split_first_chunk::<2>()?;
        let (content, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        rest = tail;
        match *tag {
            NAME => vpd.name = Some(printable(content)?),
            READ_ONLY => vpd.read_only = Some(read_only(content)?),
            READ_WRITE => vpd.read_write = Some(read_write(content)?),
            _ => {}
        }
    }
    let any = vpd.name.is_some() || vpd.read_only.is_some() || vpd.read_write.is_some();
    any.then_some(vpd)
}

/// Text in printable signs.
fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches(['\0', ' ']);
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte)).then(|| text.to_owned())
}

/// Fields: letters of the key and content.
fn fields(mut rest: &[u8]) -> Option<Vec<(char, char, &[u8])>> {
    let mut found = Vec::new();
    while let Some(([first, second, length], tail)) = rest.split_first_chunk::<3>() {
        let (content, tail) = tail.split_at_checked(usize::from(*length))?;
        found.push((char::from(*first), char::from(*second), content));
        rest = tail;
    }
    Some(found)
}

fn read_only(content: &[u8]) -> Option<ReadOnly> {
    let mut found = ReadOnly::default();
    for (first, second, content) in fields(content)? {
        let text = || printable(content);
        match (first, second) {
            ('E', 'C') => found.change_level = text(),
            ('M', 'N') => found.manufacture_id = text(),
            ('P', 'N') => found.part_number = text(),
            ('S', 'N') => found.serial_number = text(),
            ('R', 'V') => break,
            ('V', index) => found.vendor_fields.extend(text().map(|text| (index, text))),
            _ => {}
        }
    }
    Some(found)
}

fn read_write(content: &[u8]) -> Option<ReadWrite> {
    let mut found = ReadWrite::default();
    for (first, second, content) in fields(content)? {
        let text = || printable(content);
        match (first, second) {
            ('Y', 'A') => found.asset_tag = text(),
            ('R', 'W') => break,
            ('V', index) => found.vendor_fields.extend(text().map(|text| (index, text))),
            ('Y', index) => found.system_fields.extend(text().map(|text| (index, text))),
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, content.len() as u8, 0], content].concat()
    }

    #[test]
    fn resources_and_their_fields() {
        let data = [
            resource(NAME, b"card"),
            resource(READ_ONLY, b"PN\x03abcV0\x01xRV\x01\x55"),
            resource(READ_WRITE, b"YA\x02me"),
            vec![0x78],
        ]
        .concat();
        let vpd = parse(&data).unwrap();
        assert_eq!(vpd.name.as_deref(), Some("card"));
        let read_only = vpd.read_only.unwrap();
        assert_eq!(read_only.part_number.as_deref(), Some("abc"));
        assert_eq!(read_only.vendor_fields, [('0', "x".to_owned())]);
        assert_eq!(vpd.read_write.unwrap().asset_tag.as_deref(), Some("me"));
        assert_eq!(parse(&resource(NAME, b"card")[..5]), None);
        assert_eq!(parse(&[]), None);
    }
}
