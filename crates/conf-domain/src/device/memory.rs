//! `<memory>` devices: modules and what pretends to be one.

use crate::fault::{internal, invalid};
use crate::{bitmap, memory, values};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::Tree;

/// Reads a memory device. `random` gives the UUID of one that needs it and has none.
///
/// # Errors
/// In the reference's words.
pub(crate) fn complete(device: &mut Tree) -> Result<()> {
    let model = device.word("model");
    if let Some(uuid) = device.child_mut("uuid") {
        let known: Uuid = uuid.body().parse().map_err(|_| internal("malformed uuid element"))?;
        uuid.text = Some(known.to_string());
    }
    if let Some(source) = device.child_mut("source") {
        self::source(source)?;
    }
    let Some(target) = device.child_mut("target") else {
        return Err(invalid("missing <target> element for <memory> device"));
    };
    self::target(target, &model)
}

fn source(source: &mut Tree) -> Result<()> {
    for name in ["pagesize", "alignsize"] {
        if let Some(size) = source.child_mut(name)
            && matches!(memory::kib(size, &format!("./{name}"))?, None | Some(0))
        {
            source.remove(name);
        }
    }
    if let Some(mask) = source.child_mut("nodemask") {
        let text = mask.body().to_owned();
        if text.is_empty() {
            source.remove("nodemask");
        } else {
            mask.text = Some(bitmap::format(&nodes(&text)?));
        }
    }
    Ok(())
}

/// A set of nodes of the host.
fn nodes(text: &str) -> Result<std::collections::BTreeSet<u32>> {
    let unread =
        || Error::new(ErrorCode::INVALID_ARG, ErrorDomain::NONE, format!("Failed to parse bitmap '{text}'"));
    let set = bitmap::parse(text).ok_or_else(unread)?;
    if set.is_empty() {
        return Err(crate::fault::unsupported(format!("Invalid value of 'nodemask': {text}")));
    }
    Ok(set)
}

fn target(target: &mut Tree, model: &str) -> Result<()> {
    if let Some(node) = target.child_mut("node") {
        let text = node.body().to_owned();
        if text.is_empty() {
            target.remove("node");
        } else {
            let number = values::decimal(&text).filter(|number| u32::try_from(*number).is_ok());
            let number = number.ok_or_else(|| invalid("invalid value of memory device node"))?;
            node.text = Some(number.to_string());
        }
    }
    memory::kib_required(target, "size")?;
    let label = match target.child_mut("label").and_then(|label| label.child_mut("size")) {
        Some(size) => memory::kib(size, "./label/size")?.unwrap_or(0),
        None => 0,
    };
    if label == 0 {
        target.remove("label");
    } else if label < 128 {
        return Err(invalid("nvdimm label must be at least 128KiB"));
    } else if target
        .child("size")
        .and_then(|size| size.body().parse().ok())
        .is_some_and(|size: u64| label >= size)
    {
        return Err(invalid("label size must be smaller than NVDIMM size"));
    }
    if model == "virtio-mem" {
        for name in ["block", "requested", "current"] {
            let path = format!("./{name}");
            let size = match target.child_mut(name) {
                Some(size) => memory::kib(size, &path)?,
                None => None,
            };
            if size.is_none() && name != "current" {
                target.remove(name);
                target.children.push(Tree::leaf(name, "0").with("unit", "KiB"));
            }
        }
        // Only a running guest tells what it took.
        target.remove("current");
    }
    Ok(())
}
