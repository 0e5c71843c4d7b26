//! A made-up emulator asked, kept and read again.

use crate::document::{self, Stamp};
use crate::{Accel, Caps, Flag, Probe};
use serde_json::{Value, json};

/// Answers of an emulator of `arch` to a command.
fn emulator(command: &Value, arch: &str, plain: bool) -> Result<Value, String> {
    let kind = command.pointer("/arguments/typename").and_then(Value::as_str).unwrap_or_default();
    let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Value>();
    Ok(match command["execute"].as_str().unwrap_or_default() {
        "qmp_capabilities" => json!({}),
        "query-version" => json!({"qemu": {"major": 10, "minor": 1, "micro": 2}, "package": "made up"}),
        "query-target" => json!({"arch": arch}),
        "query-qmp-schema" => json!([
            {"name": "query-cpu-definitions", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
            {"name": "query-cpu-model-expansion", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
        ]),
        "query-kvm" => json!({"present": true, "enabled": true}),
        "qom-list-types" => {
            named(&["tcg-accel", "virtio-blk-ccw", "max-x86_64-cpu", "sgx-epc", "sev-guest", "sev-snp-guest"])
        }
        "device-list-properties" if kind == "virtio-blk-ccw" => named(&["queue-size"]),
        "device-list-properties" => return Err(format!("no {kind}")),
        "qom-list-properties" if kind == "max-x86_64-cpu" => named(&["migratable"]),
        "qom-list-properties" => named(&[]),
        "query-machines" => json!([
            {"name": "none", "cpu-max": 1},
            {"name": "old", "cpu-max": 1, "deprecated": true},
            {"name": "pc-1.0", "alias": "pc", "cpu-max": 255, "is-default": true, "default-cpu-type": "a-cpu"},
        ]),
        "query-cpu-definitions" => json!([
            {"name": "a", "typename": "a-cpu", "unavailable-features": if plain { json!(["x"]) } else { json!([]) }},
            {"name": "max", "typename": "max-cpu"},
            {"name": "qemu64", "typename": "qemu64-cpu", "unavailable-features": ["svm"]},
        ]),
        "query-gic-capabilities" => json!([{"version": 3, "kernel": true, "emulated": false}]),
        "query-sgx-capabilities" => json!({"sgx": true, "flc": true, "sgx1": true, "sgx2": false,
            "section-size": 4096, "sections": [{"node": 1, "size": 4096}]}),
        "query-cpu-model-expansion" => {
            let all = command.pointer("/arguments/model/props/migratable").is_some();
            json!({"model": {"name": "base", "props": {"aes": true, "invtsc": all, "level": 3, "off": false,
                "vendor": "v", "hv-relaxed": true, "hv-vapic": false, "hv-spinlocks": 4095}}})
        }
        "query-sev-capabilities" => return Err("no SEV".to_owned()),
        _ => json!([]),
    })
}

fn ask(arch: &str) -> (Caps, Vec<String>) {
    let mut probe = Probe::new("/bin/emulator", false);
    let mut asked = Vec::new();
    let mut plain = false;
    loop {
        while let Some(command) = probe.command() {
            probe.reply(emulator(&command, arch, plain)).unwrap();
            asked.push(command.to_string());
        }
        if !probe.again() {
            return (probe.finish(), asked);
        }
        probe.restart();
        plain = true;
    }
}

#[test]
fn names_are_unique_and_found() {
    for (index, flag) in Flag::ALL.iter().enumerate() {
        assert_eq!(*flag as usize, index);
        assert_eq!(Flag::from_name(flag.name()), Some(*flag));
        assert!(!crate::flag::retired(flag.name()), "{}", flag.name());
    }
    assert!(crate::flag::retired("vnc-colon"));
}

#[test]
fn an_emulator_is_asked_twice() {
    let (caps, asked) = ask("x86_64");
    assert_eq!(asked.first().unwrap(), r#"{"execute":"qmp_capabilities","id":"libvirt-1"}"#);
    assert_eq!(asked.iter().filter(|command| command.contains(r#""id":"libvirt-1""#)).count(), 2);
    assert_eq!(caps.version, (10, 1, 2));
    for flag in [Flag::Kvm, Flag::Tcg, Flag::SgxEpc, Flag::CpuMax, Flag::VirtioBlkQueueSize] {
        assert!(caps.has(flag), "{}", flag.name());
    }
    for flag in [Flag::SevGuest, Flag::SevSnpGuest, Flag::Hvf, Flag::Vga] {
        assert!(!caps.has(flag), "{}", flag.name());
    }
    assert_eq!(caps.default_machine().unwrap().name, "pc-1.0");
    assert_eq!(caps.default_cpu("pc", Accel::Kvm).as_deref(), Some("a"));
    assert!(caps.with(Accel::Tcg).cpus[0].blockers.as_ref().is_some_and(|list| list == &["x"]));
    let host = caps.kvm.host.as_ref().unwrap();
    assert_eq!(host.property("aes").unwrap().migratable, Some(true));
    assert_eq!(host.property("invtsc").unwrap().migratable, Some(false));
    assert_eq!(caps.hyperv.as_deref().unwrap(), ["relaxed", "spinlocks"]);
    assert_eq!(caps.without_aliases().machines().last().unwrap().name, "pc-1.0");
}

#[test]
fn emulators_that_cannot_be_used() {
    let mut probe = Probe::new("/bin/emulator", false);
    probe.command().unwrap();
    let refused = probe.reply(Err("not today".to_owned())).unwrap_err();
    assert_eq!(refused.to_string(), "unable to execute QEMU command 'qmp_capabilities': not today");
    let mut probe = Probe::new("/bin/emulator", false);
    probe.command().unwrap();
    probe.reply(Ok(json!({}))).unwrap();
    probe.command().unwrap();
    let old = probe.reply(Ok(json!({"qemu": {"major": 5, "minor": 2, "micro": 0}}))).unwrap_err();
    assert_eq!(old.to_string(), "QEMU version >= 6.2.0 is required, but 5.2.0 found");
}

#[test]
fn what_is_kept_is_read_again() {
    for arch in ["x86_64", "aarch64", "s390x"] {
        let (caps, _) = ask(arch);
        let stamp = Stamp {
            emulator_changed: 7,
            self_version: 11_003_000,
            microcode: 1,
            kernel: Some("6.1 #1".to_owned()),
            host_cpu: Some("a <b>".to_owned()),
            nesting: true,
            ..Stamp::default()
        };
        let text = document::write(&caps, &stamp);
        assert_eq!(document::read(&text), Ok((caps, stamp)), "{arch}");
    }
    assert!(document::read("<qemuCaps/>").is_err());
    assert!(document::read("<other/>").is_err());
}

#[test]
fn guests_are_described() {
    use crate::describe::{self, Host, Request};
    use crate::descriptor::firmware::Supported;
    let (caps, _) = ask("x86_64");
    let host = Host { arch: "x86_64".into(), physical_bits: 40, kvm_max_vcpus: Some(8), ..Host::default() };
    let describe = |accel| {
        let firmware = Supported {
            kinds: vec!["efi".into()],
            images: vec![("/i".into(), Some("/a".into())), ("/i".into(), Some("/b".into()))],
            secure: true,
        };
        let request = Request { machine: "pc-1.0", firmware, without_deprecated: false };
        describe::domain(&caps, accel, &request, &host, cpu::Database::builtin()).format()
    };
    let text = describe(Accel::Kvm);
    for part in [
        "<vcpu max='8'/>",
        "<mode name='host-passthrough' supported='yes'>",
        "<maxphysaddr mode='passthrough' limit='40'/>",
        "<sgx supported='yes'>",
        "<enum name='secure'>\n        <value>yes</value>",
        "<value>spinlocks</value>",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(text.matches("<value>/i</value>").count(), 1);
    let text = describe(Accel::Tcg);
    assert!(text.contains("<vcpu max='255'/>") && !text.contains("maxphysaddr"), "{text}");
    let guest = describe::guest(&caps, "x86_64", true);
    assert_eq!(guest.kinds, ["qemu", "kvm"]);
    assert_eq!(describe::guest(&caps, "aarch64", true).kinds, ["qemu"]);
}
