//! Documents made by chance out of the tables of what a kind may contain. Most contradict themselves and are refused; so many
//! in a thousand must be accepted that the others are checked.
//!
//! `ROUNDS` and `SEED` choose how many and which. Guests have tables of their own: `conf-domain` does the same with those.

use crate::KINDS;
use schema::Kind;
use schema::sample::{Sampler, fixed_points};

/// What is made, what it is read as, so many in a thousand that are accepted at least, elements that are always there, and
/// what is put in the place of what the reference does not print either.
type Row = (Kind, &'static str, usize, &'static [&'static str], (&'static str, &'static str));

/// What a moment that existed tells.
const EXISTED: &[&str] = &["name", "creationTime", "state", "parent"];

const NOTHING: (&str, &str) = ("\0", "");

/// The beginning of time is not printed.
const BEGINNING: (&str, &str) = ("<creationTime>0<", "<creationTime>1<");

/// Ports of this kind take parameters that are not printed.
const MIDONET: (&str, &str) = ("type='midonet'", "type='openvswitch'");

const ROWS: &[Row] = &[
    (Kind::DomainSnapshot, "domainsnapshot", 5, EXISTED, BEGINNING),
    (Kind::DomainCheckpoint, "domaincheckpoint", 5, EXISTED, BEGINNING),
    (Kind::DomainBackup, "domainbackup", 5, EXISTED, NOTHING),
    (Kind::Network, "network", 10, &[], MIDONET),
    (Kind::NetworkPort, "networkport", 50, &[], MIDONET),
    (Kind::NwFilter, "filter", 50, &[], NOTHING),
    (Kind::NwFilterBinding, "filterbinding", 50, &[], NOTHING),
    (Kind::Secret, "secret", 100, &[], NOTHING),
    (Kind::Interface, "interface", 50, &[], NOTHING),
    (Kind::StoragePool, "pool", 5, &[], NOTHING),
    (Kind::StorageVolume, "volume", 5, &[], NOTHING),
    (Kind::NodeDevice, "device", 50, &[], NOTHING),
    (Kind::Cpu, "cpu", 50, &[], NOTHING),
];

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn check(&(kind, root, least, always, (silent, spoken)): &Row) {
    let rounds = number("ROUNDS", 1000) as usize;
    let ways: Vec<_> = KINDS.iter().filter(|(name, ..)| *name == root).collect();
    assert!(!ways.is_empty(), "nobody reads {root}");
    for (_, how, pass) in ways {
        let sampler = Sampler::new(kind, number("SEED", 1)).with(always);
        let passes = fixed_points(sampler, rounds, &mut |text| pass(&text.replace(silent, spoken)));
        let moved = passes.moved.len();
        assert_eq!(moved, 0, "{root} {how}:\n{}", passes.moved.iter().take(5).cloned().collect::<String>());
        assert!(passes.accepted * 1000 >= least * rounds, "{root} {how}: {} accepted", passes.accepted);
    }
}

#[test]
fn generated_documents_are_fixed_points() {
    ROWS.iter().for_each(check);
}
