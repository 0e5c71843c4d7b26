//! `<features>`: switches that are on when they are only named, and their parts.

use crate::fault::{element, invalid, unsupported};
use crate::section::memory;
use crate::{domain, values};
use base::{Result, size};
use xml::Tree;

/// Features whose element alone means `state='on'`.
const ON: &[&str] = &["vmcoreinfo", "hap", "pvspinlock", "pmu", "vmport", "smm"];

/// Attempts at a lock of Hyper-V at least.
const RETRIES: u32 = 4095;

/// Letters of a vendor's name at most.
const VENDOR: usize = 12;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    values::read(domain::place("domain"), tree, "features")?;
    let Some(features) = tree.child_mut("features") else { return Ok(()) };
    for feature in &mut features.children {
        match &*feature.name {
            "hyperv" => hyperv(feature)?,
            "kvm" => dirty_ring(feature)?,
            "capabilities" => feature.default_to("policy", "default"),
            "async-teardown" => feature.default_to("enabled", "yes"),
            "smm" => {
                feature.default_to("state", "on");
                tseg(feature)?;
            }
            "hpt" => page_size(feature)?,
            "tcg" => block_cache(feature)?,
            name if ON.contains(&name) => feature.default_to("state", "on"),
            _ => {}
        }
        if feature.name == "capabilities" {
            for capability in &mut feature.children {
                if !domain::place("domain/features/capabilities").is_named(&capability.name) {
                    return Err(unsupported(format!("unexpected capability feature '{}'", capability.name)));
                }
                capability.default_to("state", "on");
            }
        }
    }
    // What every container has by default need not be said.
    features.children.retain(|feature| {
        feature.name != "capabilities" || !feature.is("policy", "default") || !feature.children.is_empty()
    });
    Ok(())
}

fn hyperv(hyperv: &mut Tree) -> Result<()> {
    hyperv.default_to("mode", "custom");
    if let Some(retries) = hyperv.attr_at("spinlocks", "retries")
        && retries.parse::<u32>().is_ok_and(|retries| retries < RETRIES)
    {
        return Err(invalid(format!("HyperV spinlock retry count must be at least {RETRIES}")));
    }
    if let Some(vendor) = hyperv.child("vendor_id").filter(|vendor| vendor.is("state", "on")) {
        let value = vendor
            .attr("value")
            .ok_or_else(|| invalid("missing 'value' attribute for HyperV feature 'vendor_id'"))?;
        if value.len() > VENDOR {
            return Err(invalid(format!(
                "HyperV vendor_id value must not be more than {VENDOR} characters."
            )));
        }
        if value.contains(',') {
            return Err(invalid("HyperV vendor_id value is invalid"));
        }
    }
    // Parts that are off say nothing.
    for name in ["stimer", "tlbflush"] {
        if let Some(feature) = hyperv.child_mut(name) {
            feature.children.retain(|part| part.is("state", "on"));
        }
    }
    Ok(())
}

fn dirty_ring(kvm: &Tree) -> Result<()> {
    let Some(ring) = kvm.child("dirty-ring").filter(|ring| ring.is("state", "on")) else { return Ok(()) };
    let size = ring.attr("size").and_then(|size| size.parse::<u32>().ok()).unwrap_or(0);
    if size.is_power_of_two() && (1024..=65536).contains(&size) {
        return Ok(());
    }
    Err(invalid("dirty ring must be power of 2 and ranges [1024, 65536]"))
}

/// Memory that only firmware sees, in the largest unit that fits.
fn tseg(smm: &mut Tree) -> Result<()> {
    let Some(tseg) = smm.child_mut("tseg") else { return Ok(()) };
    match memory::bytes(tseg, 1 << 20, "string(./features/smm/tseg)")? {
        None => smm.remove("tseg"),
        Some(bytes) => {
            let (value, unit) = size::pretty(bytes);
            tseg.text = Some(value.to_string());
            tseg.set("unit", unit);
        }
    }
    Ok(())
}

fn page_size(hpt: &mut Tree) -> Result<()> {
    let Some(size) = hpt.child_mut("maxpagesize") else { return Ok(()) };
    let text = size.body().to_owned();
    let kib = memory::kib(size, "./features/hpt/maxpagesize")
        .map_err(|_| unsupported("Unable to parse HPT maxpagesize setting"))?;
    if kib.unwrap_or(0) == 0 || text.is_empty() {
        hpt.remove("maxpagesize");
    }
    Ok(())
}

/// Room for translated code.
fn block_cache(tcg: &mut Tree) -> Result<()> {
    let Some(cache) = tcg.child_mut("tb-cache") else { return Ok(()) };
    let text = cache.body().to_owned();
    if !text.is_empty() && values::decimal(&text).is_none() {
        return Err(element("./tb-cache", &text));
    }
    if memory::kib(cache, "./tb-cache")?.unwrap_or(0) == 0 {
        tcg.remove("tb-cache");
    }
    Ok(())
}
