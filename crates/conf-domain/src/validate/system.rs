//! `<os>`, `<cputune>` and `<features>`.

use crate::fault::{invalid, unsupported};
use crate::{Domain, bitmap};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::Tree;

/// A refusal that is nothing but its text.
pub(super) fn detail(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
}

pub(super) fn firmware(domain: &Domain) -> Result<()> {
    let Some(os) = domain.tree.child("os") else { return Ok(()) };
    let loader = os.child("loader");
    let nvram = os.child("nvram");
    let stateless = loader.is_some_and(|loader| loader.is("stateless", "yes"));
    if let Some(firmware) = os.child("firmware") {
        let feature = |name: &str| {
            firmware
                .all("feature")
                .find(|feature| feature.is("name", name))
                .and_then(|feature| feature.attr("enabled"))
                .map(|enabled| enabled == "yes")
        };
        if feature("enrolled-keys") == Some(true) && feature("secure-boot") == Some(false) {
            return Err(detail(
                "firmware feature 'enrolled-keys' cannot be enabled when firmware feature 'secure-boot' is disabled",
            ));
        }
    }
    match os.attr("firmware") {
        None => {
            if loader.map_or(nvram.is_some(), |loader| loader.body().trim().is_empty())
                && os.text_of("type") == Some("hvm")
            {
                return Err(detail("no loader path specified and firmware auto selection disabled"));
            }
        }
        Some(name) => {
            if name != "efi" && nvram.is_some() {
                return Err(detail(format!("firmware type '{name}' does not support nvram")));
            }
        }
    }
    let Some(loader) = loader else { return Ok(()) };
    if stateless && nvram.is_some() {
        return Err(detail(if nvram.is_some_and(|nvram| nvram.attr("template").is_some()) {
            "NVRAM template is not permitted when loader is stateless"
        } else {
            "NVRAM is not permitted when loader is stateless"
        }));
    }
    if nvram.is_some() && loader.is("type", "rom") {
        return Err(detail("Only pflash loader type permits NVRAM"));
    }
    let rom = loader.is("type", "rom");
    if loader.is("stateless", "no") && (rom || os.attr("firmware").is_some_and(|name| name != "efi")) {
        return Err(detail("Only EFI firmware permits NVRAM"));
    }
    if nvram.is_some()
        && loader.is("type", "pflash")
        && loader.is("readonly", "no")
        && loader.is("stateless", "no")
    {
        return Err(detail("NVRAM is not permitted when loader is read/write"));
    }
    Ok(())
}

pub(super) fn boot(domain: &Domain) -> Result<()> {
    let Some(os) = domain.tree.child("os") else { return Ok(()) };
    if let Some(timeout) = os.attr_at("bootmenu", "timeout")
        && timeout.parse::<u32>().ok().is_none_or(|timeout| timeout > 65535)
    {
        return Err(unsupported("invalid value for boot menu timeout, must be in range [0,65535]"));
    }
    if let Some(timeout) = os.attr_at("bios", "rebootTimeout")
        && timeout.parse::<i32>().ok().is_none_or(|timeout| !(-1..=65535).contains(&timeout))
    {
        return Err(unsupported("invalid value for rebootTimeout, must be in range [-1,65535]"));
    }
    Ok(())
}

/// Bounds of the times and shares that the host's kernel takes.
fn bounds(tune: &Tree) -> Result<()> {
    for child in &tune.children {
        let high: i64 = match child.name.rsplit('_').next() {
            Some("period") => 1_000_000,
            Some("quota") => 17_592_186_044_415,
            _ => continue,
        };
        let value: i64 = child.body().trim().parse().unwrap_or(0);
        if value > 0 && !(1000..=high).contains(&value) {
            return Err(unsupported(format!(
                "Value of cputune '{}' must be in range [1000, {high}]",
                child.name
            )));
        }
    }
    Ok(())
}

pub(super) fn tuning(domain: &Domain) -> Result<()> {
    if let Some(tune) = domain.tree.child("cputune") {
        bounds(tune)?;
    }
    if let Some(tune) = domain.tree.child("cputune") {
        schedulers(domain, tune)?;
    }
    let limit = |name: &str| {
        domain.tree.at(&format!("memtune/{name}")).and_then(|limit| limit.body().parse::<u64>().ok())
    };
    if let (Some(hard), Some(swap)) = (limit("hard_limit"), limit("swap_hard_limit"))
        && hard > swap
    {
        return Err(invalid(
            "memory hard_limit tunable value must be lower than or equal to swap_hard_limit",
        ));
    }
    Ok(())
}

/// Threads that are scheduled in two ways, or are not there.
fn schedulers(domain: &Domain, tune: &Tree) -> Result<()> {
    for (name, attr) in [("vcpusched", "vcpus"), ("iothreadsched", "iothreads")] {
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        for entry in tune.all(name) {
            let Some(own) = entry.attr(attr).and_then(bitmap::parse) else { continue };
            if !taken.is_disjoint(&own) {
                return Err(detail(format!("'{name}' attributes '{attr}' must not overlap")));
            }
            taken.extend(own);
        }
    }
    let count =
        domain.tree.text_of("iothreads").and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    let named: BTreeSet<u32> = match domain.tree.child("iothreadids") {
        Some(ids) => ids.all("iothread").filter_map(|thread| thread.attr("id")?.parse().ok()).collect(),
        None => (1..=count).collect(),
    };
    for pin in tune.all("iothreadpin") {
        if let Some(missing) =
            pin.attr("iothread").and_then(|id| id.parse::<u32>().ok()).filter(|id| !named.contains(id))
        {
            return Err(unsupported(format!("Cannot find 'iothread' : {missing}")));
        }
    }
    for entry in tune.all("iothreadsched") {
        let own = entry.attr("iothreads").and_then(bitmap::parse).unwrap_or_default();
        if let Some(missing) = own.difference(&named).next() {
            return Err(unsupported(format!("Cannot find 'iothread' : {missing}")));
        }
    }
    Ok(())
}
