//! Controllers: what devices sit on.

use super::address::{number, usb_bus};
use super::{Builder, Json, alias_of, on_off, virtio};
use crate::complete::{Board, unsupported};
use base::Result;
use xml::Tree;

/// Order in which kinds of controllers appear. Card readers come later: they may sit on hubs.
const ORDER: &[&str] = &["pci", "usb", "scsi", "ide", "sata", "virtio-serial"];

fn value(tree: &Tree, element: &str, attr: &str) -> Option<u64> {
    tree.attr_at(element, attr).and_then(number)
}

/// Options of the whole machine that belong to its host bridge.
fn holes(b: &mut Builder<'_>) {
    let domain = b.domain;
    let roots = domain.all("controller").filter(|controller| controller.is("type", "pci"));
    for root in roots.filter(|root| matches!(root.attr("model"), Some("pci-root" | "pcie-root"))) {
        let bridge = match b.board {
            Board::Pc => "i440FX-pcihost",
            Board::Q35 => "q35-pcihost",
            _ => continue,
        };
        if let Some(kib) = root.child("pcihole64").and_then(|hole| number(hole.body().trim())) {
            b.option("-global", format!("{bridge}.pci-hole64-size={kib}K"));
        }
        // The root bus of the old board has its own switch for plugging.
        if b.board == Board::Pc
            && root.is("index", "0")
            && let Some(state) = root.attr_at("target", "hotplug")
        {
            b.option("-global", format!("PIIX4_PM.acpi-root-pci-hotplug={state}"));
        }
    }
}

pub(super) fn controllers(b: &mut Builder<'_>) -> Result<()> {
    holes(b);
    let domain = b.domain;
    for kind in ORDER {
        of_kind(b, kind)?;
    }
    let known = |controller: &&Tree| {
        let kind = controller.attr("type").unwrap_or_default();
        ORDER.contains(&kind) || matches!(kind, "fdc" | "ccid")
    };
    match domain.all("controller").find(|controller| !known(controller)) {
        Some(controller) => Err(unsupported(format!(
            "controllers of type '{}' are not supported yet",
            controller.attr("type").unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

fn of_kind(b: &mut Builder<'_>, kind: &str) -> Result<()> {
    let domain = b.domain;
    for controller in domain.all("controller").filter(|controller| controller.is("type", kind)) {
        if let Some(json) = device(b, controller)? {
            b.device(json);
        }
    }
    Ok(())
}

/// Controllers of card readers.
pub(super) fn card_readers(b: &mut Builder<'_>) -> Result<()> {
    of_kind(b, "ccid")
}

/// The device of a controller; `None` for one the machine has built in.
pub(super) fn device(b: &Builder<'_>, controller: &Tree) -> Result<Option<Json>> {
    let index = controller.attr("index").unwrap_or("0");
    let alias = alias_of(controller);
    let json = match controller.attr("type").unwrap_or_default() {
        "pci" => pci(controller)?,
        "usb" => usb(b, controller)?,
        "scsi" => scsi(b, controller)?,
        kind if built_in(b, kind, index) => None,
        "ide" => {
            return Err(unsupported("Only a single IDE controller is supported for this machine type"));
        }
        "sata" => Some(Json::driver("ahci").put("id", alias)),
        "virtio-serial" => {
            let json = virtio::device(controller, "virtio-serial");
            let own = |name: &str| controller.attr(name).and_then(number);
            Some(json.put("id", alias).put_opt("max_ports", own("ports")).put_opt("vectors", own("vectors")))
        }
        "ccid" => Some(Json::driver("usb-ccid").put("id", alias)),
        _ => None,
    };
    Ok(json.map(|json| b.place(json, controller)))
}

/// Controllers of disks that a board has built in. They have names that no definition can change.
pub(super) fn built_in(b: &Builder<'_>, kind: &str, index: &str) -> bool {
    let machine = crate::complete::machine(b.domain);
    let with_ide = matches!(b.board, Board::Pc | Board::Isapc)
        || matches!(machine, "malta" | "sun4u" | "g3beige" | "mac99");
    match kind {
        "ide" => index == "0" && with_ide,
        "sata" => index == "0" && b.board == Board::Q35,
        _ => false,
    }
}

fn pci(controller: &Tree) -> Result<Option<Json>> {
    let model = controller.attr("model").unwrap_or_default();
    let alias = alias_of(controller);
    let target = |name: &str| value(controller, "target", name);
    let reserve =
        controller.attr_at("target", "memReserve").and_then(number).map(|kib| kib.saturating_mul(1024));
    let node = controller.child("target").and_then(|target| target.text_of("node")).and_then(number);
    let name = |usual: &'static str| controller.attr_at("model", "name").unwrap_or(usual).to_owned();
    let json = match model {
        "pcie-root" => return Ok(None),
        "pci-root" => {
            let index = target("index").unwrap_or(0);
            if index == 0 {
                return Ok(None);
            }
            let json = Json::driver(name("spapr-pci-host-bridge")).put("index", index).put("id", alias);
            json.put_opt("numa_node", node)
        }
        "pci-bridge" => Json::driver(name("pci-bridge"))
            .put_opt("chassis_nr", target("chassisNr"))
            .put_opt("mem-reserve", reserve)
            .put("id", alias),
        "pci-expander-bus" => Json::driver(name("pxb"))
            .put_opt("bus_nr", target("busNr"))
            .put("id", alias)
            .put_opt("numa_node", node),
        "pcie-expander-bus" => Json::driver(name("pxb-pcie"))
            .put_opt("bus_nr", target("busNr"))
            .put("id", alias)
            .put_opt("numa_node", node),
        "dmi-to-pci-bridge" => Json::driver(name("i82801b11-bridge")).put("id", alias),
        "pcie-to-pci-bridge" => Json::driver(name("pcie-pci-bridge")).put("id", alias),
        "pcie-switch-upstream-port" => Json::driver(name("x3130-upstream")).put("id", alias),
        "pcie-root-port" | "pcie-switch-downstream-port" => {
            let usual = if model == "pcie-root-port" { "pcie-root-port" } else { "xio3130-downstream" };
            Json::driver(name(usual))
                .put_opt("port", target("port"))
                .put_opt("chassis", target("chassis"))
                .put_opt("mem-reserve", reserve)
                .put("id", alias)
                .put_opt("hotplug", on_off(controller.attr_at("target", "hotplug")))
        }
        other => return Err(unsupported(format!("Unsupported PCI controller model '{other}'"))),
    };
    Ok(Some(json))
}

/// Types of USB controllers by their models.
const USB: &[(&str, &str)] = &[
    ("piix3-uhci", "piix3-usb-uhci"),
    ("piix4-uhci", "piix4-usb-uhci"),
    ("ehci", "usb-ehci"),
    ("ich9-ehci1", "ich9-usb-ehci1"),
    ("ich9-uhci1", "ich9-usb-uhci1"),
    ("ich9-uhci2", "ich9-usb-uhci2"),
    ("ich9-uhci3", "ich9-usb-uhci3"),
    ("vt82c686b-uhci", "vt82c686b-usb-uhci"),
    ("pci-ohci", "pci-ohci"),
    ("nec-xhci", "nec-usb-xhci"),
    ("qemu-xhci", "qemu-xhci"),
];

fn usb(b: &Builder<'_>, controller: &Tree) -> Result<Option<Json>> {
    let model = match controller.attr("model") {
        Some("none") => return Ok(None),
        None if b.board == Board::Ccw => return Ok(None),
        // A board that is not told otherwise has the controller of the first PCs.
        None => "piix3-uhci",
        Some(model) => model,
    };
    let driver = USB.iter().find(|(name, _)| *name == model).map(|(_, driver)| *driver);
    let driver =
        driver.ok_or_else(|| unsupported(format!("Unsupported model '{model}' of USB controller")))?;
    let mut json = Json::driver(driver);
    if let Some(ports) = controller.attr("ports").and_then(number) {
        json = json.put("p2", ports).put("p3", ports);
    }
    Ok(Some(match controller.attr_at("master", "startport") {
        Some(port) => {
            let index = controller.attr("index").and_then(|index| index.parse().ok()).unwrap_or(0);
            json.put("masterbus", usb_bus(b.domain, index)).put_opt("firstport", number(port))
        }
        None => json.put("id", alias_of(controller)),
    }))
}

fn scsi(b: &Builder<'_>, controller: &Tree) -> Result<Option<Json>> {
    let alias = alias_of(controller);
    let driver = controller.child("driver");
    let plain = |driver: &str| Ok(Some(Json::driver(driver).put("id", alias)));
    match controller.attr("model").unwrap_or_default() {
        "virtio-scsi" | "virtio-transitional" | "virtio-non-transitional" => {
            let own = |name: &str| driver.and_then(|driver| driver.attr(name));
            let json = virtio::device(controller, "virtio-scsi");
            let json = json
                .put_opt("iothread", own("iothread").map(|id| format!("iothread{id}")))
                .put("id", alias)
                .put_opt("num_queues", own("queues").and_then(number))
                .put_opt("cmd_per_lun", own("cmd_per_lun").and_then(number))
                .put_opt("max_sectors", own("max_sectors").and_then(number))
                .put_opt("ioeventfd", on_off(own("ioeventfd")))
                .put_opt(
                    "iothread-vq-mapping",
                    driver.and_then(|driver| driver.child("iothreads")).map(virtio::iothreads),
                );
            Ok(Some(json))
        }
        "lsilogic" => plain("lsi"),
        "ibmvscsi" => plain("spapr-vscsi"),
        "lsisas1068" => plain("mptsas1068"),
        "lsisas1078" => plain("megasas"),
        "vmpvscsi" => plain("pvscsi"),
        "am53c974" => plain("am53c974"),
        "dc390" => plain("dc390"),
        // On the boards that have it, it is built in.
        "ncr53c90" if b.board == Board::Other => Ok(None),
        other => Err(unsupported(format!("Unsupported controller model: {other}"))),
    }
}
