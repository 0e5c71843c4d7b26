//! Small documents that are read and printed: secrets, devices of the host, filters.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_nodedev::device::FormatFlags;
use conf_nodedev::mdevctl::{self, Verb};
use conf_nodedev::{Capability, Device, Origin};
use serde_json::Value;

/// Compares what was printed with what is expected, or accepts a refusal that is.
fn judge(case: &Case, produced: Result<String, String>) -> Result<(), String> {
    match (case.expect(), produced) {
        ("success", Ok(text)) => compare::unwrapped(&case.read("expected")?, &text),
        ("success", Err(error)) => Err(format!("refused: {error}")),
        (_, Ok(_)) => Err("must be refused".to_owned()),
        (_, Err(_)) => Ok(()),
    }
}

/// `secretxml2xml`
pub(crate) fn secret(case: &Case) -> Verdict {
    let run = || {
        let secret = conf_secret::Secret::parse(&case.read("input")?, false, &mut || [0; 16]);
        judge(case, secret.map(|secret| secret.format()).map_err(|error| error.to_string()))
    };
    whole(run())
}

/// `interfacexml2xml`
pub(crate) fn interface(case: &Case) -> Verdict {
    let run = || {
        let interface = conf_interface::Interface::parse(&case.read("input")?, false);
        judge(case, interface.map(|interface| interface.format()).map_err(|error| error.to_string()))
    };
    whole(run())
}

/// `nwfilterxml2xml`
pub(crate) fn filter(case: &Case) -> Verdict {
    let run = || {
        let filter = conf_nwfilter::Filter::parse(&case.read("input")?, false, &mut || [0; 16]);
        if filter.is_err() && case.is("parse_failure_also_accepted") {
            return Ok(());
        }
        judge(case, filter.map(|filter| filter.format()).map_err(|error| error.to_string()))
    };
    whole(run())
}

/// `virnwfilterbindingxml2xml`
pub(crate) fn binding(case: &Case) -> Verdict {
    let run = || {
        let binding = conf_nwfilter::Binding::parse(&case.read("input")?, false);
        judge(case, binding.map(|binding| binding.format()).map_err(|error| error.to_string()))
    };
    whole(run())
}

fn flags(case: &Case) -> FormatFlags {
    FormatFlags { inactive: case.text("format_flags").is_some_and(|flags| flags.contains("INACTIVE")) }
}

/// `nodedevxml2xml`
pub(crate) fn device(case: &Case) -> Verdict {
    let run = || {
        let device = Device::parse(&case.read("input")?, Origin::Existing, false).map(|mut device| {
            for capability in &mut device.capabilities {
                match capability {
                    // What the host would tell of its blocks.
                    Capability::Storage(storage) => match &storage.removable {
                        Some(medium) if medium.present => storage.set_block_size(2048),
                        Some(_) => {}
                        None => storage.set_block_size(512),
                    },
                    Capability::Mdev(mdev) => mdev.run_as_defined(),
                    _ => {}
                }
            }
            device.format(flags(case))
        });
        judge(case, device.map_err(|error| error.to_string()))
    };
    whole(run())
}

/// Devices of the simulated host, by name and address.
const PARENTS: &[(&str, &str)] =
    &[("pci_0000_00_02_0", "0000:00:02.0"), ("ap_matrix", "matrix"), ("css_0_0_0052", "0.0.0052")];

/// `nodedevmdevctl`
pub(crate) fn mediated(case: &Case) -> Verdict {
    let read = |fact: &str, parse_as: &str| -> Result<Device, String> {
        let origin = case.value("args").and_then(|args| args.get(parse_as)).and_then(Value::as_str);
        let origin = if origin == Some("create") { Origin::New } else { Origin::Existing };
        Device::parse(&case.read(fact)?, origin, false).map_err(|error| error.to_string())
    };
    let address = |device: &Device| {
        PARENTS
            .iter()
            .find(|(name, _)| device.parent.as_deref() == Some(name))
            .map_or("", |(_, address)| address)
    };
    let run = || {
        let verb = case.text("command").unwrap_or_default();
        if verb == "parse-list-json" {
            let parent = |wanted: &str| {
                let found = PARENTS.iter().find(|(_, address)| *address == wanted);
                found.map(|(name, _)| (*name).to_owned())
            };
            let devices = mdevctl::parse_list(&case.read("input")?, &parent);
            let devices = devices.map_err(|error| error.to_string())?;
            let text: String = devices.iter().map(|device| device.format(flags(case))).collect();
            return compare::as_is(&case.read("expected")?, &text);
        }
        let mut commands = Vec::new();
        match verb {
            "list-defined" => commands.push(mdevctl::list(true)),
            "modify" => {
                let (first, update) = (read("input", "input_parse_as")?, read("update", "update_parse_as")?);
                for step in case.value("steps").and_then(Value::as_array).into_iter().flatten() {
                    let is = |name: &str| step.get(name).and_then(Value::as_bool).unwrap_or(false);
                    let device = match step.get("def").and_then(Value::as_str) {
                        Some("update") => &update,
                        _ => &first,
                    };
                    let mdev = device.mediated().ok_or("no mediated device")?;
                    commands.push(mdevctl::modify(mdev, address(device), is("defined"), is("live")));
                }
            }
            verb => {
                let device = read("input", "parse_as")?;
                let mdev = device.mediated().ok_or("no mediated device")?;
                let uuid = mdev.uuid.unwrap_or_default();
                match verb {
                    "create" => commands.push(mdevctl::create(mdev, address(&device))),
                    "define" => commands.push(mdevctl::define(mdev, address(&device))),
                    "start" => commands.push(mdevctl::by_uuid(Verb::Start, uuid)),
                    "stop" => commands.push(mdevctl::by_uuid(Verb::Stop, uuid)),
                    "undefine" => commands.push(mdevctl::by_uuid(Verb::Undefine, uuid)),
                    "autostart" => {
                        for step in case.words("steps") {
                            commands.push(mdevctl::autostart(uuid, step.ends_with("on")));
                        }
                    }
                    other => return Err(format!("command {other} is not known")),
                }
            }
        }
        let text: String = commands
            .iter()
            .map(|command| {
                super::network_host::wrapped(&firewall::Call::new(mdevctl::PROGRAM, &command.args))
            })
            .collect();
        compare::as_is(&case.read("expected")?, &text)?;
        if case.text("expected_stdin").is_some() {
            let inputs: Vec<&str> = commands.iter().map(|command| command.input.as_str()).collect();
            compare::as_is(&case.read("expected_stdin")?, &inputs.join("\n"))?;
        }
        Ok(())
    };
    whole(run())
}
