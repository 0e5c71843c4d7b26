//! Machine, firmware, processor, memory, clock, boot order.

use super::{Builder, Json, comma, on_off};
use crate::complete::{Board, machine as machine_name, unsupported};
use base::Result;
use qemu_caps::Flag;

/// Flash chips of the firmware.
pub(super) fn firmware(b: &mut Builder<'_>) -> Result<()> {
    if b.domain.tree.child("os").and_then(|os| os.attr("firmware")).is_some()
        && b.domain.tree.at("os/loader").is_none()
    {
        return Err(unsupported(
            "automatic selection of firmware is not supported yet; name it with <loader>",
        ));
    }
    let Some(loader) = b.domain.tree.at("os/loader").filter(|loader| loader.is("type", "pflash")) else {
        return Ok(());
    };
    let chip = |file: &str, node: &str| {
        Json::driver("file").put("filename", file).put("node-name", format!("libvirt-{node}-storage"))
    };
    b.option(
        "-blockdev",
        chip(loader.body(), "pflash0").put("auto-read-only", true).put("discard", "unmap").text(),
    );
    let format = loader.attr("format").unwrap_or("raw").to_owned();
    let read_only = !loader.is("readonly", "no");
    let node = Json::new()
        .put("node-name", "libvirt-pflash0-format")
        .put("read-only", read_only)
        .put("driver", format)
        .put("file", "libvirt-pflash0-storage");
    b.option("-blockdev", node.text());
    if let Some(nvram) = b.domain.tree.at("os/nvram") {
        let format = nvram.attr("format").unwrap_or("raw").to_owned();
        if format == "raw" {
            b.option("-blockdev", chip(nvram.body(), "pflash1").put("read-only", false).text());
        } else {
            b.option(
                "-blockdev",
                chip(nvram.body(), "pflash1").put("auto-read-only", true).put("discard", "unmap").text(),
            );
            let node = Json::new()
                .put("node-name", "libvirt-pflash1-format")
                .put("read-only", false)
                .put("driver", format)
                .put("file", "libvirt-pflash1-storage");
            b.option("-blockdev", node.text());
        }
    }
    Ok(())
}

/// Name of the memory object that is the machine's main memory.
fn main_memory(b: &Builder<'_>) -> Option<&'static str> {
    if b.domain.tree.at("cpu/numa").is_some() {
        return None;
    }
    match b.board {
        Board::Pc | Board::Q35 | Board::Isapc => Some("pc.ram"),
        Board::Microvm => Some("microvm.ram"),
        Board::Virt => Some("mach-virt.ram"),
        Board::Ccw => Some("s390.ram"),
        Board::Pseries => Some("ppc_spapr.ram"),
        Board::Other => None,
    }
}

pub(super) fn machine(b: &mut Builder<'_>) -> Result<()> {
    let tree = &b.domain.tree;
    let mut value = machine_name(b.domain).to_owned();
    value.push_str(",usb=off");
    if let Some(state) = tree.attr_at("features/vmport", "state") {
        value.push_str(&format!(",vmport={state}"));
    }
    if let Some(state) = tree.attr_at("features/smm", "state").or(tree.at("features/smm").map(|_| "on")) {
        value.push_str(&format!(",smm={state}"));
    }
    let dump = tree.attr_at("memory", "dumpCore").unwrap_or("off").to_owned();
    value.push_str(&format!(",dump-guest-core={dump}"));
    if b.board == Board::Virt
        && let Some(version) = tree.attr_at("features/gic", "version")
    {
        value.push_str(&format!(",gic-version={version}"));
    }
    if let Some(memory) = main_memory(b) {
        value.push_str(&format!(",memory-backend={memory}"));
    }
    if tree.at("os/loader").is_some_and(|loader| loader.is("type", "pflash")) {
        value.push_str(",pflash0=libvirt-pflash0-format");
        if let Some(nvram) = tree.at("os/nvram") {
            let raw = nvram.attr("format").unwrap_or("raw") == "raw";
            value.push_str(if raw {
                ",pflash1=libvirt-pflash1-storage"
            } else {
                ",pflash1=libvirt-pflash1-format"
            });
        }
    }
    if tree.attr_at("os/bios", "useserial") == Some("yes") {
        value.push_str(",graphics=off");
    }
    if b.board.is_x86() {
        let hpet =
            tree.child("clock").and_then(|clock| clock.all("timer").find(|timer| timer.is("name", "hpet")));
        if let Some(present) = hpet.and_then(|timer| on_off(timer.attr("present"))) {
            value.push_str(if present { ",hpet=on" } else { ",hpet=off" });
        }
    }
    if b.board.is_x86() || b.board == Board::Virt {
        value.push_str(if tree.at("features/acpi").is_some() { ",acpi=on" } else { ",acpi=off" });
    }
    b.option("-machine", value);
    match b.domain.kind() {
        "kvm" if !b.caps.has(Flag::Kvm) => {
            return Err(unsupported(format!(
                "Emulator '{}' does not support virt type 'kvm'",
                b.caps.binary
            )));
        }
        "kvm" => b.option("-accel", "kvm"),
        "qemu" => b.option("-accel", "tcg"),
        "hvf" => b.option("-accel", "hvf"),
        other => return Err(unsupported(format!("the QEMU binary does not support {other}"))),
    }
    Ok(())
}

pub(super) fn cpu(b: &mut Builder<'_>) -> Result<()> {
    let Some(cpu) = b.domain.tree.child("cpu") else { return Ok(()) };
    let mut value = match cpu.attr("mode").unwrap_or("custom") {
        "host-passthrough" | "maximum" => {
            let name = if cpu.is("mode", "maximum") { "max" } else { "host" };
            match cpu.attr("migratable") {
                Some(state) if b.board.is_x86() => format!("{name},migratable={state}"),
                _ => name.to_owned(),
            }
        }
        "host-model" => {
            return Err(unsupported(
                "CPU mode 'host-model' is not supported yet; use 'maximum' or name a model",
            ));
        }
        _ => match cpu.text_of("model") {
            Some(model) => comma(model),
            None => return Ok(()),
        },
    };
    for feature in cpu.all("feature") {
        let name = feature.attr("name").unwrap_or_default().replace('_', "-");
        match feature.attr("policy").unwrap_or("require") {
            "force" | "require" => value.push_str(&format!(",{name}=on")),
            "disable" | "forbid" => value.push_str(&format!(",{name}=off")),
            _ => {}
        }
    }
    b.option("-cpu", value);
    Ok(())
}

pub(super) fn memory(b: &mut Builder<'_>) -> Result<()> {
    // The emulator counts in mebibytes.
    let kib = b.domain.memory_kib().div_ceil(1024) * 1024;
    match b.domain.tree.child("maxMemory") {
        Some(most) => {
            let slots = most.attr("slots").unwrap_or("0").to_owned();
            b.option("-m", format!("size={kib}k,slots={slots},maxmem={}k", most.body()));
        }
        None => b.option("-m", format!("size={kib}k")),
    }
    let backing = b.domain.tree.child("memoryBacking");
    if backing.is_some_and(|backing| backing.child("hugepages").is_some()) {
        return Err(unsupported("huge pages are not supported yet"));
    }
    let shared = backing.and_then(|backing| backing.attr_at("access", "mode")) == Some("shared");
    let source =
        backing.and_then(|backing| backing.attr_at("source", "type")).unwrap_or("anonymous").to_owned();
    let prealloc = backing.and_then(|backing| backing.attr_at("allocation", "mode")) == Some("immediate");
    let object = |id: &str, bytes: u64| {
        let kind = if source == "memfd" { "memory-backend-memfd" } else { "memory-backend-ram" };
        let json = Json::new().put("qom-type", kind).put("id", id);
        let json = if shared { json.put("share", true) } else { json };
        let json = if prealloc { json.put("prealloc", true) } else { json };
        json.put("size", bytes)
    };
    if source == "file" {
        return Err(unsupported("memory in files is not supported yet"));
    }
    if let Some(id) = main_memory(b) {
        b.object(object(id, kib * 1024));
    }
    let locked = backing.is_some_and(|backing| backing.child("locked").is_some());
    b.option("-overcommit", if locked { "mem-lock=on" } else { "mem-lock=off" });
    Ok(())
}

pub(super) fn processors(b: &mut Builder<'_>) {
    let (current, most) = (b.domain.vcpus(), b.domain.vcpus_max());
    let mut value = current.to_string();
    if current != most {
        value.push_str(&format!(",maxcpus={most}"));
    }
    match b.domain.tree.at("cpu/topology") {
        Some(topology) => {
            for name in ["sockets", "dies", "clusters", "cores", "threads"] {
                if let Some(count) = topology.attr(name) {
                    value.push_str(&format!(",{name}={count}"));
                }
            }
        }
        None => value.push_str(&format!(",sockets={most},cores=1,threads=1")),
    }
    b.option("-smp", value);
    let threads = b.domain.tree.child("iothreadids").map(|ids| {
        ids.all("iothread").filter_map(|thread| thread.attr("id")).map(str::to_owned).collect::<Vec<_>>()
    });
    let count: usize = b.domain.tree.text_of("iothreads").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut ids = threads.unwrap_or_default();
    let mut next = 1;
    while ids.len() < count.min(1 << 12) {
        let id = next.to_string();
        if !ids.contains(&id) {
            ids.push(id);
        }
        next += 1;
    }
    for id in ids {
        b.object(Json::new().put("qom-type", "iothread").put("id", format!("iothread{id}")));
    }
}

/// Tables that tell the guest about its machine.
pub(super) fn smbios(b: &mut Builder<'_>) {
    let mode = b.domain.tree.attr_at("os/smbios", "mode").unwrap_or_default();
    if mode != "sysinfo" {
        return;
    }
    let Some(info) =
        b.domain.tree.children.iter().find(|child| child.name == "sysinfo" && child.is("type", "smbios"))
    else {
        return;
    };
    let fields = |kind: u32, section: &str, names: &[(&str, &str)]| {
        let element = info.child(section)?;
        let mut value = format!("type={kind}");
        for (entry, field) in names {
            if let Some(found) = element.all("entry").find(|e| e.is("name", entry)) {
                value.push_str(&format!(",{field}={}", comma(found.body())));
            }
        }
        Some(value)
    };
    let bios = fields(
        0,
        "bios",
        &[("vendor", "vendor"), ("version", "version"), ("date", "date"), ("release", "release")],
    );
    let system = fields(
        1,
        "system",
        &[
            ("manufacturer", "manufacturer"),
            ("product", "product"),
            ("version", "version"),
            ("serial", "serial"),
            ("uuid", "uuid"),
            ("sku", "sku"),
            ("family", "family"),
        ],
    );
    for value in [bios, system].into_iter().flatten() {
        b.option("-smbios", value);
    }
}

pub(super) fn clock(b: &mut Builder<'_>) -> Result<()> {
    let Some(clock) = b.domain.tree.child("clock") else { return Ok(()) };
    let mut value = match clock.attr("offset").unwrap_or("utc") {
        "utc" => "base=utc".to_owned(),
        "localtime" => "base=localtime".to_owned(),
        other => return Err(unsupported(format!("clock offset '{other}' is not supported yet"))),
    };
    if let Some(rtc) = clock.all("timer").find(|timer| timer.is("name", "rtc")) {
        if let Some(track) = rtc.attr("track") {
            let base = match track {
                "boot" => "",
                "guest" => ",clock=vm",
                "wall" => ",clock=host",
                _ => ",clock=rt",
            };
            value.push_str(base);
        }
        if rtc.is("tickpolicy", "catchup") {
            value.push_str(",driftfix=slew");
        }
    }
    b.option("-rtc", value);
    if b.board.is_x86()
        && let Some(pit) = clock.all("timer").find(|timer| timer.is("name", "pit"))
        && pit.is("tickpolicy", "delay")
        && b.domain.kind() == "kvm"
    {
        b.option("-global", "kvm-pit.lost_tick_policy=delay");
    }
    Ok(())
}

/// Secure firmware guards its variables by the processor's management mode.
pub(super) fn secure_flash(b: &mut Builder<'_>) {
    if b.domain.tree.attr_at("os/loader", "secure") == Some("yes") {
        b.option("-global", "driver=cfi.pflash01,property=secure,value=on");
    }
}

/// Sleep states.
pub(super) fn power(b: &mut Builder<'_>) {
    let device = match b.board {
        Board::Q35 => "ICH9-LPC",
        Board::Pc => "PIIX4_PM",
        _ => return,
    };
    let domain = b.domain;
    for (element, property) in [("suspend-to-mem", "disable_s3"), ("suspend-to-disk", "disable_s4")] {
        if let Some(enabled) =
            domain.tree.at(&format!("pm/{element}")).and_then(|e| on_off(e.attr("enabled")))
        {
            b.option("-global", format!("{device}.{property}={}", u8::from(!enabled)));
        }
    }
}

pub(super) fn boot(b: &mut Builder<'_>) {
    let os = b.domain.tree.child("os");
    let mut value = String::new();
    if let Some(menu) = os.and_then(|os| os.child("bootmenu"))
        && let Some(enable) = on_off(menu.attr("enable"))
    {
        value.push_str(if enable { "menu=on," } else { "menu=off," });
        if enable && let Some(timeout) = menu.attr("timeout") {
            value.push_str(&format!("splash-time={timeout},"));
        }
    }
    if let Some(timeout) = os.and_then(|os| os.attr_at("bios", "rebootTimeout")) {
        value.push_str(&format!("reboot-timeout={timeout},"));
    }
    let domain = b.domain;
    b.option("-boot", format!("{value}strict=on"));
    for (element, option) in
        [("kernel", "-kernel"), ("initrd", "-initrd"), ("cmdline", "-append"), ("dtb", "-dtb")]
    {
        if let Some(text) = domain.tree.at(&format!("os/{element}")).map(|e| e.body().to_owned()) {
            b.option(option, text);
        }
    }
    if let Some(loader) = domain.tree.at("os/loader").filter(|loader| !loader.is("type", "pflash")) {
        b.option("-bios", loader.body().to_owned());
    }
}
