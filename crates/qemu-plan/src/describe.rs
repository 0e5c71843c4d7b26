//! Host and domain capabilities as documents.

use crate::Caps;
use crate::complete::{Board, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::Writer;

/// How the processor of a guest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// Emulated.
    Tcg,
    /// By the host's processor.
    Kvm,
}

/// Facts of the host.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Identity.
    pub uuid: Option<Uuid>,
    /// Architecture.
    pub arch: String,
    /// Vendor of the processor.
    pub vendor: Option<String>,
    /// Version of the microcode.
    pub microcode: Option<u32>,
    /// Register A of the processor's leaf 1: family, model, stepping.
    pub signature: Option<u32>,
    /// Bits of a physical address.
    pub physical_bits: Option<u32>,
    /// Sockets, cores, threads.
    pub topology: (u32, u32, u32),
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Processors online.
    pub cpus: Vec<u32>,
    /// There is hardware acceleration.
    pub kvm: bool,
}

/// `virsh capabilities`.
pub fn capabilities(host: &HostFacts, emulators: &[&Caps]) -> String {
    let mut w = Writer::new();
    w.element("capabilities").children(|w| {
        w.verbatim("\n");
        w.element("host").children(|w| {
            w.leaf_opt("uuid", host.uuid);
            w.element("cpu").children(|w| {
                w.leaf("arch", &host.arch);
                w.leaf_opt("vendor", host.vendor.as_ref());
                if let Some(version) = host.microcode {
                    w.element("microcode").attr("version", version).empty();
                }
                if let Some(eax) = host.signature {
                    let (family, model) = ((eax >> 8) & 0xf, (eax >> 4) & 0xf);
                    let family_full = if family == 0xf { family + ((eax >> 20) & 0xff) } else { family };
                    let extended = matches!(family, 6 | 0xf);
                    let model = if extended { model | ((eax >> 12) & 0xf0) } else { model };
                    w.element("signature")
                        .attr("family", family_full)
                        .attr("model", model)
                        .attr("stepping", eax & 0xf)
                        .empty();
                }
                let (sockets, cores, threads) = host.topology;
                w.element("topology")
                    .attr("sockets", sockets)
                    .attr("dies", 1)
                    .attr("clusters", 1)
                    .attr("cores", cores)
                    .attr("threads", threads)
                    .empty();
                if let Some(bits) = host.physical_bits {
                    w.element("maxphysaddr").attr("mode", "emulate").attr("bits", bits).empty();
                }
                w.element("pages").attr("unit", "KiB").attr("size", 4).empty();
            });
            w.element("power_management").empty();
            w.element("iommu").attr("support", "no").empty();
            w.element("topology").children(|w| {
                w.element("cells").attr("num", 1).children(|w| {
                    w.element("cell").attr("id", 0).children(|w| {
                        w.element("memory").attr("unit", "KiB").text(host.memory_kib);
                        w.element("cpus").attr("num", host.cpus.len()).children(|w| {
                            for cpu in &host.cpus {
                                w.element("cpu").attr("id", cpu).empty();
                            }
                        });
                    });
                });
            });
            w.element("secmodel").children(|w| {
                w.leaf("model", "none");
                w.leaf("doi", 0);
            });
        });
        w.verbatim("\n");
        for caps in emulators {
            guest(w, caps, host.kvm);
        }
    });
    w.finish()
}

fn guest(w: &mut Writer, caps: &Caps, kvm: bool) {
    let wide = !matches!(
        caps.arch.as_str(),
        "i686" | "armv7l" | "armv6l" | "ppc" | "mips" | "mipsel" | "riscv32" | "sparc"
    );
    let x86 = matches!(caps.arch.as_str(), "i686" | "x86_64");
    w.element("guest").children(|w| {
        w.leaf("os_type", "hvm");
        w.element("arch").attr("name", &caps.arch).children(|w| {
            w.leaf("wordsize", if wide { 64 } else { 32 });
            w.leaf("emulator", &caps.binary);
            for machine in caps.machines() {
                let deprecated = machine.deprecated.then_some("yes");
                let element = w.element("machine").attr("maxCpus", machine.max_cpus);
                element.attr_opt("deprecated", deprecated).text(&machine.name);
                if let Some(alias) = &machine.alias {
                    let element = w
                        .element("machine")
                        .attr("canonical", &machine.name)
                        .attr("maxCpus", machine.max_cpus);
                    element.attr_opt("deprecated", deprecated).text(alias);
                }
            }
            w.element("domain").attr("type", "qemu").empty();
            if kvm && caps.has(qemu_caps::Flag::Kvm) {
                w.element("domain").attr("type", "kvm").empty();
            }
        });
        w.element("features").children(|w| {
            if caps.arch == "i686" {
                w.element("pae").empty();
                w.element("nonpae").empty();
            }
            if x86 || caps.arch == "aarch64" {
                w.element("acpi").attr("default", "on").attr("toggle", "yes").empty();
            }
            if x86 {
                w.element("apic").attr("default", "on").attr("toggle", "no").empty();
            }
            w.element("cpuselection").empty();
            w.element("deviceboot").empty();
            w.element("disksnapshot").attr("default", "on").attr("toggle", "no").empty();
            w.element("externalSnapshot").empty();
        });
    });
    w.verbatim("\n");
}

fn choices(w: &mut Writer, name: &str, values: &[&str]) {
    w.element("enum").attr("name", name).children(|w| {
        for value in values {
            w.leaf("value", value);
        }
    });
}

fn group(w: &mut Writer, name: &str, lists: &[(&str, &[&str])]) {
    w.element(name).attr("supported", "yes").children(|w| {
        for (list, values) in lists {
            choices(w, list, values);
        }
    });
}

/// `virsh domcapabilities`. `firmware`: installed images and whether they are for secure boot.
///
/// # Errors
/// When the emulator has no such machine or cannot be accelerated.
pub fn domain_capabilities(
    caps: &Caps,
    machine: Option<&str>,
    accelerator: Accelerator,
    firmware: &[(String, bool)],
) -> Result<String> {
    let chosen = match machine {
        Some(name) => caps.machine(name).ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_ARG,
                ErrorDomain::QEMU,
                format!("the machine '{name}' is not supported by emulator '{}'", caps.binary),
            )
        })?,
        None => caps.default_machine().ok_or_else(|| unsupported("the emulator has no machine"))?,
    };
    if accelerator == Accelerator::Kvm && !caps.has(qemu_caps::Flag::Kvm) {
        return Err(Error::new(
            ErrorCode::INVALID_ARG,
            ErrorDomain::QEMU,
            format!("the accel 'kvm' is not supported by '{}' on this host", caps.binary),
        ));
    }
    let board = Board::of(&caps.arch, &chosen.name);
    let q35 = board == Board::Q35;
    let kvm = accelerator == Accelerator::Kvm;
    let accel = if kvm { qemu_caps::Accel::Kvm } else { qemu_caps::Accel::Tcg };
    let images: Vec<&String> =
        firmware.iter().filter(|(_, secure)| q35 || !secure).map(|(path, _)| path).collect();
    let mut w = Writer::new();
    w.element("domainCapabilities").children(|w| {
        w.leaf("path", &caps.binary);
        w.leaf("domain", if kvm { "kvm" } else { "qemu" });
        w.leaf("machine", &chosen.name);
        w.leaf("arch", &caps.arch);
        w.element("vcpu").attr("max", chosen.max_cpus).empty();
        w.element("iothreads").attr("supported", "yes").empty();
        w.element("os").attr("supported", "yes").children(|w| {
            choices(w, "firmware", if images.is_empty() { &[] } else { &["efi"] });
            w.element("loader").attr("supported", "yes").children(|w| {
                for image in &images {
                    w.leaf("value", image);
                }
                choices(w, "type", &["rom", "pflash"]);
                choices(w, "readonly", &["yes", "no"]);
                choices(w, "secure", if q35 { &["yes", "no"] } else { &["no"] });
            });
        });
        w.element("cpu").children(|w| {
            let passthrough = w
                .element("mode")
                .attr("name", "host-passthrough")
                .attr("supported", if kvm { "yes" } else { "no" });
            passthrough.children(|w| {
                if kvm {
                    choices(w, "hostPassthroughMigratable", &["on", "off"]);
                }
            });
            w.element("mode").attr("name", "maximum").attr("supported", "yes").children(|w| {
                choices(w, "maximumMigratable", &["on", "off"]);
            });
            w.element("mode").attr("name", "host-model").attr("supported", "no").empty();
            w.element("mode").attr("name", "custom").attr("supported", "yes").children(|w| {
                for cpu in &caps.with(accel).cpus {
                    let usable = match &cpu.blockers {
                        None => "unknown",
                        Some(list) if list.is_empty() => "yes",
                        Some(_) => "no",
                    };
                    w.element("model")
                        .attr("usable", usable)
                        .attr_if(cpu.deprecated, "deprecated", "yes")
                        .attr("vendor", "unknown")
                        .text(&cpu.name);
                    if let Some(blockers) = cpu.blockers.as_ref().filter(|list| !list.is_empty()) {
                        w.element("blockers").attr("model", &cpu.name).children(|w| {
                            for name in blockers {
                                w.element("feature").attr("name", name).empty();
                            }
                        });
                    }
                }
            });
        });
        group(w, "memoryBacking", &[("sourceType", &["anonymous", "memfd"])]);
        w.element("devices").children(|w| devices(w, board));
        w.element("features").children(|w| {
            w.element("gic").attr("supported", "no").empty();
            w.element("vmcoreinfo").attr("supported", "yes").empty();
            w.element("genid").attr("supported", if board.is_x86() { "yes" } else { "no" }).empty();
            w.element("backingStoreInput").attr("supported", "yes").empty();
            w.element("backup").attr("supported", "no").empty();
            w.element("async-teardown").attr("supported", "yes").empty();
            w.element("sev").attr("supported", "no").empty();
            w.element("sgx").attr("supported", "no").empty();
            w.element("launchSecurity").attr("supported", "no").empty();
        });
    });
    Ok(w.finish())
}

/// What the planner can make of each kind.
fn devices(w: &mut Writer, board: Board) {
    let virtio: &[&str] = &["virtio", "virtio-transitional", "virtio-non-transitional"];
    let buses: &[&str] = match board {
        Board::Pc => &["ide", "fdc", "scsi", "virtio", "usb", "sata"],
        Board::Q35 => &["fdc", "scsi", "virtio", "usb", "sata"],
        _ => &["scsi", "virtio", "usb", "sata"],
    };
    group(
        w,
        "disk",
        &[("diskDevice", &["disk", "cdrom", "floppy", "lun"]), ("bus", buses), ("model", virtio)],
    );
    group(w, "graphics", &[("type", &["vnc"])]);
    let videos: &[&str] = if board.is_x86() {
        &["vga", "cirrus", "vmvga", "qxl", "virtio", "none", "bochs", "ramfb"]
    } else {
        &["virtio", "none", "bochs", "ramfb"]
    };
    group(w, "video", &[("modelType", videos)]);
    w.element("hostdev").attr("supported", "no").empty();
    group(w, "rng", &[("model", virtio), ("backendModel", &["random", "builtin"])]);
    w.element("filesystem").attr("supported", "no").empty();
    w.element("tpm").attr("supported", "no").empty();
    w.element("redirdev").attr("supported", "no").empty();
    group(w, "channel", &[("type", &["pty", "unix"])]);
    w.element("crypto").attr("supported", "no").empty();
    group(w, "interface", &[("backendType", &["default"])]);
    if board.is_x86() {
        group(w, "panic", &[("model", &["isa", "hyperv", "pvpanic"])]);
    }
}
