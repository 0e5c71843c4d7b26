//! dnsmasq's script of virtual networks: keeps the addresses it lends where clients and the name service read them.
//!
//! ```text
//! dnsmasq ── add|old|del MAC-OR-DUID ADDRESS [NAME], variables DNSMASQ_* ──▶ BRIDGE.status
//!         ◀─ init: the leases that still hold ───────────────────────────────────┘
//! ```
//!
//! It runs for every lease and when a server starts, so it is a program of its own and a small one.

#![allow(clippy::print_stdout, reason = "dnsmasq reads leases from standard output")]

use host::Layout;
use network_plan::leases::{self, Told};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the files lie for a daemon below a root of its own.
const ROOT: &str = "FERROVIRT_ROOT";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The file of a bridge, and the one that is locked for a change.
fn files() -> Result<(PathBuf, PathBuf), String> {
    let bridge = variable("VIR_BRIDGE_NAME").or_else(|| variable("DNSMASQ_INTERFACE"));
    let bridge = bridge.ok_or("interface not set")?;
    if bridge.contains('/') {
        return Err(format!("'{bridge}' is no interface"));
    }
    let layout = Layout::of(Path::new(&variable(ROOT).unwrap_or_else(|| "/".to_owned())));
    let leases = layout.state().join("dnsmasq").join(format!("{bridge}.status"));
    Ok((leases, layout.pid_file("leaseshelper")))
}

/// What dnsmasq tells of a lease, in arguments and variables.
fn told(args: &[String]) -> Told {
    let [id, address, ..] = args else { return Told::default() };
    let v6 = address.contains(':');
    // Over IPv6 the borrower is known by its DUID; its hardware address comes beside it.
    let (mac, client_id) = if v6 {
        (variable("DNSMASQ_MAC"), variable("DNSMASQ_CLIENT_ID").or_else(|| Some(id.clone())))
    } else {
        (Some(id.clone()), variable("DNSMASQ_CLIENT_ID"))
    };
    Told {
        address: address.clone(),
        mac,
        hostname: args.get(2).cloned().or_else(|| variable("DNSMASQ_SUPPLIED_HOSTNAME")),
        client_id,
        iaid: variable("DNSMASQ_IAID"),
        server_duid: variable("DNSMASQ_SERVER_DUID"),
        expiry: variable("DNSMASQ_LEASE_EXPIRES").and_then(|text| text.parse().ok()).unwrap_or(0),
    }
}

fn run(action: &str, args: &[String]) -> Result<(), String> {
    let (path, turn) = files()?;
    if action == "init" {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let leases = leases::for_dnsmasq(&text, host::clock::now());
        print!(
            "{}",
            leases.ok_or_else(|| format!("Invalid json in file: {}, rewriting it", path.display()))?
        );
        return Ok(());
    }
    let failed = |cause: std::io::Error| format!("{}: {cause}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // dnsmasq does not wait for one script before it starts the next.
    let _turn = host::store::lock(&turn).map_err(failed)?;
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let (told, now) = (told(args), host::clock::now());
    let change = |text: &str| match action {
        "del" => leases::without(text, &told.address, now),
        _ => leases::with(text, &told, now),
    };
    // A file that is not understood is of no use to anybody.
    let next = change(&text).or_else(|| change("")).unwrap_or_default();
    host::store::write_volatile(&path, next.as_bytes(), 0o644).map_err(failed)
}

fn main() -> ExitCode {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match args.first().map(String::as_str) {
        Some("--version" | "-v") => println!("{program} (libvirt) 11.3.0"),
        Some("--help" | "-h") => println!("Usage: {program} add|old|del|init mac|clientid ip [hostname]"),
        Some(action @ "init") => return ended(run(action, &[])),
        Some(action @ ("add" | "old" | "del")) if args.len() >= 3 => {
            return ended(run(action, args.get(1..).unwrap_or_default()));
        }
        // Files that were fetched, neighbours that were seen: nothing to keep.
        Some("tftp" | "arp-add" | "arp-del" | "add" | "old" | "del") => {}
        Some(other) => {
            eprintln!("Unsupported action: {other}");
            return ExitCode::FAILURE;
        }
        None => {
            eprintln!("{program}: try --help for more details");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
