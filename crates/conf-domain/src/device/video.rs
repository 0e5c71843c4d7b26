//! `<video>`: the adapter a screen is on.

use crate::fault::unsupported;
use base::Result;
use xml::Tree;

/// Reads an adapter: sizes of memory, and what an adapter that is none leaves out.
///
/// # Errors
/// When it is accelerated in no way.
pub(super) fn read(video: &mut Tree) -> Result<()> {
    if video.at("model/acceleration").is_some_and(|acceleration| acceleration.attrs.is_empty()) {
        return Err(unsupported("missing values for acceleration"));
    }
    if video.attr_at("model", "type") == Some("none") {
        video.attrs.clear();
        video.children.retain(|child| matches!(child.name.as_str(), "model" | "alias"));
        for model in video.all_mut("model") {
            model.attrs.retain(|name, _| name == "type");
            model.children.clear();
        }
        return Ok(());
    }
    if let Some(driver) = video.child_mut("driver")
        && !matches!(driver.attr("vgaconf"), Some("on" | "off"))
    {
        driver.unset("vgaconf");
    }
    let Some(model) = video.child_mut("model") else { return Ok(()) };
    if !model.is("primary", "yes") {
        model.unset("primary");
    }
    for name in ["ram", "vram"] {
        // Adapters have memory of a power of two.
        let size = model.attr(name).and_then(|size| size.parse::<u32>().ok());
        if let Some(size) = size.and_then(u32::checked_next_power_of_two) {
            model.set(name, size.to_string());
        }
    }
    Ok(())
}

/// Gives an adapter the memory and the screen that it leaves open.
pub(super) fn complete(video: &mut Tree) {
    let Some(model) = video.child_mut("model") else { return };
    match model.attr("type").unwrap_or_default() {
        "vga" | "cirrus" | "vmvga" | "bochs" => model.default_to("vram", "16384"),
        "qxl" => {
            for name in ["ram", "vram"] {
                model.default_to(name, "65536");
            }
        }
        "none" => return,
        _ => {}
    }
    model.default_to("heads", "1");
}

/// No heads are said by saying nothing.
pub(super) fn hide(video: &mut Tree) {
    if let Some(model) = video.child_mut("model").filter(|model| model.is("heads", "0")) {
        model.unset("heads");
    }
}
