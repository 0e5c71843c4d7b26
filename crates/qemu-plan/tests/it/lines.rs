//! Command lines of devices.
//!
//! Cases stand in `tests/lines/*.cases`:
//!
//! ```text
//! # a comment
//! @ ARCH MACHINE VERSION            the guest of the following cases, `pc` of x86_64 and 10.0 before the first
//! <device/>                         what stands in <devices>; `<domain>…</domain>` stands beside it, and of that
//!                                   `<os>…</os>` stands in <os>, at its beginning
//!   -option value                   an option the line has, in this order
//!   NAME=value                      a variable the emulator gets
//!   ! text                          or the words with which the start is refused
//! ```

use base::Result;
use conf_domain::{Domain, ParseFlags};
use qemu_caps::Flag;
use qemu_caps::caps::Accelerated;
use qemu_caps::machine::Machine;
use qemu_plan::argv::chardev::Address;
use qemu_plan::argv::secret::{Named, Vault, named};
use qemu_plan::argv::settings::Settings;
use qemu_plan::argv::{self, FdGroup, HugePages, Line, PortUse, Start, Surroundings};
use qemu_plan::complete::{self, Hardware, Site};
use qemu_plan::{Caps, alias};
use std::path::Path;

/// The guest of a case.
#[derive(Clone)]
struct Guest {
    arch: String,
    machine: String,
    version: (u32, u32, u32),
}

impl Guest {
    fn of(words: &str) -> Guest {
        let words: Vec<&str> = words.split(' ').collect();
        let (major, minor) = words[2].split_once('.').unwrap();
        let version = (major.parse().unwrap(), minor.parse().unwrap(), 0);
        Guest { arch: words[0].to_owned(), machine: words[1].to_owned(), version }
    }

    fn caps(&self) -> Caps {
        let known = NEWER.iter().filter(|(_, since)| self.version >= (since.0, since.1, 0));
        let newer: Vec<Flag> = known.map(|(flag, _)| *flag).collect();
        let listed = |flag: &Flag| NEWER.iter().any(|(newer, _)| newer == flag);
        let machine = Machine {
            name: self.machine.clone(),
            max_cpus: 255,
            default: true,
            acpi: (self.version >= (8, 2, 0)).then_some(self.arch == "x86_64"),
            hotpluggable_cpus: true,
            default_ram: Some("main.ram".to_owned()).filter(|_| !self.machine.starts_with("realview")),
            numa_mem: self.machine.ends_with("-5.0"),
            ..Machine::default()
        };
        let machines = vec![machine];
        Caps {
            binary: complete::default_emulator(&self.arch),
            version: self.version,
            arch: self.arch.clone(),
            flags: Flag::ALL.iter().copied().filter(|flag| newer.contains(flag) || !listed(flag)).collect(),
            kvm: Accelerated { machines: machines.clone(), ..Accelerated::default() },
            tcg: Accelerated { machines, ..Accelerated::default() },
            ..Caps::default()
        }
    }
}

/// Flags that the emulators of the cases have since a version.
const NEWER: &[(Flag, (u32, u32))] = &[
    (Flag::DeviceJsonHotplug, (7, 0)),
    (Flag::IothreadThreadPoolMax, (7, 1)),
    (Flag::SmpClusters, (7, 1)),
    (Flag::NetdevJson, (7, 2)),
    (Flag::ThreadContext, (7, 2)),
    (Flag::NetdevStreamReconnect, (8, 0)),
    (Flag::MachineHpet, (8, 1)),
    (Flag::BlockjobBackingMaskProtocol, (9, 0)),
    (Flag::ChardevReconnectMilliseconds, (9, 2)),
    (Flag::NetdevStreamReconnectMilliseconds, (9, 2)),
    (Flag::VirtioCcwLoadparm, (9, 2)),
    (Flag::ChardevJson, (99, 0)),
];

/// What the host of the cases says.
fn start(domain: &Domain) -> Start {
    let mut start = Start {
        private_dir: "/own".to_owned(),
        monitor: Address::Fd("9".to_owned()),
        vault: Some(Vault { key: [1; 32], iv: || [2; 16] }),
        host_drives: ["/dev/sr0".to_owned()].into(),
        render_node: Some("/dev/dri/renderD128".to_owned()),
        guest_cid: Some(77),
        settings: Settings { spice_password: true, ..Settings::default() },
        short_name: "7-t".to_owned(),
        sandbox: true,
        local_offset: 3600,
        host: Surroundings {
            memory_dir: "/ram".to_owned(),
            huge_pages: vec![
                HugePages { mount: "/huge".to_owned(), size_kib: 2048, default: true },
                HugePages { mount: "/giant".to_owned(), size_kib: 1 << 20, default: false },
            ],
            node_cpus: (0..2).map(|node| (node, (2 * node..2 * node + 2).collect())).collect(),
            placement: [0, 1].into(),
            now: 951_782_400,
            ..Surroundings::default()
        },
        ..Start::default()
    };
    let wanted: Vec<Named> = named(&domain.tree);
    start.secrets.0.extend(wanted.into_iter().map(|named| (named, b"secret".to_vec())));
    start.fd_groups.insert("pair".to_owned(), FdGroup { fds: vec![20, 21], writable: true });
    start.fd_groups.insert("single".to_owned(), FdGroup { fds: vec![22], writable: true });
    start.ids.insert("alice".to_owned(), 1007);
    for device in domain.devices() {
        let alias = device.attr_at("alias", "name").unwrap_or_default().to_owned();
        let queues = device.attr_at("driver", "queues").and_then(|text| text.parse().ok()).unwrap_or(1);
        start.tap_fds.insert(alias.clone(), (30..30 + queues).collect());
        start.vhost_fds.insert(alias.clone(), (40..40 + queues).collect());
        start.paths.insert(alias.clone(), format!("/found/{alias}"));
        start.passed_fds.insert(format!("{alias}-log"), 50);
    }
    start
}

fn line(guest: &Guest, fragment: &str) -> Result<Line> {
    let (beside, devices) =
        match fragment.strip_prefix("<domain>").and_then(|rest| rest.split_once("</domain>")) {
            Some((beside, devices)) => (beside, devices),
            None => ("", fragment),
        };
    let Guest { arch, machine, .. } = guest;
    let (os, beside) = match beside.strip_prefix("<os>").and_then(|rest| rest.split_once("</os>")) {
        Some((os, beside)) => (os, beside),
        None => ("", beside),
    };
    let text = format!(
        "<domain type='kvm'><name>t</name><uuid>11111111-2222-3333-4444-555555555555</uuid><memory>131072</memory>\
         <os><type arch='{arch}' machine='{machine}'>hvm</type>{os}</os>{beside}<devices>{devices}</devices></domain>"
    );
    let flags = ParseFlags { inactive: true, ..ParseFlags::default() };
    let caps = guest.caps();
    let mut domain = Domain::parse(&text, flags, &mut || [7; 16])?;
    complete::complete(&mut domain, &caps, &Site::default(), flags)?;
    complete::for_start(&mut domain, &caps, &Hardware::default())?;
    complete::align_memory(&mut domain, &caps);
    alias::assign(&mut domain);
    argv::choose_ports(&mut domain, false, &mut |port| Ok(if port == PortUse::Vnc { 5900 } else { 5901 }))?;
    argv::plan(&domain, &caps, &start(&domain))
}

/// Options with their values, and the environment.
fn words(line: &Line) -> Vec<String> {
    let mut words: Vec<String> = line.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut args = line.args.iter().peekable();
    while let Some(option) = args.next() {
        let value = args.next_if(|next| !next.starts_with('-'));
        words.push(value.map_or_else(|| option.clone(), |value| format!("{option} {value}")));
    }
    words
}

/// The complaint when a case is not as expected.
fn check(guest: &Guest, fragment: &str, expected: &[String]) -> Option<String> {
    let outcome = line(guest, fragment).map(|line| words(&line));
    let mut said = match &outcome {
        Ok(words) => words.iter().map(String::as_str).collect(),
        Err(error) => vec![error.message()],
    };
    let all = said.join("\n    ");
    for expected in expected {
        let wanted = match expected.strip_prefix("! ") {
            Some(text) if outcome.is_err() => text,
            Some(_) => return Some(format!("is not refused, but\n    {all}")),
            None => expected,
        };
        match said.iter().position(|word| *word == wanted) {
            Some(at) => drop(said.drain(..=at)),
            None => return Some(format!("lacks\n    {expected}\nin\n    {all}")),
        }
    }
    None
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lines");
    let (mut wrong, mut total) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut guest = Guest::of("x86_64 pc 10.0");
        let (mut fragment, mut expected) = (String::new(), Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#')).chain(["@ none none 0.0"]) {
            if let Some(word) = line.strip_prefix("  ").filter(|_| !line.trim_start().starts_with('<')) {
                expected.push(word.to_owned());
                continue;
            }
            if !expected.is_empty() {
                total += 1;
                let complaint = check(&guest, &fragment, &expected);
                wrong.extend(complaint.map(|complaint| format!("{fragment}\n{complaint}")));
                fragment.clear();
                expected.clear();
            }
            match line.strip_prefix("@ ") {
                Some(words) => guest = Guest::of(words),
                None => fragment.push_str(line),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {total} wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(total > 0);
}
