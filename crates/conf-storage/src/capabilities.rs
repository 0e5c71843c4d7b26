//! `<storagepoolCapabilities>`: the kinds of pools a host supports.

use crate::kind::{Formats, Kind};
use xml::Writer;

fn options(w: &mut Writer, element: &str, list: &str, formats: Formats) {
    w.element(element).children(|w| {
        w.element("defaultFormat").attr("type", formats.default).empty();
        w.element("enum").attr("name", list).children_always(|w| {
            formats.all.iter().for_each(|format| w.leaf("value", format));
        });
    });
}

/// Prints the document; `supported` tells which kinds the host can have.
pub fn format(supported: &dyn Fn(Kind) -> bool) -> String {
    let mut w = Writer::new();
    w.element("storagepoolCapabilities").children(|w| {
        for kind in Kind::ALL.iter().copied() {
            let answer = if supported(kind) { "yes" } else { "no" };
            w.element("pool").attr("type", kind).attr("supported", answer).children_always(|w| {
                if let Some(formats) = kind.source_formats() {
                    options(w, "poolOptions", "sourceFormatType", formats);
                }
                if let Some(formats) = kind.volume_formats() {
                    options(w, "volOptions", "targetFormatType", formats);
                }
            });
        }
    });
    w.finish()
}
