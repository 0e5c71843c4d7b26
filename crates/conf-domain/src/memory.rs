//! `<memory>`, `<currentMemory>`, `<maxMemory>` and other sizes: kept in KiB.

use crate::fault::number;
use base::{Result, size};
use xml::Tree;

/// Rewrites an element's size into KiB; the default unit is KiB.
fn scaled(element: &mut Tree, path: &str) -> Result<u64> {
    let unit = element.attr("unit").unwrap_or("KiB");
    let text = element.body().trim();
    let value: u64 = text.parse().map_err(|_| crate::fault::element(path, text))?;
    let bytes = match size::unit_factor(unit, 1024) {
        None => {
            return Err(base::Error::new(
                base::ErrorCode::INVALID_ARG,
                base::ErrorDomain::NONE,
                format!("unknown suffix '{unit}'"),
            ));
        }
        Some(factor) => value.checked_mul(factor).ok_or_else(|| {
            base::Error::new(
                base::ErrorCode::OVERFLOW,
                base::ErrorDomain::NONE,
                format!("value too large: {value}{unit}"),
            )
        })?,
    };
    let kib = size::kib_rounded_up(bytes);
    element.set("unit", "KiB");
    element.text = Some(kib.to_string());
    Ok(kib)
}

/// Rewrites an element's size into bytes; `path` is how the reference calls the element. `None` when it is empty.
///
/// # Errors
/// When it is no number, its unit is not known, or it is too large.
pub(crate) fn bytes(element: &mut Tree, default: u64, path: &str) -> Result<Option<u64>> {
    let text = element.body();
    if text.is_empty() {
        return Ok(None);
    }
    let value = crate::values::decimal(text).ok_or_else(|| crate::fault::element(path, text))?;
    let bytes = in_bytes(value, element.attr("unit").filter(|unit| !unit.is_empty()), default)?;
    element.set("unit", "bytes");
    element.text = Some(bytes.to_string());
    Ok(Some(bytes))
}

/// Rewrites an element's size into KiB, rounded up; `path` is how the reference calls the element.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn kib(element: &mut Tree, path: &str) -> Result<Option<u64>> {
    let Some(bytes) = bytes(element, 1024, path)? else { return Ok(None) };
    let kib = size::kib_rounded_up(bytes);
    element.set("unit", "KiB");
    element.text = Some(kib.to_string());
    Ok(Some(kib))
}

/// Rewrites a size into KiB when it can be read.
pub(crate) fn spell(element: &mut Tree) {
    let mut copy = element.clone();
    if kib(&mut copy, "").is_ok() {
        *element = copy;
    }
}

/// A size in bytes.
fn in_bytes(value: u64, unit: Option<&str>, default: u64) -> Result<u64> {
    let factor = match unit {
        None => default,
        Some(unit) => size::unit_factor(unit, default).ok_or_else(|| {
            base::Error::new(
                base::ErrorCode::INVALID_ARG,
                base::ErrorDomain::NONE,
                format!("unknown suffix '{unit}'"),
            )
        })?,
    };
    value.checked_mul(factor).ok_or_else(|| {
        let unit = unit.unwrap_or_default();
        base::Error::new(
            base::ErrorCode::OVERFLOW,
            base::ErrorDomain::NONE,
            format!("value too large: {value}{unit}"),
        )
    })
}

/// Sizes below these elements.
const SIZES: &[(&str, &[&str])] =
    &[("memtune", &["hard_limit", "soft_limit", "min_guarantee", "swap_hard_limit"])];

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let numa = tree.at("cpu/numa").is_some();
    let mut cells = 0;
    if let Some(numa) = tree.child_mut("cpu").and_then(|cpu| cpu.child_mut("numa")) {
        for (index, cell) in numa.all_mut("cell").enumerate() {
            cell.default_to("id", &index.to_string());
            cells += attribute(cell)?;
        }
    }
    let total = match tree.child_mut("memory") {
        Some(memory) if !memory.body().is_empty() => scaled(memory, "./memory[1]")?,
        _ if numa => {
            tree.children.push(Tree::leaf("memory", cells.to_string()).with("unit", "KiB"));
            cells
        }
        _ => 0,
    };
    let current = match tree.child_mut("currentMemory") {
        Some(current) if !current.body().is_empty() => scaled(current, "./currentMemory[1]")?.min(total),
        _ => total,
    };
    tree.remove("currentMemory");
    tree.children.push(Tree::leaf("currentMemory", current.to_string()).with("unit", "KiB"));
    if let Some(maximum) = tree.child_mut("maxMemory") {
        scaled(maximum, "./maxMemory[1]")?;
        match maximum.attr("slots").map(str::parse::<u32>) {
            None => {}
            Some(Ok(0)) => maximum.unset("slots"),
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                return Err(number(
                    "maxMemory",
                    "slots",
                    maximum.attr("slots").unwrap_or_default(),
                    "non-negative integer",
                ));
            }
        }
    }
    if let Some(tseg) = tree
        .child_mut("features")
        .and_then(|features| features.child_mut("smm"))
        .and_then(|smm| smm.child_mut("tseg"))
    {
        let unit = tseg.attr("unit").unwrap_or("MiB").to_owned();
        tseg.set("unit", unit);
    }
    for (parent_name, names) in SIZES {
        for name in *names {
            if let Some(element) = tree.child_mut(parent_name).and_then(|parent| parent.child_mut(name)) {
                scaled(element, &format!("./{parent_name}/{name}[1]"))?;
            }
        }
    }
    Ok(())
}

/// Rewrites the size in the attributes `memory` and `unit` of a NUMA cell.
fn attribute(cell: &mut Tree) -> Result<u64> {
    let Some(text) = cell.attr("memory") else {
        let text = "missing element or attribute './@memory'";
        return Err(base::Error::new(base::ErrorCode::XML_ERROR, base::ErrorDomain::XML, text));
    };
    let value: u64 = text.parse().map_err(|_| crate::fault::element("./@memory", text))?;
    let unit = cell.attr("unit").unwrap_or("KiB");
    let Some(bytes) = size::scale(value, unit, 1024, u64::MAX) else {
        return Err(base::Error::new(
            base::ErrorCode::INVALID_ARG,
            base::ErrorDomain::NONE,
            format!("unknown suffix '{unit}'"),
        ));
    };
    let kib = size::kib_rounded_up(bytes);
    cell.set("memory", kib.to_string());
    cell.set("unit", "KiB");
    Ok(kib)
}
