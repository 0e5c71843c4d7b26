//! Runs a conformance corpus against the rooms of this workspace and counts, honestly, what passes.
//!
//! ```text
//! cargo xtask conformance --corpus DIR [--support DIR] [--class NAME]... [--failures] [--json FILE] [--min FILE]
//! cargo xtask argv --corpus DIR --emulator PROGRAM [--json FILE] [--only WORD]
//! ```
//!
//! The second form tries planned command lines on an emulator of this host, see [`argv`].
//!
//! A corpus is a folder with one folder per class; a class has a `manifest.jsonl` with one case a line. Every
//! class found is reported, also those that no runner knows yet (they count as 0 passed). A class whose cases
//! have several expected files is reported per part as well, e.g. `qemuxmlconf:xml`.
//!
//! Exit status: 0, or 1 when a class is below its floor in the file given by `--min`, or 2 for wrong usage.

#![allow(clippy::print_stdout, reason = "the figures go to standard output")]

mod argv;
mod classes;
mod compare;
mod emulator;
mod floors;
mod manifest;
mod report;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line asked for.
#[derive(Debug, Default)]
struct Options {
    corpus: PathBuf,
    support: Option<PathBuf>,
    classes: Vec<String>,
    failures: bool,
    json: Option<PathBuf>,
    min: Option<PathBuf>,
    write_floors: Option<PathBuf>,
}

const USAGE: &str = "usage: conformance --corpus DIR [--support DIR] [--class NAME]... [--failures] \
[--json FILE] [--min FILE] [--write-floors FILE]";

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--corpus" => options.corpus = value()?.into(),
            "--support" => options.support = Some(value()?.into()),
            "--class" => options.classes.push(value()?),
            "--failures" => options.failures = true,
            "--json" => options.json = Some(value()?.into()),
            "--min" => options.min = Some(value()?.into()),
            "--write-floors" => options.write_floors = Some(value()?.into()),
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    if options.corpus.as_os_str().is_empty() {
        return Err("--corpus is missing".to_owned());
    }
    Ok(options)
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("argv") {
        return argv::main(std::env::args().skip(2));
    }
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("conformance: {text}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<bool, String> {
    let results = walk::walk(options)?;
    report::print(&results, options.failures);
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(&results)).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    if let Some(path) = &options.write_floors {
        floors::raise(path, &results)?;
    }
    match &options.min {
        Some(path) => floors::hold(path, &results),
        None => Ok(true),
    }
}
