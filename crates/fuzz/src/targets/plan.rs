//! Everything that is done to a definition until an emulator would be started.

use super::documents::{DOMAIN, FLAGS, restored};
use super::{Target, kind, outcome};
use conf_domain::Domain;
use qemu_caps::Probe;
use qemu_plan::complete::{Site, complete};
use qemu_plan::{Caps, Firmware, alias, argv};
use std::sync::OnceLock;

/// Definitions that are completed for an emulator and planned.
pub(super) const PLAN: Target = Target { name: "plan", run: plan, ..DOMAIN };

/// Answers of an emulator, as far as completing asks for them.
const EMULATOR: &str = include_str!("../../../bench/data/emulator.json");

fn world() -> &'static (Caps, Site) {
    static WORLD: OnceLock<(Caps, Site)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let answers: serde_json::Value = serde_json::from_str(EMULATOR).unwrap_or_default();
        let mut probe = Probe::new("/usr/bin/qemu-system-x86_64", false);
        loop {
            while let Some(command) = probe.command() {
                let query = command.get("execute").and_then(serde_json::Value::as_str).unwrap_or_default();
                let answer = match answers.get(query) {
                    Some(answer) => Ok(answer.clone()),
                    None if query == "qmp_capabilities" => Ok(serde_json::Value::Null),
                    None if query.starts_with("query-") => Ok(serde_json::Value::Array(Vec::new())),
                    None => Err(format!("The command {query} has not been found")),
                };
                if probe.reply(answer).is_err() {
                    break;
                }
            }
            if !probe.again() {
                break;
            }
            probe.restart();
        }
        let site = Site {
            firmware: Firmware::new(Vec::new(), "/var/lib/libvirt/qemu/nvram".to_owned()),
            lib_dir: "/var/lib/libvirt/qemu".to_owned(),
            channel_dir: "/run/libvirt/qemu/channel".to_owned(),
            ..Site::default()
        };
        (probe.finish(), site)
    })
}

fn plan(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let (caps, site) = world();
    let read = Domain::parse(text, FLAGS, &mut || [7; 16]);
    let mut domain = match read {
        Ok(domain) => domain,
        Err(error) => return kind(error.message()),
    };
    let completed = complete(&mut domain, caps, site, FLAGS);
    if completed.is_err() {
        return outcome(&completed).wrapping_add(1);
    }
    let mut again = restored(&domain);
    let _ = complete(&mut again, caps, site, FLAGS);
    alias::assign(&mut domain);
    outcome(&argv::plan(&domain, caps, &argv::Start::default())).wrapping_add(2)
}
