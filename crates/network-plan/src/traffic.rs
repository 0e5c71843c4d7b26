//! Commands of traffic control that hold a device to its limits.
//!
//! ```text
//! what the device sends       root 1: htb ── 1:1 (the guest's class)                        one guest
//!                             root 1: htb ── 1:1 ── 1:2 (everybody), 1:3 … (guaranteed)     a network's bridge
//! what the device receives    ingress: whatever comes too fast is dropped
//! ```

use conf_network::{Bandwidth, Rate};
use firewall::Call;
use netaddr::Mac;

/// Bits of the largest frame, for which a class may wait once.
const FRAME_BITS: u64 = 1500 * 8;
/// Largest burst of policing, in KiB.
const BURST_MAX: u64 = 4_194_303;
/// The class of those without a guarantee.
pub const COMMON_CLASS: u32 = 2;

/// How limits are set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct How {
    /// Classes below the first one guarantee rates.
    pub classes: bool,
    /// What guests receive is what the device sends, as with taps and bridges.
    pub swapped: bool,
    /// Earlier limits are taken away first.
    pub clear: bool,
}

fn tc(text: &str) -> Call {
    Call::new("tc", text.split(' '))
}

fn quantum(average: u64) -> u64 {
    (u128::from(average) * 1024 / u128::from(FRAME_BITS)).clamp(1, u128::from(u64::MAX)) as u64
}

/// What takes all limits away. Nothing may be there to take.
pub fn clear(dev: &str) -> Vec<Call> {
    vec![tc(&format!("qdisc del dev {dev} root")), tc(&format!("qdisc del dev {dev} ingress"))]
}

/// The question whether a device has a root that may be used already; when it prints nothing, [`add_root`] makes one.
pub fn show_root(dev: &str) -> Call {
    tc(&format!("qdisc show dev {dev} handle 1:"))
}

/// Makes the root.
pub fn add_root(dev: &str, classes: bool) -> Call {
    let default = if classes { "2" } else { "1" };
    tc(&format!("qdisc add dev {dev} root handle 1: htb default {default}"))
}

/// Commands that set limits. After [`show_root`], the command that follows it is left out when something was printed.
pub fn set(dev: &str, limits: Option<&Bandwidth>, how: How) -> Vec<Call> {
    let Some(limits) = limits else { return Vec::new() };
    let (sent, received) =
        if how.swapped { (limits.inbound, limits.outbound) } else { (limits.outbound, limits.inbound) };
    let mut calls = if how.clear { clear(dev) } else { Vec::new() };
    if let Some(rate) = sent.filter(|rate| rate.average > 0) {
        calls.push(show_root(dev));
        calls.push(add_root(dev, how.classes));
        calls.extend(root_classes(dev, &rate, how.classes));
    }
    if let Some(rate) = received.filter(|rate| rate.average > 0) {
        let burst = if rate.burst > 0 { rate.burst } else { rate.average.min(BURST_MAX) };
        calls.push(tc(&format!("qdisc add dev {dev} ingress")));
        calls.push(tc(&format!(
            "filter add dev {dev} parent ffff: protocol all u32 match u32 0 0 police rate {}kbps burst {burst}kb mtu \
             64kb drop flowid :1",
            rate.average
        )));
    }
    calls
}

fn root_classes(dev: &str, rate: &Rate, classes: bool) -> Vec<Call> {
    let quantum = quantum(rate.average);
    let average = rate.average;
    let peak = if rate.peak > 0 { format!(" ceil {}kbps", rate.peak) } else { String::new() };
    let burst = if rate.burst > 0 { format!(" burst {}kb", rate.burst) } else { String::new() };
    let mut calls = Vec::new();
    let mut class = "1:1";
    if classes {
        let most = ceiling(rate);
        calls.push(tc(&format!(
            "class add dev {dev} parent 1: classid 1:1 htb rate {average}kbps ceil {most}kbps quantum {quantum}"
        )));
        class = "1:2";
    }
    let parent = if classes { "1:1" } else { "1:" };
    calls.push(tc(&format!(
        "class add dev {dev} parent {parent} classid {class} htb rate {average}kbps{peak}{burst} quantum {quantum}"
    )));
    calls.push(tc(&format!("qdisc add dev {dev} parent {class} handle 2: sfq perturb 10")));
    calls.push(tc(&format!("filter add dev {dev} parent 1:0 protocol all prio 1 handle 1 fw flowid 1")));
    calls
}

/// The rate that all guests of a network may reach together.
pub fn ceiling(rate: &Rate) -> u64 {
    if rate.peak > 0 { rate.peak } else { rate.average }
}

/// Gives a guest a class of its own with a guaranteed rate on a network's bridge.
pub fn plug(dev: &str, network: &Rate, mac: Mac, guest: &Rate, class: u32) -> Vec<Call> {
    let [a, b, c, d, e, f] = mac.0;
    let rate = guest.floor;
    let quantum = quantum(guest.average);
    let most = ceiling(network);
    vec![
        tc(&format!(
            "class add dev {dev} parent 1:1 classid 1:{class:x} htb rate {rate}kbps ceil {most}kbps quantum {quantum}"
        )),
        tc(&format!("qdisc add dev {dev} parent 1:{class:x} handle {class:x}: sfq perturb 10")),
        // The guest is known by the receiver of its frames.
        tc(&format!(
            "filter add dev {dev} protocol ip prio 2 handle 800::{} u32 match u16 0x0800 0xffff at -2 match u32 \
             0x{c:02x}{d:02x}{e:02x}{f:02x} 0xffffffff at -12 match u16 0x{a:02x}{b:02x} 0xffff at -14 flowid \
             1:{class:x}",
            filter_number(class)
        )),
    ]
}

fn filter_number(class: u32) -> String {
    format!("{:x}", 0x800 + class)
}

/// Takes a guest's class away.
pub fn unplug(dev: &str, class: u32) -> Vec<Call> {
    vec![
        tc(&format!("qdisc del dev {dev} handle {class:x}:")),
        tc(&format!("filter del dev {dev} prio 2 handle 800::{} u32", filter_number(class))),
        tc(&format!("class del dev {dev} classid 1:{class:x}")),
    ]
}

/// Changes the guaranteed rate of a class of a network's bridge.
pub fn change(dev: &str, class: u32, network: &Rate, rate: u64) -> Call {
    let quantum = quantum(network.average);
    let most = ceiling(network);
    tc(&format!(
        "class change dev {dev} classid 1:{class:x} htb rate {rate}kbps ceil {most}kbps quantum {quantum}"
    ))
}

/// What is left for those without a guarantee when `floors` are guaranteed.
pub fn rest(network: &Rate, floors: u64) -> u64 {
    ceiling(network).saturating_sub(floors)
}
