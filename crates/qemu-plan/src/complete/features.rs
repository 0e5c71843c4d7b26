//! `<features>` that a machine needs: the interrupt controller of ARM, what Hyper-V enlightenments and IOMMUs imply.

use super::setting::{Board, Setting};
use conf_domain::Domain;
use xml::Tree;

pub(super) fn complete(domain: &mut Domain, setting: &Setting<'_>) {
    if setting.is_s390()
        && !setting.abi_update
        && let Some(features) = domain.tree.child_mut("features")
    {
        // Old definitions carry it although the machine never had it.
        features.remove("acpi");
        if features.children.is_empty() {
            domain.tree.remove("features");
        }
    }
    if setting.is_arm_virt() {
        gic(domain, setting);
    }
    if setting.is_x86() {
        large_x86(domain, setting);
    }
    split_interrupts(domain);
}

/// ARM's virtual machine has a GIC; its version is the best the acceleration offers.
fn gic(domain: &mut Domain, setting: &Setting<'_>) {
    let kernel = |version: u32| setting.caps.gic.iter().any(|gic| gic.kernel && gic.version == version);
    let version = match setting.kind.as_str() {
        "kvm" if setting.caps.gic.is_empty() || kernel(3) => "3",
        _ => "2",
    };
    let gic = domain.tree.child_or_new("features").child_or_new("gic");
    gic.default_to("version", version);
}

/// An IOMMU that remaps interrupts needs those of the I/O APIC to come from the emulator.
fn split_interrupts(domain: &mut Domain) {
    let remaps = |iommu: &Tree| iommu.attr_at("driver", "intremap") == Some("on");
    if domain.all("iommu").any(remaps) && domain.tree.attr_at("features/ioapic", "driver").is_none() {
        domain.tree.child_or_new("features").child_or_new("ioapic").set("driver", "qemu");
    }
}

/// More processors than the APIC can number need an IOMMU that remaps interrupts.
fn large_x86(domain: &mut Domain, setting: &Setting<'_>) {
    if domain.vcpus_max() <= 255 || setting.board != Board::Q35 {
        return;
    }
    if domain.all("iommu").next().is_none() {
        domain.devices_mut().push(Tree::new("iommu").with("model", "intel"));
    }
    if !domain.all("iommu").any(|iommu| iommu.is("model", "intel")) {
        return;
    }
    let ioapic =
        domain.tree.at("features/ioapic").and_then(|ioapic| ioapic.attr("driver")).map(str::to_owned);
    if ioapic.is_none() {
        domain.tree.child_or_new("features").child_or_new("ioapic").set("driver", "qemu");
    }
    for iommu in
        domain.devices_mut().iter_mut().filter(|device| device.name == "iommu" && device.is("model", "intel"))
    {
        let driver = iommu.child_or_new("driver");
        driver.default_to("intremap", "on");
        driver.default_to("eim", "on");
    }
}
