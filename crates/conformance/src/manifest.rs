//! Cases as the manifests state them.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// One case: the facts of its manifest line and where its files lie.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) facts: Value,
    corpus: PathBuf,
    support: PathBuf,
    class_dir: PathBuf,
}

impl Case {
    /// A fact that is text.
    pub(crate) fn text(&self, fact: &str) -> Option<&str> {
        self.facts.get(fact)?.as_str()
    }

    /// A fact as it stands; absent and null are the same.
    pub(crate) fn value(&self, fact: &str) -> Option<&Value> {
        self.facts.get(fact).filter(|value| !value.is_null())
    }

    /// A fact that is a truth value; absent is false.
    pub(crate) fn is(&self, fact: &str) -> bool {
        self.facts.get(fact).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A fact that is a list of words; absent is empty.
    pub(crate) fn words(&self, fact: &str) -> Vec<&str> {
        let list = self.facts.get(fact).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    /// What must happen: `success`, `parse-fail` or `fail`.
    pub(crate) fn expect(&self) -> &str {
        self.text("expect").unwrap_or("success")
    }

    /// Contents of the file a fact names.
    pub(crate) fn read(&self, fact: &str) -> Result<String, String> {
        let name = self.text(fact).ok_or_else(|| format!("the case has no {fact}"))?;
        self.read_file(name)
    }

    /// Contents of a file of the corpus, named relative to the corpus or to the class's folder.
    pub(crate) fn read_file(&self, name: &str) -> Result<String, String> {
        let path = self.path(name).ok_or_else(|| format!("{name}: not in the corpus"))?;
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Where a file or folder of the corpus lies.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        [&self.corpus, &self.class_dir, &self.support]
            .iter()
            .map(|root| root.join(name))
            .find(|path| path.exists())
    }
}

/// Reads the manifest of a class.
pub(crate) fn cases(corpus: &Path, support: &Path, class: &str) -> Result<Vec<Case>, String> {
    let class_dir = corpus.join(class);
    let path = class_dir.join("manifest.jsonl");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut cases = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let facts: Value =
            serde_json::from_str(line).map_err(|e| format!("{}:{}: {e}", path.display(), number + 1))?;
        let id = facts.get("id").and_then(Value::as_str).unwrap_or("?").to_owned();
        cases.push(Case {
            id,
            facts,
            corpus: corpus.to_owned(),
            support: support.to_owned(),
            class_dir: class_dir.clone(),
        });
    }
    Ok(cases)
}

/// Names of the classes in a corpus, in order.
pub(crate) fn classes(corpus: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("manifest.jsonl").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}
