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
use image::chain::{self, Link, Member, Seen, Spot};
use serde_json::Value;
use std::path::{Path, PathBuf};

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
    ParseFlags {
        no_capacity: has("NO_CAPACITY"),
        optional_capacity: has("OPT_CAPACITY"),
        ..ParseFlags::default()
    }
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

/// `virstorage`
pub(crate) fn images(case: &Case) -> Verdict {
    match case.text("kind") {
        Some("metadata-chain") => whole(follow(case)),
        Some("chain-lookup") => whole(find(case)),
        Some("relative-path") => whole(way(case)),
        _ => super::qemublock::name(case),
    }
}

/// The images of the corpus with the links among them, in a folder of their own.
struct Images(PathBuf);

impl Drop for Images {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Images {
    fn of(case: &Case) -> Result<Images, String> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let images = Images(std::env::temp_dir().join(format!("images-{}-{number}", std::process::id())));
        let shown = |error: std::io::Error| error.to_string();
        let from = case.path("virstoragetestdata").ok_or("the images are not in the corpus")?;
        for folder in ["images", "lookup"] {
            let to = images.0.join("virstoragetestdata").join(folder);
            std::fs::create_dir_all(to.join("sub")).map_err(shown)?;
            for entry in std::fs::read_dir(from.join(folder)).map_err(shown)?.flatten() {
                let place = to.join(entry.file_name());
                if entry.path().is_file() {
                    std::os::unix::fs::symlink(entry.path(), place).map_err(shown)?;
                }
            }
        }
        let text = case.read_file("symlinks.json")?;
        let links: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        for (path, target) in links["links"].as_object().into_iter().flatten() {
            let target = target.as_str().unwrap_or_default();
            std::os::unix::fs::symlink(target, images.0.join(path)).map_err(shown)?;
        }
        Ok(images)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

fn look(path: &str) -> Option<Seen> {
    if Path::new(path).is_dir() {
        return Some(Seen::Folder);
    }
    let mut head = std::fs::read(path).ok()?;
    head.truncate(image::HEAD);
    Some(Seen::File(head))
}

/// Formats in the order of their numbers.
const FORMATS: &[&str] = conf_storage::format::FILES;

fn described(chain: &[Link]) -> String {
    let or_null = |text: Option<&str>| text.unwrap_or("<null>").to_owned();
    let plain = |text: &str| text.strip_prefix("file:").unwrap_or(text).to_owned();
    let mut text = String::new();
    for link in chain {
        let (mut protocol, mut host) = ("none".to_owned(), None);
        let kind = match &link.spot {
            Spot::File => "file",
            Spot::Device => "block",
            Spot::Folder => "dir",
            Spot::Elsewhere(place) => {
                protocol = place.source.attr("protocol").unwrap_or_default().to_owned();
                host = place.source.attr_at("host", "name").map(str::to_owned);
                "network"
            }
        };
        let header = &link.header;
        let format = match (&header.base, header.base_format.as_deref()) {
            (None, _) => "none(0)".to_owned(),
            (Some(_), None) => "<null>(-1)".to_owned(),
            (Some(_), Some(name)) => {
                let name = chain::format_named(name);
                let number = FORMATS.iter().position(|format| *format == name).unwrap_or_default();
                format!("{name}({number})")
            }
        };
        text.push_str(&format!(
            "path:{}\nbackingStoreRaw: {}\nbackingStoreRawFormat: {format}\ncapacity: {}\nencryption: {}\n\
             relPath:{}\ntype:{kind}\nformat:{}\nprotocol:{protocol}\nhostname:{}\n",
            link.path,
            or_null(header.base.as_deref().map(plain).as_deref()),
            header.capacity.unwrap_or(0),
            i32::from(header.encrypted),
            or_null(link.relative.as_deref()),
            link.format,
            or_null(host.as_deref()),
        ));
        if let Some(path) = &link.data_file {
            text.push_str(&format!(
                "dataFileRaw: {path}\n\n\ndataFileStoreSource:\npath: {path}\ncapacity: 0\nencryption: 0\n\
                 type:file\nformat:raw\n"
            ));
        }
        text.push('\n');
    }
    text.trim_end_matches('\n').to_owned() + "\n"
}

fn follow(case: &Case) -> Result<(), String> {
    let images = Images::of(case)?;
    let format =
        case.text("format").unwrap_or_default().trim_start_matches("VIR_STORAGE_FILE_").to_lowercase();
    // Formats that are to be found out do not count for the first image.
    let format = Some(format.as_str()).filter(|format| FORMATS[1..].contains(format));
    let path = images.path(case.text("input").unwrap_or_default());
    let chain = chain::follow(&path, format, &mut look).map_err(|error| error.to_string());
    let root = images.0.display().to_string();
    let text = chain.map(|chain| described(&chain).replace(&root, "ABS_SRCDIR"));
    match (case.expect(), text) {
        ("success", Ok(text)) => {
            let expected = case.read("expected")?;
            compare::exact(&(expected.trim_end_matches('\n').to_owned() + "\n"), &text)
        }
        ("success", Err(error)) => Err(error),
        (_, Ok(text)) => Err(format!("an error is expected, got:\n{text}")),
        (_, Err(_)) => Ok(()),
    }
}

fn find(case: &Case) -> Result<(), String> {
    let images = Images::of(case)?;
    let input = case.value("input").ok_or("the case has no input")?;
    let place = |text: &str| text.replace("ABS_SRCDIR", &images.0.display().to_string());
    let list = input["chain"].as_array().map(Vec::as_slice).unwrap_or_default();
    let paths: Vec<String> =
        list.iter().map(|image| place(image["path"].as_str().unwrap_or_default())).collect();
    let members: Vec<Member<'_>> = list
        .iter()
        .zip(&paths)
        .map(|(image, path)| Member {
            path,
            relative: image["relPath"].as_str(),
            id: image["id"].as_u64().and_then(|id| u32::try_from(id).ok()),
        })
        .collect();
    let folder = images.0.join("virstoragetestdata/lookup");
    let real = |path: &str| std::fs::canonicalize(folder.join(path)).ok();
    let same = |one: &str, other: &str| real(one).is_some_and(|one| Some(one) == real(other));
    let number = |value: &Value| value.as_u64().map(|number| number as usize);
    let name = input["name"].as_str().map(place);
    let found =
        chain::find(&members, number(&input["from"]), name.as_deref(), input["disk_target"].as_str(), &same);
    let expected = case.value("expected").ok_or("the case expects nothing")?;
    let parent = found.and_then(|found| found.checked_sub(1));
    let id = found.and_then(|found| members[found].id).filter(|id| *id != 0).map(|id| id as usize);
    let id_matters = !expected["result_id"].is_null();
    if number(&expected["result"]) != found
        || number(&expected["parent"]) != parent
        || (id_matters && number(&expected["result_id"]) != id)
    {
        return Err(format!("expected {expected}, got {found:?} below {parent:?}, number {id:?}"));
    }
    Ok(())
}

fn way(case: &Case) -> Result<(), String> {
    let input = case.value("input").ok_or("the case has no input")?;
    let file = input["backingchain"].as_str().unwrap_or_default();
    let document: Value = serde_json::from_str(&case.read_file(file)?).map_err(|error| error.to_string())?;
    let list = document["images"].as_array().map(Vec::as_slice).unwrap_or_default();
    let relative: Vec<Option<&str>> = list.iter().map(|image| image["relPath"].as_str()).collect();
    let number = |name: &str| input[name].as_u64().unwrap_or_default() as usize;
    let got = chain::way(&relative, number("top"), number("base"));
    let expected = case.value("expected").and_then(|expected| expected["path"].as_str());
    if got.as_deref() == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?}")) }
}
