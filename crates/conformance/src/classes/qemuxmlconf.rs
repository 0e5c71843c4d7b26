//! `qemuxmlconf`: read a definition for an emulator, complete it, print it; build the command line; refuse with the
//! right words.

use super::{Verdict, descriptors};
use crate::manifest::Case;
use crate::{compare, emulator};
use conf_domain::{Domain, FormatFlags, ParseFlags};
use qemu_caps::caps::Gic;
use qemu_caps::{Caps, Flag};
use qemu_plan::complete::{HostAudio, Site};
use qemu_plan::{Firmware, complete};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Capabilities from a recorded dialogue, as the case changes them.
pub(super) fn load(case: &Case) -> Result<Caps, String> {
    load_as(case, case.is("machine_aliases_stripped"))
}

/// The same with the names of machines as the class wants them.
pub(super) fn load_as(case: &Case, strip: bool) -> Result<Caps, String> {
    let mut caps = (*emulator::of(case)?).clone();
    caps.binary = complete::default_emulator(&caps.arch);
    if strip {
        caps = caps.without_aliases();
    }
    for (fact, present) in [("qemu_caps_add", true), ("qemu_caps_del", false)] {
        for word in case.words(fact) {
            let flag = Flag::from_name(word).ok_or_else(|| format!("no flag '{word}'"))?;
            caps.flags.set(flag, present);
        }
    }
    if let Some(versions) = case.value("gic_versions").and_then(Value::as_array) {
        let versions = versions.iter().filter_map(|version| version.as_u64()?.try_into().ok());
        caps.gic = versions.map(|version| Gic { version, kernel: true, emulated: true }).collect();
    }
    Ok(caps)
}

/// Firmware of the pretended host.
fn firmware(case: &Case) -> Firmware {
    static LOADED: Mutex<Option<Firmware>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let load = || Firmware::new(descriptors::firmware(case), "/var/lib/libvirt/qemu/nvram".to_owned());
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
        rdp: None,
        spice_tls: None,
        lib_dir: "/var/lib/libvirt/qemu".to_owned(),
        channel_dir: "/var/run/libvirt/qemu/channel".to_owned(),
    }
}

pub(super) fn random() -> impl FnMut() -> [u8; 16] {
    // What is random comes out as 00 01 02 …; made-up MAC addresses end in zeros.
    || std::array::from_fn(|index| index as u8)
}

pub(crate) fn read(case: &Case, caps: &Caps, text: &str) -> Result<Domain, String> {
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
        Ok(caps) => caps,
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
    let flags = FormatFlags::STORED;
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
        let outcome = built.and_then(|line| {
            compare::as_is(&case.read("expected")?, &qemu_plan::argv::shell(&line))?;
            super::qemuxmlconf_start::fits(case, &line)
        });
        verdict.push(("args", outcome));
    }
    verdict
}
