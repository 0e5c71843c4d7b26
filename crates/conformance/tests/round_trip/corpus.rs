//! Every document of a conformance corpus that can be read at all. The corpus lies where `FERROVIRT_CORPUS` says; without it
//! nothing is checked.
//!
//! `VERBOSE=PART` shows the differences of documents whose path has that part.

use crate::KINDS;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.to_string_lossy().ends_with(".xml") {
            found.push(path);
        }
    }
}

fn difference(first: &str, second: &str) -> String {
    let pair = first.lines().zip(second.lines()).find(|(one, other)| one != other);
    pair.map_or("one is longer".to_owned(), |(one, other)| format!("\n-{one}\n+{other}"))
}

fn leaves_bus_open(root: xml::Node<'_>) -> bool {
    let mut disks = root.child("devices").into_iter().flat_map(|devices| devices.children("disk"));
    disks.any(|disk| disk.child("target").is_some_and(|target| target.attr("bus").is_none()))
}

#[test]
fn printed_documents_are_fixed_points() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("FERROVIRT_CORPUS").map_or(default, PathBuf::from);
    let mut paths = Vec::new();
    documents(&corpus, &mut paths);
    if paths.is_empty() {
        println!("corpus not present, skipped {} kinds of documents", KINDS.len());
        return;
    }
    paths.sort();
    let verbose = std::env::var("VERBOSE").ok();
    let mut counts: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    let mut moved = Vec::new();
    for path in paths {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Ok(document) = xml::Document::parse(&text) else { continue };
        let name = document.root().name().to_owned();
        for (_, how, pass) in KINDS.iter().filter(|(kind, ..)| *kind == name) {
            let Ok(first) = pass(&text) else { continue };
            let count =
                counts.entry((KINDS.iter().find(|(kind, ..)| *kind == name).unwrap().0, how)).or_default();
            count.0 += 1;
            count.1 += 1;
            let what = match pass(&first) {
                Ok(second) if second == first => continue,
                // Disks stand by buses as far as these were told, so that a second reading may move them once more; the
                // reference does the same.
                Ok(second) if leaves_bus_open(document.root()) && pass(&second).as_ref() == Ok(&second) => {
                    continue;
                }
                Ok(second) => difference(&first, &second),
                Err(error) => format!("refused: {error}"),
            };
            count.1 -= 1;
            let shown = path.strip_prefix(&corpus).unwrap_or(&path).display().to_string();
            if verbose.as_deref().is_some_and(|part| shown.contains(part)) {
                println!("--- {shown} ({how}): {what}");
            }
            moved.push(format!("{shown} ({how})"));
        }
    }
    for ((kind, how), (read, fixed)) in &counts {
        println!("{kind} {how}: {fixed} of {read}");
    }
    assert!(
        moved.is_empty(),
        "{} documents change when they are read again:\n{}",
        moved.len(),
        moved.join("\n")
    );
}
