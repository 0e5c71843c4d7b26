//! Features, firmware and security modules of the whole domain.

use crate::complete::setting::{Board, Setting};
use crate::complete::unsupported;
use base::Result;
use conf_domain::Domain;
use qemu_caps::Flag;
use xml::Tree;

/// Features of POWER servers only.
const PSERIES: &[&str] = &["hpt", "htm", "nested-hv", "ccf-assist", "cfpc", "sbbc", "ibs"];

/// Whether a feature is asked for.
fn on(features: &Tree, name: &str) -> bool {
    features.child(name).is_some_and(|feature| feature.attr("state").is_none_or(|state| state != "off"))
}

/// Checks how the guest is started.
pub(super) fn boot(domain: &Domain) -> Result<()> {
    if domain.tree.child("bootloader").is_some() || domain.tree.child("bootloader_args").is_some() {
        return Err(unsupported("bootloader is not supported by QEMU"));
    }
    Ok(())
}

/// Firmware that speaks through a serial port needs one.
fn serial_output(domain: &Domain) -> Result<()> {
    if domain.tree.attr_at("os/bios", "useserial") == Some("yes") && domain.all("serial").next().is_none() {
        return Err(super::invalid("need at least one serial port to use BIOS serial output"));
    }
    Ok(())
}

/// Names of files that firmware finds.
fn told(domain: &Domain) -> Result<()> {
    let files = domain.tree.all("sysinfo").filter(|info| info.is("type", "fwcfg"));
    for file in files.flat_map(|info| info.all("entry")) {
        let name = file.attr("name").unwrap_or_default();
        if !name.starts_with("opt/") {
            return Err(unsupported("Invalid firmware name"));
        }
        if name.starts_with("opt/ovmf/") || name.starts_with("opt/org.qemu/") {
            return Err(unsupported("That firmware name is reserved"));
        }
    }
    Ok(())
}

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let os = domain.tree.child("os");
    let efi = os.is_some_and(|os| {
        os.attr("firmware") == Some("efi") || os.attr_at("loader", "type") == Some("pflash")
    });
    let sleeps = |pm: &Tree| pm.child("suspend-to-mem").is_some() || pm.child("suspend-to-disk").is_some();
    if domain.tree.child("pm").is_some_and(sleeps) && !setting.is_x86() {
        return Err(unsupported("setting ACPI S3/S4 not supported"));
    }
    if os.is_some_and(|os| os.child("shim").is_some()) && !setting.has(Flag::Shim) {
        return Err(unsupported("shim is not supported by this QEMU binary"));
    }
    let features = domain.tree.child("features");
    let acpi = features.is_some_and(|features| features.child("acpi").is_some());
    let without = setting.caps.machine(&setting.machine).is_some_and(|machine| machine.acpi == Some(false));
    if acpi && (without || setting.is_s390()) {
        return Err(unsupported(format!("machine type '{}' does not support ACPI", setting.machine)));
    }
    if setting.is_x86() && efi && !acpi {
        return Err(unsupported("UEFI requires ACPI on this architecture"));
    }
    if setting.arch == "aarch64" && acpi && !efi {
        return Err(unsupported("ACPI requires UEFI on this architecture"));
    }
    if let Some(os) = os {
        secure_boot(os, features, setting)?;
    }
    features.map_or(Ok(()), |features| each(features, setting))?;
    serial_output(domain)?;
    told(domain)?;
    protection(domain, setting)
}

/// What keeps the host from looking into a guest must be there.
fn protection(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let Some(security) = domain.tree.child("launchSecurity") else { return Ok(()) };
    let name = security.attr("type").unwrap_or_default();
    let flag = match name {
        "sev" => Flag::SevGuest,
        "sev-snp" => Flag::SevSnpGuest,
        "s390-pv" => Flag::S390PvGuest,
        _ => return Ok(()),
    };
    if !setting.has(flag) {
        let text = format!("'{name}' launch security is not supported with this QEMU binary");
        return Err(unsupported(text));
    }
    if security.attr("kernelHashes").is_some() && !setting.has(Flag::SevGuestKernelHashes) {
        return Err(unsupported("SEV measured direct kernel boot is not supported with this QEMU binary"));
    }
    Ok(())
}

fn secure_boot(os: &Tree, features: Option<&Tree>, setting: &Setting<'_>) -> Result<()> {
    if os.attr_at("loader", "secure") != Some("yes") {
        return Ok(());
    }
    if setting.board != Board::Q35 {
        return Err(unsupported("Secure boot is supported with q35 machine types only"));
    }
    if setting.arch != "x86_64" {
        return Err(unsupported("Secure boot is supported for x86_64 architecture only"));
    }
    if !features.is_some_and(|features| on(features, "smm")) {
        return Err(unsupported("Secure boot requires SMM feature enabled"));
    }
    Ok(())
}

/// Checks memory that only firmware sees.
pub(super) fn firmware_memory(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let Some(tseg) = domain.tree.at("features/smm/tseg") else { return Ok(()) };
    if setting.board != Board::Q35 {
        return Err(unsupported("SMM TSEG is only supported with q35 machine type"));
    }
    let size: u64 = tseg.body().parse().unwrap_or(0);
    let bytes = base::size::scale(size, tseg.attr("unit").unwrap_or_default(), 1 << 20, u64::MAX);
    if bytes.is_none_or(|bytes| !bytes.is_multiple_of(1 << 20)) {
        return Err(unsupported("SMM TSEG size must be divisible by 1 MiB"));
    }
    Ok(())
}

fn each(features: &Tree, setting: &Setting<'_>) -> Result<()> {
    let elsewhere = |name: &str| {
        unsupported(format!(
            "The '{name}' feature is not supported for architecture '{}' or machine type '{}'",
            setting.arch, setting.machine
        ))
    };
    for name in PSERIES {
        if features.child(name).is_some() && setting.board != Board::Pseries {
            return Err(elsewhere(name));
        }
    }
    if on(features, "gic") && !setting.is_arm_virt() {
        return Err(elsewhere("gic"));
    }
    if features.at("apic").is_some_and(|apic| apic.attr("eoi").is_some()) && !setting.is_x86() {
        return Err(unsupported(format!(
            "The 'eoi' attribute of the 'apic' feature is not supported for architecture '{}' or machine type '{}'",
            setting.arch, setting.machine
        )));
    }
    if features.child("hyperv").is_some() && !setting.is_x86() && setting.arch != "aarch64" {
        return Err(unsupported(format!(
            "Hyperv features are not supported for architecture '{}' or machine type '{}'",
            setting.arch, setting.machine
        )));
    }
    for name in ["pvspinlock", "ioapic"] {
        if features.child(name).is_some() && !setting.is_x86() {
            return Err(elsewhere(name));
        }
    }
    if features.child("pmu").is_some() && !on(features, "pmu") && setting.is_ppc64() {
        return Err(unsupported(format!("PMU is always enabled for architecture '{}'", setting.arch)));
    }
    if features.child("ras").is_some() && !setting.is_arm_virt() {
        return Err(unsupported("ras feature is only supported with ARM Virt machines"));
    }
    for (name, flag) in
        [("vmport", Flag::MachineVmportOpt), ("vmcoreinfo", Flag::Vmcoreinfo), ("ps2", Flag::MachineI8042Opt)]
    {
        let asked = if name == "vmcoreinfo" { on(features, name) } else { features.child(name).is_some() };
        if asked && !setting.has(flag) {
            let what = if name == "ps2" { "ps2 feature" } else { name };
            return Err(unsupported(format!("{what} is not available with this QEMU binary")));
        }
    }
    if features.child("aia").is_some() && !(setting.is_riscv() && setting.board == Board::Virt) {
        return Err(unsupported("aia feature is only supported with RISC-V Virt machines"));
    }
    if features.child("tcg").is_some() && setting.kind != "qemu" {
        return Err(unsupported(format!(
            "TCG features are incompatible with domain type '{}'",
            setting.kind
        )));
    }
    let ps2_off = features.attr_at("ps2", "state") == Some("off");
    if ps2_off && on(features, "vmport") && features.child("vmport").is_some() {
        return Err(unsupported("vmport feature requires the ps2 feature not to be disabled"));
    }
    Ok(())
}
