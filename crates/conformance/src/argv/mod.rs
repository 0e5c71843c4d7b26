//! Planned command lines on an emulator of this host: every definition of class `qemuxmlconf` for the emulator's
//! architecture is planned with what this emulator says of itself, and started with `-S`.
//!
//! ```text
//! case ──plan (capabilities of the installed emulator)──▶ line ──supply──▶ files, sockets, devices
//!                                                          └──▶ start ──QMP: quit──▶ started | QEMU's words, reason
//! ```
//!
//! All of it happens in namespaces of its own, on a copy of the file system that is thrown away ([`room`]): paths are
//! those that the definition names. What cannot exist here (a PCI device, a remote server) is left to fail, and the
//! reason is told. Needs root, `unshare`, `qemu-img`, an overlay file system.

mod descriptors;
mod image;
mod installed;
mod peer;
mod reason;
mod room;
mod supply;
mod trial;

use crate::classes::{qemuxmlconf, qemuxmlconf_start};
use crate::manifest::{self, Case};
use descriptors::Descriptors;
use peer::Peers;
use qemu_caps::Caps;
use qemu_plan::complete::Hardware;
use reason::Reason;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: argv --corpus DIR --emulator PROGRAM [--json FILE] [--only WORD] [--show]";

/// What the command line asked for.
#[derive(Debug, Default)]
struct Options {
    corpus: PathBuf,
    emulator: PathBuf,
    json: Option<PathBuf>,
    /// Only cases whose names hold this word.
    only: Option<String>,
    /// Lines are shown.
    show: bool,
    /// The process is in the room.
    inside: bool,
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--corpus" => options.corpus = absolute(&value()?)?,
            "--emulator" => options.emulator = absolute(&value()?)?,
            "--json" => options.json = Some(PathBuf::from(value()?)),
            "--only" => options.only = Some(value()?),
            "--show" => options.show = true,
            "--inside" => options.inside = true,
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    if options.corpus.as_os_str().is_empty() || options.emulator.as_os_str().is_empty() {
        return Err("--corpus and --emulator are needed".to_owned());
    }
    Ok(options)
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    std::fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))
}

/// The command.
pub(crate) fn main(args: impl Iterator<Item = String>) -> ExitCode {
    let outcome = options(args)
        .map_err(|text| format!("{text}\n{USAGE}"))
        .and_then(|options| if options.inside { inside(&options) } else { room::enter(&options) });
    match outcome {
        Ok(faults) => ExitCode::from(u8::from(faults)),
        Err(text) => {
            eprintln!("argv: {text}");
            ExitCode::from(2)
        }
    }
}

/// A case that does not start.
struct Failure {
    id: String,
    reason: Reason,
    words: String,
}

/// Tries all cases; true when some fail by our own fault.
fn inside(options: &Options) -> Result<bool, String> {
    room::furnish()?;
    let caps = installed::probe(&options.emulator)?;
    let mut cases = manifest::cases(&options.corpus, &options.corpus, "qemuxmlconf")?;
    cases.retain(|case| case.text("arch") == Some(caps.arch.as_str()) && case.expect() == "success");
    cases.retain(|case| options.only.as_deref().is_none_or(|word| case.id.contains(word)));
    let total = cases.len();
    let mut failures = Vec::new();
    for (done, case) in cases.iter().enumerate() {
        if done % 50 == 49 {
            eprintln!("{} of {total}", done + 1);
        }
        if let Err(failure) = one(case, &caps, options) {
            failures.push(failure);
        }
    }
    image::release();
    report(&caps, total, &failures);
    if options.json.is_some() {
        let list = failures
            .iter()
            .map(|failure| json!({"id": failure.id, "reason": failure.reason.word(), "words": failure.words}))
            .collect::<Vec<_>>();
        let all = json!({"cases": total, "started": total - failures.len(), "failures": list});
        let text = serde_json::to_string_pretty(&all).map_err(|error| error.to_string())?;
        std::fs::write(room::RESULT, text + "\n").map_err(|error| error.to_string())?;
    }
    Ok(failures.iter().any(|failure| failure.reason == Reason::Fault))
}

fn report(caps: &Caps, total: usize, failures: &[Failure]) {
    let mut by_reason: BTreeMap<Reason, Vec<&Failure>> = BTreeMap::new();
    for failure in failures {
        by_reason.entry(failure.reason).or_default().push(failure);
    }
    for (reason, failures) in &by_reason {
        println!("\n{} ({}):", reason.title(), failures.len());
        for failure in failures {
            println!("  {}: {}", failure.id, failure.words);
        }
    }
    let started = total - failures.len();
    println!("\n{started} of {total} cases start on {}", caps.binary);
    for (reason, failures) in &by_reason {
        println!("{:>5}  {}", failures.len(), reason.title());
    }
}

/// Plans, supplies and starts one case.
fn one(case: &Case, caps: &Caps, options: &Options) -> Result<(), Failure> {
    let fail = |reason, words: String| Failure { id: case.id.clone(), reason, words };
    let text = case.read("input").map_err(|words| fail(Reason::Fault, words))?;
    let refused = |words: String| fail(reason::refusal(&words), format!("not planned: {words}"));
    let mut domain = qemuxmlconf::read(case, caps, &text).map_err(refused)?;
    for device in domain.devices_mut().iter_mut().filter(|device| device.name == "emulator") {
        *device = xml::Tree::leaf("emulator", options.emulator.display().to_string());
    }
    let hardware = Hardware { nodes: Some([0].into()), cpu: None, cpu_alone: false };
    let mut descriptors = Descriptors::default();
    let line = qemuxmlconf_start::line_on(case, &domain, caps, &hardware, &mut |domain, start| {
        descriptors.replace(domain, start)
    });
    let line = line.map_err(|error| refused(error.message().to_owned()))?;
    if options.show {
        println!("{}", qemu_plan::argv::shell(&line));
    }
    let mut peers = Peers::default();
    let supplied = supply::supply(&line, &descriptors, &mut peers);
    if let Err(words) = &supplied {
        eprintln!("{}: {words}", case.id);
    }
    let outcome = trial::start(&line, descriptors);
    supply::clear(&line);
    match outcome {
        Ok(()) => Ok(()),
        Err(words) => Err(fail(reason::of(&line, &words), words)),
    }
}
