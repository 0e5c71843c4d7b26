//! Heads of disk images and of saved guests.

use super::{Target, kind, nothing};
use crate::dice::Dice;
use crate::mutate::Form;
use image::{Base, HEAD, Header, overlay, probe};
use save_image::{Data, Format, HEADER};

/// Heads of disk images.
pub(super) const IMAGE: Target = Target {
    name: "image",
    form: Form::Binary,
    most: HEAD,
    run: head,
    seeds: heads,
    words: nothing,
    fresh: Some(some_head),
};

/// Heads of saved guests.
pub(super) const SAVE_IMAGE: Target = Target {
    name: "save-image",
    form: Form::Binary,
    most: 4 << 10,
    run: saved,
    seeds: nothing,
    words: nothing,
    fresh: Some(some_saved),
};

const FORMATS: [&str; 12] =
    ["raw", "qcow", "qcow2", "qed", "vmdk", "vdi", "vpc", "vhdx", "cow", "bochs", "luks", "ploop"];

fn head(bytes: &[u8]) -> u64 {
    let format = probe(bytes);
    let mut outcome = kind(format);
    for format in FORMATS {
        let header = Header::read(format, bytes);
        let texts = [&header.base, &header.base_format, &header.data_file];
        for text in texts.into_iter().flatten() {
            assert!(text.len() <= 4 * bytes.len(), "a name is longer than the head");
        }
        let place = header.base.as_deref().map(|base| Base::parse(base, "/images"));
        let found = [
            header.capacity.is_some(),
            header.base.is_some(),
            header.base_format.is_some(),
            header.data_file.is_some(),
            header.encrypted,
            header.cluster.is_some(),
            header.compat.is_some(),
            matches!(place, Some(Base::File(_))),
            matches!(place, Some(Base::Document(_))),
        ];
        outcome = found.iter().fold(outcome, |outcome, there| outcome.rotate_left(1) ^ u64::from(*there));
    }
    outcome ^ Header::luks_payload(bytes).map_or(0, |at| at.min(3))
}

/// An image of each format that has a sign, and nothing else in it.
fn heads() -> Vec<Vec<u8>> {
    let magic: [(usize, &[u8]); 12] = [
        (0, b"LUKS\xba\xbe\0\x01"),
        (0, b"QFI\xfb\0\0\0\x01"),
        (0, b"QFI\xfb\0\0\0\x02"),
        (0, b"QFI\xfb\0\0\0\x03"),
        (0, b"QED\0\0\0\x01\0"),
        (0, b"KDMV\x01\0\0\0"),
        (0, b"# Disk DescriptorFile\nparentFileNameHint=\"base.vmdk\"\n"),
        (64, b"\x7f\x10\xda\xbe"),
        (0, b"conectix"),
        (0, b"OOOM\0\0\0\x02base"),
        (0, b"Bochs Virtual HD Image"),
        (0, b"WithouFreSpacExt"),
    ];
    let image = |(at, magic): &(usize, &[u8])| {
        let mut bytes = vec![0; 1200];
        bytes[*at..at + magic.len()].copy_from_slice(magic);
        bytes
    };
    magic.iter().map(image).collect()
}

/// A new image on top of another one, as far as its head goes.
fn some_head(dice: &mut Dice) -> Vec<u8> {
    let names = [
        "base.qcow2",
        "/a/b",
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"x\"}}",
        "nbd://h/e",
        "file:x",
    ];
    let name = dice.pick(&names).copied().unwrap_or_default();
    let base = (!dice.once_in(4)).then_some((name, "qcow2"));
    let mut bytes = Vec::new();
    if let Some(layout) = overlay::create(1 << (9 + dice.below(30)), base) {
        for (at, part) in layout.parts {
            let at = at as usize;
            if at < 2048 {
                bytes.resize(bytes.len().max(at), 0);
                bytes.extend_from_slice(&part);
            }
        }
    }
    bytes.truncate(2048);
    bytes
}

fn saved(bytes: &[u8]) -> u64 {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() else { return 0 };
    let mut header = match save_image::Header::decode(head) {
        Ok(header) => header,
        Err(error) => return kind(error.message()),
    };
    assert_eq!(
        save_image::Header::decode(&header.encode(true)).as_ref(),
        Ok(&header),
        "a head is not stable"
    );
    let data = match header.data(rest) {
        Ok(data) => data,
        Err(error) => return kind(error.message()),
    };
    if header.length < 1 << 16
        && let Ok(again) = header.replace(&data)
    {
        assert_eq!(header.data(&again).as_ref(), Ok(&data), "data is not stable");
    }
    1 + u64::from(data.cookie.is_some())
}

fn some_saved(dice: &mut Dice) -> Vec<u8> {
    let cookie = dice.once_in(2).then(|| "<cookie/>".to_owned());
    let data = Data { xml: "<domain type='qemu'><name>f</name></domain>".to_owned(), cookie };
    let Ok((header, bytes)) = data.begin(dice.once_in(2), Format::Raw) else { return Vec::new() };
    let mut all = header.encode(!dice.once_in(8)).to_vec();
    all.extend_from_slice(bytes.get(..bytes.len().min(512)).unwrap_or(&bytes));
    all
}
