//! Tells what on the host keeps running networks from working, and what would allow it.
//!
//! ```text
//! ferrovirt-doctor [--root FOLDER]
//!
//! network 'default' (virbr0): guests cannot reach others over IPv4
//!     because of policy DROP of chain FORWARD of table filter
//!     to allow it: iptables -A FORWARD -i virbr0 -j ACCEPT
//! ```
//!
//! Exit status: 0 when nothing was found, 1 when something was, 2 when it could not be looked for.

#![allow(clippy::print_stdout, reason = "findings belong on standard output")]

mod networks;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str =
    "usage: ferrovirt-doctor [--root FOLDER]\n\nTells what keeps running networks from working.\n";

fn main() -> ExitCode {
    let mut root = PathBuf::from("/");
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--root", Some(folder)) => root = folder.into(),
            ("--help" | "-h", None) => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprint!("{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    match networks::examine(&root) {
        Ok(findings) if findings.is_empty() => {
            println!("nothing keeps running networks from working");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in findings {
                println!("{finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("ferrovirt-doctor: {error}");
            ExitCode::from(2)
        }
    }
}
