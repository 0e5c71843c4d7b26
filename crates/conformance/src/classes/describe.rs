//! `domaincaps`, `qemucaps2xml`: what clients are told about the guests they can have.

use super::{Verdict, descriptors, whole};
use crate::manifest::Case;
use crate::{compare, emulator};
use conf_capabilities::bhyve::{self, Bhyve};
use conf_capabilities::{DomainCapabilities, host, xen};
use cpu::{CpuDef, Database};
use qemu_caps::describe::{self, Host, Request};
use qemu_caps::descriptor::firmware;
use qemu_caps::{Accel, Caps};
use serde_json::Value;

/// Runs one case of `qemucaps2xml`.
pub(crate) fn host(case: &Case) -> Verdict {
    let run = || {
        let found = emulator::of(case)?;
        // Nothing but the flags counts.
        let caps = Caps {
            binary: case.text("binary").unwrap_or_default().to_owned(),
            arch: found.arch.clone(),
            flags: found.flags,
            ..Caps::default()
        };
        let arch = case.text("host_arch").unwrap_or_default();
        let guest = describe::guest(&caps, arch, case.is("kvm_device_exists"));
        let facts = host::Host { arch: arch.to_owned(), ..host::Host::default() };
        compare::unwrapped(&case.read("expected")?, &host::format(&facts, &[guest]))
    };
    whole(run())
}

/// Runs one case of `domaincaps`.
pub(crate) fn domain(case: &Case) -> Verdict {
    let run = || compare::unwrapped(&case.read("expected")?, &capabilities(case)?.format());
    whole(run())
}

fn words(case: &Case, fact: &str) -> Vec<String> {
    case.words(fact).into_iter().map(str::to_owned).collect()
}

fn capabilities(case: &Case) -> Result<DomainCapabilities, String> {
    let text = |fact| case.text(fact).unwrap_or_default();
    let (path, arch) = (text("emulator"), text("arch"));
    match text("hypervisor") {
        "qemu" => qemu(case),
        "bhyve" => {
            let has = |name| case.words("bhyve_caps").contains(&name);
            let found = Bhyve { boot_rom: has("lpc-bootrom"), framebuffer: has("framebuffer") };
            Ok(bhyve::domain_capabilities(path, arch, found, &words(case, "firmwares")))
        }
        "libxl" => Ok(xen::domain_capabilities(path, text("machine"), arch, &words(case, "firmwares"))),
        _ => Ok(DomainCapabilities {
            path: path.to_owned(),
            kind: text("virt_type").to_owned(),
            machine: case.text("machine").map(str::to_owned),
            arch: arch.to_owned(),
            ..DomainCapabilities::default()
        }),
    }
}

fn qemu(case: &Case) -> Result<DomainCapabilities, String> {
    let mut caps = (*emulator::of(case)?).clone();
    caps.binary = case.text("emulator").unwrap_or_default().to_owned();
    let accel = case
        .text("virt_type")
        .and_then(Accel::from_domain_type)
        .ok_or("the type of the domain is unknown")?;
    let machine = match case.text("machine") {
        Some(name) => caps.machine(name),
        None => caps.default_machine(),
    };
    let machine = machine.ok_or("there is no such machine")?.name.clone();
    let s390 = caps.arch == "s390x";
    let host = Host {
        arch: caps.arch.clone(),
        cpu: host_cpu(case)?,
        physical_bits: if s390 { 0 } else { 64 },
        kvm_max_vcpus: Some(2_147_483_647),
        sev_guests: (59, 450),
        tpm_versions: Some(words(case, "swtpm_setup_versions")),
        rdp: true,
        pci_backends: words(case, "hostdev_pci_backend_forced"),
    };
    let mut firmware = firmware::supported(&descriptors::firmware(case), &caps.arch, &machine);
    firmware.images =
        words(case, "loader_values_replaced_by").into_iter().map(|image| (image, None)).collect();
    let request = Request { machine: &machine, firmware, without_deprecated: false };
    Ok(describe::domain(&caps, accel, &request, &host, Database::builtin()))
}

/// The pretended host's processor.
fn host_cpu(case: &Case) -> Result<Option<CpuDef>, String> {
    let Some(name) = case.text("host_cpu") else { return Ok(None) };
    let facts: Value =
        serde_json::from_str(&case.read_file("fakehost.json")?).map_err(|error| error.to_string())?;
    let known = facts.pointer("/host_cpus/definitions").and_then(Value::as_object);
    let mut named = known.into_iter().flat_map(|known| known.values());
    let found = named.find(|found| found.get("model").and_then(Value::as_str) == Some(name));
    let found = found.ok_or("no such processor")?;
    let text = |name: &str| found.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Some(CpuDef { model: text("model"), vendor: text("vendor"), ..CpuDef::default() }))
}
