//! Small devices of the platform: hubs, IOMMUs, watchdogs, the balloon, memory that lasts, what reports a crash.

use super::address::number;
use super::machine::state;
use super::{Builder, Json, ability, alias_of, on_off, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

pub(super) fn hubs(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for hub in domain.all("hub") {
        if !hub.is("type", "usb") {
            let kind = hub.attr("type").unwrap_or_default();
            return Err(unsupported(format!("hub type {kind} not supported")));
        }
        let json = b.place(Json::driver("usb-hub").put("id", alias_of(hub)), hub);
        b.device(json);
    }
    Ok(())
}

/// Decides what an IOMMU is; `None` for one that is an option of the machine.
pub(super) fn iommu(b: &Builder<'_>, iommu: &Tree) -> Result<Option<Json>> {
    let driver = iommu.child("driver");
    let word = |name: &str| driver.and_then(|driver| driver.attr(name));
    match iommu.attr("model").unwrap_or_default() {
        "intel" => Ok(Some(
            Json::driver("intel-iommu")
                .put("id", alias_of(iommu))
                .put_opt("intremap", word("intremap"))
                .put_opt("caching-mode", on_off(word("caching_mode")))
                .put_opt("eim", word("eim"))
                .put_opt("device-iotlb", on_off(word("iotlb")))
                .put_opt("aw-bits", word("aw_bits").and_then(number))
                .put_opt("dma-translation", on_off(word("dma_translation"))),
        )),
        "virtio" => Ok(Some(b.place(Json::driver("virtio-iommu").put("id", alias_of(iommu)), iommu))),
        "smmuv3" => Ok(None),
        other => Err(unsupported(format!("unsupported IOMMU model '{other}'"))),
    }
}

pub(super) fn iommus(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for tree in domain.all("iommu") {
        if let Some(json) = iommu(b, tree)? {
            b.device(json);
        }
    }
    Ok(())
}

pub(super) fn watchdogs(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let mut action = None;
    for watchdog in domain.all("watchdog") {
        match watchdog.attr("model").unwrap_or_default() {
            "itco" => b.option("-global", "ICH9-LPC.noreboot=off"),
            model @ ("i6300esb" | "ib700" | "diag288") => {
                let json = b.place(Json::driver(model).put("id", alias_of(watchdog)), watchdog);
                b.device(json);
            }
            other => return Err(unsupported(format!("unsupported watchdog model '{other}'"))),
        }
        action = action.or_else(|| watchdog.attr("action"));
    }
    if let Some(action) = action {
        // A dump is made by the daemon while the guest stands still.
        b.option("-watchdog-action", if action == "dump" { "pause" } else { action });
    }
    Ok(())
}

/// The balloon.
pub(super) fn balloon(b: &Builder<'_>, balloon: &Tree) -> Json {
    let json = virtio::device(balloon, "virtio-balloon");
    let json = json
        .put("id", alias_of(balloon))
        .put_opt("deflate-on-oom", on_off(balloon.attr("autodeflate")))
        .put_opt("free-page-reporting", on_off(balloon.attr("freePageReporting")));
    b.place(json, balloon)
}

pub(super) fn balloons(b: &mut Builder<'_>) {
    let domain = b.domain;
    for tree in domain.all("memballoon").filter(|balloon| !balloon.is("model", "none")) {
        let json = balloon(b, tree);
        b.device(json);
    }
}

/// Memory of POWER machines that outlives a reset, and the note for those who look into a dump.
pub(super) fn notes(b: &mut Builder<'_>) {
    let domain = b.domain;
    for nvram in domain.all("nvram") {
        if let Some(reg) = nvram.attr_at("address", "reg").and_then(number) {
            b.option("-global", format!("spapr-nvram.reg=0x{reg:x}"));
        }
    }
    if state(&domain.tree, "vmcoreinfo") == Some("on") {
        b.device(Json::driver("vmcoreinfo"));
    }
}

/// What reports that the guest's system has crashed; `None` where the processor or the board does.
pub(super) fn panic(b: &Builder<'_>, panic: &Tree) -> Result<Option<Json>> {
    match panic.attr("model").unwrap_or("isa") {
        "isa" => {
            let isa = panic.child("address").filter(|address| address.is("type", "isa"));
            let port = isa.and_then(|address| address.attr("iobase")).and_then(number);
            Ok(Some(Json::driver("pvpanic").put_opt("ioport", port)))
        }
        "pvpanic" => Ok(Some(b.place(Json::driver("pvpanic-pci"), panic))),
        "hyperv" | "pseries" | "s390" => Ok(None),
        other => Err(unsupported(format!("panic model '{other}' is not supported yet"))),
    }
}

pub(super) fn panics(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for tree in domain.all("panic") {
        if let Some(json) = panic(b, tree)? {
            b.device(json);
        }
    }
    Ok(())
}

/// Memory of a process that ends is freed in the background.
pub(super) fn teardown(b: &mut Builder<'_>) {
    let wanted = b.domain.tree.at("features/async-teardown").and_then(|feature| feature.attr("enabled"));
    if let Some(on) = on_off(wanted)
        && ability::async_teardown(b.caps)
    {
        b.option("-run-with", if on { "async-teardown=on" } else { "async-teardown=off" });
    }
}
