//! The class `cputest` of the conformance corpus, when there is one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::PathBuf;

#[path = "../../../conformance/src/classes/cputest_case.rs"]
mod case;

/// Cases that must pass of those the corpus has.
const FLOOR: usize = 357;

#[test]
fn cputest() {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    let corpus = std::env::var_os("FERROVIRT_CORPUS").map_or(default, PathBuf::from);
    let Ok(manifest) = std::fs::read_to_string(corpus.join("cputest/manifest.jsonl")) else {
        println!("corpus not present, skipped cputest");
        return;
    };
    let read =
        |name: &str| std::fs::read_to_string(corpus.join(name)).map_err(|fault| format!("{name}: {fault}"));
    let mut passed = 0;
    for line in manifest.lines() {
        let facts: Value = serde_json::from_str(line).unwrap();
        match case::run(&facts, &read) {
            Ok(()) => passed += 1,
            Err(why) => println!("FAIL {}: {why}", facts["id"]),
        }
    }
    println!("cputest {passed} of {}", manifest.lines().count());
    assert!(passed >= FLOOR, "only {passed} pass");
}
