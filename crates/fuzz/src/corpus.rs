//! The inputs to begin with.

use crate::targets::Target;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Folder of a target's inputs.
pub fn folder(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The inputs of a target: its files in the order of their names, and those it makes itself.
pub fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder(target)).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    let mut inputs: Vec<Vec<u8>> = paths.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    inputs.extend((target.seeds)());
    inputs
}

/// The words of the inputs and those the target knows besides.
pub fn words(target: &Target, inputs: &[Vec<u8>]) -> Vec<String> {
    let mut words: BTreeSet<String> = (target.words)().into_iter().collect();
    for input in inputs {
        let text = String::from_utf8_lossy(input);
        let found = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        words.extend(found.filter(|word| (2..40).contains(&word.len())).map(str::to_owned));
    }
    words.into_iter().collect()
}
