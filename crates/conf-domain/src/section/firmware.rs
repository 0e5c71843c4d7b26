//! Firmware: its image, its store of variables, and what is asked of it when it is to be chosen.

use crate::fault::{attribute, invalid};
use crate::{ParseFlags, device, domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

fn detail(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
}

/// Reads what `<os>` says of firmware.
///
/// # Errors
/// In the reference's words.
pub(super) fn complete(os: &mut Tree) -> Result<()> {
    match os.attr("firmware") {
        None | Some("bios" | "efi") => {}
        Some("") => os.unset("firmware"),
        Some(name) => return Err(invalid(format!("unknown firmware value {name}"))),
    }
    if let Some(features) = os.child_mut("firmware") {
        values::read(domain::place("domain/os/firmware"), features, "feature")?;
        once(features);
    }
    if let Some(kind) = os.attr_at("nvram", "type")
        && !device::STORAGE_TYPES.contains(&kind)
    {
        return Err(attribute("nvram", "type", kind));
    }
    Ok(())
}

/// Checks what `<os>` says of firmware, when everything was read.
///
/// # Errors
/// In the reference's words.
pub(crate) fn check(os: &Tree, flags: ParseFlags) -> Result<()> {
    features(os, flags)?;
    variables(os)
}

/// Of what is said twice of a feature the last counts.
fn once(features: &mut Tree) {
    let mut kept: Vec<Tree> = Vec::new();
    for feature in std::mem::take(&mut features.children) {
        match kept.iter_mut().find(|known| known.attr("name") == feature.attr("name")) {
            Some(known) => *known = feature,
            None => kept.push(feature),
        }
    }
    features.children.extend(kept);
}

fn features(os: &Tree, flags: ParseFlags) -> Result<()> {
    let Some(firmware) = os.child("firmware").filter(|firmware| !firmware.children.is_empty()) else {
        return Ok(());
    };
    if flags.abi_update && os.attr("firmware").is_none() {
        return Err(detail(
            "cannot use feature-based firmware autoselection when firmware autoselection is disabled",
        ));
    }
    let enabled = |name: &str| {
        let feature = firmware.all("feature").find(|feature| feature.is("name", name));
        feature.and_then(|feature| feature.attr("enabled"))
    };
    if enabled("enrolled-keys") == Some("yes") && enabled("secure-boot") == Some("no") {
        return Err(detail(
            "firmware feature 'enrolled-keys' cannot be enabled when firmware feature 'secure-boot' is disabled",
        ));
    }
    Ok(())
}

/// Checks whether there can be a store of variables.
fn variables(os: &Tree) -> Result<()> {
    let loader = os.child("loader");
    let nvram = os.child("nvram");
    let firmware = os.attr("firmware");
    match firmware {
        None => {
            let path = loader.is_some_and(|loader| !loader.body().trim().is_empty());
            if (loader.is_some() || nvram.is_some()) && !path && os.text_of("type") == Some("hvm") {
                return Err(detail("no loader path specified and firmware auto selection disabled"));
            }
        }
        Some("efi") => {}
        Some(name) if nvram.is_some() => {
            return Err(detail(format!("firmware type '{name}' does not support nvram")));
        }
        Some(_) => {}
    }
    let Some(loader) = loader else { return Ok(()) };
    match (loader.attr("stateless"), nvram) {
        (Some("yes"), Some(nvram)) if nvram.attr("template").is_some() => {
            Err(detail("NVRAM template is not permitted when loader is stateless"))
        }
        (Some("yes"), Some(_)) => Err(detail("NVRAM is not permitted when loader is stateless")),
        (Some("no"), _) if firmware.is_none() && !loader.is("type", "pflash") => {
            Err(detail("Only pflash loader type permits NVRAM"))
        }
        (Some("no"), _) if firmware.is_some_and(|name| name != "efi") => {
            Err(detail("Only EFI firmware permits NVRAM"))
        }
        _ => Ok(()),
    }
}
