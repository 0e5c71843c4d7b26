//! Commands of Open vSwitch, and its answers.

use base::Uuid;
use conf_network::vlan::{NativeMode, Vlan};
use conf_network::{Bandwidth, Rate, VirtualPort};
use firewall::Call;
use netaddr::Mac;
use serde_json::Value;

/// Seconds that a command waits for the switch.
const PATIENCE: &str = "--timeout=5";
/// Bits per second in a unit of a rate, at the switch's queues.
const QUEUE_RATE: u64 = 8000;
/// Bits in a unit of a burst, at the switch's queues.
const QUEUE_BURST: u64 = 8192;
/// Kilobits in a unit of rate and burst, at the switch's policing.
const POLICING: u64 = 8;

/// A question whose answer decides what follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owned {
    interface: String,
    guest: [String; 2],
}

fn vsctl(args: Vec<String>) -> Call {
    let mut all = vec![PATIENCE.to_owned()];
    all.extend(args);
    Call { program: "ovs-vsctl", args: all }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

impl Owned {
    /// The records of a guest's interface.
    pub fn new(interface: &str, guest: &Uuid) -> Owned {
        let guest =
            [format!("external-ids:vm-id=\"{guest}\""), format!("external-ids:ifname=\"{interface}\"")];
        Owned { interface: interface.to_owned(), guest }
    }

    fn with_guest(&self, text: &str) -> Vec<String> {
        let mut args = words(text);
        args.extend(self.guest.iter().cloned());
        args
    }

    fn find(&self, table: &str) -> Call {
        vsctl(self.with_guest(&format!("--no-heading --columns=_uuid find {table}")))
    }

    /// Asks for the queue of the interface.
    pub fn find_queue(&self) -> Call {
        self.find("queue")
    }

    /// Asks for the limits of the interface.
    pub fn find_limits(&self) -> Call {
        self.find("qos")
    }

    /// Limits what the guest receives, changing records that are there. The ids are the answers of the two questions.
    pub fn limit_received(&self, rate: &Rate, queue: Option<&str>, limits: Option<&str>) -> Vec<Call> {
        let mut settings = vec![format!("other_config:min-rate={}", rate.average.saturating_mul(QUEUE_RATE))];
        if rate.burst > 0 {
            settings.push(format!("other_config:burst={}", rate.burst.saturating_mul(QUEUE_BURST)));
        }
        if rate.peak > 0 {
            settings.push(format!("other_config:max-rate={}", rate.peak.saturating_mul(QUEUE_RATE)));
        }
        if let (Some(queue), Some(limits)) = (queue, limits) {
            let change = |table: &str, id: &str| {
                let mut args = vec!["set".to_owned(), table.to_owned(), id.to_owned()];
                args.extend(settings.iter().chain(&self.guest).cloned());
                vsctl(args)
            };
            return vec![change("queue", queue), change("qos", limits)];
        }
        let mut args = self.with_guest(&format!("set port {} qos=@qos1", self.interface));
        args.extend(words("-- --id=@qos1 create qos type=linux-htb"));
        args.extend(settings.iter().cloned());
        args.push("queues:0=@queue0".to_owned());
        args.extend(self.guest.iter().cloned());
        args.extend(words("-- --id=@queue0 create queue"));
        args.extend(settings);
        args.extend(self.guest.iter().cloned());
        vec![vsctl(args)]
    }

    /// Asks which limits the port of the interface uses.
    pub fn port_limits(&self) -> Call {
        vsctl(words(&format!("--no-heading --columns=_uuid --if-exists list port {} qos", self.interface)))
    }

    /// Takes records away. `used`: the port uses the limits.
    pub fn forget_received(&self, queue: Option<&str>, limits: Option<&str>, used: bool) -> Vec<Call> {
        let mut calls = Vec::new();
        if used {
            calls.push(vsctl(words(&format!("clear port {} qos", self.interface))));
        }
        for (table, id) in [("qos", limits), ("queue", queue)] {
            if let Some(id) = id {
                calls.push(vsctl(words(&format!("destroy {table} {id}"))));
            }
        }
        calls
    }

    /// Limits what the guest sends; without a rate, takes that limit away.
    pub fn limit_sent(&self, rate: Option<&Rate>) -> Call {
        let mut args = words(&format!("set Interface {}", self.interface));
        match rate.filter(|rate| rate.average > 0) {
            Some(rate) => {
                args.push(format!("ingress_policing_rate={}", rate.average.saturating_mul(POLICING)));
                if rate.burst > 0 {
                    args.push(format!("ingress_policing_burst={}", rate.burst.saturating_mul(POLICING)));
                }
            }
            None => args.extend(words("ingress_policing_rate=0 ingress_policing_burst=0")),
        }
        vsctl(args)
    }
}

/// Commands that set limits on an interface that had none, as seen by a guest. `swapped`: what the guest receives is
/// what the switch's port sends.
pub fn limit(interface: &str, guest: &Uuid, limits: Option<&Bandwidth>, swapped: bool) -> Vec<Call> {
    let Some(limits) = limits else { return Vec::new() };
    let (received, sent) =
        if swapped { (limits.inbound, limits.outbound) } else { (limits.outbound, limits.inbound) };
    let owned = Owned::new(interface, guest);
    let mut calls = vec![owned.find_queue(), owned.find_limits()];
    if let Some(rate) = received.filter(|rate| rate.average > 0) {
        calls.extend(owned.limit_received(&rate, None, None));
    }
    calls.push(owned.limit_sent(sent.as_ref()));
    calls
}

/// Commands that take limits away from an interface that has no records.
pub fn unlimit(interface: &str, guest: &Uuid) -> Vec<Call> {
    let owned = Owned::new(interface, guest);
    vec![owned.find_queue(), owned.find_limits(), owned.limit_sent(None)]
}

/// Makes an interface a port of a switch.
pub fn add_port(
    bridge: &str,
    interface: &str,
    mac: Mac,
    guest: &Uuid,
    port: &VirtualPort,
    vlan: Option<&Vlan>,
) -> Call {
    let mut args = words(&format!("-- --may-exist add-port {bridge} {interface}"));
    args.extend(words(&format!("-- set Port {interface} other_config:transient=true")));
    args.extend(vlan.map(vlan_settings).unwrap_or_default());
    let mut id = |setting: String| {
        args.extend(words(&format!("-- set Interface {interface}")));
        args.push(setting);
    };
    id(format!("external-ids:attached-mac=\"{mac}\""));
    if let Some(interface_id) = port.interface_id {
        id(format!("external-ids:iface-id=\"{interface_id}\""));
    }
    id(format!("external-ids:vm-id=\"{guest}\""));
    if let Some(profile) = port.profile_id.as_ref().filter(|profile| !profile.is_empty()) {
        id(format!("external-ids:port-profile=\"{profile}\""));
        id(format!("external-ids:ifname=\"{interface}\""));
    }
    id("external-ids:iface-status=active".to_owned());
    vsctl(args)
}

fn vlan_settings(vlan: &Vlan) -> Vec<String> {
    let mut settings = Vec::new();
    if let Some((tag, mode)) = vlan.native {
        let mode = match mode {
            NativeMode::Tagged => "native-tagged",
            NativeMode::Untagged => "native-untagged",
        };
        settings.extend([format!("vlan_mode={mode}"), format!("tag={tag}")]);
    }
    if vlan.trunk {
        let tags: Vec<String> = vlan.tags.iter().map(u16::to_string).collect();
        settings.push(format!("trunk={}", tags.join(",")));
    } else if vlan.native.is_none() {
        settings.extend(vlan.tags.first().map(|tag| format!("tag={tag}")));
    }
    settings
}

/// Takes a port away.
pub fn delete_port(interface: &str) -> Call {
    vsctl(words(&format!("-- --if-exists del-port {interface}")))
}

/// Counters of an interface, as the guest sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Bytes, packets, errors and drops that the guest received.
    pub received: [u64; 4],
    /// Bytes, packets, errors and drops that the guest sent.
    pub sent: [u64; 4],
}

/// Reads the switch's list of counters.
pub fn statistics(text: &str) -> Option<Statistics> {
    let value: Value = serde_json::from_str(text).ok()?;
    let pairs = value.as_array().filter(|list| list.first().and_then(Value::as_str) == Some("map"))?;
    let pairs = pairs.get(1)?.as_array()?;
    let counter = |name: String| {
        let pair = pairs
            .iter()
            .filter_map(Value::as_array)
            .find(|pair| pair.first().and_then(Value::as_str) == Some(name.as_str()));
        pair.and_then(|pair| pair.get(1)).and_then(Value::as_u64).unwrap_or(0)
    };
    let of =
        |side: &str| ["bytes", "packets", "errors", "dropped"].map(|what| counter(format!("{side}_{what}")));
    // What the switch sends, the guest receives.
    Some(Statistics { received: of("tx"), sent: of("rx") })
}

/// A name as the switch prints it: in quotes when it needs them.
pub fn unescape(text: &str) -> Option<String> {
    if text.starts_with('"') { serde_json::from_str(text).ok() } else { Some(text.to_owned()) }
}
