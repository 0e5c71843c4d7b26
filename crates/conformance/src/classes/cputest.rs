//! Processor definitions: compared, shared, updated, translated, decoded.

use super::{Verdict, whole};
use crate::manifest::Case;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    let outcome = cpu_cases::run(&case.facts, &|name| case.read_file(name));
    whole(outcome)
}

#[path = "cputest_case.rs"]
mod cpu_cases;
