//! `cargo xtask fuzz [--target NAME]... [--runs N] [--seconds S] [--seed N] [--out DIR] [--json] [--list] [FILE]...`
//!
//! Inputs are tried by a second process, so that one that takes the process with it (a stack that runs over, memory that
//! runs out, a loop without end) is a finding like any other. With files, these are tried and nothing else.

#![allow(clippy::print_stdout, reason = "the figures go to standard output")]

use fuzz::run::{self, Finding, Memory, Plan, Report, What};
use fuzz::{TARGETS, Target};
use peak_alloc::PeakAlloc;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MEMORY: Memory = Memory {
    reset: || ALLOCATOR.reset_peak_usage(),
    peak: || ALLOCATOR.peak_usage(),
    current: || ALLOCATOR.current_usage(),
};

/// Address space of the process that tries inputs: far above what any may take.
const SPACE: u64 = 4 << 30;
/// An input that takes longer is without end.
const ENDLESS: Duration = Duration::from_secs(20);
/// Exit status of a process that has met such an input.
const HUNG: i32 = 3;

const USAGE: &str = "usage: fuzz [--target NAME]... [--runs N] [--seconds S] [--seed N] [--out DIR] [--json] [--list] [FILE]...";

#[derive(Debug)]
struct Options {
    targets: Vec<&'static Target>,
    runs: u64,
    seconds: Option<u64>,
    seed: u64,
    out: PathBuf,
    json: bool,
    worker: bool,
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        targets: Vec::new(),
        runs: 100_000,
        seconds: None,
        seed: 1,
        out: std::env::temp_dir().join(format!("fuzz-{}", std::process::id())),
        json: false,
        worker: false,
        files: Vec::new(),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number\n{USAGE}"));
        match arg.as_str() {
            "--target" => {
                let name = value()?;
                let found = TARGETS.iter().find(|target| target.name == name);
                options.targets.push(found.ok_or_else(|| format!("there is no target {name}"))?);
            }
            "--runs" => options.runs = number(value()?)?,
            "--seconds" => options.seconds = Some(number(value()?)?),
            "--seed" => options.seed = number(value()?)?,
            "--out" => options.out = value()?.into(),
            "--json" => options.json = true,
            "--worker" => options.worker = true,
            "--list" => {
                TARGETS.iter().for_each(|target| println!("{}", target.name));
                std::process::exit(0);
            }
            _ if arg.starts_with('-') => return Err(USAGE.to_owned()),
            _ => options.files.push(arg.into()),
        }
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

/// Whether nothing was found.
fn start() -> Result<bool, String> {
    let options = options(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.out).map_err(|cause| format!("{}: {cause}", options.out.display()))?;
    if !options.files.is_empty() {
        return files(&options);
    }
    if options.worker {
        let target = options.targets.first().ok_or(USAGE)?;
        return work(target, &options).map(|()| true);
    }
    let mut clean = true;
    for target in &options.targets {
        clean &= supervise(target, &options)?;
    }
    if clean {
        let _ = std::fs::remove_dir(&options.out);
    }
    Ok(clean)
}

/// Tries files of one target or of all.
fn files(options: &Options) -> Result<bool, String> {
    run::note_panics();
    let mut clean = true;
    for path in &options.files {
        let input = std::fs::read(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        for target in &options.targets {
            let mut report = Report::default();
            match run::one(target, &input, MEMORY, run::SLOW, &mut report) {
                Ok(kind) => println!(
                    "{}: {} borne, kind {kind:016x}, {:?}, {} bytes",
                    target.name,
                    path.display(),
                    report.slowest,
                    report.largest
                ),
                Err(what) => {
                    println!("{}: {} {what:?}", target.name, path.display());
                    clean = false;
                }
            }
        }
    }
    Ok(clean)
}

/// The input that is being tried, for whoever looks after this process.
fn current(options: &Options, target: &Target) -> PathBuf {
    options.out.join(format!("{}.current", target.name))
}

/// Tries inputs and prints what came of it, for the process that looks after this one.
fn work(target: &'static Target, options: &Options) -> Result<(), String> {
    let words = |cause: std::io::Error| cause.to_string();
    let limit = Rlimit { current: Some(SPACE), maximum: Some(SPACE) };
    setrlimit(Resource::As, limit).map_err(|cause| cause.to_string())?;
    run::note_panics();
    let file = std::fs::File::create(current(options, target)).map_err(words)?;
    let progress = Arc::new(AtomicU64::new(0));
    let seen = progress.clone();
    std::thread::spawn(move || {
        let mut last = u64::MAX;
        loop {
            std::thread::sleep(ENDLESS);
            let now = seen.load(Ordering::Relaxed);
            if now == last {
                std::process::exit(HUNG);
            }
            last = now;
        }
    });
    let plan = Plan {
        runs: options.runs,
        end: options.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        seed: options.seed,
        memory: MEMORY,
        slow: run::SLOW,
    };
    let report = run::run(target, plan, &mut |round, input| {
        progress.store(round, Ordering::Relaxed);
        let mut bytes = Vec::with_capacity(16 + input.len());
        bytes.extend_from_slice(&round.to_be_bytes());
        bytes.extend_from_slice(&(input.len() as u64).to_be_bytes());
        bytes.extend_from_slice(input);
        let _ = file.write_all_at(&bytes, 0);
    });
    for (number, finding) in report.findings.iter().enumerate() {
        let path = options.out.join(format!("{}-{}-{number}", target.name, options.seed));
        std::fs::write(&path, &finding.input).map_err(words)?;
    }
    let line = json!({
        "runs": report.runs, "kinds": report.kinds, "slowest": report.slowest.as_secs_f64(), "largest": report.largest,
        "findings": report.findings.iter().map(described).collect::<Vec<_>>(),
    });
    println!("{line}");
    Ok(())
}

fn described(finding: &Finding) -> String {
    match &finding.what {
        What::Panic(text) => text.clone(),
        What::Slow(time) => format!("took {time:?}"),
        What::Large(bytes) => format!("took {bytes} bytes"),
    }
}

/// What the process that was ended by an input had in its hands: how many it had tried, and the input.
fn taken(path: &Path) -> Option<(u64, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    let (round, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    Some((u64::from_be_bytes(*round), rest.get(..length)?.to_vec()))
}

/// Looks after the process that tries inputs; starts another one when it was ended by an input.
fn supervise(target: &'static Target, options: &Options) -> Result<bool, String> {
    let begin = Instant::now();
    let (mut done, mut findings, mut seed) = (0, Vec::new(), options.seed);
    let mut last = json!({});
    while done < options.runs.max(1) && findings.len() < 10 {
        let here = std::env::current_exe().map_err(|cause| cause.to_string())?;
        let mut command = Command::new(here);
        command.args(["--worker", "--target", target.name, "--seed", &seed.to_string(), "--out"]);
        command.arg(&options.out).args(["--runs", &(options.runs - done).to_string()]);
        if let Some(seconds) = options.seconds {
            command.args(["--seconds", &seconds.saturating_sub(begin.elapsed().as_secs()).to_string()]);
        }
        let output = command.stderr(Stdio::inherit()).output().map_err(|cause| cause.to_string())?;
        if output.status.success() {
            last = serde_json::from_slice(&output.stdout).map_err(|cause| cause.to_string())?;
            done += last.get("runs").and_then(serde_json::Value::as_u64).unwrap_or_default();
            let found =
                last.get("findings").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            findings.extend(found.iter().map(|text| text.as_str().unwrap_or_default().to_owned()));
            break;
        }
        let (round, input) = taken(&current(options, target)).unwrap_or_default();
        done += round;
        let path = options.out.join(format!("{}-{seed}-end", target.name));
        std::fs::write(&path, &input).map_err(|cause| cause.to_string())?;
        let why = match (output.status.code(), output.status.signal()) {
            (Some(HUNG), _) => "without end".to_owned(),
            (_, Some(signal)) => format!("ended by signal {signal}"),
            (code, _) => format!("ended with status {code:?}"),
        };
        findings.push(format!("{why}: {}", path.display()));
        seed = seed.wrapping_add(1_000_003);
    }
    let _ = std::fs::remove_file(current(options, target));
    let seconds = begin.elapsed().as_secs_f64();
    let field = |name: &str| last.get(name).and_then(serde_json::Value::as_f64).unwrap_or_default();
    if options.json {
        println!(
            "{}",
            json!({
                "target": target.name, "runs": done, "seconds": seconds, "kinds": field("kinds"),
                "slowest-ms": field("slowest") * 1e3, "largest-kib": field("largest") / 1024.0, "findings": findings,
            })
        );
    } else {
        println!(
            "{} {done} runs {seconds:.0} s {} kinds slowest {:.1} ms largest {:.0} KiB findings {}",
            target.name,
            field("kinds"),
            field("slowest") * 1e3,
            field("largest") / 1024.0,
            findings.len()
        );
        findings.iter().for_each(|text| println!("  {text}"));
    }
    if !findings.is_empty() {
        eprintln!("the inputs are in {}", options.out.display());
    }
    Ok(findings.is_empty())
}
