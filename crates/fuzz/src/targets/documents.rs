//! Documents in XML: guests, devices, networks, snapshots and their relatives.

use super::{Target, kind, nothing, outcome, same};
use crate::dice::Dice;
use crate::grammar::Grammar;
use crate::mutate::Form;
use base::Result;
use conf_domain::{Domain, FormatFlags, ParseFlags, Reader, elements};
use conf_network::{Network, NetworkPort, network, update};
use conf_snapshot::backup::Backup;
use conf_snapshot::checkpoint::{Checkpoint, Show};
use conf_snapshot::cookie::SaveCookie;
use conf_snapshot::snapshot::{ReadAs, Snapshot};
use xml::{Document, Tree, Writer};

const XML_MOST: usize = 16 << 10;

pub(super) const fn documents(name: &'static str, run: fn(&[u8]) -> u64) -> Target {
    Target { name, form: Form::Xml, most: XML_MOST, run, seeds: nothing, words: nothing, fresh: None }
}

/// Any document.
pub(super) const XML: Target = documents("xml", any);
/// Definitions of guests, as clients send them.
pub(super) const DOMAIN: Target = Target {
    seeds: guests,
    most: 6 << 10,
    words: domain_words,
    fresh: Some(some_domain),
    ..documents("domain", domain)
};
/// Devices that are added to guests or taken from them; metadata.
pub(super) const DEVICE: Target =
    Target { words: domain_words, fresh: Some(some_device), ..documents("device", device) };
/// Networks, their ports, and changes of networks.
pub(super) const NETWORK: Target = documents("network", networks);
/// Snapshots, checkpoints, backups, notes beside saved guests.
pub(super) const SNAPSHOT: Target = Target { words: domain_words, ..documents("snapshot", snapshots) };
/// What the driver keeps of running guests.
pub(super) const STATUS: Target = Target { words: domain_words, ..documents("status", status) };

/// How definitions are read.
pub(super) const FLAGS: ParseFlags = ParseFlags::DEFINED;

/// How they are printed.
pub(super) const STORED: FormatFlags = FormatFlags::STORED;

/// A guest for each device of the corpus of devices.
fn guests() -> Vec<Vec<u8>> {
    let guest = |device: &Vec<u8>| {
        let device = String::from_utf8_lossy(device);
        let text = format!(
            "<domain type='qemu'><name>f</name><memory>65536</memory><vcpu>2</vcpu><os><type machine='q35'>hvm</type></os><devices>{device}</devices></domain>"
        );
        text.into_bytes()
    };
    crate::corpus::inputs(&DEVICE).iter().map(guest).collect()
}

fn domain_words() -> Vec<String> {
    Grammar::domain().words()
}

fn some_domain(dice: &mut Dice) -> Vec<u8> {
    Grammar::domain().document(dice)
}

fn some_device(dice: &mut Dice) -> Vec<u8> {
    Grammar::domain().device(dice)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn any(bytes: &[u8]) -> u64 {
    let Some(text) = text(bytes) else { return 0 };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return kind(&error.message),
    };
    let print = |tree: &Tree| {
        let mut w = Writer::new();
        elements::write(tree, &mut w);
        w.finish()
    };
    let tree = Tree::of(document.root());
    for node in document.root().elements() {
        let _ = (node.position(), node.source(), node.own_text(), node.namespaces().count());
    }
    // Names may have come with a prefix, which is not kept; a line end that came as a number is a blank the next time.
    let printed = print(&tree);
    let read = Document::parse(&printed).unwrap_or_else(|error| panic!("not read again: {error}: {printed}"));
    let flat = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    same(&flat(&printed), &flat(&print(&Tree::of(read.root()))), "a tree");
    1
}

fn random() -> [u8; 16] {
    [7; 16]
}

fn domain(bytes: &[u8]) -> u64 {
    let Some(text) = text(bytes) else { return 0 };
    let read = Domain::parse(text, FLAGS, &mut random);
    if let Ok(domain) = &read {
        let _ = domain.format(FormatFlags::default());
        // Only what is accepted is stored.
        if conf_domain::validate::complete(domain, &conf_domain::validate::Lenient).is_ok() {
            restored(domain);
        }
    }
    outcome(&read)
}

/// A stored definition can be read when the daemon comes back; otherwise it would be lost.
pub(super) fn restored(domain: &Domain) -> Domain {
    let printed = domain.format(STORED);
    Domain::parse(&printed, ParseFlags { abi_update: false, skip_validate: true, ..FLAGS }, &mut random)
        .unwrap_or_else(|error| panic!("not read again: {}: {printed}", error.message()))
}

fn device(bytes: &[u8]) -> u64 {
    let Some(text) = text(bytes) else { return 0 };
    if let Ok(kept) = conf_domain::domain::with_namespace(text, "key", "urn:fuzz") {
        let _ = conf_domain::domain::without_namespace(&kept);
    }
    let _ = conf_domain::domain::without_namespace(text);
    let _ = conf_domain::domain::validate(text);
    let read = conf_domain::domain::read_device(text);
    if let Ok(tree) = &read {
        let guest = "<domain type='qemu'><name>f</name><memory>65536</memory><vcpu>2</vcpu><os><type>hvm</type></os><devices/></domain>";
        if let Ok(guest) = Domain::parse(guest, FLAGS, &mut random) {
            let _ = guest.with_device(tree.clone(), 0, FLAGS, &mut random);
        }
    }
    outcome(&read)
}

fn networks(bytes: &[u8]) -> u64 {
    let Some(text) = text(bytes) else { return 0 };
    // A document, and behind a line of dashes a part to change it with.
    let (text, change) = text.split_once("\n---\n").unwrap_or((text, ""));
    if text.contains("<networkport") {
        let read = NetworkPort::parse(text);
        if let Ok(port) = &read {
            let printed = port.format();
            let again = NetworkPort::parse(&printed)
                .unwrap_or_else(|error| panic!("not read again: {}: {printed}", error.message()));
            same(&printed, &again.format(), "a port");
        }
        return outcome(&read);
    }
    let read = Network::parse(text, &mut random);
    let mut result = outcome(&read);
    if let Ok(network) = &read {
        result = result.wrapping_add(outcome(&network.validate(&|_| false)));
        let flags = network::FormatFlags { inactive: true };
        let printed = network.format(flags);
        Network::parse(&printed, &mut random)
            .unwrap_or_else(|error| panic!("not read again: {}: {printed}", error.message()));
        if !change.is_empty() {
            for section in 1..=12 {
                for command in 1..=4 {
                    let command = update::Command::from_number(command);
                    let changed = network.updated(command, section, -1, change);
                    result = result.wrapping_mul(31).wrapping_add(outcome(&changed));
                }
            }
        }
    }
    result
}

/// Reads definitions without a driver's completion.
fn with_reader<T>(read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
    read(&mut Reader { random: &mut random, complete: &|_, _| Ok(()) })
}

fn snapshots(bytes: &[u8]) -> u64 {
    let Some(text) = text(bytes) else { return 0 };
    let again = |error: base::Error| panic!("not read again: {}", error.message());
    if text.contains("<domainsnapshot") {
        let how = ReadAs {
            redefine: bytes.len().is_multiple_of(2),
            internal: bytes.len().is_multiple_of(3),
            offline: false,
        };
        let read = with_reader(|reader| Snapshot::parse(text, how, 1_700_000_000, reader));
        if let Ok(snapshot) = &read {
            let _ = snapshot.format(true, false);
            let _ = snapshot.format(true, true);
        }
        outcome(&read)
    } else if text.contains("<domaincheckpoint") {
        let redefine = bytes.len().is_multiple_of(2);
        let read = with_reader(|reader| Checkpoint::parse(text, redefine, 1_700_000_000, reader));
        if let Ok(checkpoint) = &read {
            let _ = checkpoint.format(Show::default());
        }
        outcome(&read)
    } else if text.contains("<domainbackup") {
        let read = Backup::parse(text, true);
        if let Ok(backup) = &read {
            let printed = backup.format(true);
            let read = Backup::parse(&printed, true).unwrap_or_else(again);
            same(&printed, &read.format(true), "a backup");
        }
        outcome(&read)
    } else {
        SaveCookie::parse(text).map_or(2, |cookie| {
            let _ = cookie.format();
            1
        })
    }
}

fn status(bytes: &[u8]) -> u64 {
    let Some(text) = text(bytes) else { return 0 };
    let read = qemu_status::Status::parse(text, "/var/lib/libvirt/qemu/ram", &mut random, &|_, _, _| Ok(()));
    if let Ok(status) = &read {
        let _ = status.format();
        let cookie = with_reader(|reader| qemu_status::Cookie::parse(text, &status.domain, reader));
        let _ = cookie.map(|cookie| cookie.format());
    }
    outcome(&read)
}
