//! Memory devices and the room for them.

use super::system::detail;
use crate::Domain;
use crate::fault::unsupported;
use base::Result;
use xml::Tree;

/// The smallest block of virtio-mem.
const BLOCK_KIB: u64 = 2048;

fn number(text: Option<&str>) -> Option<u64> {
    let text = text?.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn size(device: &Tree, path: &str) -> u64 {
    device.at(path).and_then(|size| number(Some(size.body()))).unwrap_or(0)
}

pub(super) fn check(domain: &Domain, device: &Tree) -> Result<()> {
    let model = device.attr("model").unwrap_or_default();
    let path = device.at("source/path").is_some_and(|path| !path.body().is_empty());
    match model {
        "nvdimm" | "virtio-pmem" => {
            if !path {
                return Err(detail(format!("path is required for model '{model}'")));
            }
            if device.is("discard", "yes") {
                return Err(unsupported(match model {
                    "nvdimm" => "discard is not supported for nvdimms".to_owned(),
                    _ => format!("discard is not supported for model '{model}'"),
                }));
            }
            if model == "virtio-pmem" {
                if device.is("access", "private") {
                    return Err(unsupported("shared access mode required for virtio-pmem device"));
                }
                if device.at("target/node").is_some() {
                    return Err(unsupported("virtio-pmem does not support NUMA nodes"));
                }
            }
        }
        "virtio-mem" => blocks(device)?,
        _ => {}
    }
    node(domain, device)?;
    overlap(domain, device)
}

/// Sizes of a device that gives and takes memory in blocks.
fn blocks(device: &Tree) -> Result<()> {
    let (block, requested) = (size(device, "target/block"), size(device, "target/requested"));
    let whole = size(device, "target/size");
    if !block.is_power_of_two() {
        return Err(detail("block size must be a power of two"));
    }
    if block < BLOCK_KIB {
        return Err(detail(format!("block size too small, must be at least {BLOCK_KIB}KiB")));
    }
    if requested > whole {
        return Err(detail(format!("requested size must be smaller than or equal to @size ({whole}KiB)")));
    }
    if !requested.is_multiple_of(block) {
        return Err(detail("requested size must be an integer multiple of block size"));
    }
    if number(device.attr_at("target/address", "base")).is_some_and(|base| !base.is_multiple_of(block * 1024))
    {
        return Err(detail("memory device address must be aligned to blocksize"));
    }
    Ok(())
}

fn node(domain: &Domain, device: &Tree) -> Result<()> {
    let cells = domain.tree.at("cpu/numa").map_or(0, |numa| numa.all("cell").count());
    if let Some(node) = device.at("target/node").and_then(|node| node.body().trim().parse::<i64>().ok())
        && node >= cells as i64
    {
        if cells == 0 {
            return Err(detail("can't add memory backend as guest has no NUMA nodes configured"));
        }
        return Err(detail(format!(
            "can't add memory backend for guest node '{node}' as the guest has only '{cells}' NUMA nodes configured"
        )));
    }
    Ok(())
}

/// Where a device sits in the guest's memory: first and one past the last byte.
fn range(device: &Tree) -> Option<(u64, u64)> {
    let base = number(device.attr_at("target/address", "base"))?;
    Some((base, base.checked_add(size(device, "target/size").checked_mul(1024)?)?))
}

fn overlap(domain: &Domain, device: &Tree) -> Result<()> {
    let mut others = domain.all("memory").filter(|other| !std::ptr::eq(*other, device));
    let slot = |device: &Tree| device.attr_at("address", "slot").map(str::to_owned);
    let own = slot(device);
    if own.is_some() && domain.all("memory").any(|other| !std::ptr::eq(other, device) && slot(other) == own) {
        return Err(unsupported(format!(
            "memory device slot '{}' is already being used by another memory device",
            own.unwrap_or_default()
        )));
    }
    let Some((first, end)) = range(device) else { return Ok(()) };
    if let Some((other, _)) =
        others.find_map(|other| range(other).filter(|(other, other_end)| first < *other_end && *other < end))
    {
        return Err(unsupported(format!(
            "memory device address [0x{first:x}:0x{end:x}] overlaps with other memory device (0x{other:x})"
        )));
    }
    Ok(())
}
