//! Threads that serve disks and controllers.

use crate::complete::setting::Setting;
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use qemu_caps::Flag;
use std::collections::BTreeSet;
use xml::Tree;

/// Numbers of the threads a definition has.
pub(super) fn known(domain: &Domain) -> BTreeSet<u32> {
    match domain.tree.child("iothreadids") {
        Some(ids) => ids.all("iothread").filter_map(|thread| thread.attr("id")?.parse().ok()).collect(),
        None => {
            let count = domain.tree.text_of("iothreads").and_then(|text| text.trim().parse::<u32>().ok());
            (1..=count.unwrap_or(0)).collect()
        }
    }
}

/// Checks the threads of a disk.
pub(super) fn disk(domain: &Domain, disk: &Tree, setting: &Setting<'_>) -> Result<()> {
    let Some(driver) = disk.child("driver") else { return Ok(()) };
    let single = driver.attr("iothread");
    if single.is_none() && driver.child("iothreads").is_none() {
        return Ok(());
    }
    let target = disk.attr_at("target", "dev").unwrap_or_default();
    let bus = disk.attr_at("target", "bus").unwrap_or_default();
    match bus {
        "virtio" => {
            let place = disk.attr_at("address", "type").unwrap_or("pci");
            if !matches!(place, "pci" | "ccw") {
                return Err(unsupported("IOThreads only available for virtio pci and virtio ccw disk"));
            }
        }
        _ => {
            return Err(unsupported(format!("IOThreads not available for bus {bus} target {target}")));
        }
    }
    if let Some(text) = single
        && text.parse().ok().is_none_or(|id| !known(domain).contains(&id))
    {
        return Err(unsupported(format!("Disk iothread '{text}' not defined in iothreadid")));
    }
    if let Some(threads) = driver.child("iothreads") {
        if !setting.caps.has(Flag::VirtioBlkIothreadMapping) {
            return Err(unsupported("iothread mapping is not supported by this QEMU binary"));
        }
        let queues = driver.attr("queues").and_then(|text| text.parse().ok());
        mapping(domain, threads, queues)?;
    }
    Ok(())
}

/// Checks which thread serves which queue.
pub(super) fn mapping(domain: &Domain, threads: &Tree, queues: Option<u32>) -> Result<()> {
    let known = known(domain);
    let (mut seen, mut taken): (BTreeSet<u32>, BTreeSet<u32>) = (BTreeSet::new(), BTreeSet::new());
    let explicit = threads.all("iothread").next().is_some_and(|thread| thread.child("queue").is_some());
    for thread in threads.all("iothread") {
        let Some(id) = thread.attr("id").and_then(|id| id.parse::<u32>().ok()) else { continue };
        if explicit != thread.child("queue").is_some() {
            return Err(unsupported(
                "iothread to queue mapping must be provided for all iothreads or for none",
            ));
        }
        if !seen.insert(id) {
            return Err(unsupported(format!("duplicate mapping for iothread '{id}'")));
        }
        if !known.contains(&id) {
            return Err(unsupported(format!("iothread '{id}' not defined in iothreadid")));
        }
        if !explicit {
            continue;
        }
        let Some(queues) = queues else {
            return Err(unsupported(
                "'queue' count must be configured for explicit iothread to queue mapping",
            ));
        };
        for queue in thread.all("queue").filter_map(|queue| queue.attr("id")?.parse::<u32>().ok()) {
            if queue >= queues {
                return Err(unsupported(format!("iothread queue '{queue}' mapping out of range")));
            }
            if !taken.insert(queue) {
                return Err(unsupported(format!("iothread queue '{queue}' is already assigned")));
            }
        }
    }
    if explicit && let Some(missing) = (0..queues.unwrap_or(0)).find(|queue| !taken.contains(queue)) {
        return Err(unsupported(format!("missing iothread mapping for queue '{missing}'")));
    }
    Ok(())
}
