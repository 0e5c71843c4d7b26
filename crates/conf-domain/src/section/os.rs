//! `<os>`: what kind of machine starts, and from what.

use super::firmware;
use crate::fault::{invalid, unsupported};
use crate::{device, domain, values};
use base::Result;
use xml::Tree;

/// Kinds of guests.
const KINDS: &[&str] = &["hvm", "xen", "linux", "exe", "uml", "aix", "xenpvh"];

/// Elements that tell what a container starts.
const INIT: &[&str] = &["init", "initarg", "initenv", "initdir", "inituser", "initgroup"];

/// Reads the kind of guest, which decides about much that follows.
pub(crate) fn kind(tree: &mut Tree) -> Result<()> {
    let driver = tree.word("type");
    let bootloader = tree.child("bootloader").is_some();
    let os = tree.child_or_new("os");
    if os.text_of("type").is_none_or(|kind| kind.trim().is_empty()) {
        if !bootloader {
            return Err(invalid("an os <type> must be specified"));
        }
        os.child_or_new("type").text = Some("xen".to_owned());
    }
    if let Some(entry) = os.child_mut("type") {
        let name = entry.body().trim().to_owned();
        // Old name of paravirtualized Xen guests.
        let name = if name == "linux" && driver == "xen" { "xen".to_owned() } else { name };
        if !KINDS.contains(&name.as_str()) {
            return Err(unsupported(format!("unknown OS type '{name}'")));
        }
        entry.text = Some(name);
        for name in ["arch", "machine"] {
            if entry.is(name, "") {
                entry.unset(name);
            }
        }
        entry.default_to("arch", "x86_64");
        if let Some(arch) = entry.attr("arch")
            && !ARCHES.contains(&arch)
        {
            return Err(unsupported(format!("Unknown architecture {arch}")));
        }
    }
    Ok(())
}

/// Reads what the guest starts from.
pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    default_boot(tree);
    let Some(os) = tree.child_mut("os") else { return Ok(()) };
    let container = os.text_of("type") == Some("exe");
    if container && os.text_of("init").is_none_or(str::is_empty) {
        return Err(invalid("init binary must be specified"));
    }
    if !container {
        INIT.iter().for_each(|name| os.remove(name));
    }
    for name in ["boot", "bootmenu", "bios", "acpi", "loader", "nvram"] {
        values::read(domain::place("domain/os"), os, name)?;
    }
    tables(os)?;
    firmware::complete(os)?;
    if let Some(menu) = os.child_mut("bootmenu").filter(|menu| !menu.is("enable", "yes")) {
        menu.unset("timeout");
    }
    for boot in os.all_mut("boot") {
        device::load_parameter(boot);
    }
    if let Some(bios) = os.child_mut("bios") {
        // Anything that is not yes is no.
        if bios.attr("useserial").is_some_and(|word| word != "yes") {
            bios.set("useserial", "no");
        }
    }
    Ok(())
}

/// One table of each type that firmware knows.
fn tables(os: &Tree) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for table in os.child("acpi").into_iter().flat_map(|acpi| acpi.all("table")) {
        let kind = table.attr("type").unwrap_or_default();
        if kind != "raw" && seen.contains(&kind) {
            return Err(invalid(format!("ACPI table type '{kind}' may only appear once")));
        }
        seen.push(kind);
    }
    Ok(())
}

/// Reads which tables of the machine the guest sees.
pub(crate) fn smbios(tree: &mut Tree) -> Result<()> {
    match tree.child_mut("os") {
        Some(os) => values::read(domain::place("domain/os"), os, "smbios"),
        None => Ok(()),
    }
}

/// A machine that is not told what to start from starts from its first disk.
fn default_boot(tree: &mut Tree) {
    if tree.text_of("bootloader").is_some() {
        return;
    }
    let ordered = tree
        .child("devices")
        .is_some_and(|devices| devices.children.iter().any(|device| device.child("boot").is_some()));
    let Some(os) = tree.child_mut("os") else { return };
    if os.text_of("type") == Some("hvm") && os.child("boot").is_none() && !ordered {
        os.children.push(Tree::new("boot").with("dev", "hd"));
    }
}

/// Architectures a guest may have.
const ARCHES: &[&str] = &[
    "alpha",
    "armv6l",
    "armv7l",
    "armv7b",
    "aarch64",
    "cris",
    "i686",
    "ia64",
    "lm32",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mipsel",
    "mips64",
    "mips64el",
    "openrisc",
    "parisc",
    "parisc64",
    "ppc",
    "ppc64",
    "ppc64le",
    "ppcemb",
    "riscv32",
    "riscv64",
    "s390",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "unicore32",
    "x86_64",
    "xtensa",
    "xtensaeb",
    "arm",
    "i386",
];
