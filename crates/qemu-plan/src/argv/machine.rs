//! `-machine` and `-accel`: the board, its options, and who runs its processors.

use super::address::number;
use super::{Builder, ability, comma, firmware, memory_device, security};
use crate::complete::{Board, arch, machine as machine_name, unsupported};
use base::Result;
use qemu_caps::Flag;
use std::fmt::Write;
use xml::Tree;

/// An option under construction: a word and `,name=value` after it.
pub(super) struct Options(String);

impl Options {
    pub(super) fn new(first: &str) -> Options {
        Options(comma(first))
    }

    pub(super) fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, ",{name}={value}");
    }

    pub(super) fn put_opt(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// The state of a feature; one that is only named is on.
pub(super) fn state<'t>(tree: &'t Tree, feature: &str) -> Option<&'t str> {
    let feature = tree.child("features")?.child(feature)?;
    Some(feature.attr("state").unwrap_or("on"))
}

/// Name of the memory object that is the machine's main memory.
pub(super) fn main_memory(b: &Builder<'_>) -> Option<String> {
    if b.domain.tree.at("cpu/numa/cell").is_some() {
        return None;
    }
    b.caps.machine(machine_name(b.domain))?.default_ram.clone()
}

pub(super) fn machine(b: &mut Builder<'_>) -> Result<()> {
    let text = machine_text(b);
    b.option("-machine", text);
    let accel = accelerator(b)?;
    b.option("-accel", accel);
    // The size of the protected memory of SMM belongs to the chip set.
    if let Some(tseg) = b.domain.tree.at("features/smm/tseg")
        && state(&b.domain.tree, "smm") == Some("on")
    {
        let text = tseg_mib(tseg)?;
        b.option("-global", format!("mch.extended-tseg-mbytes={text}"));
    }
    Ok(())
}

fn tseg_mib(tseg: &Tree) -> Result<u64> {
    let value = number(tseg.body().trim());
    let unit = tseg.attr("unit").unwrap_or("MiB");
    let bytes = value.and_then(|value| base::size::scale(value, unit, 1 << 20, u64::MAX));
    bytes.map(|bytes| bytes >> 20).ok_or_else(|| unsupported("invalid size of TSEG"))
}

fn machine_text(b: &Builder<'_>) -> String {
    let tree = &b.domain.tree;
    let mut options = Options::new(machine_name(b.domain));
    options.put("usb", "off");
    options.put_opt("vmport", state(tree, "vmport"));
    options.put_opt("smm", state(tree, "smm"));
    if ability::machine_i8042(b.caps) {
        options.put_opt("i8042", state(tree, "ps2"));
    }
    for name in ["aes", "dea"] {
        let ciphers = tree.child("keywrap").into_iter().flat_map(|wrap| wrap.all("cipher"));
        let cipher = ciphers.into_iter().find(|cipher| cipher.is("name", name));
        options.put_opt(&format!("{name}-key-wrap"), cipher.and_then(|cipher| cipher.attr("state")));
    }
    features(b, &mut options);
    memory(b, &mut options);
    firmware::machine(b, &mut options);
    if security::object(b).is_some() {
        options.put("confidential-guest-support", "lsec0");
    }
    // The speaker of a PC is part of its board.
    if let Some(speaker) = b.domain.all("sound").find(|sound| sound.is("model", "pcspk")) {
        options.put("pcspk-audiodev", format!("audio{}", speaker.attr_at("audio", "id").unwrap_or("1")));
    }
    if tree.attr_at("os/bios", "useserial") == Some("yes") {
        options.put("graphics", "off");
    }
    let x86 = matches!(arch(b.domain), "x86_64" | "i686");
    if x86
        && ability::machine_hpet(b.caps)
        && let Some(present) = timer(tree, "hpet").and_then(|timer| super::on_off(timer.attr("present")))
    {
        options.put("hpet", if present { "on" } else { "off" });
    }
    if b.caps.machine(machine_name(b.domain)).and_then(|machine| machine.acpi) == Some(true) {
        options.put("acpi", if tree.at("features/acpi").is_some() { "on" } else { "off" });
    }
    // A processor of POWER that looks like an older one.
    if b.board == Board::Pseries
        && let Some(cpu) = tree.child("cpu").filter(|cpu| cpu.is("mode", "host-model"))
        && let Some(model) = cpu.text_of("model").filter(|model| !model.is_empty())
    {
        options.put("max-cpu-compat", model.to_ascii_lowercase());
    }
    if !ability::loadparm(b.caps) {
        options.put_opt("loadparm", loader_parameter(b));
    }
    options.text()
}

/// A timer of the guest's clock.
pub(super) fn timer<'t>(tree: &'t Tree, name: &str) -> Option<&'t Tree> {
    tree.child("clock")?.all("timer").find(|timer| timer.is("name", name))
}

fn features(b: &Builder<'_>, options: &mut Options) {
    let tree = &b.domain.tree;
    let features = |name: &str| tree.child("features").and_then(|features| features.child(name));
    if b.board == Board::Virt {
        options.put_opt("gic-version", features("gic").and_then(|gic| gic.attr("version")));
    }
    if b.domain.all("iommu").any(|iommu| iommu.is("model", "smmuv3")) {
        options.put("iommu", "smmuv3");
    }
    match features("ioapic").and_then(|ioapic| ioapic.attr("driver")) {
        Some("qemu") => options.put("kernel_irqchip", "split"),
        Some("kvm") => options.put("kernel_irqchip", "on"),
        _ => {}
    }
    if let Some(table) = features("hpt") {
        options.put_opt("resize-hpt", table.attr("resizing"));
        let page = table.child("maxpagesize").and_then(|size| number(size.body().trim()));
        options.put_opt("cap-hpt-max-page-size", page.map(|kib| format!("{kib}k")));
    }
    for name in ["htm", "nested-hv", "ccf-assist"] {
        options.put_opt(&format!("cap-{name}"), features(name).and(state(tree, name)));
    }
    for name in ["cfpc", "sbbc", "ibs"] {
        options.put_opt(&format!("cap-{name}"), features(name).and_then(|feature| feature.attr("value")));
    }
    options.put_opt("ras", features("ras").and(state(tree, "ras")));
    options.put_opt("aia", features("aia").and_then(|aia| aia.attr("value")));
}

fn memory(b: &Builder<'_>, options: &mut Options) {
    let tree = &b.domain.tree;
    let default = if b.start.host.dump_core { "on" } else { "off" };
    options.put("dump-guest-core", tree.attr_at("memory", "dumpCore").unwrap_or(default));
    if tree.at("memoryBacking/nosharepages").is_some() {
        options.put("mem-merge", "off");
    }
    if b.domain.all("memory").any(|module| module.is("model", "nvdimm")) {
        options.put("nvdimm", "on");
    }
    if super::numa::has_hmat(b.domain) {
        options.put("hmat", "on");
    }
    memory_device::enclaves(b, options);
    options.put_opt("memory-backend", main_memory(b));
}

/// The parameter for the loader of the device that is booted from first.
fn loader_parameter(b: &Builder<'_>) -> Option<String> {
    let os = b.domain.tree.child("os").into_iter().flat_map(|os| os.all("boot"));
    let of_devices = b.domain.devices().iter().filter_map(|device| device.child("boot"));
    let ordered = of_devices.filter(|boot| boot.attr("loadparm").is_some());
    let first = ordered.min_by_key(|boot| boot.attr("order").and_then(|text| text.parse::<u32>().ok()));
    first
        .or_else(|| os.into_iter().find(|boot| boot.attr("loadparm").is_some()))?
        .attr("loadparm")
        .map(str::to_owned)
}

fn accelerator(b: &Builder<'_>) -> Result<String> {
    let tree = &b.domain.tree;
    match b.domain.kind() {
        "kvm" if !b.caps.has(Flag::Kvm) => {
            Err(unsupported(format!("Emulator '{}' does not support virt type 'kvm'", b.caps.binary)))
        }
        "kvm" => {
            let mut options = Options::new("kvm");
            if let Some(ring) = tree.at("features/kvm/dirty-ring").filter(|ring| ring.is("state", "on")) {
                options.put_opt("dirty-ring-size", ring.attr("size"));
            }
            Ok(options.text())
        }
        "qemu" => {
            let mut options = Options::new("tcg");
            let cache = tree.at("features/tcg/tb-cache").and_then(|cache| {
                let unit = cache.attr("unit").unwrap_or("KiB");
                base::size::scale(number(cache.body().trim())?, unit, 1024, u64::MAX)
            });
            options.put_opt("tb-size", cache.map(|bytes| bytes >> 20));
            Ok(options.text())
        }
        "hvf" => Ok("hvf".to_owned()),
        other => Err(unsupported(format!("the QEMU binary does not support {other}"))),
    }
}
