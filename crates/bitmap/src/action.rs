//! Actions of a transaction on bitmaps.

use serde_json::{Value, json};

/// An action; the first member is the node that has the bitmap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Makes a bitmap.
    Add {
        node: String,
        name: String,
        /// It is kept in the image.
        persistent: bool,
        /// It does not record.
        disabled: bool,
        /// Bytes for which one bit stands; `None` leaves it to the emulator.
        granularity: Option<u64>,
    },
    /// Marks what other bitmaps, each a node and a name, have marked.
    Merge { node: String, target: String, sources: Vec<(String, String)> },
    /// Takes a bitmap away.
    Remove { node: String, name: String },
    /// Lets a bitmap record.
    Enable { node: String, name: String },
    /// Stops a bitmap from recording.
    Disable { node: String, name: String },
}

impl Action {
    /// The action as an argument of `transaction`.
    pub fn json(&self) -> Value {
        let of =
            |kind: &str, data: Value| json!({"type": format!("block-dirty-bitmap-{kind}"), "data": data});
        match self {
            Action::Add { node, name, persistent, disabled, granularity } => {
                let mut data =
                    json!({"node": node, "name": name, "persistent": persistent, "disabled": disabled});
                if let Some(granularity) = granularity.filter(|granularity| *granularity != 0) {
                    data["granularity"] = granularity.into();
                }
                of("add", data)
            }
            Action::Merge { node, target, sources } => {
                let sources: Vec<Value> =
                    sources.iter().map(|(node, name)| json!({"node": node, "name": name})).collect();
                of("merge", json!({"node": node, "target": target, "bitmaps": sources}))
            }
            Action::Remove { node, name } => of("remove", json!({"node": node, "name": name})),
            Action::Enable { node, name } => of("enable", json!({"node": node, "name": name})),
            Action::Disable { node, name } => of("disable", json!({"node": node, "name": name})),
        }
    }
}
