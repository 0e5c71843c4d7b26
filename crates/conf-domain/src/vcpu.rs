//! `<vcpu>`, `<iothreads>` and what they imply.

use crate::fault::{invalid, unsupported};
use base::Result;
use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let automatic = tree.attr_at("numatune/memory", "placement") == Some("auto");
    let vcpu = tree.child_or_new("vcpu");
    let text = vcpu.body().trim().to_owned();
    let most: u32 = if text.is_empty() {
        1
    } else {
        text.parse().map_err(|_| invalid("maximum vcpus must be an integer"))?
    };
    vcpu.text = Some(most.to_string());
    if let Some(text) = vcpu.attr("current") {
        let current: u32 = text.parse().map_err(|_| invalid("current vcpus must be an integer"))?;
        if current > most {
            return Err(unsupported("maximum vCPU count must not be less than current vCPU count"));
        }
        if current == most {
            vcpu.unset("current");
        }
    }
    if vcpu.attr("cpuset").is_some_and(str::is_empty) {
        vcpu.unset("cpuset");
    }
    let placement = if automatic && vcpu.attr("cpuset").is_none() { "auto" } else { "static" };
    vcpu.default_to("placement", placement);

    let named = tree.child("iothreadids").map_or(0, |ids| ids.all("iothread").count());
    let counted = tree.text_of("iothreads").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    if named > counted {
        let element = tree.child_or_new("iothreads");
        element.text = Some(named.to_string());
    }
    Ok(())
}
