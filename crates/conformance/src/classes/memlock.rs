//! `qemumemlock`: memory that must be locked for a guest.

use super::{Verdict, qemuxmlconf, whole};
use crate::manifest::Case;
use conf_domain::Domain;
use qemu_plan::memlock::{self, Limit};
use serde_json::Value;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(outcome(case))
}

fn outcome(case: &Case) -> Result<(), String> {
    let caps = qemuxmlconf::load(case)?;
    let domain: Domain = qemuxmlconf::read(case, &caps, &case.read("input")?)?;
    let bytes = case.value("memlock_limit_bytes").and_then(Value::as_u64).unwrap_or(0);
    let expected = match bytes {
        0 => Limit::Inherited,
        _ if case.is("memlock_unlimited") => Limit::Unlimited,
        bytes => Limit::Bytes(bytes),
    };
    let found = memlock::limit(&domain);
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}
