//! Definitions for bhyve, Cloud Hypervisor and containers, read, completed and printed.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, FormatFlags, ParseFlags};

/// `bhyvexml2xml`.
pub(crate) fn bhyve(case: &Case) -> Verdict {
    let words =
        case.value("args").and_then(|args| args.get("bhyve_caps")?.as_array().cloned()).unwrap_or_default();
    let caps = bhyve_plan::Caps { ahci32: words.iter().any(|word| word == "BHYVE_CAP_AHCI32SLOT") };
    whole(round_trip(case, ParseFlags::default(), &|domain, flags| bhyve_plan::complete(domain, caps, flags)))
}

/// `chxml2xml`.
pub(crate) fn cloud(case: &Case) -> Verdict {
    whole(round_trip(case, ch_plan::FLAGS, &ch_plan::complete))
}

/// `lxcxml2xml`.
pub(crate) fn containers(case: &Case) -> Verdict {
    whole(round_trip(case, ParseFlags::default(), &|domain, flags| {
        lxc_plan::complete(domain, lxc_plan::CONTROLLER, flags)
    }))
}

fn round_trip(case: &Case, flags: ParseFlags, complete: &conf_domain::Complete<'_>) -> Result<(), String> {
    let live = case.value("args").and_then(|args| args.get("live")?.as_bool()).unwrap_or(false);
    let flags = ParseFlags { inactive: !live, ..flags };
    let read = |text: &str| -> Result<String, String> {
        // What is random comes out as zeros where it is the tail of a MAC address.
        let mut random = || [0; 16];
        let mut domain =
            Domain::parse(text, flags, &mut random).map_err(|error| format!("refused: {error}"))?;
        complete(&mut domain, flags).map_err(|error| format!("refused: {error}"))?;
        Ok(domain.format(FormatFlags { secure: true, inactive: !live, ..FormatFlags::default() }))
    };
    let printed = match (case.expect(), read(&case.read("input")?)) {
        ("success", printed) => printed?,
        (_, Err(_)) => return Ok(()),
        (_, Ok(_)) => return Err("must be refused".to_owned()),
    };
    compare::unwrapped(&case.read("expected")?, &printed)?;
    compare::exact(&printed, &read(&printed)?)
}
