//! The firmware's image: flash chips as block nodes, or a file the board loads itself.

use super::machine::Options;
use super::{Builder, Json, block, feature};
use base::Result;
use serde_json::Value;
use xml::Tree;

/// The image with the code, when it is a flash chip.
fn code<'d>(b: &Builder<'d>) -> Option<&'d Tree> {
    b.domain.tree.at("os/loader").filter(|loader| loader.is("type", "pflash"))
}

/// The image with the variables.
fn variables<'d>(b: &Builder<'d>) -> Option<&'d Tree> {
    code(b).and(b.domain.tree.at("os/nvram"))
}

/// Whether the variables need a node for their format besides the one that reads the file.
fn variables_have_format(b: &Builder<'_>, nvram: &Tree) -> bool {
    nvram.attr("format").unwrap_or("raw") != "raw" || !feature::plain_raw(b.caps)
}

fn storage(json: Json, chip: &str, direct: bool) -> Json {
    let json = json.put("node-name", format!("libvirt-{chip}-storage"));
    // A node below another one follows it in whether it may be written.
    if direct {
        json.put("read-only", false)
    } else {
        json.put("auto-read-only", true).put("discard", "unmap")
    }
}

fn format(chip: &str, format: &str, read_only: bool) -> Json {
    let json = Json::new()
        .put("node-name", format!("libvirt-{chip}-format"))
        .put("read-only", read_only)
        .put("driver", format)
        .put("file", format!("libvirt-{chip}-storage"));
    // Images of firmware stand for themselves.
    if format == "raw" { json } else { json.put("backing", Value::Null) }
}

/// Block nodes of the chips.
pub(super) fn chips(b: &mut Builder<'_>) -> Result<()> {
    let Some(loader) = code(b) else { return Ok(()) };
    let file = |path: &str| Json::driver("file").put("filename", path);
    b.option("-blockdev", storage(file(loader.body()), "pflash0", false).text());
    let kind = loader.attr("format").unwrap_or("raw");
    b.option("-blockdev", format("pflash0", kind, loader.is("readonly", "yes")).text());
    let Some(nvram) = variables(b) else { return Ok(()) };
    let layered = variables_have_format(b, nvram);
    let protocol = match nvram.child("source") {
        Some(_) => block::protocol(nvram)?,
        None => None,
    };
    let protocol = protocol.unwrap_or_else(|| file(nvram.body()));
    b.option("-blockdev", storage(protocol, "pflash1", !layered).text());
    if layered {
        b.option("-blockdev", format("pflash1", nvram.attr("format").unwrap_or("raw"), false).text());
    }
    Ok(())
}

/// Options of the machine that put the chips on the board.
pub(super) fn machine(b: &Builder<'_>, options: &mut Options) {
    if code(b).is_some() {
        options.put("pflash0", "libvirt-pflash0-format");
    }
    if let Some(nvram) = variables(b) {
        let node = if variables_have_format(b, nvram) { "format" } else { "storage" };
        options.put("pflash1", format_args!("libvirt-pflash1-{node}"));
    }
}

/// What stands behind the processor: the image of a board without chips, and the guard of variables that only the
/// processor's management mode may write.
pub(super) fn image(b: &mut Builder<'_>) {
    let Some(loader) = b.domain.tree.at("os/loader") else { return };
    if !loader.is("type", "pflash") && !loader.body().is_empty() {
        b.option("-bios", loader.body());
    }
    if loader.is("secure", "yes") && loader.is("type", "pflash") {
        b.option("-global", "driver=cfi.pflash01,property=secure,value=on");
    }
}
