//! Power, sleep, and what is booted: `-boot`, the kernel that is loaded directly, ACPI tables.

use super::machine::Options;
use super::{Builder, on_off};
use crate::complete::{Board, machine as machine_name};

/// What happens at shutdown, and the states of sleep.
pub(super) fn power(b: &mut Builder<'_>) {
    // The daemon decides what follows a shutdown.
    b.flag("-no-shutdown");
    let domain = b.domain;
    let told = b.caps.machine(machine_name(domain)).is_some_and(|machine| machine.acpi.is_some());
    let with_acpi = b.board.is_x86() || matches!(b.board, Board::Microvm | Board::Isapc | Board::Virt);
    if !told && with_acpi && domain.tree.at("features/acpi").is_none() {
        b.flag("-no-acpi");
    }
    let device = match b.board {
        Board::Q35 => "ICH9-LPC",
        Board::Pc => "PIIX4_PM",
        _ => return,
    };
    for (element, property) in [("suspend-to-mem", "disable_s3"), ("suspend-to-disk", "disable_s4")] {
        let state = domain.tree.at("pm").and_then(|pm| pm.attr_at(element, "enabled"));
        if let Some(enabled) = on_off(state) {
            b.option("-global", format!("{device}.{property}={}", u8::from(!enabled)));
        }
    }
}

pub(super) fn boot(b: &mut Builder<'_>) {
    let domain = b.domain;
    let os = domain.tree.child("os");
    let mut words = Vec::new();
    if let Some(menu) = os.and_then(|os| os.child("bootmenu"))
        && let Some(enable) = on_off(menu.attr("enable"))
    {
        words.push(if enable { "menu=on".to_owned() } else { "menu=off".to_owned() });
        words.extend(menu.attr("timeout").filter(|_| enable).map(|timeout| format!("splash-time={timeout}")));
    }
    words.extend(
        os.and_then(|os| os.attr_at("bios", "rebootTimeout")).map(|time| format!("reboot-timeout={time}")),
    );
    words.push("strict=on".to_owned());
    b.option("-boot", words.join(","));
    let directly = [
        ("kernel", "-kernel"),
        ("initrd", "-initrd"),
        ("cmdline", "-append"),
        ("shim", "-shim"),
        ("dtb", "-dtb"),
    ];
    for (element, option) in directly {
        if let Some(text) = os.and_then(|os| os.text_of(element)) {
            b.option(option, text);
        }
    }
    for table in os.and_then(|os| os.child("acpi")).into_iter().flat_map(|acpi| acpi.all("table")) {
        // A table without a signature of its own is taken as it is, with its header.
        let mut options = match table.attr("type") {
            Some("slic") => Options::new("sig=SLIC"),
            Some("msdm") => Options::new("sig=MSDM"),
            _ => {
                b.option("-acpitable", format!("file={}", super::comma(table.body())));
                continue;
            }
        };
        options.put("file", super::comma(table.body()));
        b.option("-acpitable", options.text());
    }
}
