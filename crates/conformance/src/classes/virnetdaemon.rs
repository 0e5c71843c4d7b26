//! The state of a daemon's servers: read and written again.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use rpc_server::saved::Saved;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(document(case))
}

fn document(case: &Case) -> Result<(), String> {
    let names: Vec<&str> = case.facts["args"]["servers"]
        .as_array()
        .map(|names| names.iter().filter_map(serde_json::Value::as_str).collect())
        .unwrap_or_default();
    let got = Saved::restore(&case.read("input")?, &names);
    match (case.expect(), got) {
        ("success", Ok(saved)) => compare::as_is(&case.read("expected")?, &saved.save()),
        ("success", Err(error)) => Err(error.message().to_owned()),
        (_, Ok(_)) => Err("read, but must be refused".to_owned()),
        (_, Err(error)) => compare::as_is(&case.read("expected")?, error.message()),
    }
}
