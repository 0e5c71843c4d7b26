//! `<memory>`, `<currentMemory>`, `<maxMemory>` and other sizes: kept in KiB.
//!
//! ```text
//! read: each size by itself ──▶ a driver may add cells ──▶ settled: what the guest has is the sum of cells and modules
//! ```

use crate::fault::{element, invalid};
use crate::{Domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result, size};
use xml::Tree;

/// The highest size in KiB.
const MOST_KIB: u64 = i64::MAX as u64 / 1024;

/// A size in bytes.
pub(crate) fn in_bytes(value: u64, unit: Option<&str>, default: u64) -> Result<u64> {
    let unit = unit.filter(|unit| !unit.is_empty());
    let factor = match unit {
        None => default,
        Some(unit) => size::unit_factor(unit, default).ok_or_else(|| {
            Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, format!("unknown suffix '{unit}'"))
        })?,
    };
    value.checked_mul(factor).filter(|bytes| *bytes <= i64::MAX as u64).ok_or_else(|| {
        let unit = unit.unwrap_or_default();
        Error::new(ErrorCode::OVERFLOW, ErrorDomain::NONE, format!("value too large: {value}{unit}"))
    })
}

/// Rewrites an element's size into bytes; `path` is how the reference calls the element. `None` when it is empty.
///
/// # Errors
/// When it is no number, its unit is not known, or it is too large.
pub(crate) fn bytes(tree: &mut Tree, default: u64, path: &str) -> Result<Option<u64>> {
    let Some(bytes) = read(tree, default, path)? else { return Ok(None) };
    tree.set("unit", "bytes");
    tree.text = Some(bytes.to_string());
    Ok(Some(bytes))
}

fn read(tree: &Tree, default: u64, path: &str) -> Result<Option<u64>> {
    let text = tree.body();
    if text.is_empty() {
        return Ok(None);
    }
    // A number that is followed by anything, be it space, is none.
    let value = values::decimal(text).ok_or_else(|| element(path, text))?;
    in_bytes(value, tree.attr("unit"), default).map(Some)
}

/// Rewrites an element's size into KiB, rounded up; `path` is how the reference calls the element.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn kib(tree: &mut Tree, path: &str) -> Result<Option<u64>> {
    let Some(bytes) = read(tree, 1024, path)? else { return Ok(None) };
    let kib = size::kib_rounded_up(bytes);
    tree.set("unit", "KiB");
    tree.text = Some(kib.to_string());
    Ok(Some(kib))
}

/// Writes a number, if it is not there already.
fn write(tree: &mut Tree, number: u64) {
    if tree.body().parse() != Ok(number) || tree.body().starts_with(['+', '0']) {
        tree.text = Some(number.to_string());
    }
}

/// Rewrites a size into KiB when it can be read.
pub(crate) fn spell(tree: &mut Tree) {
    let mut copy = tree.clone();
    if kib(&mut copy, "").is_ok() {
        *tree = copy;
    }
}

/// The same, for an element that must say something.
///
/// # Errors
/// As [`bytes`], and when there is nothing.
pub(crate) fn kib_required(holder: &mut Tree, name: &str) -> Result<u64> {
    let path = format!("./{name}");
    let size = match holder.child_mut(name) {
        Some(size) => kib(size, &path)?,
        None => None,
    };
    size.ok_or_else(|| nothing(&path))
}

/// Refusal of something that is not there.
pub(crate) fn nothing(path: &str) -> Error {
    let text = format!("missing element or attribute '{path}'");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}

/// Bytes of a size that is an attribute, with its unit in another; KiB is the default.
///
/// # Errors
/// As [`bytes`], and when there is nothing.
pub(crate) fn attribute(tree: &Tree, name: &str, path: &str) -> Result<u64> {
    let text = tree.attr(name).filter(|text| !text.is_empty()).ok_or_else(|| nothing(path))?;
    in_bytes(values::decimal(text).ok_or_else(|| element(path, text))?, tree.attr("unit"), 1024)
}

/// Limits of the host, in the order in which they are read.
const LIMITS: &[&str] = &["hard_limit", "soft_limit", "min_guarantee", "swap_hard_limit"];

/// Reads the sizes of a document.
///
/// # Errors
/// In the reference's words.
pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let mut sizes = [0; 3];
    for (name, size) in ["memory", "currentMemory", "maxMemory"].into_iter().zip(&mut sizes) {
        if let Some(found) = tree.child_mut(name) {
            *size = kib(found, &format!("./{name}[1]"))?.unwrap_or(0);
        }
    }
    let [total, current, maximum] = sizes;
    let dump = tree.attr_at("memory", "dumpCore").map(str::to_owned);
    tree.remove("memory");
    let mut memory = Tree::leaf("memory", total.to_string()).with("unit", "KiB");
    if let Some(dump) = dump {
        memory.set("dumpCore", dump);
    }
    tree.children.push(memory);
    if current == 0 {
        tree.remove("currentMemory");
    }
    if let Some(most) = tree.child_mut("maxMemory") {
        let slots = most.attr("slots").filter(|slots| !slots.is_empty()).map(str::to_owned);
        let count = match slots {
            None => 0,
            Some(text) => values::decimal(&text)
                .filter(|count| u32::try_from(*count).is_ok())
                .ok_or_else(|| invalid("Failed to parse memory slot count"))?,
        };
        if count == 0 {
            most.unset("slots");
        } else {
            most.set("slots", count.to_string());
        }
        if maximum == 0 && count > 0 {
            return Err(invalid(
                "maximum memory size must be specified when specifying number of memory slots",
            ));
        }
        if maximum == 0 {
            tree.remove("maxMemory");
        }
    }
    Ok(())
}

/// Reads limits of the memory that the host gives.
///
/// # Errors
/// In the reference's words.
pub(crate) fn limits(tree: &mut Tree) -> Result<()> {
    if let Some(tune) = tree.child_mut("memtune") {
        for name in LIMITS {
            let Some(limit) = tune.child_mut(name) else { continue };
            let size = kib(limit, &format!("./memtune/{name}[1]"))?;
            // The highest of all limits is none.
            if size.is_none_or(|size| size >= MOST_KIB) {
                tune.remove(name);
            }
        }
    }
    Ok(())
}

fn size_of(tree: Option<&Tree>) -> u64 {
    tree.and_then(|tree| tree.body().parse().ok()).unwrap_or(0)
}

/// Brings the sizes of a definition together: cells and modules make up the memory of a new definition, and of one that does
/// not tell it.
///
/// # Errors
/// When there is none, or the parts do not fit the whole.
pub fn settle(domain: &mut Domain, abi_update: bool) -> Result<()> {
    let modules: u64 =
        domain.all("memory").map(|module| size_of(module.at("target/size"))).fold(0, u64::saturating_add);
    let mut total = domain.memory_kib();
    let cells: u64 = match domain.tree.at("cpu/numa") {
        Some(numa) if total == 0 || abi_update => numa
            .all("cell")
            .filter_map(|cell| cell.attr("memory")?.parse::<u64>().ok())
            .fold(0, u64::saturating_add),
        _ => 0,
    };
    if cells > 0 {
        total = cells.saturating_add(modules);
    } else if modules > total {
        return Err(invalid("Total size of memory devices exceeds the total memory size"));
    }
    if total.saturating_sub(modules) == 0 {
        return Err(invalid("Memory size must be specified via <memory> or in the <numa> configuration"));
    }
    let current = size_of(domain.tree.child("currentMemory"));
    let current = if current == 0 || current > total { total } else { current };
    write(domain.tree.child_or_new("memory"), total);
    let shown = domain.tree.child_or_new("currentMemory");
    write(shown, current);
    shown.set("unit", "KiB");
    if domain.tree.child("maxMemory").is_some_and(|most| size_of(Some(most)) < total) {
        return Err(invalid("maximum memory size must be equal or greater than the actual memory size"));
    }
    Ok(())
}
