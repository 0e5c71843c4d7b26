//! Devices a machine has whether a definition names them or not.

use super::controllers::{self, controller, has};
use super::setting::{Board, Setting};
use super::{Site, devices};
use conf_domain::Domain;
use qemu_caps::Flag;
use xml::Tree;

/// What a machine brings along.
#[derive(Debug, Default)]
struct Builtin {
    usb: bool,
    root: Option<&'static str>,
    sata: bool,
    balloon: bool,
    usb_input: bool,
    panic: Option<&'static str>,
    watchdog: bool,
}

fn of(setting: &Setting<'_>) -> Builtin {
    let machine = setting.machine.as_str();
    let plain = Builtin { usb: true, balloon: true, ..Builtin::default() };
    match setting.arch.as_str() {
        "x86_64" | "i686" => match setting.board {
            Board::Pc => Builtin { root: Some("pci-root"), ..plain },
            Board::Q35 => Builtin { root: Some("pcie-root"), sata: true, watchdog: true, ..plain },
            Board::Isapc => Builtin { balloon: true, ..Builtin::default() },
            _ => plain,
        },
        "aarch64" | "armv7l" | "armv6l" => Builtin {
            root: match setting.board {
                Board::Virt => Some("pcie-root"),
                _ if machine == "versatilepb" => Some("pci-root"),
                _ => None,
            },
            usb: machine == "versatilepb" || machine.starts_with("realview-"),
            ..Builtin::default()
        },
        "ppc64" | "ppc64le" => Builtin {
            root: Some("pci-root"),
            usb_input: true,
            panic: (setting.board == Board::Pseries).then_some("pseries"),
            ..plain
        },
        "mips" | "mipsel" | "mips64" | "mips64el" => {
            Builtin { root: (machine == "malta").then_some("pci-root"), ..plain }
        }
        "ppc" | "ppcemb" | "alpha" | "sh4" | "sh4eb" => Builtin { root: Some("pci-root"), ..plain },
        "riscv64" | "riscv32" => Builtin {
            root: (setting.board == Board::Virt).then_some("pcie-root"),
            balloon: true,
            ..Builtin::default()
        },
        "loongarch64" => {
            Builtin { root: (setting.board == Board::Virt).then_some("pcie-root"), ..Builtin::default() }
        }
        "s390x" | "s390" => Builtin {
            root: setting.has(Flag::Zpci).then_some("pci-root"),
            balloon: true,
            panic: Some("s390"),
            ..Builtin::default()
        },
        "sparc64" => Builtin { root: Some("pci-root"), ..plain },
        _ => Builtin::default(),
    }
}

/// Model of the PCI controller that the machine always has.
pub(crate) fn root(setting: &Setting<'_>) -> Option<&'static str> {
    of(setting).root
}

/// An element with attributes.
fn made(name: &str, attrs: &[(&str, &str)]) -> Tree {
    Tree { attrs: attrs.iter().copied().collect(), ..Tree::new(name) }
}

/// Adds controllers, screens, balloons and the like that the machine always has.
pub(super) fn add(domain: &mut Domain, setting: &Setting<'_>, site: &Site) {
    let builtin = of(setting);
    let graphics = domain.all("graphics").next().is_some();
    let missing = |domain: &Domain, kind: &str| domain.all(kind).next().is_none();
    if builtin.usb && !has(domain.devices(), "usb", Some(0)) {
        let model = controllers::usb_model(setting, true);
        if setting.board != Board::Q35 || model.is_some() {
            let mut new = controller("usb", 0);
            if let Some(model) = model {
                new.set("model", model);
            }
            controllers::insert(domain.devices_mut(), new);
        }
    }
    if builtin.sata && !has(domain.devices(), "sata", Some(0)) {
        controllers::insert(domain.devices_mut(), controller("sata", 0));
    }
    if let Some(root) = builtin.root
        && !has(domain.devices(), "pci", Some(0))
    {
        controllers::insert(domain.devices_mut(), controller("pci", 0).with("model", root));
    }
    if builtin.usb_input && graphics {
        for kind in ["keyboard", "mouse"] {
            let same = |own: &str| match kind {
                // A tablet points as well.
                "mouse" => matches!(own, "mouse" | "tablet"),
                _ => own == kind,
            };
            let there = domain.all("input").any(|input| input.attr("type").is_some_and(same));
            if !there {
                domain.devices_mut().push(made("input", &[("type", kind), ("bus", "usb")]));
            }
        }
    }
    let with_ps2 = domain.tree.attr_at("features/ps2", "state") != Some("off");
    if with_ps2 && matches!(setting.board, Board::Pc | Board::Q35 | Board::Isapc) {
        for kind in ["mouse", "keyboard"] {
            let there = domain.all("input").any(|input| input.is("type", kind) && input.is("bus", "ps2"));
            if !there {
                domain.devices_mut().push(made("input", &[("type", kind), ("bus", "ps2")]));
            }
        }
    }
    if graphics && missing(domain, "video") {
        let mut model = Tree::new("model").with("heads", "1").with("primary", "yes");
        if let Some(kind) = devices::video_model(setting) {
            model.set("type", kind);
        }
        domain.devices_mut().push(Tree::new("video").holding(model));
    }
    if builtin.watchdog && !domain.all("watchdog").any(|watchdog| watchdog.is("model", "itco")) {
        let action = domain.all("watchdog").next().and_then(|watchdog| watchdog.attr("action"));
        let new = made("watchdog", &[("model", "itco"), ("action", action.unwrap_or("reset"))]);
        domain.devices_mut().push(new);
    }
    if builtin.balloon && missing(domain, "memballoon") {
        domain.devices_mut().push(Tree::new("memballoon").with("model", "virtio"));
    }
    if let Some(model) = builtin.panic {
        let there = domain.all("panic").any(|panic| panic.attr("model").is_none_or(|own| own == model));
        if !there {
            domain.devices_mut().push(Tree::new("panic").with("model", model));
        }
    }
    audio(domain, site);
}

/// Sound of a guest goes where its last screen goes; without a screen nowhere, unless the host is told to play it.
fn audio(domain: &mut Domain, site: &Site) {
    if domain.all("audio").next().is_some() {
        return;
    }
    let host = |allowed: bool| match site.audio.driver.as_deref() {
        Some(driver) if allowed => {
            let kind = match driver {
                "pa" => "pulseaudio",
                "wav" => "file",
                other => other,
            };
            made("audio", &[("id", "1"), ("type", kind)])
        }
        _ => made("audio", &[("id", "1"), ("type", "none")]),
    };
    let mut new = None;
    let mut any = false;
    for graphics in domain.all("graphics") {
        any = true;
        match graphics.attr("type").unwrap_or_default() {
            "vnc" => new = Some(host(site.audio.with_vnc)),
            "spice" => new = Some(made("audio", &[("id", "1"), ("type", "spice")])),
            "sdl" => {
                let mut audio = host(true);
                if audio.is("type", "sdl")
                    && let Some(driver) = &site.audio.sdl_driver
                {
                    audio.set("driver", driver.clone());
                }
                new = Some(audio).filter(|_| site.audio.driver.is_some());
            }
            _ => {}
        }
    }
    if !any {
        new = Some(host(site.audio.headless));
    }
    domain.devices_mut().extend(new);
}
