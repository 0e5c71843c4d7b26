//! What networks need on the host: server files, rules, limits, leases, names.

use super::network_xml::parse;
use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_network::Bandwidth;
use firewall::{Action, Answer, Call, Layer, Runner, Transaction};
use network_plan::mac_map::MacMap;
use network_plan::{dnsmasq, filter, names, openvswitch, traffic};
use serde_json::Value;

/// A word as the corpus writes it: quoted when a shell would need that.
fn word(text: &str) -> String {
    const SPECIAL: &str = "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~";
    if text.is_empty() {
        "''".to_owned()
    } else if text.contains(|c| SPECIAL.contains(c)) {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        text.to_owned()
    }
}

pub(super) fn line(call: &Call) -> String {
    let words: Vec<String> = call.words().map(word).collect();
    words.join(" ") + "\n"
}

/// A command with a line for each word, but for values of options in front of further options.
pub(super) fn wrapped(call: &Call) -> String {
    wrapped_words(&call.words().collect::<Vec<_>>())
}

/// The same for words.
pub(super) fn wrapped_words(words: &[&str]) -> String {
    let mut text = String::new();
    for (at, current) in words.iter().enumerate() {
        if at > 0 {
            let option_before = words[1..at].iter().any(|word| word.starts_with('-'));
            let option_after = words[at - 1..].iter().any(|word| word.starts_with('-'));
            let keep = !current.starts_with('-') && option_before && option_after;
            text.push_str(if keep { " " } else { " \\\n" });
        }
        text.push_str(&word(current));
    }
    text + "\n"
}

/// `networkxml2conf`
pub(crate) fn conf(case: &Case) -> Verdict {
    let run = || {
        let network = parse(&case.read("input")?)?;
        let place = dnsmasq::Place { folder: "/var/lib/libvirt/dnsmasq", pid_file: None };
        let text = dnsmasq::config(&network, &place).map_err(|error| error.to_string())?;
        compare::unwrapped(&case.read("expected")?, &text)?;
        let hosts = dnsmasq::hosts_file(&network);
        match case.text("expected_hostsfile") {
            Some(_) => compare::unwrapped(&case.read("expected_hostsfile")?, &hosts),
            None if hosts.is_empty() => Ok(()),
            None => Err(format!("no hosts file is expected, got:\n{hosts}")),
        }
    };
    whole(run())
}

/// `networkxml2firewall`
pub(crate) fn rules(case: &Case) -> Verdict {
    let run = || {
        let network = parse(&case.read("input")?)?;
        let intent = filter::intent(&network).map_err(|error| error.to_string())?;
        let mut text = String::new();
        if let Some(intent) = intent {
            let nft = case.text("backend") == Some("nftables");
            let transaction =
                if nft { firewall::nftables::install(&intent) } else { firewall::iptables::install(&intent) };
            if nft {
                firewall::nftables::checksum(&intent.bridge)
                    .iter()
                    .for_each(|call| text.push_str(&wrapped(call)));
            }
            for action in transaction.groups.iter().flat_map(|group| &group.actions) {
                text.push_str(&wrapped(&action.call(transaction.backend)));
            }
        }
        compare::as_is(&case.read("expected")?, &text)
    };
    whole(run())
}

/// Records calls; some fail, some print.
struct Recorder<'c> {
    case: &'c Case,
    text: String,
}

impl Runner for Recorder<'_> {
    fn run(&mut self, call: &Call) -> Answer {
        self.text.push_str(&line(call));
        let words: Vec<&str> = call.words().collect();
        let input = self.case.value("input");
        let fact =
            |name: &str| input.and_then(|input| input.get(name)).and_then(Value::as_str).unwrap_or_default();
        let add = words.iter().position(|word| *word == "-A");
        let fails = fact("fake_commands").contains("192.168.122.255")
            && add.is_some_and(|at| words[at..].contains(&"192.168.122.255"));
        let output = match words.as_slice() {
            ["iptables", "-w", "-L"] => fact("filter_output"),
            ["iptables", "-w", "-t", "nat", "-L"] => fact("nat_output"),
            _ => "",
        };
        Answer { success: !fails, output: output.to_owned(), complaint: String::new() }
    }
}

/// `virfirewall`
pub(crate) fn transaction(case: &Case) -> Verdict {
    let run = || {
        let input = case.value("input").ok_or("no input")?;
        let strings = |value: Option<&Value>| -> Vec<String> {
            let list = value.and_then(Value::as_array);
            list.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default()
        };
        let mut transaction = Transaction::new(firewall::Backend::Iptables);
        let mut undoing = false;
        for op in input.get("ops").and_then(Value::as_array).ok_or("no ops")? {
            let flags = op.get("flags").and_then(Value::as_str).unwrap_or_default();
            match op.get("op").and_then(Value::as_str) {
                Some("transaction") => {
                    undoing = false;
                    transaction.group(flags.contains("IGNORE_ERRORS"));
                }
                Some("rollback") => {
                    undoing = true;
                    if let Some(group) = transaction.groups.last_mut() {
                        group.inherit_previous = flags.contains("INHERIT_PREVIOUS");
                    }
                }
                _ => {
                    let layer =
                        op.get("layer").and_then(Value::as_str).and_then(Layer::parse).ok_or("no layer")?;
                    let is = |name: &str| op.get(name).and_then(Value::as_bool).unwrap_or(false);
                    let mut action = Action::new(layer, strings(op.get("args")));
                    action.ignore_errors = is("ignore_errors");
                    if is("query") {
                        let more = strings(input.get("query_callback_adds"));
                        action.query = Some(Box::new(move |_| vec![Action::new(layer, &more)]));
                    }
                    let group = transaction.groups.last_mut().ok_or("an action before any group")?;
                    if undoing { group.rollback.push(action) } else { group.actions.push(action) }
                }
            }
        }
        let mut recorder = Recorder { case, text: String::new() };
        let applied = if transaction.apply(&mut recorder).is_ok() { "success" } else { "fail" };
        let expected = |name: &str| {
            case.value("expected")
                .and_then(|expected| expected.get(name))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if applied != expected("apply") {
            return Err(format!("applying: {applied}"));
        }
        compare::exact(expected("commands"), &recorder.text)
    };
    whole(run())
}

fn bandwidth(input: &Value) -> Result<Option<Bandwidth>, String> {
    let Some(text) = input.get("bandwidth_xml").and_then(Value::as_str) else { return Ok(None) };
    let document = xml::Document::parse(text).map_err(|error| error.to_string())?;
    Bandwidth::parse(document.root(), true, None).map_err(|error| error.to_string())
}

fn commands(case: &Case, calls: &[Call]) -> Result<(), String> {
    let text: String = calls.iter().map(line).collect();
    let expected =
        case.value("expected").and_then(|expected| expected.get("commands")).and_then(Value::as_str);
    compare::exact(expected.unwrap_or_default(), &text)
}

/// `virnetdevbandwidth`
pub(crate) fn limits(case: &Case) -> Verdict {
    let run = || {
        let input = case.value("input").ok_or("no input")?;
        let args = case.value("args").ok_or("no args")?;
        let is = |name: &str| args.get(name).and_then(Value::as_bool).unwrap_or(false);
        let dev = input.get("iface").and_then(Value::as_str).unwrap_or_default();
        let limits = bandwidth(input)?;
        let calls = if case.text("backend") == Some("ovs") {
            let guest = args.get("vm_uuid").and_then(Value::as_str).and_then(|uuid| uuid.parse().ok());
            openvswitch::limit(dev, &guest.ok_or("no vm_uuid")?, limits.as_ref(), is("swapped_direction"))
        } else {
            let how = traffic::How {
                classes: is("hierarchical_class"),
                swapped: is("swapped_direction"),
                clear: is("clear_all"),
            };
            traffic::set(dev, limits.as_ref(), how)
        };
        commands(case, &calls)
    };
    whole(run())
}

/// `virnetdevopenvswitch`
pub(crate) fn open_vswitch(case: &Case) -> Verdict {
    let run = || {
        let input = case.value("input").ok_or("no input")?;
        let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        match case.text("kind").unwrap_or_default() {
            "parse-stats" => {
                let statistics = openvswitch::statistics(&case.read("input")?);
                let Some(statistics) = statistics else {
                    return if case.expect() == "success" { Err("refused".to_owned()) } else { Ok(()) };
                };
                for (side, counters) in [("rx", statistics.received), ("tx", statistics.sent)] {
                    for (what, counter) in ["bytes", "packets", "errs", "drop"].iter().zip(counters) {
                        let name = format!("{side}_{what}");
                        let expected =
                            case.value("expected").and_then(|expected| expected.get(&name)?.as_u64());
                        if expected != Some(counter) {
                            return Err(format!("{name}: {counter}, expected {expected:?}"));
                        }
                    }
                }
                Ok(())
            }
            "unescape-reply" => match (openvswitch::unescape(text("text")), case.expect()) {
                (None, "fail") => Ok(()),
                (Some(got), "success") => {
                    let expected = case.value("expected").and_then(|expected| expected.get("text")?.as_str());
                    compare::exact(expected.unwrap_or_default(), &got)
                }
                (got, _) => Err(format!("got {got:?}")),
            },
            "set-qos" => {
                let guest = text("vm_id").parse().map_err(|_| "no vm_id")?;
                let swapped = input.get("swapped").and_then(Value::as_bool).unwrap_or(false);
                let limits = bandwidth(input)?;
                commands(case, &openvswitch::limit(text("iface"), &guest, limits.as_ref(), swapped))
            }
            "clear-qos" => {
                let guest = text("vm_id").parse().map_err(|_| "no vm_id")?;
                commands(case, &openvswitch::unlimit(text("iface"), &guest))
            }
            other => Err(format!("kind {other} is not known")),
        }
    };
    whole(run())
}

/// `virmacmap`
pub(crate) fn mac_map(case: &Case) -> Verdict {
    let run = || {
        if case.text("kind") == Some("add-then-format") {
            let mut map = MacMap::default();
            let add = case.value("input").and_then(|input| input.get("add")).and_then(Value::as_array);
            for pair in add.into_iter().flatten() {
                let part = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
                map.add(part(0), part(1));
            }
            return compare::unwrapped(&case.read("expected")?, &map.format());
        }
        let mut map = MacMap::parse(&case.read("input")?).ok_or("not understood")?;
        let guest = case
            .value("args")
            .and_then(|args| args.get("domain"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let macs = map.macs(guest).to_vec();
        let expected =
            case.value("expected").and_then(|expected| expected.get("macs")).and_then(Value::as_array);
        let expected: Vec<&str> = expected.into_iter().flatten().filter_map(Value::as_str).collect();
        if macs != expected {
            return Err(format!("expected {expected:?}, got {macs:?}"));
        }
        macs.iter().for_each(|mac| map.remove(guest, mac));
        if map.macs(guest).is_empty() { Ok(()) } else { Err("something is left".to_owned()) }
    };
    whole(run())
}

/// `nss`
pub(crate) fn name_service(case: &Case) -> Verdict {
    let run = || {
        let folder = case.path("leases").ok_or("no leases")?;
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .map_err(|error| error.to_string())?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
        let read = |suffix: &str| -> Vec<String> {
            let found = files.iter().filter(|path| path.extension().is_some_and(|found| found == suffix));
            found.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
        };
        let input = case.value("input").ok_or("no input")?;
        let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        let module = match text("module") {
            "libvirt_guest" => names::Module::Guest,
            _ => names::Module::Hostname,
        };
        let family = match text("family") {
            "inet" => Some(netaddr::Family::Ipv4),
            "inet6" => Some(netaddr::Family::Ipv6),
            _ => None,
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs() as i64);
        let found = names::lookup(module, text("hostname"), family, &read("status"), &read("macs"), now);
        let found: Vec<String> = found.into_iter().map(netaddr::ip::text).collect();
        let expected =
            case.value("expected").and_then(|expected| expected.get("addresses")).and_then(Value::as_array);
        let expected: Vec<&str> = expected.into_iter().flatten().filter_map(Value::as_str).collect();
        if found == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {found:?}")) }
    };
    whole(run())
}
