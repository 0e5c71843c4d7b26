//! `qemuxmlactive`: a running definition, printed as it runs and as it is stored.

use super::{Verdict, qemuxmlconf, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, FormatFlags, ParseFlags};
use qemu_plan::complete;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(both_forms(case))
}

fn both_forms(case: &Case) -> Result<(), String> {
    let caps = qemuxmlconf::load_as(case, case.text("caps_requested") == Some("latest"))?;
    let site = qemuxmlconf::site(case);
    let said = |error: base::Error| format!("refused: {error}");
    let read = |text: &str| -> Result<Domain, String> {
        let flags = ParseFlags::default();
        let mut domain = Domain::parse(text, flags, &mut qemuxmlconf::random()).map_err(said)?;
        complete::complete(&mut domain, &caps, &site, flags).map_err(said)?;
        Ok(domain)
    };
    let mut domain = read(&case.read("input")?)?;
    if domain.id.is_none() {
        domain.id = case.value("domain_id_if_missing").and_then(|id| i32::try_from(id.as_i64()?).ok());
    }
    let running = FormatFlags { secure: true, ..FormatFlags::default() };
    let stored = FormatFlags { inactive: true, ..running };
    let printed = domain.format(running);
    compare::unwrapped(&case.read("expected_active")?, &printed)?;
    compare::unwrapped(&case.read("expected_inactive")?, &domain.format(stored))?;
    compare::exact(&printed, &read(&printed)?.format(running))
}
