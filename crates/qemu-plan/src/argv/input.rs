//! Keyboards, mice, tablets, and input devices of the host.

use super::{Builder, Json, alias_of, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// How an input device is plugged.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// A device of the guest.
    Device(Json),
    /// An object that feeds the guest's built-in devices.
    Object(Json),
}

/// Events of the host's device, fed into the guest's own.
fn evdev(input: &Tree) -> Json {
    let source = input.child("source");
    let word = |name: &str| source.and_then(|source| source.attr(name));
    let json = Json::object("input-linux", alias_of(input));
    json.put_opt("evdev", word("dev"))
        .put_opt("repeat", super::on_off(word("repeat")))
        .put_true("grab_all", word("grab") == Some("all"))
        .put_opt("grab-toggle", word("grabToggle"))
}

/// Decides what an input device is; `None` for one the board has built in.
pub(super) fn input(b: &Builder<'_>, input: &Tree) -> Result<Option<Input>> {
    let kind = input.attr("type").unwrap_or_default();
    if kind == "evdev" {
        return Ok(Some(Input::Object(evdev(input))));
    }
    let json = match (input.attr("bus").unwrap_or_default(), kind) {
        ("ps2" | "xen" | "none", _) => return Ok(None),
        ("usb", "mouse") => Json::driver("usb-mouse"),
        ("usb", "tablet") => Json::driver("usb-tablet"),
        ("usb", "keyboard") => Json::driver("usb-kbd"),
        ("virtio", "mouse" | "tablet" | "keyboard") => virtio::device(input, &format!("virtio-{kind}")),
        ("virtio", "passthrough") => virtio::device(input, "virtio-input-host"),
        (bus, _) => return Err(unsupported(format!("input '{kind}' on bus '{bus}' is not supported yet"))),
    };
    let json = json.put("id", alias_of(input));
    let json = match kind {
        "passthrough" => json.put_opt("evdev", input.attr_at("source", "evdev")),
        _ => json,
    };
    Ok(Some(Input::Device(b.place(json, input))))
}

pub(super) fn inputs(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for tree in domain.all("input") {
        match input(b, tree)? {
            Some(Input::Device(json)) => b.device(json),
            Some(Input::Object(json)) => b.object(json),
            None => {}
        }
    }
    Ok(())
}
