//! Documents made by chance: what is accepted of them reads and prints as itself. `ROUNDS` and `SEED` choose how many and which.

use crate::{Binding, Filter};
use base::Result;
use schema::Kind;
use schema::sample::{Sampler, fixed_points};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn check(kind: Kind, least: usize, mut pass: impl FnMut(&str) -> Result<String>) {
    let rounds = number("ROUNDS", 1000) as usize;
    let passes = fixed_points(Sampler::new(kind, number("SEED", 1)), rounds, &mut pass);
    println!("{kind:?}: {} of {rounds} were accepted", passes.accepted);
    for text in passes.moved.iter().take(5) {
        println!("--- {text}");
    }
    assert!(passes.accepted * 1000 >= least * rounds, "{}", passes.accepted);
    assert_eq!(passes.moved.len(), 0);
}

#[test]
fn generated_documents_are_fixed_points() {
    check(Kind::NwFilter, 50, |text| Ok(Filter::parse(text, false, &mut || [7; 16])?.format_stored()));
    check(Kind::NwFilterBinding, 50, |text| Ok(Binding::parse(text, false)?.format()));
}
