//! All other devices.

use super::invalid;
use crate::complete::Site;
use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_caps::Flag;
use xml::Tree;

pub(super) fn check(domain: &Domain, device: &Tree, setting: &Setting<'_>, site: &Site) -> Result<()> {
    match device.name.as_str() {
        "iommu" => iommu(domain, device, setting),
        "parallel" if setting.board == Board::Pseries || setting.is_s390() => {
            Err(unsupported("parallel ports are not supported"))
        }
        "serial" => spice(domain, device).and_then(|()| serial(device, setting)),
        "controller" => super::controller::check(domain, device, setting),
        "shmem" => shmem(device, setting),
        "tpm" => tpm(domain, device, setting, site),
        "hostdev" => hostdev(domain, device, setting),
        "input" => input(device, setting),
        "graphics" => graphics(domain, device, setting, site),
        "audio"
            if device.is("type", "spice")
                && !domain.all("graphics").any(|graphics| graphics.is("type", "spice")) =>
        {
            Err(unsupported("Spice audio is not supported without spice graphics"))
        }
        "sound" if device.is("model", "ich7") => {
            Err(Error::internal(ErrorDomain::QEMU, "sound card model 'ich7' is not supported by qemu"))
        }
        "sound" if device.is("model", "ich9") && !setting.has(Flag::Ich9IntelHda) => {
            Err(unsupported("The ich9-intel-hda audio controller is not supported in this QEMU binary"))
        }
        "sound" if device.is("model", "virtio") && !setting.has(Flag::VirtioSound) => {
            Err(unsupported("virtio-sound controller is not supported in this QEMU binary"))
        }
        "pstore" if device.is("backend", "acpi-erst") && !setting.has(Flag::AcpiErst) => {
            Err(unsupported("acpi-erst backend of pstore device is not supported"))
        }
        "memballoon"
            if !matches!(
                device.attr("model"),
                Some("none" | "virtio" | "virtio-transitional" | "virtio-non-transitional")
            ) =>
        {
            let model = device.attr("model").unwrap_or_default();
            Err(unsupported(format!(
                "Memory balloon device type '{model}' is not supported by this version of qemu"
            )))
        }
        "watchdog" => watchdog(device, setting),
        "nvram" if setting.board != Board::Pseries => {
            Err(unsupported("nvram device is only supported for PPC64"))
        }
        "console" => console(device, setting).and_then(|()| spice(domain, device)).and_then(|()| tcp(device)),
        "channel" | "redirdev" => spice(domain, device).and_then(|()| tcp(device)),
        "smartcard" if device.is("mode", "passthrough") && !setting.has(Flag::CcidPassthru) => {
            Err(unsupported("this QEMU binary lacks smartcard passthrough mode support"))
        }
        "smartcard" if !device.is("mode", "passthrough") && !setting.has(Flag::CcidEmulated) => {
            Err(unsupported("this QEMU binary lacks smartcard host mode support"))
        }
        "smartcard"
            if ["controller", "slot"]
                .iter()
                .any(|name| device.attr_at("address", name).is_some_and(|number| number != "0")) =>
        {
            Err(unsupported("this QEMU binary lacks multiple smartcard support"))
        }
        "smartcard" => spice(domain, device).and_then(|()| tcp(device)),
        "rng" => spice(domain, device),
        "video" => video(domain, device, setting),
        _ => Ok(()),
    }
    .and_then(|()| spapr_register(device))
}

fn spapr_register(device: &Tree) -> Result<()> {
    let Some(address) = device.child("address").filter(|address| address.is("type", "spapr-vio")) else {
        return Ok(());
    };
    let reg = address.attr("reg").and_then(|reg| u64::from_str_radix(reg.trim_start_matches("0x"), 16).ok());
    match reg.filter(|reg| *reg > 0xffff_ffff) {
        Some(reg) => {
            Err(unsupported(format!("spapr-vio reg='0x{reg:x}' exceeds maximum possible value (0xffffffff)")))
        }
        None => Ok(()),
    }
}

fn iommu(domain: &Domain, iommu: &Tree, setting: &Setting<'_>) -> Result<()> {
    let model = iommu.attr("model").unwrap_or_default();
    let q35 = setting.board == Board::Q35;
    let arm = setting.is_arm_virt();
    let place = match model {
        "intel" if !q35 => Some("Q35 machines"),
        "smmuv3" if !arm => Some("ARM Virt machines"),
        "virtio" if !(q35 || arm) => Some("Q35 and ARM Virt machines"),
        _ => None,
    };
    if let Some(place) = place {
        return Err(unsupported(format!("IOMMU device: '{model}' is only supported with {place}")));
    }
    if model == "virtio" {
        if domain.tree.at("features/acpi").is_none() {
            return Err(unsupported(format!("IOMMU device: '{model}' requires ACPI")));
        }
        if iommu.attr_at("address", "type").is_some_and(|kind| kind != "pci") {
            return Err(unsupported(format!("IOMMU device: '{model}' needs a PCI address")));
        }
    }
    Ok(())
}

pub(super) fn panic(panic: &Tree, setting: &Setting<'_>) -> Result<()> {
    let model = panic.attr("model").unwrap_or_default();
    let place = panic.attr_at("address", "type");
    match model {
        "s390" if !setting.is_s390() => {
            Err(unsupported("only S390 guests support panic device of model 's390'"))
        }
        "pseries" if setting.board != Board::Pseries => {
            Err(unsupported("only pSeries guests support panic device of model 'pseries'"))
        }
        "hyperv" if !setting.is_x86() => {
            Err(unsupported("only i686 and x86_64 guests support panic device of model 'hyperv'"))
        }
        "s390" | "pseries" | "hyperv" if place.is_some() => {
            Err(unsupported(format!("setting the panic device address is not supported for model '{model}'")))
        }
        "" => {
            Err(unsupported("no panic model provided, and no default for the architecture and machine type"))
        }
        "isa" if !setting.has(Flag::Pvpanic) => {
            Err(unsupported("the QEMU binary does not support the ISA panic device"))
        }
        "isa" if place.is_some_and(|place| place != "isa") => {
            Err(unsupported("panic is supported only with ISA address type"))
        }
        "pvpanic" if !setting.has(Flag::PvpanicPci) => {
            Err(unsupported("the QEMU binary does not support the PCI pvpanic device"))
        }
        "pvpanic" if place != Some("pci") => {
            Err(unsupported("pvpanic is supported only with PCI address type"))
        }
        _ => Ok(()),
    }
}

/// The kind of address that goes with a serial port.
fn place(serial: &Tree, kind: &str) -> Result<()> {
    let Some(place) = serial.attr_at("address", "type") else { return Ok(()) };
    let wanted = match kind {
        "isa-serial" | "isa-debug" => "isa",
        "usb-serial" => "usb",
        "pci-serial" => "pci",
        "spapr-vio-serial" => "spapr-vio",
        "system-serial" | "sclp-serial" => {
            return Err(unsupported(format!("Target type '{kind}' cannot have an associated address")));
        }
        _ => return Ok(()),
    };
    match place == wanted {
        true => Ok(()),
        false => Err(unsupported(format!("Target type '{kind}' requires address type '{wanted}'"))),
    }
}

fn serial(serial: &Tree, setting: &Setting<'_>) -> Result<()> {
    let kind = serial.attr_at("target", "type").unwrap_or_default();
    let model = serial.attr_at("target/model", "name").unwrap_or_default();
    let wanted = match model {
        "spapr-vty" => "spapr-vio-serial",
        "pl011" | "16550a" => "system-serial",
        "sclpconsole" | "sclplmconsole" => "sclp-serial",
        "isa-debugcon" => "isa-debug",
        model => model,
    };
    if model.is_empty() {
        return place(serial, kind).and_then(|()| tcp(serial));
    }
    if kind != wanted {
        return Err(unsupported(format!("Target model '{model}' requires target type '{wanted}'")));
    }
    place(serial, kind)?;
    let fits = match kind {
        "isa-serial" | "isa-debug" => setting.is_x86(),
        "spapr-vio-serial" => setting.board == Board::Pseries,
        "system-serial" if model == "pl011" => setting.is_arm(),
        "system-serial" => setting.is_riscv() || setting.arch == "loongarch64",
        "sclp-serial" => setting.is_s390(),
        _ => true,
    } && (kind != "system-serial" || setting.board == Board::Virt);
    if !fits {
        return Err(unsupported(format!(
            "Serial device with target type '{kind}' and target model '{model}' not compatible with guest architecture or machine type"
        )));
    }
    tcp(serial)
}

fn console(console: &Tree, setting: &Setting<'_>) -> Result<()> {
    match console.attr_at("target", "type") {
        Some(kind @ ("xen" | "uml" | "lxc" | "openvz")) => {
            Err(unsupported(format!("unsupported console target type {kind}")))
        }
        Some("sclp") if !setting.has(Flag::S390Sclp) => {
            Err(unsupported("sclpconsole is not supported in this QEMU binary"))
        }
        Some("sclplm") if !setting.has(Flag::Sclplmconsole) => {
            Err(unsupported("sclplmconsole is not supported in this QEMU binary"))
        }
        _ => Ok(()),
    }
}

/// QEMU speaks telnet and nothing, and encrypts by itself. Between two attempts to connect there is some time.
fn tcp(device: &Tree) -> Result<()> {
    if matches!(device.attr("type"), Some("tcp" | "unix"))
        && device.all("source").any(|source| source.attr_at("reconnect", "timeout") == Some("0"))
    {
        let text = "chardev reconnect source timeout cannot be '0'";
        return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::QEMU, text));
    }
    match device.attr_at("protocol", "type") {
        Some(kind @ ("telnets" | "tls")) if device.is("type", "tcp") => {
            let shown = if kind == "telnets" { "telnets" } else { kind };
            Err(unsupported(format!("tcp chardev protocol '{shown}' not supported")))
        }
        _ => Ok(()),
    }
}

fn shmem(shmem: &Tree, setting: &Setting<'_>) -> Result<()> {
    let size = shmem.child("size").and_then(|size| {
        let unit = size.attr("unit").unwrap_or("M");
        base::size::scale(size.body().trim().parse().ok()?, unit, 1 << 20, u64::MAX)
    });
    if size.is_some_and(|size| size < 1 << 20 || !size.is_power_of_two()) {
        return Err(invalid("shmem size must be a power of 2 and at least 1 MiB (1024 KiB)"));
    }
    let model = shmem.attr_at("model", "type").unwrap_or_default();
    let served = shmem.child("server").is_some();
    let known = match model {
        "ivshmem-plain" => setting.has(Flag::IvshmemPlain),
        "ivshmem-doorbell" => setting.has(Flag::IvshmemDoorbell),
        _ => true,
    };
    if !known {
        return Err(unsupported(format!("shmem model '{model}' is not supported by this QEMU binary")));
    }
    match model {
        "ivshmem-plain" if served => {
            Err(unsupported(format!("shmem model '{model}' is supported only with server option disabled")))
        }
        "ivshmem-doorbell" if !served => {
            Err(unsupported(format!("shmem model '{model}' is supported only with server option enabled")))
        }
        "ivshmem-doorbell" if size.is_some() => {
            Err(unsupported(format!("shmem model '{model}' does not support size setting")))
        }
        "ivshmem" => Err(unsupported("ivshmem device is no longer supported")),
        _ => Ok(()),
    }
}

fn tpm(domain: &Domain, tpm: &Tree, setting: &Setting<'_>, site: &Site) -> Result<()> {
    let Some(backend) = tpm.child("backend") else { return Ok(()) };
    let model = tpm.attr("model").unwrap_or_default();
    if model == "spapr-tpm-proxy" && !backend.is("type", "passthrough") {
        return Err(unsupported(format!("TPM Proxy model {model} requires 'Passthrough' backend")));
    }
    if backend.is("type", "emulator") {
        emulated_tpm(model, backend, setting, site)?;
    }
    let emulator = domain.all("emulator").next().map_or("", |emulator| emulator.body());
    let kind = backend.attr("type").unwrap_or_default();
    let nothing = site.tpm_versions.as_ref().is_some_and(Vec::is_empty);
    let backed = match kind {
        "passthrough" => setting.has(Flag::TpmPassthrough),
        _ => setting.has(Flag::TpmEmulator) && !nothing,
    };
    if !backed {
        return Err(unsupported(format!(
            "The QEMU executable {emulator} does not support TPM backend type {kind}"
        )));
    }
    let known = match model {
        "tpm-tis" => setting.has(Flag::TpmTis),
        "tpm-crb" => setting.has(Flag::TpmCrb),
        "tpm-spapr" => setting.has(Flag::TpmSpapr),
        "spapr-tpm-proxy" => setting.has(Flag::SpaprTpmProxy),
        _ => true,
    };
    if !known {
        return Err(unsupported(format!(
            "The QEMU executable {emulator} does not support TPM model {model}"
        )));
    }
    Ok(())
}

fn emulated_tpm(model: &str, backend: &Tree, setting: &Setting<'_>, site: &Site) -> Result<()> {
    let version = backend.attr("version").unwrap_or_default();
    if let Some(known) = &site.tpm_versions
        && !known.iter().any(|known| known == version)
    {
        return Err(unsupported(format!("TPM version '{version}' is not supported")));
    }
    if version == "1.2" {
        if setting.is_arm() || setting.is_riscv() || setting.is_ppc64() {
            return Err(unsupported(format!("TPM 1.2 is not supported on architecture '{}'", setting.arch)));
        }
        if matches!(model, "tpm-crb" | "tpm-spapr") {
            return Err(unsupported(format!("TPM 1.2 is not supported for model '{model}'")));
        }
    }
    Ok(())
}

/// Channels of Spice need its screen.
fn spice(domain: &Domain, device: &Tree) -> Result<()> {
    let kind = device.attr("type").unwrap_or_default();
    let screen = || domain.all("graphics").any(|graphics| graphics.is("type", "spice"));
    if matches!(kind, "spicevmc" | "spiceport") && !screen() {
        return Err(unsupported(format!("chardev '{kind}' not supported without spice graphics")));
    }
    Ok(())
}

fn hostdev(domain: &Domain, hostdev: &Tree, setting: &Setting<'_>) -> Result<()> {
    if hostdev.is("mode", "capabilities") {
        return Err(unsupported("hostdev mode 'capabilities' is not supported in qemu"));
    }
    let model = hostdev.attr("model").unwrap_or_default();
    if hostdev.is("type", "scsi") {
        super::controller::drive(domain, hostdev, "scsi")?;
    }
    if hostdev.attr_at("source", "writeFiltering").is_some() {
        return Err(unsupported(
            "Write filtering of PCI device configuration space is not supported by qemu",
        ));
    }
    let lacking = match model {
        "vfio-ap" if !setting.has(Flag::VfioAp) => Some("AP"),
        "vfio-ccw" if !setting.has(Flag::VfioCcw) => Some("CCW"),
        _ => None,
    };
    if let Some(lacking) = lacking {
        return Err(unsupported(format!(
            "VFIO {lacking} device assignment is not supported by this version of QEMU"
        )));
    }
    let boots = hostdev.child("boot").is_some();
    if hostdev.is("type", "mdev") && boots && matches!(model, "vfio-ap" | "vfio-pci") {
        return Err(unsupported(format!(
            "booting from assigned devices is not supported by mediated devices of model {model}"
        )));
    }
    if hostdev.is("type", "scsi_host") && boots {
        return Err(unsupported("booting from assigned devices is not supported by vhost SCSI devices"));
    }
    let shows = hostdev.is("type", "pci") || model == "vfio-pci";
    if shows && hostdev.is("display", "on") && domain.all("graphics").next().is_none() {
        return Err(unsupported("graphics device is needed for attribute value 'display=on' in <hostdev>"));
    }
    Ok(())
}

fn input(input: &Tree, setting: &Setting<'_>) -> Result<()> {
    let at_machine = matches!(setting.board, Board::Pc | Board::Q35 | Board::Isapc);
    if input.is("bus", "ps2") && !(at_machine && setting.has(Flag::I8042)) {
        return Err(unsupported("ps2 is not supported by this QEMU binary"));
    }
    if input.is("type", "passthrough") && !setting.has(Flag::VirtioInputHost) {
        return Err(unsupported("virtio-input-host is not supported by this QEMU binary"));
    }
    let transitional = matches!(input.attr("model"), Some("virtio-transitional" | "virtio-non-transitional"));
    let kind = input.attr("type").unwrap_or_default();
    if transitional && kind != "passthrough" {
        return Err(unsupported(format!(
            "virtio (non-)transitional models are not supported for input type={kind}"
        )));
    }
    Ok(())
}

fn graphics(domain: &Domain, graphics: &Tree, setting: &Setting<'_>, site: &Site) -> Result<()> {
    let kind = graphics.attr("type").unwrap_or_default();
    if let Some(password) = graphics.attr("passwd").filter(|password| kind == "vnc" && password.len() > 8) {
        let text = format!("VNC password is {} characters long, only 8 permitted", password.len());
        return Err(unsupported(text));
    }
    let known = match kind {
        "sdl" => setting.has(Flag::Sdl),
        "egl-headless" => setting.has(Flag::EglHeadless),
        "dbus" => setting.has(Flag::DisplayDbus),
        "rdp" => setting.has(Flag::DisplayDbus) && site.rdp != Some(false),
        "spice" => setting.has(Flag::Spice),
        "vnc" => setting.has(Flag::Vnc),
        _ => false,
    };
    if !known {
        return Err(unsupported(format!("{kind} graphics are not supported with this QEMU")));
    }
    let encrypted = graphics.attr("tlsPort").is_some_and(|port| !port.starts_with('-'));
    if kind == "spice" && encrypted && site.spice_tls == Some(false) {
        return Err(unsupported("spice TLS port set in XML configuration, but TLS is disabled in qemu.conf"));
    }
    let headless = domain.all("graphics").any(|other| other.is("type", "egl-headless"));
    if headless && kind == "spice" && graphics.attr_at("gl", "enable") == Some("yes") {
        return Err(unsupported("multiple OpenGL displays are not supported by QEMU"));
    }
    if kind == "egl-headless"
        && domain
            .all("graphics")
            .any(|other| !matches!(other.attr("type"), Some("vnc" | "spice" | "egl-headless")))
    {
        return Err(unsupported(
            "graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' graphics types",
        ));
    }
    Ok(())
}

fn watchdog(watchdog: &Tree, setting: &Setting<'_>) -> Result<()> {
    let model = watchdog.attr("model").unwrap_or_default();
    let place = watchdog.attr_at("address", "type");
    match model {
        "i6300esb" if place.is_some_and(|place| place != "pci") => {
            Err(unsupported(format!("{model} model of watchdog can go only on PCI bus")))
        }
        "diag288" if !setting.is_s390() => {
            Err(unsupported(format!("{model} model of watchdog is allowed for s390 and s390x only")))
        }
        "diag288" if place.is_some() => {
            Err(unsupported(format!("{model} model of watchdog is virtual and cannot go on any bus.")))
        }
        "ib700" if !matches!(setting.board, Board::Pc | Board::Isapc) => {
            Err(unsupported(format!("{model} model of watchdog cannot be used with this machine type")))
        }
        "itco" if setting.board != Board::Q35 => {
            Err(unsupported(format!("{model} model of watchdog is only part of q35 machine")))
        }
        "itco" if place.is_some() => Err(unsupported(format!(
            "{model} model of watchdog is part of the machine and cannot have any address set."
        ))),
        _ => Ok(()),
    }
}

fn video(domain: &Domain, video: &Tree, setting: &Setting<'_>) -> Result<()> {
    let Some(model) = video.child("model") else { return Ok(()) };
    let kind = model.attr("type").unwrap_or_default();
    let known = match kind {
        "none" => return Ok(()),
        "vga" => setting.has(Flag::Vga),
        "cirrus" => setting.has(Flag::CirrusVga),
        "vmvga" => setting.has(Flag::VmwareSvga),
        "qxl" => setting.has(Flag::Qxl),
        "virtio" => setting.has(Flag::VirtioGpu),
        "bochs" => setting.has(Flag::BochsDisplay),
        "ramfb" => setting.has(Flag::Ramfb),
        _ => false,
    };
    if !known {
        return Err(unsupported(format!("domain configuration does not support video model '{kind}'")));
    }
    let alone = !matches!(kind, "qxl" | "virtio");
    if alone && !model.is("primary", "yes") {
        return Err(unsupported(format!("video type '{kind}' is only valid as primary video device")));
    }
    if model.attr_at("acceleration", "accel2d") == Some("yes") {
        return Err(unsupported("qemu does not support the accel2d setting"));
    }
    if model.attr_at("acceleration", "accel3d") == Some("yes") && kind != "virtio" {
        return Err(unsupported("3d acceleration is supported only with 'virtio' video device"));
    }
    if alone && model.attr("heads").is_some_and(|heads| heads != "1") {
        return Err(unsupported(format!("video type '{kind}' doesn't support multiple 'heads'")));
    }
    if matches!(kind, "cirrus" | "vmvga" | "ramfb") && model.child("resolution").is_some() {
        let text = "model resolution is not supported";
        return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::QEMU, text));
    }
    let size = |name: &str| model.attr(name).and_then(|size| size.parse::<u32>().ok());
    let checked = match kind {
        "qxl" => Some("vgamem"),
        "vga" | "vmvga" => Some("vram"),
        _ => None,
    };
    if let Some(name) = checked
        && let Some(size) = size(name)
    {
        if size < 1024 {
            return Err(unsupported(format!("value for '{name}' must be at least 1 MiB (1024 KiB)")));
        }
        if !size.is_power_of_two() {
            return Err(unsupported(format!("value for '{name}' must be power of two")));
        }
    }
    if model.is("blob", "on") && domain.tree.attr_at("memoryBacking/source", "type") != Some("memfd") {
        return Err(unsupported("'blob' support for virtio-gpu devices requires a memfd memory backend"));
    }
    Ok(())
}

pub(super) fn together(domain: &Domain) -> Result<()> {
    let proxies = domain.all("tpm").filter(|tpm| tpm.is("model", "spapr-tpm-proxy")).count();
    let others = domain.all("tpm").count() - proxies;
    if others > 1 {
        return Err(unsupported("only a single TPM non-proxy device is supported"));
    }
    if proxies > 1 {
        return Err(unsupported("only a single TPM Proxy device is supported"));
    }
    let ap = domain.all("hostdev").filter(|hostdev| hostdev.is("model", "vfio-ap")).count();
    if ap > 1 {
        return Err(unsupported("Only one hostdev of model vfio-ap is supported"));
    }
    if domain.all("watchdog").filter(|watchdog| watchdog.is("model", "itco")).count() > 1 {
        return Err(unsupported("domain can only have one watchdog with model 'itco'"));
    }
    let mut actions = domain.all("watchdog").filter_map(|watchdog| watchdog.attr("action"));
    let first = actions.next();
    if actions.any(|action| Some(action) != first) {
        return Err(unsupported("watchdogs with different actions are not supported with this QEMU binary"));
    }
    Ok(())
}

/// What is checked of screens only when the guest is started.
fn start_graphics(domain: &Domain, graphics: &Tree) -> Result<()> {
    let kind = graphics.attr("type").unwrap_or_default();
    if graphics.all("listen").count() > 1 {
        return Err(unsupported("QEMU does not support multiple listens for one graphics device."));
    }
    let same = domain.all("graphics").filter(|other| other.is("type", kind)).count();
    if same > 1 {
        return Err(unsupported(
            "only 1 graphics device of each type (sdl, vnc, spice, headless, dbus, rdp) is supported",
        ));
    }
    if kind == "vnc"
        && let Some(port) = graphics.attr("port").and_then(|port| port.parse::<i64>().ok())
        && graphics.attr("autoport") != Some("yes")
        && port != -1
        && !(5900..=65535).contains(&port)
    {
        return Err(unsupported("vnc port must be in range [5900,65535]"));
    }
    Ok(())
}

pub(super) fn start(domain: &Domain, device: &Tree, setting: &Setting<'_>) -> Result<()> {
    match device.name.as_str() {
        "graphics" => start_graphics(domain, device),
        "hostdev"
            if device.is("type", "mdev") && !device.is("model", "vfio-pci") && device.is("display", "on") =>
        {
            Err(unsupported("<hostdev> attribute 'display' is only supported with model='vfio-pci'"))
        }
        "shmem" if device.attr_at("address", "type").is_some_and(|kind| kind != "pci") => {
            Err(unsupported("only 'pci' addresses are supported for the shared memory device"))
        }
        // Guests of s390 do without.
        "controller" if device.is("type", "usb") && device.attr("model").is_none() && !setting.is_s390() => {
            Err(unsupported("no model provided for USB controller"))
        }
        "interface" => {
            let kind = device.attr("type").unwrap_or_default();
            let mac = device.attr_at("mac", "address").unwrap_or_default();
            let tap = device.attr_at("backend", "tap").is_some();
            if kind == "hostdev" && device.child("bandwidth").is_some() {
                return Err(unsupported(format!(
                    "interface {mac} - bandwidth settings are not supported for hostdev interfaces"
                )));
            }
            if tap && !matches!(kind, "ethernet" | "bridge" | "network" | "direct") {
                return Err(unsupported(format!(
                    "interface {mac} - custom tap device path is not supported for network interfaces of type {kind}"
                )));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
