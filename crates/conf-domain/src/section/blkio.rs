//! `<blkiotune>`: a guest's share of the host's disks.

use crate::fault::unsupported;
use crate::values;
use base::Result;
use xml::Tree;

/// What may be said of a disk: element, its name in messages, whether it is a wide number.
const LIMITS: &[(&str, &str, bool)] = &[
    ("weight", "weight", false),
    ("read_bytes_sec", "read bytes sec", true),
    ("write_bytes_sec", "write bytes sec", true),
    ("read_iops_sec", "read iops sec", false),
    ("write_iops_sec", "write iops sec", false),
];

/// A number as C reads it without a sign: what is below zero counts from the other end.
fn wrapped(text: &str, wide: bool) -> Option<u64> {
    match (values::decimal(text), values::signed(text)) {
        (Some(value), _) if wide || value <= u64::from(u32::MAX) => Some(value),
        (None, Some(value)) if wide => Some(value as u64),
        (None, Some(value)) if value >= -i64::from(u32::MAX) => Some(u64::from(value as u32)),
        _ => None,
    }
}

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let Some(tune) = tree.child_mut("blkiotune") else { return Ok(()) };
    if let Some(weight) = tune.child_mut("weight") {
        match values::decimal(weight.body()).filter(|weight| *weight > 0 && *weight <= u64::from(u32::MAX)) {
            Some(number) => weight.text = Some(number.to_string()),
            // What is no number says nothing.
            None => tune.remove("weight"),
        }
    }
    for device in tune.all_mut("device") {
        for (name, shown, wide) in LIMITS {
            let Some(limit) = device.child_mut(name).filter(|limit| !limit.body().is_empty()) else {
                continue;
            };
            let text = limit.body();
            let value =
                wrapped(text, *wide).ok_or_else(|| unsupported(format!("could not parse {shown} {text}")))?;
            if value == 0 {
                device.remove(name);
            } else {
                limit.text = Some(value.to_string());
            }
        }
        if device.text_of("path").is_none_or(str::is_empty) {
            return Err(unsupported("missing per-device path"));
        }
    }
    tune.children.retain(|child| {
        child.name != "device"
            || child.children.iter().any(|part| part.name != "path" && !part.body().is_empty())
    });
    Ok(())
}
