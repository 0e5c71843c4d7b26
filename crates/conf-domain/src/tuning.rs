//! `<cputune>`: parts that must not contradict each other.

use crate::bitmap;
use crate::fault::{internal, invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::BTreeSet;
use xml::Tree;

/// Leaves only processors below `count`.
fn clip(element: &mut Tree, count: u32) {
    let Some(numbers) = element.attr("vcpus").and_then(bitmap::parse) else { return };
    let kept: BTreeSet<u32> = numbers.into_iter().filter(|number| *number < count).collect();
    element.set("vcpus", bitmap::format(&kept));
}

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let vcpus: u32 = tree.text_of("vcpu").and_then(|text| text.parse().ok()).unwrap_or(1);
    for device in tree.child("blkiotune").into_iter().flat_map(|tune| tune.all("device")) {
        if device.text_of("path").is_none() {
            return Err(unsupported("missing per-device path"));
        }
    }
    for range in tree.child("idmap").map_or(&[][..], |map| &map.children) {
        let fits = |name: &str| range.attr(name).is_some_and(|text| text.parse::<u32>().is_ok());
        if !["start", "target", "count"].iter().all(|name| fits(name)) {
            return Err(invalid("invalid idmap start/target/count settings"));
        }
    }
    if let Some(map) = tree.child("idmap")
        && map.child("uid").is_some() != map.child("gid").is_some()
    {
        return Err(unsupported("uid and gid should be mapped both"));
    }
    for group in tree.child("throttlegroups").into_iter().flat_map(|groups| groups.all("throttlegroup")) {
        if group.text_of("group_name").is_none() {
            return Err(invalid("missing group name"));
        }
    }
    let Some(tune) = tree.child_mut("cputune") else { return Ok(()) };
    // Groups of processors that the guest does not have mean nothing.
    for group in
        tune.children.iter_mut().filter(|child| matches!(child.name.as_str(), "cachetune" | "memorytune"))
    {
        clip(group, vcpus);
        for monitor in group.all_mut("monitor") {
            clip(monitor, vcpus);
        }
        group.children.retain(|child| child.name != "monitor" || !child.is("vcpus", ""));
    }
    tune.children
        .retain(|child| !matches!(child.name.as_str(), "cachetune" | "memorytune") || !child.is("vcpus", ""));
    let mut groups: Vec<(String, BTreeSet<u32>)> = Vec::new();
    for group in
        tune.children.iter_mut().filter(|child| matches!(child.name.as_str(), "cachetune" | "memorytune"))
    {
        let text = group
            .attr("vcpus")
            .ok_or_else(|| invalid(format!("Missing {} attribute 'vcpus'", group.name)))?;
        let vcpus = bitmap::parse(text)
            .ok_or_else(|| invalid(format!("Invalid {} attribute 'vcpus' value '{text}'", group.name)))?;
        let mut caches = BTreeSet::new();
        for cache in group.all("cache") {
            let key = (cache.attr("id"), cache.attr("level"), cache.attr("type"));
            let both = (key.0, key.1, Some("both"));
            let split = [Some("code"), Some("data")].map(|kind| (key.0, key.1, kind));
            let clash = caches.contains(&key)
                || caches.contains(&both)
                || (key.2 == Some("both") && split.iter().any(|other| caches.contains(other)));
            if clash {
                return Err(invalid("Cache type already defined for this cache"));
            }
            caches.insert(key);
        }
        let mut watched: Vec<BTreeSet<u32>> = Vec::new();
        for monitor in group.all("monitor") {
            let own = monitor.attr("vcpus").and_then(bitmap::parse).unwrap_or_default();
            if !own.is_subset(&vcpus)
                || watched.iter().any(|other| *other != vcpus && own != vcpus && !other.is_disjoint(&own))
            {
                return Err(invalid("vcpus overlaps in resctrl groups"));
            }
            watched.push(own);
        }
        let name = group.name.to_string();
        for (other, theirs) in &groups {
            if *theirs == vcpus && *other != name {
                continue;
            }
            if !theirs.is_disjoint(&vcpus) {
                return Err(invalid("vcpus overlaps in resctrl groups"));
            }
        }
        groups.push((name, vcpus));
    }
    // Processors that the guest cannot have are pinned nowhere.
    let beyond =
        |pin: &Tree| pin.attr("vcpu").and_then(|id| id.parse::<u32>().ok()).is_some_and(|id| id >= vcpus);
    tune.children.retain(|child| child.name != "vcpupin" || !beyond(child));
    for pin in &tune.children {
        match (pin.name.as_str(), pin.attr("cpuset")) {
            ("emulatorpin", None) => return Err(internal("missing cpuset for emulatorpin")),
            ("vcpupin" | "emulatorpin" | "iothreadpin", Some(text)) if bitmap::parse(text).is_none() => {
                let text = format!("Failed to parse bitmap '{text}'");
                return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, text));
            }
            _ => {}
        }
    }
    for child in &tune.children {
        let kind = child.name.as_str();
        let fits = match kind.rsplit('_').next() {
            Some("period") => child.body().trim().parse::<u64>().is_ok(),
            Some("quota") => child.body().trim().parse::<i64>().is_ok(),
            _ => true,
        };
        if !fits {
            return Err(invalid(format!("can't parse cputune {} value", kind.replace('_', " "))));
        }
    }
    if let Some(shares) = tune.text_of("shares")
        && shares.trim().parse::<u64>().is_err()
    {
        return Err(invalid("can't parse cputune shares value"));
    }
    Ok(())
}
