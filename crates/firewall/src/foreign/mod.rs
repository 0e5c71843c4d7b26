//! What rules of others do to packets of virtual networks.
//!
//! ```text
//! iptables-save, nft -j list ruleset ──▶ chains ──┐
//!                                                 ├──▶ a packet is sent through them in thought ──▶ who drops it, and
//! bridge, how it forwards, uplink ──▶ paths ──────┘                                                 what would allow it
//! ```
//!
//! A packet passes when no base chain of its hook drops it: leave in one table does not overrule a refusal in another.
//! Conditions that are not understood count as not met.

mod listing;
mod packet;

pub use listing::{json, saved};
pub use packet::{Flow, Hook, Packet, State, packets};

use netaddr::{Family, Subnet};

/// Nobody links chains deeper than this.
const DEEPEST: u32 = 64;

/// A chain of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Who lists it.
    pub tool: Tool,
    /// Family; none for both.
    pub family: Option<Family>,
    /// Table.
    pub table: String,
    /// Name.
    pub name: String,
    /// Where packets enter it, and whether those pass that it says nothing about.
    pub base: Option<(Hook, bool)>,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

/// Who lists a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// iptables and ip6tables.
    Iptables,
    /// nft.
    Nft,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Conditions that all must hold.
    pub tests: Vec<Test>,
    /// What happens then.
    pub target: Target,
    /// The rule as it is listed.
    pub text: String,
    /// Where it is: its number in the chain from 1 for iptables, its handle for nft.
    pub place: u64,
}

/// A condition, and whether it must hold or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// What is looked at.
    pub what: What,
    /// The opposite is meant.
    pub not: bool,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The interface a packet came from; `eth+` and `eth*` mean all that begin so.
    Input(Vec<String>),
    /// The interface it leaves by.
    Output(Vec<String>),
    /// The sender's network.
    Source(Vec<Subnet>),
    /// The receiver's network.
    Destination(Vec<Subnet>),
    /// What is known of its connection.
    State(Vec<String>),
    /// Its protocol.
    Protocol(Vec<String>),
    /// The receiver's port.
    Port(Vec<u16>),
    /// Something else.
    Other,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The packet passes this base chain.
    Accept,
    /// The packet is gone.
    Drop,
    /// Another chain decides, and then the next rule.
    Jump(String),
    /// Another chain decides.
    Goto(String),
    /// Back to the chain before.
    Return,
    /// Something that decides nothing.
    Nothing,
}

/// A packet of a network that somebody drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What cannot happen.
    pub flow: Flow,
    /// Family of the packet.
    pub family: Family,
    /// Who drops it: a rule or a policy, in words.
    pub culprit: String,
    /// A command that would allow it.
    pub remedy: String,
}

enum Verdict<'c> {
    Accepted,
    /// By this rule of this chain.
    Dropped(&'c Chain, &'c Rule),
    Undecided,
    Returned,
}

impl Chain {
    fn is_of(&self, packet: &Packet) -> bool {
        self.family.is_none_or(|family| family == packet.family)
    }

    fn title(&self) -> String {
        match self.tool {
            Tool::Iptables => format!("chain {} of table {}", self.name, self.table),
            Tool::Nft => {
                let family = match self.family {
                    Some(Family::Ipv4) => "ip",
                    Some(Family::Ipv6) => "ip6",
                    None => "inet",
                };
                format!("chain {} of table {family} {}", self.name, self.table)
            }
        }
    }

    fn is_own(&self) -> bool {
        self.name.starts_with("LIBVIRT_") || self.table == crate::nftables::TABLE
    }
}

fn decide<'c>(chain: &'c Chain, packet: &Packet, chains: &'c [Chain], depth: u32) -> Verdict<'c> {
    for rule in &chain.rules {
        if !rule.tests.iter().all(|test| packet.meets(test)) {
            continue;
        }
        let other = |name: &str| {
            let same = |found: &&Chain| {
                (found.tool, found.family, &found.table) == (chain.tool, chain.family, &chain.table)
                    && found.name == name
            };
            chains.iter().find(same).filter(|_| depth < DEEPEST)
        };
        match &rule.target {
            Target::Accept => return Verdict::Accepted,
            // What networks refuse is meant to be refused.
            Target::Drop if chain.is_own() => return Verdict::Accepted,
            Target::Drop => return Verdict::Dropped(chain, rule),
            Target::Return => return Verdict::Returned,
            Target::Nothing => {}
            Target::Jump(name) => {
                let verdict = other(name).map(|next| decide(next, packet, chains, depth + 1));
                if let Some(verdict @ (Verdict::Accepted | Verdict::Dropped(..))) = verdict {
                    return verdict;
                }
            }
            Target::Goto(name) => {
                return other(name)
                    .map_or(Verdict::Undecided, |next| decide(next, packet, chains, depth + 1));
            }
        }
    }
    Verdict::Undecided
}

/// What keeps a packet from passing, if anything does.
pub fn obstacle(chains: &[Chain], packet: &Packet) -> Option<Finding> {
    let entered = chains.iter().filter(|chain| chain.is_of(packet));
    for chain in entered {
        let Some((_, passes)) = chain.base.filter(|(hook, _)| *hook == packet.hook) else { continue };
        let (at, rule) = match decide(chain, packet, chains, 0) {
            Verdict::Accepted => continue,
            Verdict::Dropped(at, rule) => (at, Some(rule)),
            Verdict::Undecided | Verdict::Returned if passes || chain.is_own() => continue,
            Verdict::Undecided | Verdict::Returned => (chain, None),
        };
        let culprit = match rule {
            Some(rule) => format!("rule '{}' of {}", rule.text, at.title()),
            None => format!("policy DROP of {}", at.title()),
        };
        let remedy = remedy(at, rule, chains, packet);
        return Some(Finding { flow: packet.flow, family: packet.family, culprit, remedy });
    }
    None
}

/// A command after which such packets pass: a rule right before the one that drops them, or at the end where nothing
/// else decides, so that everything before still counts, rules of networks among it.
fn remedy(chain: &Chain, rule: Option<&Rule>, chains: &[Chain], packet: &Packet) -> String {
    let bridge = &packet.bridge;
    if chain.table == "firewalld" {
        return format!(
            "firewall-cmd --permanent --zone=libvirt --add-interface={bridge} && firewall-cmd --reload"
        );
    }
    let incoming = matches!(packet.flow, Flow::Replies | Flow::Incoming);
    let port = |word: &str| match packet.port {
        Some((protocol, port)) => {
            format!(" {}{protocol} {word} {port}", if chain.tool == Tool::Nft { "" } else { "-p " })
        }
        None => String::new(),
    };
    match chain.tool {
        Tool::Iptables => {
            let program = if packet.family == Family::Ipv4 { "iptables" } else { "ip6tables" };
            let known = |name: &str| {
                chains.iter().any(|other| {
                    other.tool == Tool::Iptables && other.family == chain.family && other.name == name
                })
            };
            // Docker asks this chain before all others and leaves what is in it alone.
            let docker = packet.hook == Hook::Forward && known("DOCKER-USER") && !known("LIBVIRT_FWI");
            let into = match rule {
                _ if docker => "-I DOCKER-USER".to_owned(),
                Some(rule) => format!("-I {} {}", chain.name, rule.place),
                None => format!("-A {}", chain.name),
            };
            let side = if incoming { "-o" } else { "-i" };
            let state =
                if packet.flow == Flow::Replies { " -m conntrack --ctstate RELATED,ESTABLISHED" } else { "" };
            format!("{program} {into} {side} {bridge}{}{state} -j ACCEPT", port("--dport"))
        }
        Tool::Nft => {
            let family = match chain.family {
                Some(Family::Ipv4) => "ip",
                Some(Family::Ipv6) => "ip6",
                None => "inet",
            };
            let (verb, place) = match rule {
                Some(rule) => ("insert", format!(" handle {}", rule.place)),
                None => ("add", String::new()),
            };
            let side = if incoming { "oifname" } else { "iifname" };
            let state = if packet.flow == Flow::Replies { " ct state established,related" } else { "" };
            let into = format!("{family} {} {}{place}", chain.table, chain.name);
            format!("nft {verb} rule {into} {side} {bridge}{}{state} accept", port("dport"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Intent, Kind, Nat};

    fn intent() -> Intent {
        Intent {
            bridge: "virbr0".to_owned(),
            kind: Kind::Nat(Nat::default()),
            dev: None,
            subnets: vec![Subnet::of("192.168.122.1".parse().unwrap(), 24).unwrap()],
            ipv6_between_guests: false,
            dhcp: true,
            tftp: false,
        }
    }

    fn findings(chains: &[Chain]) -> Vec<Finding> {
        packets(&intent(), "eth0").iter().filter_map(|packet| obstacle(chains, packet)).collect()
    }

    const DOCKER: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n\
        :DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -m conntrack --ctstate \
        RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -o docker0 -j DOCKER\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n\
        -A DOCKER-USER -j RETURN\nCOMMIT\n";

    #[test]
    fn docker_is_named() {
        let found = findings(&saved(Family::Ipv4, DOCKER));
        assert_eq!(found.iter().map(|found| found.flow).collect::<Vec<_>>(), [Flow::Outgoing, Flow::Replies]);
        assert_eq!(found[0].culprit, "policy DROP of chain FORWARD of table filter");
        assert_eq!(found[0].remedy, "iptables -I DOCKER-USER -i virbr0 -j ACCEPT");
        assert!(found[1].remedy.ends_with("-o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
        let cured = DOCKER.replace(
            "-A DOCKER-USER -j RETURN",
            "-A DOCKER-USER -i virbr0 -j ACCEPT\n-A DOCKER-USER -o virbr0 -j ACCEPT",
        );
        assert!(findings(&saved(Family::Ipv4, &cured)).is_empty());
    }

    #[test]
    fn private_chains_come_first() {
        let ours = DOCKER.replace(
            "-A FORWARD -j DOCKER-USER",
            ":LIBVIRT_FWO - [0:0]\n:LIBVIRT_FWI - [0:0]\n-A FORWARD -j LIBVIRT_FWI\n-A FORWARD -j LIBVIRT_FWO\n-A \
             FORWARD -j DOCKER-USER\n-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT\n-A LIBVIRT_FWO -i virbr0 -j \
             REJECT\n-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A LIBVIRT_FWI -o virbr0 -j REJECT",
        );
        assert!(findings(&saved(Family::Ipv4, &ours)).is_empty());
        // What lets others pass must not come before what keeps networks apart.
        let open = ours.replace("virbr0", "virbr1");
        assert_eq!(
            findings(&saved(Family::Ipv4, &open))[0].remedy,
            "iptables -A FORWARD -i virbr0 -j ACCEPT"
        );
        let refusing = open.replace("COMMIT", "-A FORWARD -j REJECT\nCOMMIT");
        assert_eq!(
            findings(&saved(Family::Ipv4, &refusing))[0].remedy,
            "iptables -I FORWARD 7 -i virbr0 -j ACCEPT"
        );
    }

    #[test]
    fn a_table_of_nft() {
        let text = r#"{"nftables":[{"metainfo":{}},
            {"table":{"family":"inet","name":"filter"}},
            {"chain":{"family":"inet","table":"filter","name":"input","type":"filter","hook":"input","prio":0,"policy":"drop"}},
            {"rule":{"family":"inet","table":"filter","chain":"input","expr":[{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}]}},
            {"rule":{"family":"inet","table":"filter","chain":"input","expr":[{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":{"set":["lo","virbr*"]}}},{"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":{"set":[53]}}},{"accept":null}]}},
            {"chain":{"family":"inet","table":"filter","name":"forward","type":"filter","hook":"forward","prio":0,"policy":"accept"}},
            {"rule":{"family":"inet","table":"filter","chain":"forward","handle":9,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"prefix":{"addr":"192.168.0.0","len":16}}}},{"drop":null}]}}]}"#;
        let found = findings(&json(text).unwrap());
        assert_eq!(
            found.iter().map(|found| found.flow).collect::<Vec<_>>(),
            [Flow::Outgoing, Flow::Addresses]
        );
        assert_eq!(found[0].remedy, "nft insert rule inet filter forward handle 9 iifname virbr0 accept");
        assert_eq!(found[1].remedy, "nft add rule inet filter input iifname virbr0 udp dport 67 accept");
        assert!(found[0].culprit.contains("192.168.0.0/16"), "{}", found[0].culprit);
    }
}
