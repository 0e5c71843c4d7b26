//! One runner per class: what a case of it asks for, and whether the rooms deliver it.

mod addresses;
mod cputest;
mod describe;
mod descriptors;
mod domain_xml;
mod domainschema;
mod moments;
mod network_xml;
mod others_xml;
mod qemu_caps;
mod qemustatus;
mod qemuxmlactive;
mod qemuxmlconf;
mod qemuxmlconf_start;
mod replies;
mod typed_params;
mod uri;
mod virnetdaemon;

use crate::manifest::Case;

/// Outcome per part of a case; a class without parts has one part named "".
pub(crate) type Verdict = Vec<(&'static str, Result<(), String>)>;

/// Runs one case.
pub(crate) type Runner = fn(&Case) -> Verdict;

/// The runner of a class, if there is one yet.
pub(crate) fn runner(class: &str) -> Option<Runner> {
    Some(match class {
        "bhyvexml2xml" => others_xml::bhyve,
        "chxml2xml" => others_xml::cloud,
        "lxcxml2xml" => others_xml::containers,
        "cputest" => cputest::run,
        "domainbackup" => moments::backup,
        "domainconf" => domain_xml::filesystem,
        "domainschema" => domainschema::run,
        "qemucheckpoint" => moments::checkpoint,
        "qemumigcookie" => qemustatus::cookie,
        "qemusnapshot" => moments::snapshot,
        "qemustatus" => qemustatus::status,
        "domaincaps" => describe::domain,
        "genericxml2xml" => domain_xml::generic,
        "qemucaps2xml" => describe::host,
        "qemufirmware" | "qemuvhostuser" => descriptors::run,
        "qemumigparams" => replies::migration,
        "qemumonitorjson" => replies::monitor,
        "qemucapabilities" => qemu_caps::capabilities,
        "qemuxmlactive" => qemuxmlactive::run,
        "qemuxmlconf" => qemuxmlconf::run,
        "virnetdaemon" => virnetdaemon::run,
        "virtypedparam" => typed_params::run,
        "viruri" => uri::run,
        "networkxml2xml" => network_xml::round_trip,
        "networkxml2xmlupdate" => network_xml::update,
        "sockettest" => addresses::run,
        "virnetworkportxml2xml" => network_xml::port,
        _ => return None,
    })
}

/// A verdict of a class without parts.
fn whole(outcome: Result<(), String>) -> Verdict {
    vec![("", outcome)]
}
