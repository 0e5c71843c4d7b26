//! Documents made by chance: what is accepted of them reads and prints as itself. `ROUNDS` and `SEED` choose how many and which.

use crate::backup::Backup;
use crate::checkpoint::{Checkpoint, Show};
use crate::snapshot::{ReadAs, Snapshot};
use base::Result;
use conf_domain::Reader;
use schema::Kind;
use schema::sample::{Sampler, fixed_points};

/// What one that existed tells.
const ALWAYS: &[&str] = &["name", "creationTime", "state", "parent"];

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn check(kind: Kind, least: usize, mut pass: impl FnMut(&str) -> Result<String>) {
    let rounds = number("ROUNDS", 1000) as usize;
    let passes = fixed_points(Sampler::new(kind, number("SEED", 1)).with(ALWAYS), rounds, &mut pass);
    println!("{kind:?}: {} of {rounds} were accepted", passes.accepted);
    for text in passes.moved.iter().take(5) {
        println!("--- {text}");
    }
    assert!(passes.accepted * 1000 >= least * rounds, "{}", passes.accepted);
    assert_eq!(passes.moved.len(), 0);
}

#[test]
fn generated_documents_are_fixed_points() {
    let mut random = || [7; 16];
    let mut reader = Reader { random: &mut random, complete: &|_, _| Ok(()) };
    for internal in [false, true] {
        let how = ReadAs { redefine: true, internal, offline: false };
        check(Kind::DomainSnapshot, 5, |text| {
            // The beginning of time is not printed, as the reference has it.
            let text = &text.replace("<creationTime>0<", "<creationTime>1<");
            Ok(Snapshot::parse(text, how, 0, &mut reader)?.format(true, internal))
        });
        check(Kind::DomainBackup, 5, |text| Ok(Backup::parse(text, internal)?.format(internal)));
    }
    let show = Show { secure: true, no_domain: false, size: true };
    check(Kind::DomainCheckpoint, 5, |text| {
        let text = &text.replace("<creationTime>0<", "<creationTime>1<");
        Ok(Checkpoint::parse(text, true, 0, &mut reader)?.format(show))
    });
}
