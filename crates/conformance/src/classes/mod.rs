//! One runner per class: what a case of it asks for, and whether the rooms deliver it.

mod addresses;
mod cputest;
mod describe;
mod descriptors;
mod domain_xml;
mod domainschema;
mod memlock;
mod moments;
mod nbdkit;
mod network_host;
mod network_xml;
mod nwfilter;
mod objectevent;
mod objects_xml;
mod others_xml;
mod qemu_caps;
mod qemublock;
mod qemustatus;
mod qemuxmlactive;
pub(crate) mod qemuxmlconf;
pub(crate) mod qemuxmlconf_start;
mod replies;
mod selinuxlabel;
mod storage;
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
        "qemublock" => qemublock::run,
        "qemucaps2xml" => describe::host,
        "qemufirmware" | "qemuvhostuser" => descriptors::run,
        "qemunbdkit" => nbdkit::run,
        "qemumemlock" => memlock::run,
        "qemumigparams" => replies::migration,
        "qemumonitorjson" => replies::monitor,
        "qemucapabilities" => qemu_caps::capabilities,
        "qemuxmlactive" => qemuxmlactive::run,
        "qemuxmlconf" => qemuxmlconf::run,
        "selinuxlabel" => selinuxlabel::run,
        "virnetdaemon" => virnetdaemon::run,
        "virtypedparam" => typed_params::run,
        "objectevent" => objectevent::run,
        "virstorage" => storage::images,
        "viruri" => uri::run,
        "networkxml2conf" => network_host::conf,
        "networkxml2firewall" => network_host::rules,
        "nss" => network_host::name_service,
        "virfirewall" => network_host::transaction,
        "virmacmap" => network_host::mac_map,
        "virnetdevbandwidth" => network_host::limits,
        "virnetdevopenvswitch" => network_host::open_vswitch,
        "networkxml2xml" => network_xml::round_trip,
        "networkxml2xmlupdate" => network_xml::update,
        "nodedevmdevctl" => objects_xml::mediated,
        "nodedevxml2xml" => objects_xml::device,
        "nwfilterebiptables" => nwfilter::calls,
        "nwfilterxml2firewall" => nwfilter::rules,
        "nwfilterxml2xml" => objects_xml::filter,
        "virnwfilterbindingxml2xml" => objects_xml::binding,
        "interfacexml2xml" => objects_xml::interface,
        "secretxml2xml" => objects_xml::secret,
        "sockettest" => addresses::run,
        "virnetworkportxml2xml" => network_xml::port,
        "storagepoolcaps" => storage::capabilities,
        "storagepoolxml2argv" => storage::start,
        "storagepoolxml2xml" => storage::pool,
        "storagevolxml2argv" => storage::create,
        "storagevolxml2xml" => storage::volume,
        "virstorageutil" => storage::gluster,
        _ => return None,
    })
}

/// A verdict of a class without parts.
fn whole(outcome: Result<(), String>) -> Verdict {
    vec![("", outcome)]
}
