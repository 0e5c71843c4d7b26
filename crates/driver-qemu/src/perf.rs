//! Events of the processors that are counted for a guest.

use crate::tuning::params::{self, kind};
use crate::{Driver, check_flags};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use engine::JobKind;
use xml::Tree;

/// Events in the order in which clients get them.
const EVENTS: [&str; 22] = [
    "cmt",
    "mbmt",
    "mbml",
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
];

fn enabled(domain: &Domain, event: &str) -> bool {
    let listed = domain.tree.child("perf").into_iter().flat_map(|perf| perf.all("event"));
    listed.into_iter().any(|entry| entry.is("name", event) && entry.is("enabled", "yes"))
}

fn state(domain: &mut Domain, list: &[TypedParam]) {
    let perf = domain.tree.child_or_new("perf");
    for event in EVENTS {
        let Some(on) = params::boolean(list, event) else { continue };
        perf.children.retain(|entry| !entry.is("name", event));
        let entry = Tree::new("event").with("name", event).with("enabled", if on { "yes" } else { "no" });
        perf.children.push(entry);
    }
    let place = |entry: &Tree| EVENTS.iter().position(|event| entry.is("name", event));
    perf.children.sort_by_key(place);
}

impl Driver {
    pub(crate) fn perf_events(&self, dom: &DomainRef, flags: u32) -> Result<Vec<TypedParam>> {
        check_flags(flags, 3 | params::STRING_OKAY, "qemuDomainGetPerfEvents")?;
        let domain = self.find(dom)?.value().definition(flags)?;
        Ok(EVENTS.iter().map(|event| TypedParam::new(*event, enabled(&domain, event))).collect())
    }

    pub(crate) fn set_perf_events(&self, dom: &DomainRef, list: &[TypedParam], flags: u32) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetPerfEvents")?;
        params::validate(list, &EVENTS.map(|event| (event, kind::BOOLEAN)))?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set perf events")?;
        let target = guest.value().target(flags)?;
        if target.live {
            let live = guest.live()?;
            let wanted = EVENTS
                .iter()
                .find(|event| params::boolean(list, event) == Some(true) && !enabled(&live.domain, event));
            if let Some(event) = wanted {
                let text = format!("unable to enable host cpu perf event for {event}");
                return Err(Error::new(ErrorCode::ARGUMENT_UNSUPPORTED, ErrorDomain::PERF, text));
            }
            self.change_live(&guest, |domain| {
                state(domain, list);
                Ok(())
            })?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                state(domain, list);
                Ok(())
            })?;
        }
        Ok(())
    }
}
