//! Modules of memory: what can be plugged, what lasts, what a hypervisor resizes, what is enclosed.

use super::address::number;
use super::machine::Options;
use super::memory::{self, Backend, Need, kib};
use super::{Builder, Json, ability, alias_of, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// A module: what holds its memory, and the device that shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Module {
    pub(super) backend: Backend,
    /// Enclaves are part of the machine and have no device.
    pub(super) device: Option<Json>,
}

fn target<'t>(module: &'t Tree, name: &str) -> Option<&'t Tree> {
    module.child("target")?.child(name)
}

fn bytes(tree: Option<&Tree>) -> Option<u64> {
    kib(tree).map(|kib| kib.saturating_mul(1024))
}

/// Name of the object that holds a module's memory.
fn object_name(module: &Tree) -> String {
    format!("mem{}", alias_of(module))
}

fn device(b: &Builder<'_>, module: &Tree, at_once: bool) -> Result<Option<Json>> {
    let model = module.attr("model").unwrap_or_default();
    let node = kib(target(module, "node"));
    let json = match model {
        "dimm" => Json::driver("pc-dimm").put_opt("node", node),
        "nvdimm" => Json::driver("nvdimm")
            .put_opt("node", node)
            .put_opt("label-size", bytes(target(module, "label").and_then(|label| label.child("size"))))
            .put_opt("uuid", module.text_of("uuid"))
            .put_true("unarmed", target(module, "readonly").is_some()),
        "virtio-pmem" => Json::driver(virtio(module, "virtio-pmem")),
        "virtio-mem" => Json::driver(virtio(module, "virtio-mem"))
            .put_opt("node", node)
            .put_opt("block-size", bytes(target(module, "block")))
            .put_opt("requested-size", bytes(target(module, "requested"))),
        "sgx-epc" => return Ok(None),
        other => return Err(unsupported(format!("invalid memory device type '{other}'"))),
    };
    let mut json = json.put("memdev", object_name(module));
    if model == "virtio-mem" && at_once && ability::virtio_mem_prealloc(b.caps) {
        json = json.put("prealloc", true);
    }
    let base = target(module, "address").and_then(|address| address.attr("base")).and_then(number);
    json = json.put_opt("memaddr", base);
    let slots = super::on_off(module.attr_at("target", "dynamicMemslots"));
    json = json.put_opt("dynamic-memslots", slots).put("id", alias_of(module));
    Ok(Some(b.place(json, module)))
}

/// Decides what one module is made of.
pub(super) fn module(b: &Builder<'_>, module: &Tree) -> Result<Module> {
    let need = Need {
        id: object_name(module),
        file: alias_of(module).to_owned(),
        kib: kib(target(module, "size")).unwrap_or(0),
        cell: kib(target(module, "node")).and_then(|node| u32::try_from(node).ok()),
        main: false,
        module: Some(module),
    };
    let backend = memory::backend(b, &need)?;
    let device = device(b, module, backend.at_once)?;
    Ok(Module { backend, device })
}

pub(super) fn modules(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for tree in domain.all("memory") {
        let one = module(b, tree)?;
        one.backend.append(b);
        if let Some(device) = one.device {
            b.device(device);
        }
    }
    Ok(())
}

/// Options of the machine that show enclaves.
pub(super) fn enclaves(b: &Builder<'_>, options: &mut Options) {
    for (index, enclave) in b.domain.all("memory").filter(|module| module.is("model", "sgx-epc")).enumerate()
    {
        options.put(&format!("sgx-epc.{index}.memdev"), object_name(enclave));
        options.put_opt(&format!("sgx-epc.{index}.node"), kib(target(enclave, "node")));
    }
}
