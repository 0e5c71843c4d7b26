//! Text to capabilities.

use super::Stamp;
use crate::caps::{Accelerated, Caps, Gic, Sev, Sgx, SgxSection};
use crate::cpu_model::{CpuModel, HostModel, Property, Setting};
use crate::flag::{Flag, retired};
use crate::machine::{Accel, Machine};
use std::str::FromStr;
use xml::{Document, Limits, Node};

/// Why a document is not one of capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not XML.
    #[error("{0}")]
    Xml(String),
    /// Something is missing or has no sense.
    #[error("{0} in QEMU capabilities cache")]
    Wrong(&'static str),
    /// A flag nobody knows.
    #[error("Unknown qemu capabilities flag {0}")]
    Flag(String),
}

use DocumentError::Wrong;

fn number<T: FromStr>(node: Node<'_>, name: &str, fault: &'static str) -> Result<T, DocumentError> {
    node.child_text(name).and_then(|text| text.parse().ok()).ok_or(Wrong(fault))
}

fn attr<T: FromStr>(node: Node<'_>, name: &str, fault: &'static str) -> Result<T, DocumentError> {
    node.attr(name).and_then(|text| text.parse().ok()).ok_or(Wrong(fault))
}

fn owned(node: Node<'_>, name: &str) -> Option<String> {
    node.attr(name).map(str::to_owned)
}

fn yes(node: Node<'_>, name: &str) -> bool {
    node.attr(name) == Some("yes")
}

/// Reads a cache document.
///
/// # Errors
/// When it is none, or has flags of another version.
pub fn read(text: &str) -> Result<(Caps, Stamp), DocumentError> {
    let limits = Limits { nodes: 200_000, ..Limits::default() };
    let document =
        Document::parse_within(text, limits).map_err(|error| DocumentError::Xml(error.to_string()))?;
    let root = document.root();
    if root.name() != "qemuCaps" {
        return Err(Wrong("unexpected root element"));
    }
    let stamp = Stamp {
        emulator_changed: number(root, "qemuctime", "missing qemuctime")?,
        modules_changed: number(root, "qemumoddirmtime", "").unwrap_or(0),
        self_changed: number(root, "selfctime", "missing selfctime")?,
        self_version: number(root, "selfvers", "missing selfvers").unwrap_or(0),
        microcode: number(root, "microcodeVersion", "missing microcode version")?,
        host_cpu: root.child_text("hostCPUSignature"),
        kernel: root.child_text("kernelVersion"),
        nesting: root.child("kvmSupportsNesting").is_some(),
        secure_guest: root.child("kvmSupportsSecureGuest").is_some(),
    };
    let version: u64 = number(root, "version", "missing version")?;
    let part = |number: u64| u32::try_from(number).map_err(|_| Wrong("wrong version"));
    let mut caps = Caps {
        binary: root.child_text("emulator").ok_or(Wrong("missing emulator"))?,
        version: (part(version / 1_000_000)?, part(version / 1000 % 1000)?, part(version % 1000)?),
        package: root.child_text("package").unwrap_or_default(),
        arch: root.child_text("arch").ok_or(Wrong("missing arch"))?,
        ..Caps::default()
    };
    for node in root.children("flag") {
        let name = node.attr("name").ok_or(Wrong("missing flag name"))?;
        match Flag::from_name(name) {
            Some(flag) => caps.flags.set(flag, true),
            None if retired(name) => {}
            None => return Err(DocumentError::Flag(name.to_owned())),
        }
    }
    for accel in Accel::ALL {
        *caps.with_mut(accel) = accelerated(root, accel)?;
    }
    for node in root.children("gic") {
        caps.gic.push(Gic {
            version: attr(node, "version", "wrong GIC version")?,
            kernel: yes(node, "kernel"),
            emulated: yes(node, "emulated"),
        });
    }
    caps.sev = root.child("sev").map(sev).transpose()?;
    caps.sgx = root.child("sgx").map(sgx).transpose()?;
    caps.hyperv = root
        .child("hypervCapabilities")
        .map(|node| node.children("cap").filter_map(|cap| cap.attr("name").map(str::to_owned)).collect());
    Ok((caps, stamp))
}

fn accelerated(root: Node<'_>, accel: Accel) -> Result<Accelerated, DocumentError> {
    let of = |node: &Node<'_>| node.attr("type") == Some(accel.name());
    Ok(Accelerated {
        host: root.children("hostCPU").find(of).map(host).transpose()?,
        cpus: root.children("cpu").filter(of).map(cpu).collect::<Result<_, _>>()?,
        machines: root.children("machine").filter(of).map(machine).collect::<Result<_, _>>()?,
    })
}

fn host(node: Node<'_>) -> Result<HostModel, DocumentError> {
    let property = |node: Node<'_>| {
        let value = node.attr("value").ok_or(Wrong("missing property value"))?;
        Ok(Property {
            name: owned(node, "name").ok_or(Wrong("missing property name"))?,
            value: match node.attr("type") {
                Some("boolean") => Setting::Boolean(value == "true"),
                Some("string") => Setting::Text(value.to_owned()),
                Some("number") => Setting::Number(value.parse().map_err(|_| Wrong("wrong number"))?),
                _ => return Err(Wrong("wrong property type")),
            },
            migratable: node.attr("migratable").map(|value| value == "yes"),
        })
    };
    Ok(HostModel {
        name: owned(node, "model").ok_or(Wrong("missing host CPU model"))?,
        properties: node.children("property").map(property).collect::<Result<_, _>>()?,
        migratability: yes(node, "migratability"),
        deprecated: node
            .child("deprecatedFeatures")
            .into_iter()
            .flat_map(|list| list.children("property"))
            .filter_map(|node| owned(node, "name"))
            .collect(),
    })
}

fn cpu(node: Node<'_>) -> Result<CpuModel, DocumentError> {
    let blockers = || node.children("blocker").filter_map(|node| owned(node, "name")).collect();
    Ok(CpuModel {
        name: owned(node, "name").ok_or(Wrong("missing CPU name"))?,
        blockers: node.attr("usable").map(|_| blockers()),
        deprecated: yes(node, "deprecated"),
        kind: owned(node, "typename").unwrap_or_default(),
    })
}

fn machine(node: Node<'_>) -> Result<Machine, DocumentError> {
    Ok(Machine {
        name: owned(node, "name").ok_or(Wrong("missing machine name"))?,
        alias: owned(node, "alias"),
        max_cpus: attr(node, "maxCpus", "wrong machine maxCpus")?,
        default: yes(node, "default"),
        deprecated: yes(node, "deprecated"),
        default_cpu: owned(node, "defaultCPU"),
        acpi: node.attr("acpi").map(|value| value == "yes"),
        hotpluggable_cpus: yes(node, "hotplugCpus"),
        numa_mem: yes(node, "numaMemSupported"),
        default_ram: owned(node, "defaultRAMid"),
    })
}

fn sev(node: Node<'_>) -> Result<Sev, DocumentError> {
    Ok(Sev {
        cbitpos: number(node, "cbitpos", "missing or malformed cbitpos information")?,
        reduced_phys_bits: number(node, "reducedPhysBits", "missing or malformed reducedPhysBits")?,
        pdh: node.child_text("pdh").ok_or(Wrong("missing pdh information"))?,
        cert_chain: node.child_text("certChain").ok_or(Wrong("missing certChain information"))?,
        cpu0_id: node.child_text("cpu0Id"),
    })
}

fn sgx(node: Node<'_>) -> Result<Sgx, DocumentError> {
    let is = |name: &str| node.child_text(name).as_deref() == Some("yes");
    let section = |node: Node<'_>| {
        Ok(SgxSection {
            node: attr(node, "node", "wrong node of SGX section")?,
            size: attr(node, "size", "wrong size of SGX section")?,
        })
    };
    let sections = node.child("sections");
    Ok(Sgx {
        flc: is("flc"),
        sgx1: is("sgx1"),
        sgx2: is("sgx2"),
        section_size: number(node, "section_size", "missing or malformed SGX section size")?,
        sections: sections
            .into_iter()
            .flat_map(|list| list.children("section"))
            .map(section)
            .collect::<Result<_, _>>()?,
    })
}
