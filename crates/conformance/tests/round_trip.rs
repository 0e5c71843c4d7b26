//! What was printed once reads and prints as itself: every document of a conformance corpus that can be read at all. The
//! corpus lies where `FERROVIRT_CORPUS` says; without it nothing is checked.
//!
//! ```text
//! document ─parse─▶ ─format─▶ first ─parse─▶ ─format─▶ second      first = second
//! ```
//!
//! `VERBOSE=PART` shows the differences of documents whose path has that part.

use base::Result;
use conf_domain::{Domain, FormatFlags, ParseFlags, Reader};
use conf_interface::Interface;
use conf_network::{Network, NetworkPort};
use conf_nodedev::{Capability, Device, Origin};
use conf_nwfilter::{Binding, Filter};
use conf_secret::Secret;
use conf_snapshot::backup::Backup;
use conf_snapshot::checkpoint::{Checkpoint, Show};
use conf_snapshot::snapshot::{ReadAs, Snapshot};
use conf_storage::{Pool, Volume};
use qemu_status::Status;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Pass = fn(&str) -> Result<String>;

/// Outermost elements, and the ways in which their documents are read and printed.
const KINDS: &[(&str, &str, Pass)] = &[
    ("domain", "stored", |text| domain(text, STORED, KEPT)),
    ("domain", "generic", |text| domain(text, ParseFlags { generic: true, ..STORED }, KEPT)),
    ("domain", "running", |text| {
        domain(text, ParseFlags::default(), FormatFlags { secure: true, ..FormatFlags::default() })
    }),
    ("domain", "migratable", |text| domain(text, STORED, FormatFlags { migratable: true, ..KEPT })),
    ("domainsnapshot", "stored", |text| snapshot(text, true)),
    ("domainsnapshot", "shown", |text| snapshot(text, false)),
    ("domaincheckpoint", "stored", |text| checkpoint(text)),
    ("domainbackup", "stored", |text| Ok(Backup::parse(text, true)?.format(true))),
    ("domainbackup", "shown", |text| Ok(Backup::parse(text, false)?.format(false))),
    ("network", "stored", |text| network(text, true)),
    ("network", "running", |text| network(text, false)),
    ("networkport", "stored", |text| Ok(NetworkPort::parse(text)?.format())),
    ("filter", "stored", |text| Ok(Filter::parse(text, false, &mut || [7; 16])?.format_stored())),
    ("filterbinding", "stored", |text| Ok(Binding::parse(text, false)?.format())),
    ("secret", "stored", |text| Ok(Secret::parse(text, false, &mut || [7; 16])?.format())),
    ("interface", "stored", |text| Ok(Interface::parse(text, false)?.format())),
    ("pool", "stored", |text| Ok(Pool::parse_stored(text, &mut || [7; 16])?.format())),
    ("volume", "in a folder", |text| volume(text, conf_storage::Kind::Dir)),
    ("volume", "in a volume group", |text| volume(text, conf_storage::Kind::Logical)),
    ("device", "running", |text| device(text, false)),
    ("device", "stored", |text| device(text, true)),
    ("cpu", "given", |text| Ok(cpu::api::parse(text)?.to_xml())),
    ("domstatus", "stored", |text| {
        Ok(Status::parse(text, "/var/lib/libvirt/qemu/ram", &mut || [7; 16], &|_, _, _| Ok(()))?.format())
    }),
];

const STORED: ParseFlags = ParseFlags { inactive: true, ..ParseFlags::NONE };

const KEPT: FormatFlags = FormatFlags {
    secure: true,
    inactive: true,
    update_cpu: false,
    migratable: false,
    status: false,
    actual_net: false,
    pci_orig_states: false,
    clock_adjust: false,
    volume_translated: false,
};

fn domain(text: &str, read: ParseFlags, print: FormatFlags) -> Result<String> {
    Ok(Domain::parse(text, read, &mut || [7; 16])?.format(print))
}

fn network(text: &str, inactive: bool) -> Result<String> {
    Ok(Network::parse(text, &mut || [7; 16])?.format(conf_network::FormatFlags { inactive }))
}

fn volume(text: &str, kind: conf_storage::Kind) -> Result<String> {
    let flags = conf_storage::volume::ParseFlags::default();
    Ok(Volume::parse(text, kind, flags)?.format())
}

fn device(text: &str, inactive: bool) -> Result<String> {
    let mut device = Device::parse(text, Origin::Existing, false)?;
    for capability in &mut device.capabilities {
        if let Capability::Mdev(mdev) = capability {
            mdev.run_as_defined();
        }
    }
    Ok(device.format(conf_nodedev::device::FormatFlags { inactive }))
}

fn with_reader<T>(work: impl FnOnce(&mut Reader<'_>) -> T) -> T {
    let mut random = || [7; 16];
    work(&mut Reader { random: &mut random, complete: &|_, _| Ok(()) })
}

fn snapshot(text: &str, internal: bool) -> Result<String> {
    let how = ReadAs { redefine: true, internal, offline: false };
    Ok(with_reader(|reader| Snapshot::parse(text, how, 0, reader))?.format(true, internal))
}

fn checkpoint(text: &str) -> Result<String> {
    let show = Show { secure: true, no_domain: false, size: false };
    Ok(with_reader(|reader| Checkpoint::parse(text, true, 0, reader))?.format(show))
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.to_string_lossy().ends_with(".xml") {
            found.push(path);
        }
    }
}

fn difference(first: &str, second: &str) -> String {
    let pair = first.lines().zip(second.lines()).find(|(one, other)| one != other);
    pair.map_or("one is longer".to_owned(), |(one, other)| format!("\n-{one}\n+{other}"))
}

fn leaves_bus_open(root: xml::Node<'_>) -> bool {
    let mut disks = root.child("devices").into_iter().flat_map(|devices| devices.children("disk"));
    disks.any(|disk| disk.child("target").is_some_and(|target| target.attr("bus").is_none()))
}

#[test]
fn printed_documents_are_fixed_points() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("FERROVIRT_CORPUS").map_or(default, PathBuf::from);
    let mut paths = Vec::new();
    documents(&corpus, &mut paths);
    if paths.is_empty() {
        println!("corpus not present, skipped {} kinds of documents", KINDS.len());
        return;
    }
    paths.sort();
    let verbose = std::env::var("VERBOSE").ok();
    let mut counts: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    let mut moved = Vec::new();
    for path in paths {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Ok(document) = xml::Document::parse(&text) else { continue };
        let name = document.root().name().to_owned();
        for (_, how, pass) in KINDS.iter().filter(|(kind, ..)| *kind == name) {
            let Ok(first) = pass(&text) else { continue };
            let count =
                counts.entry((KINDS.iter().find(|(kind, ..)| *kind == name).unwrap().0, how)).or_default();
            count.0 += 1;
            count.1 += 1;
            let what = match pass(&first) {
                Ok(second) if second == first => continue,
                // Disks stand by buses as far as these were told, so that a second reading may move them once more; the
                // reference does the same.
                Ok(second) if leaves_bus_open(document.root()) && pass(&second).as_ref() == Ok(&second) => {
                    continue;
                }
                Ok(second) => difference(&first, &second),
                Err(error) => format!("refused: {error}"),
            };
            count.1 -= 1;
            let shown = path.strip_prefix(&corpus).unwrap_or(&path).display().to_string();
            if verbose.as_deref().is_some_and(|part| shown.contains(part)) {
                println!("--- {shown} ({how}): {what}");
            }
            moved.push(format!("{shown} ({how})"));
        }
    }
    for ((kind, how), (read, fixed)) in &counts {
        println!("{kind} {how}: {fixed} of {read}");
    }
    assert!(
        moved.is_empty(),
        "{} documents change when they are read again:\n{}",
        moved.len(),
        moved.join("\n")
    );
}
