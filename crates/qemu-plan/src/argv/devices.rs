//! Controllers and small devices.

use super::{Builder, Json, alias_of, virtio};
use crate::complete::{Board, unsupported};
use base::Result;
use xml::Tree;

/// Order in which kinds of controllers appear.
const ORDER: &[&str] = &["pci", "usb", "scsi", "ide", "sata", "virtio-serial", "ccid"];

pub(super) fn controllers(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for kind in ORDER {
        for controller in domain.all("controller").filter(|controller| controller.is("type", kind)) {
            if let Some(json) = controller_device(b, controller)? {
                b.device(json);
            }
        }
    }
    match domain.all("controller").find(|controller| {
        !ORDER.contains(&controller.attr("type").unwrap_or_default()) && !controller.is("type", "fdc")
    }) {
        Some(controller) => Err(unsupported(format!(
            "controllers of type '{}' are not supported yet",
            controller.attr("type").unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

fn number(tree: &Tree, element: &str, attr: &str) -> u64 {
    let text = tree.attr_at(element, attr).unwrap_or("0");
    text.strip_prefix("0x")
        .map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
        .unwrap_or(0)
}

fn controller_device(b: &Builder<'_>, controller: &Tree) -> Result<Option<Json>> {
    let alias = alias_of(controller);
    let index = controller.attr("index").unwrap_or("0");
    let json =
        match (controller.attr("type").unwrap_or_default(), controller.attr("model").unwrap_or_default()) {
            ("pci", "pci-root" | "pcie-root") => return Ok(None),
            ("pci", "pcie-root-port") => {
                let json = Json::driver(controller.attr_at("model", "name").unwrap_or("pcie-root-port"))
                    .put("port", number(controller, "target", "port"))
                    .put("chassis", number(controller, "target", "chassis"))
                    .put("id", alias);
                return Ok(Some(b.place(json, controller)));
            }
            ("pci", "pcie-to-pci-bridge") => Json::driver("pcie-pci-bridge").put("id", alias),
            ("pci", "pci-bridge") => Json::driver("pci-bridge")
                .put("chassis_nr", number(controller, "target", "chassisNr"))
                .put("id", alias),
            ("pci", "dmi-to-pci-bridge") => Json::driver("i82801b11-bridge").put("id", alias),
            ("usb", "none") => return Ok(None),
            ("usb", model) => {
                let driver = match model {
                    "piix3-uhci" => "piix3-usb-uhci",
                    "piix4-uhci" => "piix4-usb-uhci",
                    "ehci" => "usb-ehci",
                    "ich9-ehci1" => "ich9-usb-ehci1",
                    "ich9-uhci1" => "ich9-usb-uhci1",
                    "ich9-uhci2" => "ich9-usb-uhci2",
                    "ich9-uhci3" => "ich9-usb-uhci3",
                    "nec-xhci" => "nec-usb-xhci",
                    "pci-ohci" => "pci-ohci",
                    "qemu-xhci" => "qemu-xhci",
                    other => {
                        return Err(unsupported(format!(
                            "USB controller model '{other}' is not supported yet"
                        )));
                    }
                };
                let ports = controller.attr("ports").and_then(|text| text.parse::<u64>().ok());
                let ports_name = "p2";
                let json = Json::driver(driver).put_opt(ports_name, ports).put_opt("p3", ports);
                match controller.attr_at("master", "startport") {
                    Some(port) => json
                        .put(
                            "masterbus",
                            if index == "0" { "usb.0".to_owned() } else { format!("usb{index}.0") },
                        )
                        .put("firstport", port.parse::<u64>().unwrap_or(0)),
                    None => json.put("id", alias),
                }
            }
            ("scsi", "lsilogic") => Json::driver("lsi").put("id", alias),
            ("scsi", model) => match model {
                "virtio-scsi" | "virtio-transitional" | "virtio-non-transitional" => {
                    Json::driver(virtio(controller, "virtio-scsi")).put("id", alias)
                }
                "lsisas1068" => Json::driver("mptsas1068").put("id", alias),
                "lsisas1078" => Json::driver("megasas").put("id", alias),
                "vmpvscsi" => Json::driver("pvscsi").put("id", alias),
                other => {
                    return Err(unsupported(format!("SCSI controller model '{other}' is not supported yet")));
                }
            },
            ("ide", _) if b.board == Board::Pc && index == "0" => return Ok(None),
            ("sata", _) if b.board == Board::Q35 && index == "0" => return Ok(None),
            ("sata", _) => Json::driver("ahci").put("id", alias),
            ("virtio-serial", _) => {
                let json = Json::driver(virtio(controller, "virtio-serial")).put("id", alias);
                json.put_opt("max_ports", controller.attr("ports").and_then(|text| text.parse::<u64>().ok()))
            }
            ("ccid", _) => Json::driver("usb-ccid").put("id", alias),
            (kind, model) => {
                return Err(unsupported(format!(
                    "controller '{kind}' of model '{model}' is not supported yet"
                )));
            }
        };
    Ok(Some(b.place(json, controller)))
}

pub(super) fn inputs(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for input in domain.all("input") {
        let kind = input.attr("type").unwrap_or_default();
        let driver = match (input.attr("bus").unwrap_or_default(), kind) {
            ("ps2" | "xen", _) => continue,
            ("usb", "mouse") => "usb-mouse".to_owned(),
            ("usb", "tablet") => "usb-tablet".to_owned(),
            ("usb", "keyboard") => "usb-kbd".to_owned(),
            ("virtio", "mouse" | "tablet" | "keyboard") => virtio(input, &format!("virtio-{kind}")),
            (bus, _) => {
                return Err(unsupported(format!("input '{kind}' on bus '{bus}' is not supported yet")));
            }
        };
        let json = b.place(Json::driver(driver).put("id", alias_of(input)), input);
        b.device(json);
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
            other => return Err(unsupported(format!("watchdog model '{other}' is not supported yet"))),
        }
        action = watchdog.attr("action");
    }
    if let Some(action) = action {
        // A dump is made by the daemon while the guest stands still.
        let action = if action == "dump" { "pause" } else { action };
        b.option("-watchdog-action", action.to_owned());
    }
    Ok(())
}

/// Memory that the guest gives back.
pub(super) fn balloons(b: &mut Builder<'_>) {
    let domain = b.domain;
    for balloon in domain.all("memballoon").filter(|balloon| !balloon.is("model", "none")) {
        let json =
            b.place(Json::driver(virtio(balloon, "virtio-balloon")).put("id", alias_of(balloon)), balloon);
        let json = match balloon.attr("autodeflate") {
            Some(state) => json.put("deflate-on-oom", state == "on"),
            None => json,
        };
        let json = match balloon.attr("freePageReporting") {
            Some(state) => json.put("free-page-reporting", state == "on"),
            None => json,
        };
        b.device(json);
    }
}

/// Devices by which a guest tells that it crashed.
pub(super) fn panics(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for panic in domain.all("panic") {
        match panic.attr("model").unwrap_or("isa") {
            "isa" => b.device(Json::driver("pvpanic")),
            "hyperv" | "pseries" | "s390" => {}
            "pvpanic" => {
                let json = b.place(Json::driver("pvpanic-pci"), panic);
                b.device(json);
            }
            other => return Err(unsupported(format!("panic model '{other}' is not supported yet"))),
        }
    }
    Ok(())
}
