//! `<memoryBacking>`: what a guest's memory is made of.

use crate::section::memory;
use crate::{bitmap, domain, values};
use base::Result;
use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    values::read(domain::place("domain"), tree, "memory")?;
    values::read(domain::place("domain"), tree, "memoryBacking")?;
    let Some(backing) = tree.child_mut("memoryBacking") else { return Ok(()) };
    let Some(pages) = backing.child_mut("hugepages") else { return Ok(()) };
    for page in &mut pages.children {
        let bytes = memory::attribute(page, "size", "./@size")?;
        page.set("size", base::size::kib_rounded_up(bytes).to_string());
        page.set("unit", "KiB");
        bitmap::take(page, "nodeset")?;
    }
    Ok(())
}
