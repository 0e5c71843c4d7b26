//! Small cases of our own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cpu::api::{BASELINE_EXPAND_FEATURES, CompareResult, baseline_cpu, compare_cpu, parse};
use cpu::baseline::Limits;
use cpu::raw::Signature;
use cpu::{Database, FeatureSet};
use proptest::prelude::*;

const HOST: &str = "<cpu><arch>x86_64</arch><model>Westmere</model><vendor>Intel</vendor>\
    <feature name='vmx'/></cpu>";

fn check(guest: &str, expected: Result<CompareResult, &str>) {
    let host = parse(HOST).unwrap();
    let got = compare_cpu(Database::builtin(), "x86_64", &host, guest, 1);
    match (got, expected) {
        (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{guest}"),
        (Err(got), Err(expected)) => assert!(got.message().contains(expected), "{guest}: {}", got.message()),
        (got, expected) => panic!("{guest}: {got:?}, expected {expected:?}"),
    }
}

#[test]
fn comparisons() {
    check(HOST, Ok(CompareResult::Identical));
    check("<cpu match='exact'><model>Nehalem</model></cpu>", Ok(CompareResult::Superset));
    check(
        "<cpu match='strict'><model>Nehalem</model></cpu>",
        Err("Host CPU does not strictly match guest CPU"),
    );
    check(
        "<cpu match='exact'><model>Haswell</model></cpu>",
        Err("Host CPU does not provide required features"),
    );
    check(
        "<cpu match='exact'><model>Nehalem</model><feature name='vmx' policy='forbid'/></cpu>",
        Err("Host CPU provides forbidden features: vmx"),
    );
    check(
        "<cpu match='exact'><model>Nehalem</model><vendor>AMD</vendor></cpu>",
        Err("host CPU vendor does not match"),
    );
    check("<cpu match='exact'><model>Nope</model></cpu>", Err("Unknown CPU model Nope"));
}

#[test]
fn baseline_of_two() {
    let other =
        "<cpu><arch>x86_64</arch><model>Nehalem</model><vendor>Intel</vendor><feature name='vmx'/></cpu>";
    let database = Database::builtin();
    let got = baseline_cpu(database, "x86_64", &[HOST, other], None, Limits::default(), 0).unwrap();
    assert!(got.contains(">Nehalem<") && got.contains("name='vmx'"), "{got}");
    let long =
        baseline_cpu(database, "x86_64", &[HOST, other], None, Limits::default(), BASELINE_EXPAND_FEATURES);
    assert!(long.unwrap().contains("name='sse4.2'"));
}

#[test]
fn tables_are_complete() {
    let database = Database::builtin();
    assert_eq!((database.models().len(), database.features().len()), (150, 364));
    assert_eq!((database.power_models().len(), database.arm_models().len()), (7, 14));
    assert_eq!(database.arm_by_part(0x41, 0xd07), (Some("cortex-a57"), Some("ARM")));
    assert_eq!(database.power_by_version(0x004b_0201).map(|m| m.name.as_str()), Some("POWER8"));
}

proptest! {
    #[test]
    fn signatures_survive(family in 0u32..0x10e, model in 0u32..0x100, stepping in 0u32..16) {
        let signature = Signature { family, model, stepping };
        prop_assert_eq!(Signature::from_eax(signature.to_eax()), signature);
    }

    #[test]
    fn sets_are_sets(a in prop::collection::btree_set(0usize..512, 0..40), b in prop::collection::btree_set(0usize..512, 0..40)) {
        let (left, right): (FeatureSet, FeatureSet) = (a.iter().copied().collect(), b.iter().copied().collect());
        prop_assert!(left.minus(&right).iter().eq(a.difference(&b).copied()));
        prop_assert!(left.union(&right).iter().eq(a.union(&b).copied()));
        prop_assert_eq!(left.intersection(&right).len(), a.intersection(&b).count());
    }

    #[test]
    fn any_text_is_survived(text in ".{0,200}") {
        let _ = parse(&text);
        let _ = parse(&format!("<cpu match='exact'><model>{text}</model></cpu>"));
    }
}
