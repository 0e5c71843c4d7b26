//! Bandwidth of a guest's device on the host: what the traffic control program is told.

use crate::FROM;
use base::{Error, ErrorCode, ErrorDomain, Result};
use host::process::Command;
use std::time::Duration;
use xml::Tree;

const PATIENCE: Duration = Duration::from_secs(10);
/// Largest burst in KiB.
const BURST: u64 = 4_194_303;
/// Bytes of a packet at most.
const PACKET: u64 = 1500;

/// A command and whether its failure matters.
type Step = (Vec<String>, bool);

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The commands that give a device these limits and no others. What the guest receives is inbound.
pub(crate) fn plan(device: &str, bandwidth: Option<&Tree>) -> Vec<Step> {
    let mut steps = vec![
        (words(&format!("qdisc del dev {device} root")), false),
        (words(&format!("qdisc del dev {device} ingress")), false),
    ];
    let number = |side: &Tree, name: &str| {
        side.attr(name).and_then(|text| text.parse::<u64>().ok()).filter(|n| *n != 0)
    };
    let average = |name: &str| {
        let side = bandwidth?.child(name)?;
        Some((side, number(side, "average")?))
    };
    if let Some((side, average)) = average("inbound") {
        let mut class = format!("class add dev {device} parent 1: classid 1:1 htb rate {average}kbps");
        for (name, word, unit) in [("peak", "ceil", "kbps"), ("burst", "burst", "kb")] {
            if let Some(value) = number(side, name) {
                class.push_str(&format!(" {word} {value}{unit}"));
            }
        }
        class.push_str(&format!(" quantum {}", (average * 1024 / 8 / PACKET).max(1)));
        for text in [
            format!("qdisc add dev {device} root handle 1: htb default 1"),
            class,
            format!("qdisc add dev {device} parent 1:1 handle 2: sfq perturb 10"),
            format!("filter add dev {device} parent 1:0 protocol all prio 1 handle 1 fw flowid 1"),
        ] {
            steps.push((words(&text), true));
        }
    }
    if let Some((side, average)) = average("outbound") {
        let burst = number(side, "burst").unwrap_or(average).min(BURST);
        for text in [
            format!("qdisc add dev {device} ingress"),
            format!(
                "filter add dev {device} parent ffff: protocol all u32 match u32 0 0 police rate {average}kbps burst {burst}kb mtu 64kb drop flowid :1"
            ),
        ] {
            steps.push((words(&text), true));
        }
    }
    steps
}

/// Gives a device its limits; the first command that fails ends it.
pub(crate) fn apply(device: &str, bandwidth: Option<&Tree>) -> Result<()> {
    let failed = |text: String| Error::internal(ErrorDomain::NONE, text);
    for (arguments, matters) in plan(device, bandwidth) {
        let line = format!("tc {}", arguments.join(" "));
        let program = host::process::find("tc")
            .ok_or_else(|| failed("Cannot find 'tc' in path: No such file or directory".into()))?;
        let list: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = Command::new(program, &list)
            .run(PATIENCE)
            .map_err(|cause| Error::system(ErrorDomain::NONE, &cause, format!("Child process ({line})")))?;
        if matters && done.status != Some(0) {
            let status = done.status.unwrap_or(-1);
            let said = String::from_utf8_lossy(&done.err).into_owned();
            return Err(failed(format!("Child process ({line}) unexpected exit status {status}: {said}")));
        }
    }
    Ok(())
}

/// Whether an interface's device can be limited.
pub(crate) fn supported(interface: &Tree) -> bool {
    matches!(interface.attr("type"), Some("network" | "bridge" | "ethernet" | "direct"))
}

/// Refuses a guaranteed bandwidth where no network of ours gives it.
pub(crate) fn check_floor(interface: &Tree, bandwidth: &Tree) -> Result<()> {
    let floor = bandwidth.attr_at("inbound", "floor").is_some_and(|floor| floor != "0");
    if floor && !interface.is("type", "network") {
        let address = interface.attr_at("mac", "address").unwrap_or_default();
        let text = format!(
            "Invalid use of 'floor' on interface with MAC address {address} - 'floor' is only supported for interface type 'network' with forward type 'nat', 'route', 'open' or none"
        );
        return Err(Error::new(ErrorCode::OPERATION_UNSUPPORTED, FROM, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let bandwidth = Tree::new("bandwidth")
            .holding(Tree::new("inbound").with("average", "300").with("burst", "9"))
            .holding(Tree::new("outbound").with("average", "7000000"));
        let lines: Vec<String> =
            plan("tap0", Some(&bandwidth)).into_iter().map(|(words, _)| words.join(" ")).collect();
        assert_eq!(
            lines[3],
            "class add dev tap0 parent 1: classid 1:1 htb rate 300kbps burst 9kb quantum 25"
        );
        assert!(lines[7].ends_with("police rate 7000000kbps burst 4194303kb mtu 64kb drop flowid :1"));
        assert_eq!(plan("tap0", None).len(), 2);
    }
}
