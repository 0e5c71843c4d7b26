//! Documents of a conformance corpus: what is named `*-invalid.*` does not fit its schema, everything else does. The
//! corpus lies where `FERROVIRT_CORPUS` says; without it nothing is checked.

use schema::Kind;
use std::path::{Path, PathBuf};

/// Names that promise otherwise: these fit.
const FIT: &[&str] = &[
    "disk-cdrom-empty-network-invalid.x86_64-latest.xml",
    "numatune-auto-nodeset-invalid.x86_64-latest.xml",
];

/// Inputs of tests that do not validate, and devices and sections of networks that only look like documents.
const UNFIT: &[&str] =
    &["read-network-conf.xml", "nodeDeviceDef.xml", "qemuhotplug-interface-vdpa.xml", "interface-eth47.xml"];

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "xml") {
            found.push(path);
        }
    }
}

#[test]
fn documents_fit_unless_their_name_says_otherwise() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("FERROVIRT_CORPUS").map_or(default, PathBuf::from);
    let mut paths = Vec::new();
    documents(&corpus, &mut paths);
    if paths.is_empty() {
        println!("corpus not present, skipped its documents");
        return;
    }
    let mut wrong = Vec::new();
    for path in &paths {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let name = path.file_name().unwrap().to_string_lossy();
        let Ok(document) = xml::Document::parse(&text) else { continue };
        // Documents of the drivers' own have no schema.
        let Some(kind) = Kind::of_root(document.root().name()) else { continue };
        let named = name.contains("-invalid.") && !FIT.contains(&name.as_ref());
        let bad = named || UNFIT.contains(&name.as_ref());
        match schema::check(kind, document.root()) {
            Ok(()) if bad => wrong.push(format!("{}: fits", path.display())),
            Err(violation) if !bad => wrong.push(format!("{}: {violation}", path.display())),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
