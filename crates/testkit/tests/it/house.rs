//! The workspace's dependency graph against the table of rooms in ARCHITECTURE.md, and the rules a grep can check.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Room {
    floor: u32,
    beside: BTreeSet<String>,
}

fn rooms() -> BTreeMap<String, Room> {
    let text = std::fs::read_to_string(testkit::workspace().join("ARCHITECTURE.md")).unwrap();
    let mut rooms = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [floor, room, _, beside] = cells[..]
            && let Ok(floor) = floor.parse()
        {
            let beside = beside
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect();
            rooms.insert(room.trim_matches('`').to_owned(), Room { floor, beside });
        }
    }
    rooms
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(testkit::workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn arrows_point_down() {
    let rooms = rooms();
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(room) = rooms.get(name) else {
            wrong.push(format!("{name} has no row in ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            // Tests may look up: they exercise a room through what stands on it.
            let Some(other) = rooms.get(target).filter(|_| dependency["kind"].is_null()) else { continue };
            if other.floor > room.floor || (other.floor == room.floor && !room.beside.contains(target)) {
                wrong.push(format!("{name} (floor {}) uses {target} (floor {})", room.floor, other.floor));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_keep_the_rules_a_search_can_see() {
    let root = testkit::workspace();
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files);
    let mut wrong = Vec::new();
    for path in files {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let generated = name.contains("/generated/");
        let test = name.contains("/tests/");
        let lines = text.lines().count();
        if lines > 800 && !generated && !test {
            wrong.push(format!("{name}: {lines} lines; split it by noun (800 at most)"));
        }
        if !test && !generated && !text.starts_with("//!") && !text.contains("//!") {
            wrong.push(format!("{name}: no module documentation"));
        }
        let room = name.split('/').nth(1).unwrap_or_default();
        if !matches!(room, "host" | "capi") && text.contains(concat!("unsafe", " {")) {
            wrong.push(format!("{name}: unsafe outside host and capi"));
        }
        for word in ["util", "utils", "helpers", "misc"] {
            if path.file_stem().is_some_and(|stem| stem == word) {
                wrong.push(format!("{name}: '{word}' is no noun that tells the content"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
