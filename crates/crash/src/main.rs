//! `cargo xtask crash [--rounds N] [--clients N] [--seed N] [--program PATH]`

#![allow(clippy::print_stdout, reason = "the figures go to standard output")]

use crash::{Daemon, Options, run};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: crash [--rounds N] [--clients N] [--seed N] [--program PATH]";

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
    let mut options = Options { rounds: 100, clients: 200, seed: 1 };
    let mut program = None;
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(USAGE)?;
        let number = || value.parse::<u64>().map_err(|_| format!("{arg} takes a number\n{USAGE}"));
        match arg.as_str() {
            "--rounds" => options.rounds = number()? as usize,
            "--clients" => options.clients = number()? as usize,
            "--seed" => options.seed = number()?,
            "--program" => program = Some(PathBuf::from(value)),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let beside = || {
        let here = std::env::current_exe().map_err(|cause| cause.to_string())?;
        Ok::<_, String>(here.with_file_name("ferrovirtd"))
    };
    let program = program.map_or_else(beside, Ok)?;
    if !program.exists() {
        return Err(format!("{} is not built: cargo build --release --package daemon", program.display()));
    }
    let root = std::env::temp_dir().join(format!("fc{}", std::process::id()));
    let mut daemon = Daemon::new(program, root)?;
    let total = run(&mut daemon, options, &mut |round, so_far| {
        eprint!("\r{}/{} deaths, {} calls ", round + 1, options.rounds, so_far.acknowledged);
    });
    eprintln!();
    let total = total?;
    println!("deaths {}", options.rounds);
    println!("clients {}", options.clients);
    println!("calls-acknowledged {}", total.acknowledged);
    println!("calls-cut-off {}", total.cut_off);
    println!("guests-survived {}", total.guests);
    println!("wrong 0");
    Ok(())
}
