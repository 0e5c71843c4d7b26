//! Snapshots, checkpoints and backups of a guest under QEMU.

use super::{Verdict, qemuxmlconf, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, ParseFlags, Reader};
use conf_snapshot::checkpoint::{CheckpointDisk, Show};
use conf_snapshot::snapshot::ReadAs;
use conf_snapshot::{Backup, Checkpoint, Guest, Snapshot, State};
use qemu_plan::complete;

/// `qemusnapshot`.
pub(crate) fn snapshot(case: &Case) -> Verdict {
    whole(read_snapshot(case))
}

/// `qemucheckpoint`.
pub(crate) fn checkpoint(case: &Case) -> Verdict {
    whole(read_checkpoint(case))
}

/// `domainbackup`.
pub(crate) fn backup(case: &Case) -> Verdict {
    whole(read_backup(case))
}

/// When it is in the case.
fn now(case: &Case) -> i64 {
    case.value("creation_time").and_then(serde_json::Value::as_i64).unwrap_or(0)
}

/// Reads with the completion of the case's emulator.
fn with_reader<T>(
    case: &Case,
    read: impl FnOnce(&mut Reader<'_>) -> base::Result<T>,
) -> Result<base::Result<T>, String> {
    let caps = qemuxmlconf::load_as(case, case.text("caps_requested") == Some("latest"))?;
    let site = qemuxmlconf::site(case);
    let done = |domain: &mut Domain, flags: ParseFlags| complete::complete(domain, &caps, &site, flags);
    let mut random = qemuxmlconf::random();
    Ok(read(&mut Reader { random: &mut random, complete: &done }))
}

fn read_snapshot(case: &Case) -> Result<(), String> {
    let how = case.words("parse_flags");
    let how = ReadAs {
        redefine: how.contains(&"redefine"),
        internal: how.contains(&"internal"),
        ..ReadAs::default()
    };
    let text = case.read("input")?;
    let read = with_reader(case, |reader| Snapshot::parse(&text, how, now(case), reader))?;
    let mut snapshot = match (case.expect(), read) {
        ("parse-fail", Err(_)) => return Ok(()),
        ("parse-fail", Ok(_)) => return Err("must be refused".to_owned()),
        (_, read) => read.map_err(|error| format!("refused: {error}"))?,
    };
    if case.words("modes").contains(&"set-running-after-parse") {
        if snapshot.state.is_some() {
            return Err("the state must be left open".to_owned());
        }
        snapshot.state = Some(State::Running);
    }
    if let (Guest::None, Some(uuid)) = (&snapshot.guest, case.text("domain_uuid")) {
        snapshot.guest = uuid.parse().map_or(Guest::None, Guest::Uuid);
    }
    let shown = case.words("format_flags");
    let printed = snapshot.format(shown.contains(&"secure"), shown.contains(&"internal"));
    compare::unwrapped(&case.read("expected")?, &printed)
}

fn read_checkpoint(case: &Case) -> Result<(), String> {
    let text = case.read("input")?;
    let modes = case.words("modes");
    let redefine = modes.contains(&"redefine");
    let read = with_reader(case, |reader| Checkpoint::parse(&text, redefine, now(case), reader))?;
    let mut checkpoint = match (case.expect(), read) {
        ("parse-fail", Err(_)) => return Ok(()),
        ("parse-fail", Ok(_)) => return Err("must be refused".to_owned()),
        (_, read) => read.map_err(|error| format!("refused: {error}"))?,
    };
    let mut size = false;
    for mode in modes {
        let word = |prefix: &str, suffix: &str| mode.strip_prefix(prefix)?.strip_suffix(suffix);
        if let Some(parent) = word("set-parent-", "-after-parse") {
            checkpoint.moment.parent = Some(parent.to_owned());
        } else if mode == "add-vda-bitmap-after-parse" {
            if checkpoint.disks.is_empty() {
                checkpoint.disks.push(CheckpointDisk::new("vda", true));
            }
            checkpoint.name_bitmaps();
        } else if let Some(bytes) = word("set-disk0-size-", "-and-format-size") {
            size = true;
            if let Some(disk) = checkpoint.disks.first_mut() {
                disk.size = bytes.parse().ok();
            }
        }
    }
    compare::unwrapped(
        &case.read("expected")?,
        &checkpoint.format(Show { secure: true, no_domain: false, size }),
    )
}

fn read_backup(case: &Case) -> Result<(), String> {
    let internal = case.is("internal");
    let text = case.read("input")?;
    let mut backup = match (case.expect(), Backup::parse(&text, internal)) {
        ("parse-fail", Err(_)) => return Ok(()),
        ("parse-fail", Ok(_)) => return Err("must be refused".to_owned()),
        (_, read) => read.map_err(|error| format!("refused: {error}"))?,
    };
    let names = backup.disks.iter().map(|disk| disk.name.as_str()).chain(["vdextradisk"]);
    let disks: String = names
        .map(|name| {
            format!(
                "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/fake/{name}.qcow2'/>\
                 <target dev='{name}'/><address type='drive'/></disk>"
            )
        })
        .collect();
    let domain = format!(
        "<domain type='qemu'><name>fake</name><memory>1</memory><os><type>hvm</type></os>\
         <devices>{disks}</devices></domain>"
    );
    let flags = ParseFlags { skip_validate: true, ..ParseFlags::default() };
    let domain = Domain::parse(&domain, flags, &mut qemuxmlconf::random())
        .map_err(|error| format!("the pretended guest: {error}"))?;
    let suffix = case.text("store_suffix").unwrap_or_default();
    backup.align(&domain, suffix).map_err(|error| format!("refused: {error}"))?;
    compare::unwrapped(&case.read("expected")?, &backup.format(internal))
}
