//! Floors: how many cases of a class must pass. They only rise.
//!
//! The file has one `name passed` a line, name being a class or `class:part`; `#` begins a comment.

use crate::walk::ClassResult;
use std::collections::BTreeMap;
use std::path::Path;

fn read(path: &Path) -> Result<BTreeMap<String, usize>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut floors = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let parsed =
            line.split_once(' ').and_then(|(name, n)| Some((name.to_owned(), n.trim().parse().ok()?)));
        let (name, floor) =
            parsed.ok_or_else(|| format!("{}:{}: 'name passed' expected", path.display(), number + 1))?;
        floors.insert(name, floor);
    }
    Ok(floors)
}

fn achieved(results: &[ClassResult]) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for class in results {
        names.insert(class.name.clone(), class.count.passed);
        for (part, count) in &class.parts {
            names.insert(format!("{}:{part}", class.name), count.passed);
        }
    }
    names
}

/// Whether every class that ran is at its floor; prints those that are not.
pub(crate) fn hold(path: &Path, results: &[ClassResult]) -> Result<bool, String> {
    let achieved = achieved(results);
    let mut good = true;
    for (name, floor) in read(path)? {
        if let Some(passed) = achieved.get(&name)
            && *passed < floor
        {
            println!("below the floor: {name} {passed} < {floor}");
            good = false;
        }
    }
    Ok(good)
}

/// Raises the floors to what was achieved; none is lowered.
pub(crate) fn raise(path: &Path, results: &[ClassResult]) -> Result<(), String> {
    let mut floors = if path.exists() { read(path)? } else { BTreeMap::new() };
    for (name, passed) in achieved(results).into_iter().filter(|(_, passed)| *passed > 0) {
        let floor = floors.entry(name).or_default();
        *floor = passed.max(*floor);
    }
    let mut text = "# Cases that must pass, per class. Raised by `cargo xtask conformance --write-floors`; never lowered.\n"
        .to_owned();
    for (name, floor) in floors {
        text.push_str(&format!("{name} {floor}\n"));
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
