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

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let os = domain.tree.child("os");
    let efi = os.is_some_and(|os| {
        os.attr("firmware") == Some("efi") || os.attr_at("loader", "type") == Some("pflash")
    });
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
    if domain.tree.child("bootloader").is_some() {
        return Err(unsupported("bootloader is not supported by QEMU"));
    }
    let limit = setting.caps.machine(&setting.machine).map_or(0, |machine| machine.max_cpus);
    if limit > 0 && domain.vcpus_max() > limit {
        return Err(unsupported(format!("Maximum CPUs greater than specified machine type limit {limit}")));
    }
    if domain.vcpus_max() > 255 && setting.is_x86() && setting.board != Board::Q35 {
        return Err(unsupported("more than 255 vCPUs are only supported on q35-based machine types"));
    }
    protection(domain, setting)?;
    features.map_or(Ok(()), |features| each(features, setting))
}

/// What keeps the host from looking into a guest must be there.
fn protection(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let Some(security) = domain.tree.child("launchSecurity") else { return Ok(()) };
    let (name, flag) = match security.attr("type") {
        Some("sev") => ("SEV", Flag::SevGuest),
        Some("sev-snp") => ("SEV SNP", Flag::SevSnpGuest),
        Some("s390-pv") => ("S390 PV", Flag::S390PvGuest),
        _ => return Ok(()),
    };
    if !setting.has(flag) {
        let text = format!("{name} launch security is not supported with this QEMU binary");
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
    if setting.arch != "x86_64" {
        return Err(unsupported("Secure boot is supported for x86_64 architecture only"));
    }
    if setting.board != Board::Q35 {
        return Err(unsupported("Secure boot is supported with q35 machine types only"));
    }
    if !features.is_some_and(|features| on(features, "smm")) {
        return Err(unsupported("Secure boot requires SMM feature enabled"));
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
    if let Some(smm) = features.child("smm")
        && let Some(tseg) = smm.child("tseg")
    {
        if setting.board != Board::Q35 {
            return Err(unsupported("SMM TSEG is only supported with q35 machine type"));
        }
        let unit = tseg.attr("unit").unwrap_or("MiB");
        let size: u64 = tseg.body().trim().parse().unwrap_or(0);
        let bytes = base::size::scale(size, unit, 1 << 20, u64::MAX);
        if bytes.is_none_or(|bytes| !bytes.is_multiple_of(1 << 20)) {
            return Err(unsupported("SMM TSEG size must be divisible by 1 MiB"));
        }
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
    if on(features, "pvspinlock") && !setting.is_x86() {
        return Err(elsewhere("pvspinlock"));
    }
    if on(features, "ras") && !setting.is_arm_virt() {
        return Err(unsupported("ras feature is only supported with ARM Virt machines"));
    }
    if features.child("aia").is_some() && !(setting.is_riscv() && setting.board == Board::Virt) {
        return Err(unsupported("aia feature is only supported with RISC-V Virt machines"));
    }
    let ps2_off = features.attr_at("ps2", "state") == Some("off");
    if ps2_off && on(features, "vmport") && features.child("vmport").is_some() {
        return Err(unsupported("vmport feature requires the ps2 feature not to be disabled"));
    }
    Ok(())
}
