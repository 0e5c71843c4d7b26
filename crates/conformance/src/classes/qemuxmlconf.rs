//! `qemuxmlconf`: read a definition for an emulator, complete it, print it; build the command line; refuse with the
//! right words.

use super::Verdict;
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, FormatFlags, ParseFlags};
use cpu::{CpuDef, Feature};
use qemu_plan::complete::{HostAudio, Site};
use qemu_plan::firmware::Descriptor;
use qemu_plan::{Caps, Firmware, HostCpus, complete};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

static LOADED: Mutex<Option<HashMap<String, Arc<Caps>>>> = Mutex::new(None);

/// Capabilities from a recorded dialogue: commands and replies in turn, an empty line between documents.
pub(super) fn load(case: &Case) -> Result<Arc<Caps>, String> {
    load_as(case, case.is("machine_aliases_stripped"))
}

/// The same with the names of machines as the class wants them.
pub(super) fn load_as(case: &Case, strip: bool) -> Result<Arc<Caps>, String> {
    let name = case.text("caps").ok_or("the case has no emulator")?;
    let key = format!("{name} {strip}");
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded.get_or_insert_default();
    if let Some(caps) = loaded.get(&key) {
        return Ok(caps.clone());
    }
    let text = case.read_file(name)?;
    let documents: Vec<Value> =
        text.split("\n\n").filter_map(|part| serde_json::from_str(part).ok()).collect();
    let nth = |query: &str, nth: usize| {
        let asked = |document: &Value| document.get("execute").and_then(Value::as_str) == Some(query);
        let (at, _) = documents.iter().enumerate().filter(|(_, document)| asked(document)).nth(nth)?;
        documents.get(at + 1)?.get("return").cloned()
    };
    let mut caps = Caps::from_answers("", &|query| nth(query, 0));
    if nth("qmp_capabilities", 1).is_some() {
        caps.add_tcg(&|query| nth(query, 1));
    }
    // With acceleration the emulator expands its model `host`, without its model `max`.
    let expansion = |model: &str| {
        let asked = |document: &Value| {
            document.get("execute").and_then(Value::as_str) == Some("query-cpu-model-expansion")
                && document.pointer("/arguments/model/name").and_then(Value::as_str) == Some(model)
        };
        documents.get(documents.iter().position(asked)? + 1)?.get("return").cloned()
    };
    let expanded =
        |model: &str, kind: &str| HostCpus::of_expansion(&caps.arch, &expansion(model)?, caps.models(kind));
    caps.host_cpus = HostCpus { kvm: expanded("host", "kvm"), tcg: expanded("max", "qemu"), probed: None };
    caps.binary = complete::default_emulator(&caps.arch);
    if strip {
        caps = caps.without_aliases();
    }
    let caps = Arc::new(caps);
    loaded.insert(key, caps.clone());
    Ok(caps)
}

/// Descriptors of the pretended host: those in /etc hide those of the same name in /usr.
fn firmware(case: &Case) -> Firmware {
    static LOADED: Mutex<Option<Firmware>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let load = || {
        let mut files = std::collections::BTreeMap::new();
        for folder in ["usr/share/qemu/firmware", "etc/qemu/firmware"] {
            let path = case.path(&format!("qemusupport/firmware/{folder}"));
            let entries = path.and_then(|path| std::fs::read_dir(path).ok()).into_iter().flatten();
            for entry in entries.filter_map(Result::ok) {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                files.insert(entry.file_name(), text);
            }
        }
        let descriptors = files.values().filter_map(|text| Descriptor::parse(text)).collect();
        Firmware::new(descriptors, "/var/lib/libvirt/qemu/nvram".to_owned())
    };
    loaded.get_or_insert_with(load).clone()
}

/// Groups of the pretended host's PCI devices.
fn iommu_groups(case: &Case) -> HashMap<String, u32> {
    let Some(host) =
        case.read_file("fakehost.json").ok().and_then(|text| serde_json::from_str::<Value>(&text).ok())
    else {
        return HashMap::new();
    };
    let devices = host.pointer("/pci/devices").and_then(Value::as_array).cloned().unwrap_or_default();
    devices
        .iter()
        .filter_map(|device| {
            let group = device.get("iommu_group")?.as_u64()?;
            Some((device.get("address")?.as_str()?.to_owned(), u32::try_from(group).ok()?))
        })
        .collect()
}

/// What the pretended host adds.
pub(super) fn site(case: &Case) -> Site {
    let env = |name: &str| case.value("env").and_then(|env| env.get(name)?.as_str().map(str::to_owned));
    let config = |name: &str| {
        case.value("driver_config").is_some_and(|config| config.get(name) == Some(&Value::Bool(true)))
    };
    Site {
        firmware: firmware(case),
        audio: HostAudio {
            driver: env("QEMU_AUDIO_DRV"),
            sdl_driver: env("SDL_AUDIODRIVER"),
            headless: config("nogfxAllowHostAudio"),
            with_vnc: config("vncAllowHostAudio"),
        },
        security: "none".to_owned(),
        tpm_versions: Some(match env("@swtpm_setup_versions") {
            Some(text) => text.split([',', ' ']).map(str::to_owned).collect(),
            None => vec!["1.2".to_owned(), "2.0".to_owned()],
        }),
        iommu_groups: iommu_groups(case),
        lib_dir: "/var/lib/libvirt/qemu".to_owned(),
        channel_dir: "/var/run/libvirt/qemu/channel".to_owned(),
    }
}

/// A processor of the pretended host by the name of its model.
fn pretended_cpu(case: &Case, model: &str) -> Option<CpuDef> {
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

/// Capabilities as the case changes them.
fn changed(case: &Case, caps: &Caps) -> Arc<Caps> {
    let words = case.words("qemu_caps_del");
    let versions = case.value("gic_versions").and_then(Value::as_array);
    let granted = case.words("qemu_caps_add");
    let mut caps = caps.clone();
    caps.granted.extend(granted.into_iter().map(str::to_owned));
    let probed = case.text("host_cpu").and_then(|name| pretended_cpu(case, name));
    if let Some(host) = probed.as_ref().filter(|_| case.text("host_cpu_override").is_some()) {
        caps.host_cpus.kvm = HostCpus::of_probed(&caps.arch, host);
        caps.host_cpus.tcg.clone_from(&caps.host_cpus.kvm);
    }
    caps.host_cpus.probed = probed;
    for word in words {
        // Flags that stand for a type of device are named after it, with few exceptions.
        let kind = match word {
            "kvm" => {
                caps.kvm = false;
                continue;
            }
            other => other,
        };
        caps.withheld.insert(kind.to_owned());
    }
    if let Some(versions) = versions {
        caps.gic_kernel = versions.iter().filter_map(Value::as_u64).collect();
    }
    Arc::new(caps)
}

pub(super) fn random() -> impl FnMut() -> [u8; 16] {
    // What is random comes out as 00 01 02 …; made-up MAC addresses end in zeros.
    || std::array::from_fn(|index| index as u8)
}

fn read(case: &Case, caps: &Caps, text: &str) -> Result<Domain, String> {
    let flags = ParseFlags {
        inactive: true,
        abi_update: case.words("parse_flags").contains(&"abi-update"),
        ..ParseFlags::default()
    };
    let mut domain = Domain::parse(text, flags, &mut random()).map_err(|error| error.message().to_owned())?;
    complete::complete(&mut domain, caps, &site(case), flags).map_err(|error| error.message().to_owned())?;
    Ok(domain)
}

/// Runs one case: parts `xml`, `args` and `err`.
pub(crate) fn run(case: &Case) -> Verdict {
    let caps = match load(case) {
        Ok(caps) => changed(case, &caps),
        Err(text) => return vec![("xml", Err(text))],
    };
    let text = match case.read("input") {
        Ok(text) => text,
        // The words of the reference's reader for a file that is not there.
        Err(_) if case.words("fact_flags").contains(&"input-file-absent") => {
            let name = case.text("input").unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default();
            let said =
                format!("Failed to open file 'ABS_SRCDIR/qemuxmlconfdata/{name}': No such file or directory");
            let outcome = case.read("expected").and_then(|expected| compare::as_is(&expected, &said));
            return vec![("err", outcome)];
        }
        Err(text) => return vec![("xml", Err(text))],
    };
    let parsed = read(case, &caps, &text);
    if case.expect() == "parse-fail" {
        let outcome = match (parsed, case.read("expected")) {
            (Ok(_), _) => Err("must be refused".to_owned()),
            (_, Err(text)) => Err(text),
            (Err(message), Ok(expected)) => compare::as_is(&expected, &message),
        };
        return vec![("err", outcome)];
    }
    let flags = FormatFlags { secure: true, inactive: true, ..FormatFlags::default() };
    let xml = parsed.clone().and_then(|domain| {
        let printed = domain.format(flags);
        compare::unwrapped(&case.read("expected_xml")?, &printed)?;
        let again = read(case, &caps, &printed)?.format(flags);
        compare::exact(&printed, &again)
    });
    let built = parsed.and_then(|domain| {
        super::qemuxmlconf_start::line(case, &domain, &caps).map_err(|error| error.message().to_owned())
    });
    let mut verdict = vec![("xml", xml)];
    if case.expect() == "fail" {
        let outcome = match (built, case.read("expected")) {
            (Ok(_), _) => Err("must be refused".to_owned()),
            (_, Err(text)) => Err(text),
            (Err(message), Ok(expected)) => compare::as_is(&expected, &message),
        };
        verdict.push(("err", outcome));
    } else {
        verdict.push(("args", built.and_then(|line| compare::as_is(&case.read("expected")?, &line))));
    }
    verdict
}
