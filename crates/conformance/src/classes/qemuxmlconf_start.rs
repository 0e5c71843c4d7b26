//! Starting a definition on the pretended host: what it says when it is asked for ports, descriptors, secrets, networks
//! and pools.

use crate::emulator;
use crate::manifest::Case;
use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use cpu::{CpuDef, Feature};
use qapi::Leniency;
use qemu_plan::argv::chardev::Address;
use qemu_plan::argv::secret::{Named, Secrets, Vault, named};
use qemu_plan::argv::settings::{Settings, Tls};
use qemu_plan::argv::{self, FdGroup, HugePages, Line, PortUse, Start, Surroundings};
use qemu_plan::complete::Hardware;
use qemu_plan::{Caps, alias, complete, prepare};
use serde_json::Value;
use xml::Tree;

/// What every secret says.
const SECRET: &str = "AQCVn5hO6HzFAhAAq0NCv8jtJcIcE+HOBlMQ1A";

fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::QEMU, text.into())
}

/// The command line with which the pretended host would start a definition.
pub(super) fn line(case: &Case, domain: &Domain, caps: &Caps) -> Result<Line> {
    line_on(case, domain, caps, &hardware(case), &mut |_, _| Ok(()))
}

/// Changes the facts of a start.
pub(crate) type Change<'c> = dyn FnMut(&Domain, &mut Start) -> Result<()> + 'c;

/// The same on other hardware, with what another host puts in the place of the pretended one's facts.
pub(crate) fn line_on(
    case: &Case,
    domain: &Domain,
    caps: &Caps,
    hardware: &Hardware,
    change: &mut Change<'_>,
) -> Result<Line> {
    let mut domain = domain.clone();
    complete::for_start(&mut domain, caps, hardware)?;
    if case.text("migrate_from").is_none() {
        complete::align_memory(&mut domain, caps);
    }
    resolve(case, &mut domain)?;
    alias::assign(&mut domain);
    let settings = settings(case);
    argv::choose_ports(&mut domain, settings.spice_tls.on, &mut |port| {
        Ok(match port {
            PortUse::Vnc => 5900,
            PortUse::Spice => 5901,
            PortUse::SpiceTls => 5902,
        })
    })?;
    let mut start = start(case, &domain);
    start.secrets = secrets(&domain, &settings)?;
    start.settings = settings;
    change(&domain, &mut start)?;
    argv::plan(&domain, caps, &start)
}

/// Options whose values in JSON are arguments of commands of the monitor.
const COMMANDS: &[(&str, &str)] = &[
    ("-blockdev", "blockdev-add"),
    ("-netdev", "netdev_add"),
    ("-object", "object-add"),
    ("-device", "device_add"),
    ("-chardev", "chardev-add"),
];

/// Holds the arguments against the schema of the emulator's protocol.
pub(super) fn fits(case: &Case, line: &Line) -> std::result::Result<(), String> {
    let schema = emulator::schema(case)?;
    for (option, value) in line.args.iter().zip(line.args.iter().skip(1)) {
        let Some((_, command)) = COMMANDS.iter().find(|(known, _)| known == option) else { continue };
        if !value.starts_with('{') {
            continue;
        }
        let json: Value = serde_json::from_str(value).map_err(|cause| cause.to_string())?;
        let leniency = Leniency { undescribed: *command == "device_add", deprecated: false };
        schema
            .check(&format!("{command}/arg-type"), &json, leniency)
            .map_err(|mismatch| format!("{option} {value}: {mismatch}"))?;
    }
    Ok(())
}

/// The pretended host's hardware; its processor is the one the case names.
fn hardware(case: &Case) -> Hardware {
    Hardware {
        nodes: Some((0..4).collect()),
        cpu: case.text("host_cpu").and_then(|model| processor(case, model)),
        cpu_alone: case.text("host_cpu_override").is_some(),
    }
}

/// A processor of the pretended host by the name of its model.
fn processor(case: &Case, model: &str) -> Option<CpuDef> {
    let host: Value = serde_json::from_str(&case.read_file("fakehost.json").ok()?).ok()?;
    let known = host.pointer("/host_cpus/definitions")?.as_object()?;
    let found = known.values().find(|cpu| cpu.get("model").and_then(Value::as_str) == Some(model))?;
    let word = |name: &str| found.get(name).and_then(Value::as_str).map(str::to_owned);
    let features = found.get("features").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Some(CpuDef {
        arch: word("arch"),
        model: word("model"),
        vendor: word("vendor"),
        features: features
            .iter()
            .filter_map(|name| Some(Feature { name: name.as_str()?.to_owned(), policy: None }))
            .collect(),
        ..CpuDef::default()
    })
}

/// An element of a supporting file.
fn document(case: &Case, path: &str) -> Option<Tree> {
    let text = case.read_file(path).ok()?;
    let document = xml::Document::parse(&text).ok()?;
    Some(Tree::of(document.root()))
}

/// Asks pools for their volumes and networks for their ports.
fn resolve(case: &Case, domain: &mut Domain) -> Result<()> {
    let mut failure = None;
    domain.devices_mut().retain_mut(|device| match device.name.as_str() {
        "disk" if device.is("type", "volume") => match volume(case, device) {
            Ok(()) => true,
            Err(cause) => prepare::missing(device).unwrap_or_else(|| {
                failure = Some(cause);
                true
            }),
        },
        _ => true,
    });
    if let Some(cause) = failure {
        return Err(cause);
    }
    for device in domain.devices_mut() {
        match device.name.as_str() {
            "interface" if device.is("type", "network") => {
                let source = device.attr_at("source", "network").unwrap_or_default();
                let name = source.split_once(';').map_or("", |(_, port)| port).to_owned();
                if let Some(port) = document(case, &format!("qemusupport/networkport/{name}.xml")) {
                    prepare::port(device, &port)?;
                }
            }
            "graphics" => {
                let Some(listen) = device.child_mut("listen").filter(|listen| listen.is("type", "network"))
                else {
                    continue;
                };
                let name = listen.attr("network").unwrap_or_default().split(';').next().unwrap_or_default();
                let network = document(case, &format!("qemusupport/network/{name}.xml"));
                if let Some(address) = network.as_ref().and_then(|network| network.attr_at("ip", "address")) {
                    listen.set("address", address);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn volume(case: &Case, disk: &mut Tree) -> Result<()> {
    let attr = |name: &str| disk.attr_at("source", name).unwrap_or_default().to_owned();
    let (pool, name) = (attr("pool"), attr("volume"));
    if pool == "inactive" {
        return Err(internal("storage pool 'inactive' is not active"));
    }
    let document = document(case, &format!("qemusupport/storagepool/{pool}.xml"));
    let document =
        document.ok_or_else(|| internal(format!("no storage pool with matching name '{pool}'")))?;
    if name == "nonexistent" {
        return Err(internal("no storage vol with matching name 'nonexistent'"));
    }
    let (kind, base) = name.split_once('+').unwrap_or(("block", &name));
    let found = prepare::Volume { kind: kind.to_owned(), path: format!("/some/{kind}/device/{base}") };
    prepare::volume(disk, &document, &found)
}

/// The daemon's settings, as the case changes them.
fn settings(case: &Case) -> Settings {
    let config = |name: &str| case.value("driver_config").and_then(|config| config.get(name));
    let on = |name: &str| match config(name) {
        Some(Value::Bool(set)) => *set,
        Some(Value::Number(number)) => number.as_i64().is_some_and(|number| number != 0),
        _ => false,
    };
    let tls = |name: &str, folder: &str| Tls {
        on: on(&format!("{name}TLS")),
        dir: format!("/etc/pki/libvirt-{folder}"),
        verify: on(&format!("{name}TLSx509verify")),
        secret: config(&format!("{name}TLSx509secretUUID")).and_then(Value::as_str).map(str::to_owned),
    };
    let sasl = |name: &str| on(name).then(|| "/etc/sasl2".to_owned());
    let plugins = case.words("nbdkit_caps").into_iter().filter_map(|word| word.strip_prefix("plugin-"));
    Settings {
        chardev_tls: tls("chardev", "chardev"),
        nbd_tls: tls("nbd", "nbd"),
        vxhs_tls: tls("vxhs", "vxhs"),
        vnc_tls: tls("vnc", "vnc"),
        spice_tls: tls("spice", "spice"),
        vnc_sasl: sasl("vncSASL"),
        spice_sasl: sasl("spiceSASL"),
        vnc_auto_socket: on("vncAutoUnixSocket"),
        spice_auto_socket: on("spiceAutoUnixSocket"),
        spice_password: true,
        vnc_host_audio: on("vncAllowHostAudio"),
        nbdkit: plugins.filter(|_| on("storageUseNbdkit")).map(str::to_owned).collect(),
        passt_dir: "/var/run/libvirt/qemu/passt".to_owned(),
        dbus_dir: "/var/run/libvirt/qemu/dbus".to_owned(),
        rdp_dir: "/var/run/libvirt/qemu/rdp".to_owned(),
        ..Settings::default()
    }
}

/// Looks up all secrets that a start needs.
fn secrets(domain: &Domain, settings: &Settings) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    let configured = [&settings.chardev_tls, &settings.nbd_tls, &settings.vxhs_tls, &settings.vnc_tls];
    let configured = configured.into_iter().filter_map(|tls| tls.secret.clone().map(Named::Uuid));
    for named in named(&domain.tree).into_iter().chain(configured) {
        if let Named::Usage(kind, usage) = &named {
            match kind.as_str() {
                "volume" if usage.starts_with("/storage/guest_disks/") => {}
                "volume" => {
                    return Err(internal(format!("test provided invalid volume storage prefix '{usage}'")));
                }
                _ if matches!(usage.as_str(), "mycluster_myname" | "client.admin secret") => {}
                _ => return Err(internal(format!("test provided incorrect usage '{usage}'"))),
            }
        }
        secrets.0.insert(named, SECRET.as_bytes().to_vec());
    }
    Ok(secrets)
}

/// The facts that a machine depends on.
fn surroundings(case: &Case, short: &str) -> Surroundings {
    let config = |name: &str| case.value("driver_config").and_then(|config| config.get(name));
    let pages = |mount: &str, size_kib, default| HugePages { mount: mount.to_owned(), size_kib, default };
    let incoming =
        case.text("migrate_from").map(|from| match case.value("migrate_fd").and_then(Value::as_i64) {
            Some(fd) if from == "stdio" => format!("fd:{fd}"),
            _ => from.to_owned(),
        });
    Surroundings {
        memory_dir: format!("/var/lib/libvirt/qemu/ram/-1-{short}"),
        huge_pages: vec![pages("/dev/hugepages2M", 2048, true), pages("/dev/hugepages1G", 1 << 20, false)],
        node_cpus: (0..4).map(|node| (node, (4 * node..4 * node + 4).collect())).collect(),
        placement: (0..4).collect(),
        now: 1_234_567_890,
        dump_core: config("dumpGuestCore") == Some(&Value::Bool(true)),
        incoming,
        ..Surroundings::default()
    }
}

/// The facts of the start.
fn start(case: &Case, domain: &Domain) -> Start {
    let short: String = domain.name.chars().take(20).collect();
    let private_dir = format!("/var/lib/libvirt/qemu/domain--1-{short}");
    let mut env: Vec<(String, String)> =
        [("LC_ALL", "C"), ("PATH", "/bin")].map(|(n, v)| (n.into(), v.into())).into();
    env.push(("HOME".into(), private_dir.clone()));
    env.extend([("USER", "test"), ("LOGNAME", "test")].map(|(n, v)| (n.into(), v.into())));
    for (name, folder) in [("DATA", ".local/share"), ("CACHE", ".cache"), ("CONFIG", ".config")] {
        env.push((format!("XDG_{name}_HOME"), format!("{private_dir}/{folder}")));
    }
    let variable = |name: &str| Some(case.value("env")?.get(name)?.as_str()?.to_owned());
    let mut start = Start {
        channel_dir: format!("/var/run/libvirt/qemu/channel/-1-{short}"),
        short_name: format!("-1-{short}"),
        private_dir,
        monitor: Address::Fd("1729".to_owned()),
        env,
        vault: Some(Vault {
            key: std::array::from_fn(|index| index as u8),
            iv: || std::array::from_fn(|index| index as u8),
        }),
        sandbox: true,
        timestamps: true,
        local_offset: -1800,
        host_drives: ["/dev/cdrom".to_owned()].into(),
        render_node: Some("/dev/dri/foo".to_owned()),
        guest_cid: Some(42),
        pipewire_dir: variable("PIPEWIRE_RUNTIME_DIR"),
        host: surroundings(case, &short),
        ..Start::default()
    };
    let numbers = |value: &Value| -> Vec<i32> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|fd| fd.as_i64().and_then(|fd| i32::try_from(fd).ok())).collect()
    };
    for (name, group) in case.value("fd_groups").and_then(Value::as_object).into_iter().flatten() {
        let fds = group.get("fds").map(numbers).unwrap_or_default();
        let writable = group.get("writable").and_then(Value::as_bool).unwrap_or(false);
        start.fd_groups.insert(name.clone(), FdGroup { fds, writable });
    }
    for (path, fd) in case.value("vdpa_fds").and_then(Value::as_object).into_iter().flatten() {
        let fd = fd.as_i64().and_then(|fd| i32::try_from(fd).ok()).unwrap_or(-1);
        start.passed_fds.insert(path.clone(), fd);
    }
    domain.devices().iter().for_each(|device| descriptors(device, &mut start));
    start
}

fn descriptors(device: &Tree, start: &mut Start) {
    let alias = device.attr_at("alias", "name").unwrap_or_default().to_owned();
    let character = match device.name.as_str() {
        "serial" | "parallel" | "channel" | "console" | "smartcard" | "redirdev" => Some(device),
        "rng" => device.child("backend"),
        _ => None,
    };
    if let Some(device) = character {
        if device.is("type", "unix") && device.attr_at("source", "mode") != Some("connect") {
            start.chardev_fds.insert(alias.clone(), 1729);
        }
        if device.is("type", "file") {
            start.passed_fds.insert(format!("{alias}-source"), 1750);
        }
        if device.child("log").is_some() {
            start.passed_fds.insert(format!("{alias}-log"), 1751);
        }
    }
    match device.name.as_str() {
        "interface" => interface(device, alias, start),
        "video" => drop(start.chardev_fds.insert(alias, 1729)),
        "tpm" => {
            start.passed_fds.insert(format!("{alias}-tpm"), 1730);
            start.passed_fds.insert(format!("{alias}-cancel"), 1731);
            start.paths.insert(alias, "/dev/test".to_owned());
        }
        "vsock" => drop(start.vhost_fds.insert(alias, vec![6789])),
        "hostdev" if device.is("type", "scsi_host") => drop(start.vhost_fds.insert(alias, vec![3])),
        "hostdev" if device.is("type", "scsi") => drop(start.paths.insert(alias, "/dev/sg0".to_owned())),
        _ => {}
    }
}

fn interface(interface: &Tree, alias: String, start: &mut Start) {
    let virtio = interface.attr_at("model", "type").is_some_and(|model| model.starts_with("virtio"));
    let queues = interface.attr_at("driver", "queues").filter(|_| virtio);
    let queues = queues.and_then(|text| text.parse().ok()).unwrap_or(1);
    let first = match interface.attr("type") {
        Some("bridge" | "network" | "direct") => 102,
        Some("ethernet") => 3,
        Some("vdpa") => {
            start.passed_fds.insert(format!("{alias}-vdpa"), 1732);
            return;
        }
        _ => return,
    };
    start.tap_fds.insert(alias.clone(), (first..first + queues).collect());
    let refused = interface.attr_at("driver", "name") == Some("qemu");
    if virtio && !refused {
        start.vhost_fds.insert(alias, (44..44 + queues).collect());
    }
}
