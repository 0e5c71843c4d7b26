//! `qemunbdkit`: command lines of the network block server, and what goes through its pipes.

use super::{Verdict, qemuxmlconf, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, ParseFlags};
use qemu_plan::argv::secret::{self, Named, Secrets};
use qemu_plan::argv::{nbdkit, shell};
use std::collections::BTreeMap;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(outcome(case))
}

/// Secrets of this class: their kind and name in one word.
fn secrets(domain: &Domain) -> Secrets {
    let value = |named: &Named| match named {
        Named::Uuid(uuid) => format!("iscsi-{uuid}-secret"),
        Named::Usage(kind, usage) => format!("{kind}-{usage}-secret"),
    };
    Secrets(
        secret::named(&domain.tree)
            .into_iter()
            .map(|named| {
                let value = value(&named).into_bytes();
                (named, value)
            })
            .collect(),
    )
}

fn outcome(case: &Case) -> Result<(), String> {
    let flags = ParseFlags { skip_validate: true, ..ParseFlags::default() };
    let domain = Domain::parse(&case.read("input")?, flags, &mut qemuxmlconf::random())
        .map_err(|error| error.to_string())?;
    let folder = case.text("state_dir").unwrap_or_default().replace("<domain name>", &domain.name);
    let secrets = secrets(&domain);
    let first = case.value("first_pipe_fd").and_then(|fd| fd.as_i64()).unwrap_or(0);
    let mut next = i32::try_from(first).unwrap_or(0);
    let mut lines = BTreeMap::new();
    let mut piped = BTreeMap::new();
    for (index, disk) in domain.all("disk").enumerate() {
        let setup = nbdkit::Setup { program: "nbdkit", folder: &folder, secrets: &secrets };
        let mut pipe = |data: &[u8]| {
            let end = next;
            next += 2;
            piped.insert((end + 1).to_string(), String::from_utf8_lossy(data).into_owned());
            end
        };
        let servers = nbdkit::servers(disk, &format!("disk{index}"), setup, &mut pipe);
        lines.extend(servers.map_err(|error| error.to_string())?);
    }
    let expected = case.value("expected_commands").and_then(|all| all.as_object()).ok_or("no commands")?;
    compare::exact(
        &expected.keys().cloned().collect::<Vec<_>>().join(" "),
        &lines.keys().cloned().collect::<Vec<_>>().join(" "),
    )?;
    for (name, file) in expected {
        let text = case.read_file(file.as_str().unwrap_or_default())?;
        compare::as_is(&text, &lines.get(name).map(shell).unwrap_or_default())?;
    }
    let expected = case.value("expected_pipes").and_then(|all| all.as_object()).ok_or("no pipes")?;
    let expected = expected.values().filter_map(|ends| ends.as_object()).flatten();
    let mut count = 0;
    for (end, file) in expected {
        let text = case.read_file(file.as_str().unwrap_or_default())?;
        compare::exact(text.trim_end_matches('\n'), piped.get(end).map_or("", String::as_str))?;
        count += 1;
    }
    if count == piped.len() { Ok(()) } else { Err(format!("{} pipes, {count} expected", piped.len())) }
}
