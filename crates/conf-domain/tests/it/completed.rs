//! Completed documents of a conformance corpus read and print as themselves. The corpus lies where
//! `FERROVIRT_CORPUS` says; without it nothing is checked.

use conf_domain::{Domain, FormatFlags, ParseFlags};
use std::path::{Path, PathBuf};

/// Documents that must come out as they went in.
const FLOOR: usize = 840;

#[test]
fn completed_documents_are_fixed_points() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("FERROVIRT_CORPUS").map_or(default, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(corpus.join("qemuxmlconf")) else {
        println!("corpus not present, skipped 1 class");
        return;
    };
    let (mut good, mut total) = (0, 0);
    let verbose = std::env::var("VERBOSE").ok();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Results carry the architecture and version behind the name of the case.
        if !name.ends_with(".xml") || name.matches('.').count() < 2 {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        total += 1;
        let flags = FormatFlags::STORED;
        let parsed =
            Domain::parse(&text, ParseFlags { inactive: true, ..ParseFlags::default() }, &mut || [7; 16]);
        match parsed.map(|domain| domain.format(flags)) {
            Ok(printed) if printed == text => good += 1,
            Ok(printed) if verbose.as_deref().is_some_and(|part| name.contains(part)) => {
                println!("--- {name}");
                for (a, b) in text.lines().zip(printed.lines()).filter(|(a, b)| a != b).take(3) {
                    println!("-{a}\n+{b}");
                }
            }
            Err(error) if verbose.as_deref().is_some_and(|part| name.contains(part)) => {
                println!("--- {name}: {error}");
            }
            _ => {}
        }
    }
    println!("{good} of {total} completed documents are fixed points");
    assert!(good >= FLOOR.min(total));
}
