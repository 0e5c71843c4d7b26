//! Trusted platform modules: one of the host, or one that a program plays.

use super::chardev::{Address, Backend, Chardev, Socket};
use super::piece::Piece;
use super::{Builder, Json, alias_of, comma};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Plans modules.
pub(super) fn modules(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for tpm in domain.all("tpm") {
        let pieces = if tpm.is("model", "spapr-tpm-proxy") { vec![proxy(tpm)] } else { module(b, tpm)? };
        b.add_all(pieces);
    }
    Ok(())
}

/// A way for secure guests of POWER to reach the host's module.
fn proxy(tpm: &Tree) -> Piece {
    let path = tpm.attr_at("backend/device", "path").unwrap_or("/dev/tpmrm0");
    Piece::Device(Json::driver("spapr-tpm-proxy").put("id", alias_of(tpm)).put("host-path", path))
}

fn module(b: &mut Builder<'_>, tpm: &Tree) -> Result<Vec<Piece>> {
    let alias = alias_of(tpm).to_owned();
    let id = format!("tpm-{alias}");
    let mut pieces = Vec::new();
    let back_end = match tpm.attr_at("backend", "type").unwrap_or_default() {
        "passthrough" => {
            let mut words = format!("passthrough,id={id}");
            let path = tpm.attr_at("backend/device", "path").unwrap_or("/dev/tpm0").to_owned();
            let cancel = b.start.paths.get(&format!("{alias}-cancel")).cloned();
            for (option, name, path) in [("path", "tpm", Some(path)), ("cancel-path", "cancel", cancel)] {
                let passed = b.pass(&format!("{alias}-{name}"));
                let path = match passed {
                    Some((piece, path)) => {
                        pieces.push(piece);
                        Some(path)
                    }
                    None => path,
                };
                words.extend(path.map(|path| format!(",{option}={}", comma(&path))));
            }
            words
        }
        "emulator" => {
            let path = b.start.paths.get(&alias).cloned();
            let path = path.ok_or_else(|| unsupported(format!("no emulator runs for '{alias}'")))?;
            pieces.push(socket(Address::Unix(path)));
            format!("emulator,id={id},chardev=chrtpm")
        }
        "external" => {
            let path = tpm.attr_at("backend/source", "path").unwrap_or_default();
            pieces.push(socket(Address::Unix(path.to_owned())));
            format!("emulator,id={id},chardev=chrtpm")
        }
        other => return Err(unsupported(format!("TPM backend '{other}' is not supported"))),
    };
    pieces.push(Piece::Plain("-tpmdev", back_end));
    let model = tpm.attr("model").unwrap_or("tpm-tis");
    // Boards without an ISA bus map it into memory.
    let arm = matches!(crate::complete::arch(b.domain), "aarch64" | "armv7l" | "riscv64" | "loongarch64");
    let driver = if arm && model == "tpm-tis" { "tpm-tis-device" } else { model };
    let json = Json::driver(driver).put("tpmdev", id).put("id", alias);
    pieces.push(Piece::Device(b.place(json, tpm)));
    Ok(pieces)
}

fn socket(address: Address) -> Piece {
    let socket = Socket { address, telnet: None, server: false, wait: false, reconnect: None, tls: None };
    Piece::Chardev(Chardev::of("chrtpm", Backend::Socket(socket)))
}
