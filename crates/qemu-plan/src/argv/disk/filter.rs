//! Nodes that stand between an image and its device: limits of speed, copies on reading.

use super::super::piece::Piece;
use super::super::{Builder, Json};
use conf_domain::Domain;
use xml::Tree;

/// Limits as the emulator names them, by their element.
const LIMITS: &[(&str, &str)] = &[
    ("total_bytes_sec", "bps-total"),
    ("read_bytes_sec", "bps-read"),
    ("write_bytes_sec", "bps-write"),
    ("total_iops_sec", "iops-total"),
    ("read_iops_sec", "iops-read"),
    ("write_iops_sec", "iops-write"),
    ("total_bytes_sec_max", "bps-total-max"),
    ("read_bytes_sec_max", "bps-read-max"),
    ("write_bytes_sec_max", "bps-write-max"),
    ("total_iops_sec_max", "iops-total-max"),
    ("read_iops_sec_max", "iops-read-max"),
    ("write_iops_sec_max", "iops-write-max"),
    ("size_iops_sec", "iops-size"),
    ("total_bytes_sec_max_length", "bps-total-max-length"),
    ("read_bytes_sec_max_length", "bps-read-max-length"),
    ("write_bytes_sec_max_length", "bps-write-max-length"),
    ("total_iops_sec_max_length", "iops-total-max-length"),
    ("read_iops_sec_max_length", "iops-read-max-length"),
    ("write_iops_sec_max_length", "iops-write-max-length"),
];

/// Name of the object of a group.
fn object(group: &str) -> String {
    format!("throttle-{group}")
}

/// Objects of the groups of disks that share their limits.
pub(super) fn groups(domain: &Domain) -> Vec<Piece> {
    let groups = domain.tree.child("throttlegroups");
    let groups = groups.into_iter().flat_map(|groups| groups.all("throttlegroup"));
    groups
        .map(|group| {
            let name = group.text_of("group_name").unwrap_or_default();
            let limits = LIMITS.iter().fold(Json::new(), |json, (element, member)| {
                let number = group.text_of(element).and_then(|text| text.parse::<u64>().ok());
                // No limit is written as 0, but a burst cannot last for no time.
                let number = number.or((!element.ends_with("_length")).then_some(0));
                json.put_opt(member, number)
            });
            Piece::Object(Json::object("throttle-group", object(name)).put("limits", limits.value()))
        })
        .collect()
}

/// Names for the filters of a disk, each with its group.
pub(super) fn names<'d>(b: &mut Builder<'_>, disk: &'d Tree) -> Vec<(String, &'d str)> {
    let filters = disk.child("throttlefilters").into_iter().flat_map(|filters| filters.all("throttlefilter"));
    filters
        .map(|filter| {
            let number = b.next_node;
            b.next_node += 1;
            (format!("libvirt-{number}-filter"), filter.attr("group").unwrap_or_default())
        })
        .collect()
}

/// A node that limits the speed of the one below.
pub(super) fn throttle(name: &str, group: &str, below: &str) -> Json {
    Json::driver("throttle").put("node-name", name).put("throttle-group", object(group)).put("file", below)
}

/// A node that keeps what was read from behind the image.
pub(super) fn copy_on_read(name: &str, below: &str) -> Json {
    Json::driver("copy-on-read").put("node-name", name).put("file", below).put("discard", "unmap")
}
