//! Pools and volumes: their documents and the commands made of them.

use super::network_host::wrapped_words;
use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_storage::create::{self, Request};
use conf_storage::mount::{self, Words};
use conf_storage::source::format_list;
use conf_storage::volume::ParseFlags;
use conf_storage::{Kind, Pool, Volume, VolumeType, capabilities, gluster as listing};

fn parse(text: &str) -> Result<Pool, String> {
    Pool::parse(text, &mut || [0x11; 16]).map_err(|error| error.to_string())
}

/// Compares what came out of a case with what it expects.
fn judge(case: &Case, outcome: Result<String, String>) -> Result<(), String> {
    match (case.expect(), outcome) {
        ("success", Ok(text)) => {
            let expected = case.read("expected")?;
            match case.text("compare") {
                Some("file-no-unwrap") => compare::exact(&expected, &text),
                _ => compare::unwrapped(&expected, &text),
            }
        }
        ("success", Err(error)) => Err(error),
        (_, Ok(text)) => Err(format!("an error is expected, got:\n{text}")),
        (_, Err(_)) => Ok(()),
    }
}

fn text(commands: &[Words]) -> String {
    let line = |words: &Words| wrapped_words(&words.iter().map(String::as_str).collect::<Vec<_>>());
    commands.iter().map(line).collect()
}

/// `storagepoolxml2xml`
pub(crate) fn pool(case: &Case) -> Verdict {
    let run = || judge(case, parse(&case.read("input")?).map(|pool| pool.format()));
    whole(run())
}

fn flags(case: &Case) -> ParseFlags {
    let has = |name: &str| case.text("parse_flags").is_some_and(|flags| flags.contains(name));
    ParseFlags { no_capacity: has("NO_CAPACITY"), optional_capacity: has("OPT_CAPACITY") }
}

fn read_volume(text: &str, pool: &Pool, flags: ParseFlags) -> Result<Volume, String> {
    Volume::parse(text, pool.kind, flags).map_err(|error| error.to_string())
}

/// `storagevolxml2xml`
pub(crate) fn volume(case: &Case) -> Verdict {
    let run = || {
        let pool = parse(&case.read("pool")?)?;
        let volume = read_volume(&case.read("input")?, &pool, flags(case));
        judge(case, volume.map(|volume| volume.format()))
    };
    whole(run())
}

/// `storagepoolcaps`
pub(crate) fn capabilities(case: &Case) -> Verdict {
    let run = || {
        let kinds = case.value("args").and_then(|args| args.get("registered_pool_types"));
        let listed = kinds.and_then(|kinds| kinds.as_array());
        let supported = |kind: Kind| {
            listed.is_none_or(|kinds| kinds.iter().any(|name| name.as_str() == Some(kind.as_str())))
        };
        judge(case, Ok(capabilities::format(&supported)))
    };
    whole(run())
}

/// `storagepoolxml2argv`
pub(crate) fn start(case: &Case) -> Verdict {
    let run = || {
        let pool = parse(&case.read("input")?)?;
        let command = mount::start(&pool).ok_or_else(|| format!("pools of type {} run nothing", pool.kind));
        judge(case, command.map(|words| text(&[words])))
    };
    whole(run())
}

/// A volume as a pool of this kind has it.
fn placed(case: &Case, volume: &str, pool: &str, flags: ParseFlags) -> Result<Volume, String> {
    let pool = parse(&case.read(pool)?)?;
    let mut volume = read_volume(&case.read(volume)?, &pool, flags)?;
    volume.kind = if pool.kind.holds_files() { VolumeType::File } else { VolumeType::Block };
    Ok(volume)
}

/// `storagevolxml2argv`
pub(crate) fn create(case: &Case) -> Verdict {
    let run = || {
        let volume = placed(case, "input", "pool", flags(case))?;
        let input = match case.text("input_vol") {
            Some(_) => Some(placed(case, "input_vol", "input_pool", ParseFlags::default())?),
            None => None,
        };
        let preallocate = case.text("create_flags").is_some_and(|flags| flags.contains("PREALLOC_METADATA"));
        let request = Request {
            volume: &volume,
            input: input.as_ref(),
            preallocate,
            secret: Some("/path/to/secretFile"),
            input_secret: Some("/path/to/inputSecretFile"),
        };
        judge(case, create::commands(&request).map(|list| text(&list)).map_err(|error| error.to_string()))
    };
    whole(run())
}

/// `virstorageutil`
pub(crate) fn gluster(case: &Case) -> Verdict {
    let run = || {
        let args = case.value("args").ok_or("the case has no args")?;
        let arg = |name: &str| args.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let kind = Kind::parse(arg("pool_type")).ok_or("no such kind of pool")?;
        let found = listing::sources(&case.read("input")?, arg("host"), kind);
        judge(case, found.map(|list| format_list(kind, &list)).map_err(|error| error.to_string()))
    };
    whole(run())
}
