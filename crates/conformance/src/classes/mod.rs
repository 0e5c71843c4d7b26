//! One runner per class: what a case of it asks for, and whether the rooms deliver it.

mod cputest;
mod domain_xml;
mod domainschema;
mod moments;
mod qemustatus;
mod qemuxmlactive;
mod qemuxmlconf;

use crate::manifest::Case;

/// Outcome per part of a case; a class without parts has one part named "".
pub(crate) type Verdict = Vec<(&'static str, Result<(), String>)>;

/// Runs one case.
pub(crate) type Runner = fn(&Case) -> Verdict;

/// The runner of a class, if there is one yet.
pub(crate) fn runner(class: &str) -> Option<Runner> {
    Some(match class {
        "cputest" => cputest::run,
        "domainbackup" => moments::backup,
        "domainconf" => domain_xml::filesystem,
        "domainschema" => domainschema::run,
        "genericxml2xml" => domain_xml::generic,
        "qemucheckpoint" => moments::checkpoint,
        "qemumigcookie" => qemustatus::cookie,
        "qemusnapshot" => moments::snapshot,
        "qemustatus" => qemustatus::status,
        "qemuxmlactive" => qemuxmlactive::run,
        "qemuxmlconf" => qemuxmlconf::run,
        _ => return None,
    })
}

/// A verdict of a class without parts.
fn whole(outcome: Result<(), String>) -> Verdict {
    vec![("", outcome)]
}
