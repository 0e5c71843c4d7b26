//! Classes that read a network or a port of one, change it and print it.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_network::update::Command;
use conf_network::{FormatFlags, Network, NetworkPort};
use serde_json::Value;

/// Reads the network of a case.
pub(crate) fn parse(text: &str) -> Result<Network, String> {
    Network::parse(text, &mut || std::array::from_fn(|index| index as u8)).map_err(|error| error.to_string())
}

fn flags(case: &Case) -> FormatFlags {
    FormatFlags { inactive: case.text("format_flags").is_some_and(|flags| flags.contains("INACTIVE")) }
}

fn judge(case: &Case, produced: Result<String, String>) -> Result<(), String> {
    match (case.expect(), produced) {
        ("success", Ok(text)) => compare::unwrapped(&case.read("expected")?, &text),
        ("success", Err(error)) => Err(format!("refused: {error}")),
        (_, Ok(_)) => Err("must be refused".to_owned()),
        (_, Err(_)) => Ok(()),
    }
}

/// `networkxml2xml`
pub(crate) fn round_trip(case: &Case) -> Verdict {
    let run = || {
        let text = case.read("input")?;
        judge(case, parse(&text).map(|network| network.format(flags(case))))
    };
    whole(run())
}

/// `networkxml2xmlupdate`
pub(crate) fn update(case: &Case) -> Verdict {
    let run = || {
        let network = parse(&case.read("input")?)?;
        let command =
            match case.text("command").unwrap_or_default().rsplit("COMMAND_").next().unwrap_or_default() {
                "MODIFY" => Command::Modify,
                "DELETE" => Command::Delete,
                "ADD_LAST" => Command::AddLast,
                "ADD_FIRST" => Command::AddFirst,
                other => return Err(format!("command {other} is not known")),
            };
        let sections = [
            "BRIDGE",
            "DOMAIN",
            "IP",
            "IP_DHCP_HOST",
            "IP_DHCP_RANGE",
            "FORWARD",
            "FORWARD_INTERFACE",
            "FORWARD_PF",
            "PORTGROUP",
            "DNS_HOST",
            "DNS_TXT",
            "DNS_SRV",
        ];
        let section = case.text("section").and_then(|section| section.strip_prefix("VIR_NETWORK_SECTION_"));
        let number = sections.iter().position(|name| Some(*name) == section).map_or(0, |at| at as u32 + 1);
        let parent = case.value("parent_index").and_then(Value::as_i64).unwrap_or(-1) as i32;
        let changed = network.changed(command, number, parent, &case.read("update")?);
        judge(case, changed.map(|network| network.format(flags(case))).map_err(|error| error.to_string()))
    };
    whole(run())
}

/// `virnetworkportxml2xml`
pub(crate) fn port(case: &Case) -> Verdict {
    let run = || {
        let port = NetworkPort::parse(&case.read("input")?);
        judge(case, port.map(|port| port.format()).map_err(|error| error.to_string()))
    };
    whole(run())
}
