//! Chains of an interface, and what makes and removes them.
//!
//! | | from the guest | to the guest | chains below it |
//! |---|---|---|---|
//! | frames, new | libvirt-J-IF | libvirt-P-IF | J-IF-NAME, P-IF-NAME |
//! | frames, in force | libvirt-I-IF | libvirt-O-IF | I-IF-NAME, O-IF-NAME |
//! | packets, new | FJ-IF, to the host HJ-IF | FP-IF | |
//! | packets, in force | FI-IF, to the host HI-IF | FO-IF | |
//!
//! New chains are made beside those in force and renamed when they have taken their place.

use conf_nwfilter::filter::ROOT;
use firewall::{Action, Layer};

use crate::frames::STP_GROUP;

/// Which way frames go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// From the guest.
    FromGuest,
    /// To the guest.
    ToGuest,
}

/// Chains under construction, or those in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// Under construction.
    New,
    /// In force.
    InForce,
}

/// The chains of an interface.
#[derive(Clone, Copy, Debug)]
pub struct Chains<'i> {
    /// Its name.
    pub interface: &'i str,
}

const BOTH: [Side; 2] = [Side::FromGuest, Side::ToGuest];
/// Layers of packets.
pub const PACKETS: [Layer; 2] = [Layer::Ipv4, Layer::Ipv6];

fn letter(age: Age, side: Side) -> char {
    match (age, side) {
        (Age::New, Side::FromGuest) => 'J',
        (Age::New, Side::ToGuest) => 'P',
        (Age::InForce, Side::FromGuest) => 'I',
        (Age::InForce, Side::ToGuest) => 'O',
    }
}

fn frame(words: &str) -> Action {
    let words = ["-t", "nat"].into_iter().chain(words.split(' '));
    Action::new(Layer::Ethernet, words)
}

fn packet(layer: Layer, words: &str) -> Action {
    Action::new(layer, words.split(' '))
}

/// Names of chains of an interface that a listing jumps to: both what is listed and where it leads begins with a letter and
/// the interface.
fn below(lines: &[&str], interface: &str, letters: [char; 2]) -> Vec<String> {
    let prefixes = letters.map(|letter| format!("{letter}-{interface}-"));
    let mut found: Vec<String> = Vec::new();
    for line in lines {
        let Some((_, jump)) = line.split_once("-j ") else { continue };
        let name = jump.split_whitespace().next().unwrap_or_default();
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) && !found.iter().any(|known| known == name)
        {
            found.push(name.to_owned());
        }
    }
    found
}

impl Chains<'_> {
    /// A chain of frames under construction.
    pub fn frames(&self, side: Side, chain: &str) -> String {
        let letter = letter(Age::New, side);
        if chain == ROOT {
            format!("libvirt-{letter}-{}", self.interface)
        } else {
            format!("{letter}-{}-{chain}", self.interface)
        }
    }

    fn root(&self, age: Age, side: Side) -> String {
        format!("libvirt-{}-{}", letter(age, side), self.interface)
    }

    fn link(&self, verb: &str, age: Age, side: Side) -> Action {
        let root = self.root(age, side);
        match side {
            Side::FromGuest => frame(&format!("{verb} PREROUTING -i {} -j {root}", self.interface)),
            Side::ToGuest => frame(&format!("{verb} POSTROUTING -o {} -j {root}", self.interface)),
        }
    }

    /// Has frames go through a new chain.
    pub fn link_frames(&self, side: Side) -> Action {
        self.link("-A", Age::New, side)
    }

    /// Makes a new chain for all frames of a side.
    pub fn make_frames(&self, side: Side) -> Action {
        frame(&format!("-N {}", self.root(Age::New, side)))
    }

    /// Makes a chain below, and has those frames go through it that its name is for.
    pub fn make_below(&self, side: Side, chain: &str) -> Vec<Action> {
        let name = self.frames(side, chain);
        let root = self.root(Age::New, side);
        let which = match chain {
            chain if chain.starts_with("stp") => format!("-d {STP_GROUP} "),
            chain if chain.starts_with("vlan") => "-p 0x8100 ".to_owned(),
            chain if chain.starts_with("arp") => "-p 0x0806 ".to_owned(),
            chain if chain.starts_with("rarp") => "-p 0x8035 ".to_owned(),
            chain if chain.starts_with("ipv4") => "-p 0x0800 ".to_owned(),
            chain if chain.starts_with("ipv6") => "-p 0x86dd ".to_owned(),
            _ => String::new(),
        };
        let mut actions = vec![
            frame(&format!("-F {name}")),
            frame(&format!("-X {name}")),
            frame(&format!("-N {name}")),
            frame(&format!("-A {root} {which}-j {name}")),
        ];
        actions.iter_mut().take(2).for_each(|action| action.ignore_errors = true);
        actions
    }

    /// Removes all chains of frames; failures do not matter.
    pub fn remove_frames(&self, age: Age) -> Vec<Action> {
        let mut actions: Vec<Action> = BOTH.iter().map(|side| self.link("-D", age, *side)).collect();
        let letters = BOTH.map(|side| letter(age, side));
        for side in BOTH {
            let mut list = frame(&format!("-L {}", self.root(age, side)));
            let interface = self.interface.to_owned();
            list.query = Some(Box::new(move |lines| {
                let mut actions = Vec::new();
                for chain in below(lines, &interface, letters) {
                    actions.push(frame(&format!("-F {chain}")));
                    actions.push(frame(&format!("-X {chain}")));
                }
                actions
            }));
            actions.push(list);
        }
        for side in BOTH {
            actions.push(frame(&format!("-F {}", self.root(age, side))));
            actions.push(frame(&format!("-X {}", self.root(age, side))));
        }
        actions
    }

    /// Renames new chains of frames, those below first.
    pub fn rename_frames(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let letters = BOTH.map(|side| letter(Age::New, side));
        for side in BOTH {
            let mut list = frame(&format!("-L {}", self.root(Age::New, side)));
            let interface = self.interface.to_owned();
            list.query = Some(Box::new(move |lines| {
                let renamed = |chain: &String| {
                    let rest = chain.get(1..)?;
                    let letter = if chain.starts_with('J') { 'I' } else { 'O' };
                    Some([
                        frame(&format!("-F {letter}{rest}")),
                        frame(&format!("-X {letter}{rest}")),
                        frame(&format!("-E {chain} {letter}{rest}")),
                    ])
                };
                below(lines, &interface, letters).iter().filter_map(renamed).flatten().collect()
            }));
            actions.push(list);
        }
        actions.extend(BOTH.map(|side| self.rename_root(side)));
        actions
    }

    /// Renames the new chain for all frames of a side.
    pub fn rename_root(&self, side: Side) -> Action {
        frame(&format!("-E {} {}", self.root(Age::New, side), self.root(Age::InForce, side)))
    }

    fn packet_chains(&self, age: Age) -> [String; 3] {
        let letters = match age {
            Age::New => ["FP", "FJ", "HJ"],
            Age::InForce => ["FO", "FI", "HI"],
        };
        letters.map(|letters| format!("{letters}-{}", self.interface))
    }

    fn post(&self, layer: Layer, verb: &str) -> Action {
        packet(layer, &format!("{verb} libvirt-in-post -m physdev --physdev-in {} -j ACCEPT", self.interface))
    }

    /// Removes all chains of packets; failures do not matter. `post`: also the rule that accepts what the others let pass.
    pub fn remove_packets(&self, layer: Layer, age: Age, post: bool) -> Vec<Action> {
        let interface = self.interface;
        let [to, from, host] = self.packet_chains(age);
        let mut actions = vec![
            packet(
                layer,
                &format!("-D libvirt-out -m physdev --physdev-is-bridged --physdev-out {interface} -g {to}"),
            ),
            packet(layer, &format!("-D libvirt-out -m physdev --physdev-out {interface} -g {to}")),
            packet(layer, &format!("-D libvirt-in -m physdev --physdev-in {interface} -g {from}")),
            packet(layer, &format!("-D libvirt-host-in -m physdev --physdev-in {interface} -g {host}")),
        ];
        if post {
            actions.push(self.post(layer, "-D"));
        }
        for chain in [to, from, host] {
            actions.push(packet(layer, &format!("-F {chain}")));
            actions.push(packet(layer, &format!("-X {chain}")));
        }
        actions
    }

    /// Renames new chains of packets.
    pub fn rename_packets(&self, layer: Layer) -> Vec<Action> {
        let (new, old) = (self.packet_chains(Age::New), self.packet_chains(Age::InForce));
        new.iter().zip(old).map(|(new, old)| packet(layer, &format!("-E {new} {old}"))).collect()
    }

    /// Makes the chains that all interfaces share; they may be there already.
    pub fn make_shared(layer: Layer) -> Vec<Action> {
        let mut actions = Vec::new();
        for chain in ["libvirt-in", "libvirt-out", "libvirt-in-post", "libvirt-host-in"] {
            actions.push(packet(layer, &format!("-N {chain}")));
        }
        for chain in ["libvirt-in", "libvirt-out", "libvirt-in-post"] {
            actions.push(packet(layer, &format!("-D FORWARD -j {chain}")));
        }
        actions.push(packet(layer, "-D INPUT -j libvirt-host-in"));
        actions.iter_mut().for_each(|action| action.ignore_errors = true);
        for (place, chain) in ["libvirt-in", "libvirt-out", "libvirt-in-post"].iter().enumerate() {
            actions.push(packet(layer, &format!("-I FORWARD {} -j {chain}", place + 1)));
        }
        actions.push(packet(layer, "-I INPUT 1 -j libvirt-host-in"));
        actions
    }

    /// Makes new chains of packets, and has packets go through them.
    pub fn make_packets(&self, layer: Layer) -> Vec<Action> {
        let interface = self.interface;
        let [to, from, host] = self.packet_chains(Age::New);
        let mut actions: Vec<Action> =
            [&to, &from, &host].iter().map(|chain| packet(layer, &format!("-N {chain}"))).collect();
        actions.push(packet(
            layer,
            &format!("-A libvirt-out -m physdev --physdev-is-bridged --physdev-out {interface} -g {to}"),
        ));
        actions.push(packet(layer, &format!("-A libvirt-in -m physdev --physdev-in {interface} -g {from}")));
        actions.push(packet(
            layer,
            &format!("-A libvirt-host-in -m physdev --physdev-in {interface} -g {host}"),
        ));
        let mut remove = self.post(layer, "-D");
        remove.ignore_errors = true;
        actions.push(remove);
        actions.push(self.post(layer, "-A"));
        actions
    }
}
