//! `<redirfilter>`: which USB devices may be redirected.

use crate::fault::invalid;
use base::Result;
use xml::Tree;

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// One spelling for each attribute; `-1` stands for anything, which is the same as saying nothing.
///
/// # Errors
/// When a version has not two parts.
pub(crate) fn complete(filter: &mut Tree) -> Result<()> {
    for device in filter.all_mut("usbdev") {
        for name in ["class", "vendor", "product", "version"] {
            if device.is(name, "-1") {
                device.unset(name);
            }
        }
        for (name, width) in [("class", 2), ("vendor", 4), ("product", 4)] {
            if let Some(value) = device.attr(name).and_then(number) {
                device.set(name, format!("0x{value:0width$X}"));
            }
        }
        if let Some(version) = device.attr("version").filter(|version| !version.contains('.')) {
            return Err(invalid(format!("Cannot parse USB device version {version}")));
        }
        let version = device.attr("version").and_then(|version| {
            let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
            let minor = if minor.len() == 1 { format!("{minor}0") } else { minor.to_owned() };
            Some(format!("{}.{:02}", major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        if let Some(version) = version {
            device.set("version", version);
        }
    }
    Ok(())
}
