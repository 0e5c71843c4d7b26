//! Small documents that are read and printed: secrets, devices of the host, filters.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;

/// Compares what was printed with what is expected, or accepts a refusal that is.
fn judge(case: &Case, produced: Result<String, String>) -> Result<(), String> {
    match (case.expect(), produced) {
        ("success", Ok(text)) => compare::unwrapped(&case.read("expected")?, &text),
        ("success", Err(error)) => Err(format!("refused: {error}")),
        (_, Ok(_)) => Err("must be refused".to_owned()),
        (_, Err(_)) => Ok(()),
    }
}

/// `secretxml2xml`
pub(crate) fn secret(case: &Case) -> Verdict {
    let run = || {
        let secret = conf_secret::Secret::parse(&case.read("input")?, false, &mut || [0; 16]);
        judge(case, secret.map(|secret| secret.format()).map_err(|error| error.to_string()))
    };
    whole(run())
}
