//! Cards in the slot of a board: the emulator knows them by an old option only.

use super::super::piece::Piece;
use super::super::{Builder, Json, comma};
use super::Planned;
use super::image::Cache;
use super::protocol::{self, Reach};
use base::Result;
use conf_domain::device::letter_index;

/// The option of a card.
pub(super) fn pieces(b: &Builder<'_>, plan: &Planned<'_>) -> Result<Vec<Piece>> {
    let disk = plan.disk;
    let mut words = Vec::new();
    if let Some(image) = &plan.image {
        let reach = Reach::of(b.start);
        let json: Json = protocol::node(image, &reach)?;
        words.push(match (image.location.kind, json.get("filename").and_then(|name| name.as_str())) {
            ("file" | "block", Some(path)) => format!("file={}", comma(path)),
            _ => json.flat("file"),
        });
        words.push(format!("format={}", image.format));
    }
    words.push("if=sd".to_owned());
    let index = disk.attr_at("target", "dev").and_then(letter_index).unwrap_or(0);
    words.push(format!("index={index}"));
    if plan.image.as_ref().is_some_and(|image| image.read_only) {
        words.push("readonly=on".to_owned());
    }
    if plan.image.is_some() {
        let driver = |name: &str| disk.attr_at("driver", name);
        words.extend(
            driver("cache").filter(|name| Cache::of(name).is_some()).map(|name| format!("cache={name}")),
        );
        words.extend(driver("copy_on_read").map(|state| format!("copy-on-read={state}")));
        words.extend(driver("discard").map(|state| format!("discard={state}")));
        words.extend(driver("detect_zeroes").map(|state| format!("detect-zeroes={state}")));
        words.extend(driver("io").map(|state| format!("aio={state}")));
    }
    Ok(vec![Piece::Plain("-drive", words.join(","))])
}
