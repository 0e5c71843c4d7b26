//! Block nodes by their names: sizes, dirty bitmaps and snapshots of their images (`query-named-block-nodes`).

use super::{Malformed, list, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// A dirty bitmap of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Name; bitmaps without one belong to a job and are left out.
    pub name: String,
    /// Writes are recorded.
    pub recording: bool,
    /// A job uses it.
    pub busy: bool,
    /// It is kept in the image.
    pub persistent: bool,
    /// It was not closed properly, so that it says nothing.
    pub inconsistent: bool,
    /// Bytes for which one bit stands.
    pub granularity: u64,
    /// Bytes that are dirty.
    pub dirty: u64,
}

/// A snapshot inside an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// Name.
    pub name: String,
    /// It holds the state of the guest's memory.
    pub with_state: bool,
}

/// A block node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Bitmaps as they are listed.
    pub bitmaps: Vec<Bitmap>,
    /// Snapshots inside the image.
    pub snapshots: Vec<Inside>,
    /// The image is of the older version of its format, which keeps no bitmaps.
    pub old_qcow2: bool,
    /// Size that a guest sees, in bytes.
    pub capacity: u64,
    /// Size on the disk, in bytes.
    pub physical: u64,
    /// Size of a cluster, in bytes; 0 when the format has none.
    pub cluster: u64,
}

impl Node {
    /// A bitmap by its name.
    pub fn bitmap(&self, name: &str) -> Option<&Bitmap> {
        self.bitmaps.iter().find(|bitmap| bitmap.name == name)
    }
}

/// Block nodes by their names.
pub type Nodes = BTreeMap<String, Node>;

/// Reads the answer.
///
/// # Errors
/// When it is none.
pub fn nodes(answer: &Value) -> Result<Nodes, Malformed> {
    let mut nodes = Nodes::new();
    for value in list(answer, "query-named-block-nodes reply has no list")? {
        if let Some(name) = text(value, "node-name") {
            nodes.insert(name, node(value));
        }
    }
    Ok(nodes)
}

fn node(value: &Value) -> Node {
    let none = Value::Null;
    let image = value.get("image").unwrap_or(&none);
    let size = |name: &str| image.get(name).and_then(Value::as_u64).unwrap_or(0);
    let members =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let compat = image.pointer("/format-specific/data/compat").and_then(Value::as_str);
    Node {
        bitmaps: members(value, "dirty-bitmaps").iter().filter_map(bitmap).collect(),
        snapshots: members(image, "snapshots").iter().filter_map(inside).collect(),
        old_qcow2: compat == Some("0.10"),
        capacity: size("virtual-size"),
        physical: size("actual-size"),
        cluster: size("cluster-size"),
    }
}

fn bitmap(value: &Value) -> Option<Bitmap> {
    let set = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    Some(Bitmap {
        name: text(value, "name")?,
        recording: set("recording"),
        busy: set("busy"),
        persistent: set("persistent"),
        inconsistent: set("inconsistent"),
        granularity: number("granularity"),
        dirty: number("count"),
    })
}

fn inside(value: &Value) -> Option<Inside> {
    let with_state = value.get("vm-state-size").and_then(Value::as_u64).is_some_and(|size| size > 0);
    Some(Inside { name: text(value, "name")?, with_state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_with_everything() {
        let answer = json!([{"node-name": "a", "dirty-bitmaps": [
            {"name": "x", "recording": true, "persistent": true, "busy": false, "granularity": 512, "count": 7},
            {"recording": true}],
            "image": {"virtual-size": 9, "actual-size": 8, "cluster-size": 4,
                "format-specific": {"data": {"compat": "0.10"}},
                "snapshots": [{"name": "s", "vm-state-size": 1}, {"name": "t", "vm-state-size": 0}]}},
            {"drv": "without a name"}]);
        let nodes = nodes(&answer).unwrap();
        let node = &nodes["a"];
        assert_eq!((nodes.len(), node.bitmaps.len(), node.old_qcow2), (1, 1, true));
        assert_eq!((node.capacity, node.physical, node.cluster), (9, 8, 4));
        assert_eq!(node.bitmap("x").map(|bitmap| (bitmap.dirty, bitmap.inconsistent)), Some((7, false)));
        let states: Vec<_> = node.snapshots.iter().map(|inside| inside.with_state).collect();
        assert_eq!(states, [true, false]);
        assert!(super::nodes(&json!({})).is_err());
    }
}
