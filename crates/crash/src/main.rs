//! `cargo xtask crash [--trouble NAME]... [--faults] [--rounds N] [--clients N] [--seed N] [--program PATH]`

#![allow(clippy::print_stdout, reason = "the figures go to standard output")]

use crash::{Daemon, Options, Outcome, Trouble, run};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: crash [--trouble kill|die|fail|full|panic]... [--faults] [--rounds N] [--clients N] [--seed N] [--program PATH]
  --faults    all troubles but kill";

fn main() -> ExitCode {
    match start(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("crash: {text}");
            ExitCode::FAILURE
        }
    }
}

fn start(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut options = Options { trouble: Trouble::Kill, rounds: 100, clients: 200, seed: 1 };
    let (mut program, mut troubles) = (None, Vec::new());
    while let Some(arg) = args.next() {
        if arg == "--faults" {
            troubles.extend(Trouble::ALL.iter().filter(|(_, trouble)| *trouble != Trouble::Kill));
            continue;
        }
        let value = args.next().ok_or(USAGE)?;
        let number = || value.parse::<u64>().map_err(|_| format!("{arg} takes a number\n{USAGE}"));
        match arg.as_str() {
            "--rounds" => options.rounds = number()? as usize,
            "--clients" => options.clients = number()? as usize,
            "--seed" => options.seed = number()?,
            "--program" => program = Some(PathBuf::from(value)),
            "--trouble" => troubles.push(Trouble::ALL.iter().find(|(name, _)| *name == value).ok_or(USAGE)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    if troubles.is_empty() {
        troubles.extend(Trouble::ALL.first());
    }
    let beside = || {
        let here = std::env::current_exe().map_err(|cause| cause.to_string())?;
        Ok::<_, String>(here.with_file_name("ferrovirtd"))
    };
    let program = program.map_or_else(beside, Ok)?;
    if !program.exists() {
        return Err(format!("{} is not built: cargo build --release --package daemon", program.display()));
    }
    for (name, trouble) in troubles {
        let total = one(name, &program, Options { trouble: *trouble, ..options })?;
        println!("{name}-rounds {}", options.rounds);
        println!("{name}-clients {}", options.clients);
        println!("{name}-calls-acknowledged {}", total.acknowledged);
        println!("{name}-calls-failed {}", total.failed);
        println!("{name}-calls-cut-off {}", total.cut_off);
        println!("{name}-deaths-by-itself {}", total.deaths);
        println!("{name}-guests-survived {}", total.guests);
        println!("{name}-wrong 0");
    }
    Ok(())
}

fn one(name: &str, program: &Path, options: Options) -> Result<Outcome, String> {
    let root = std::env::temp_dir().join(format!("fc{}", std::process::id()));
    let mut daemon = Daemon::new(program.to_owned(), root)?;
    if options.trouble == Trouble::Full {
        daemon.on_a_small_disk()?;
    }
    let total = run(&mut daemon, options, &mut |round, so_far| {
        eprint!("\r{name} {}/{} rounds, {} calls ", round + 1, options.rounds, so_far.acknowledged);
    });
    eprintln!();
    total
}
