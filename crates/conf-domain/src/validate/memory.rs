//! Memory devices and the room for them.

use super::system::detail;
use crate::Domain;
use crate::fault::{invalid, unsupported};
use base::Result;
use xml::Tree;

fn number(text: Option<&str>) -> Option<u64> {
    let text = text?.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn check(domain: &Domain, device: &Tree) -> Result<()> {
    let cells = domain.tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
    if let Some(node) = device.at("target/node").and_then(|node| node.body().trim().parse::<i64>().ok())
        && node >= cells as i64
        && cells > 0
    {
        return Err(detail(format!(
            "can't add memory backend for guest node '{node}' as the guest has only '{cells}' NUMA nodes configured"
        )));
    }
    if device.is("model", "nvdimm")
        && let Some(label) = device.at("target/label/size").and_then(|size| number(Some(size.body())))
    {
        if label < 128 {
            return Err(unsupported("nvdimm label must be at least 128KiB"));
        }
        let size = device.at("target/size").and_then(|size| number(Some(size.body()))).unwrap_or(0);
        if label >= size {
            return Err(unsupported("label size must be smaller than NVDIMM size"));
        }
    }
    Ok(())
}

/// Where a device sits in the guest's memory: first and one past the last byte.
fn range(device: &Tree) -> Option<(u64, u64)> {
    let base = number(device.attr_at("target/address", "base"))?;
    let size = device.at("target/size").and_then(|size| number(Some(size.body())))?;
    Some((base, base.checked_add(size.checked_mul(1024)?)?))
}

pub(super) fn together(domain: &Domain) -> Result<()> {
    let maximum = domain.tree.child("maxMemory").and_then(|memory| number(Some(memory.body())));
    if maximum.is_some_and(|maximum| maximum < domain.memory_kib()) {
        return Err(invalid("maximum memory size must be equal or greater than the actual memory size"));
    }
    let ranges: Vec<(u64, u64)> = domain.all("memory").filter_map(range).collect();
    for (at, (first, end)) in ranges.iter().enumerate() {
        for (other, other_end) in &ranges[at + 1..] {
            if first < other_end && other < end {
                return Err(unsupported(format!(
                    "memory device address [0x{first:x}:0x{end:x}] overlaps with other memory device (0x{other:x})"
                )));
            }
        }
    }
    Ok(())
}
