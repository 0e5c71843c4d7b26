//! Developer commands of the workspace: `cargo xtask COMMAND`.

mod cabi;
mod codegen;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask COMMAND
  codegen [--check]     makes the generated Rust from protocol/*.idl
  capi [--release] [--check] [--stress SECONDS]
                        builds libvirt.so.0 and its companions with headers into target/capi, and tries them
  conformance OPTIONS   runs a conformance corpus (see its own usage)
  bench OPTIONS         measures the daemon, also against another one (see its own usage)
  crash OPTIONS         kills a daemon in the middle of its work, again and again (see its own usage)
  fuzz OPTIONS          throws changed inputs at everything that reads what strangers wrote (see its own usage)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.first().map(String::as_str) {
        Some("codegen") => codegen::run(&workspace(), args.iter().any(|arg| arg == "--check")),
        Some("capi") => {
            let has = |option: &str| args.iter().any(|arg| arg == option);
            let stress = args.iter().position(|arg| arg == "--stress").and_then(|at| args.get(at + 1));
            let seconds = stress.and_then(|seconds| seconds.parse().ok());
            let check = seconds.or_else(|| has("--check").then_some(0));
            cabi::build(&workspace(), has("--release"), check)
        }
        Some(name @ ("conformance" | "bench" | "crash" | "fuzz")) => return forward(name, &args[1..]),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Commands that need the rooms are programs of their own, so that this one builds without them.
fn forward(package: &str, args: &[String]) -> ExitCode {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--package", package]);
    if matches!(package, "bench" | "crash" | "fuzz") {
        command.arg("--release");
    }
    command.arg("--").args(args);
    match command.status() {
        Ok(status) => ExitCode::from(status.code().unwrap_or(1).clamp(0, 255) as u8),
        Err(error) => {
            eprintln!("cargo run --package {package}: {error}");
            ExitCode::FAILURE
        }
    }
}
