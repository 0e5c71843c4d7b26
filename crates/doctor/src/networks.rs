//! Networks: whether their packets pass the host.

use conf_network::Network;
use conf_network::forward::Mode;
use firewall::foreign::{self, Chain};
use firewall::{Intent, Kind};
use host::Layout;
use host::link::Links;
use host::process::Command;
use host::program::find;
use host::sysctl;
use netaddr::Family;
use network_plan::filter;
use network_plan::status::Status;
use std::path::Path;
use std::time::Duration;

/// How long a listing may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Examines the networks that run below a root.
///
/// # Errors
/// When nothing lists the packet filter.
pub(crate) fn examine(root: &Path) -> Result<Vec<String>, String> {
    let folder = Layout::of(root).run().join("network");
    let networks: Vec<Network> = host::store::files(&folder, "xml")
        .into_iter()
        .filter_map(|(name, text)| match Status::parse(&text) {
            Ok(status) => Some(status.network),
            Err(error) => {
                eprintln!("network '{name}' is left out: {error}");
                None
            }
        })
        .filter(|network| Mode::own_bridge(network.forward.mode))
        .collect();
    let chains = chains()?;
    let uplink = uplink().unwrap_or_default();
    let mut findings = Vec::new();
    for network in &networks {
        findings.extend(switches(network));
        let Some(intent) = wanted(network) else { continue };
        for packet in foreign::packets(&intent, &uplink) {
            let Some(finding) = foreign::obstacle(&chains, &packet) else { continue };
            findings.push(format!(
                "{}: {} over {}\n    because of {}\n    to allow it: {}",
                title(network),
                finding.flow,
                spelled(finding.family),
                finding.culprit,
                finding.remedy
            ));
        }
    }
    Ok(findings)
}

fn title(network: &Network) -> String {
    format!("network '{}' ({})", network.name, network.bridge.name.as_deref().unwrap_or_default())
}

fn spelled(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

/// What a network needs of the filter, whether it has rules of its own or not.
fn wanted(network: &Network) -> Option<Intent> {
    match filter::intent(network) {
        Ok(Some(intent)) => Some(intent),
        // Open networks have no rules and need to pass all the same.
        Ok(None) => Some(Intent {
            bridge: network.bridge.name.clone().unwrap_or_default(),
            kind: Kind::Route,
            dev: None,
            subnets: network.ips.iter().filter_map(conf_network::ip::Ip::subnet).collect(),
            ipv6_between_guests: false,
            dhcp: network.ips.iter().any(|ip| ip.address.is_ipv4() && ip.dhcp.serves()),
            tftp: false,
        }),
        Err(error) => {
            eprintln!("network '{}' is left out: {error}", network.name);
            None
        }
    }
}

/// Forwarding that is switched off.
fn switches(network: &Network) -> Vec<String> {
    let mut findings = Vec::new();
    if network.forward.mode.is_none() {
        return findings;
    }
    for (family, switch) in [(Family::Ipv4, "ipv4/ip_forward"), (Family::Ipv6, "ipv6/conf/all/forwarding")] {
        let needed = network.ips.iter().any(|ip| ip.family() == family);
        if needed && sysctl::get(switch).is_ok_and(|now| now == "0") {
            let name = switch.replace('/', ".");
            findings.push(format!(
                "{}: nothing is forwarded over {}\n    because of net.{name} = 0\n    to allow it: sysctl -w net.{name}=1",
                title(network),
                spelled(family)
            ));
        }
    }
    findings
}

fn listing(program: &str, args: &[&str]) -> Option<String> {
    let done = Command::new(find(program)?, args).run(LIMIT).ok()?;
    (done.status == Some(0)).then(|| String::from_utf8_lossy(&done.out).into_owned())
}

/// Everybody's chains.
fn chains() -> Result<Vec<Chain>, String> {
    let mut chains = Vec::new();
    let mut heard = false;
    for (family, program) in [(Family::Ipv4, "iptables-save"), (Family::Ipv6, "ip6tables-save")] {
        if let Some(text) = listing(program, &[]) {
            heard = true;
            chains.extend(foreign::saved(family, &text));
        }
    }
    if let Some(text) = listing("nft", &["-j", "list", "ruleset"]) {
        heard = true;
        chains.extend(
            foreign::json(&text).map_err(|error| format!("nft's listing is not understood: {error}"))?,
        );
    }
    if heard { Ok(chains) } else { Err("neither iptables-save nor nft lists the packet filter".to_owned()) }
}

/// The interface to the world.
fn uplink() -> Option<String> {
    let links = Links::open().ok()?;
    let route = links.routes(false).ok()?.into_iter().find(|route| route.prefix == 0)?;
    links.all().ok()?.into_iter().find(|link| link.index == route.link).map(|link| link.name)
}
