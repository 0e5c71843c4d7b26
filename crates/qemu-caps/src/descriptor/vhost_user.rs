//! Programs that play a device.

use super::DescriptorError;
use serde_json::{Value, json};

/// Kinds of devices that a program may play.
const KINDS: &[&str] = &[
    "9p",
    "balloon",
    "block",
    "caif",
    "console",
    "crypto",
    "gpu",
    "input",
    "net",
    "rng",
    "rpmsg",
    "rproc-serial",
    "scsi",
    "vsock",
    "fs",
];

/// One program, as its descriptor tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Kind of the device.
    pub kind: String,
    /// Path of the program.
    pub binary: String,
}

/// What a program said when it was asked for its capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Kind of the device.
    pub kind: String,
    /// What it can do, e.g. `virgl`, `render-node`.
    pub features: Vec<String>,
}

fn text(value: &Value, name: &'static str) -> Result<String, DescriptorError> {
    value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(DescriptorError::Missing(name))
}

fn kind(value: &Value) -> Result<String, DescriptorError> {
    let kind = text(value, "type")?;
    if KINDS.contains(&kind.as_str()) { Ok(kind) } else { Err(DescriptorError::Unknown("type", kind)) }
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// When something that must be there is not, or the kind of device is unknown.
    pub fn parse(json: &str) -> Result<Descriptor, DescriptorError> {
        let document: Value =
            serde_json::from_str(json).map_err(|error| DescriptorError::Json(error.to_string()))?;
        Ok(Descriptor { kind: kind(&document)?, binary: text(&document, "binary")? })
    }

    /// The descriptor as JSON, without what is only for people.
    pub fn format(&self) -> Value {
        json!({"type": self.kind, "binary": self.binary})
    }
}

impl Capabilities {
    /// Reads what a program printed.
    ///
    /// # Errors
    /// When it does not tell the kind of device.
    pub fn parse(json: &str) -> Result<Capabilities, DescriptorError> {
        let document: Value =
            serde_json::from_str(json).map_err(|error| DescriptorError::Json(error.to_string()))?;
        let features = document.get("features").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(Capabilities {
            kind: kind(&document)?,
            features: features.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let text = r#"{"description": "d", "type": "gpu", "binary": "/b", "tags": ["t"]}"#;
        let descriptor = Descriptor::parse(text).unwrap();
        assert_eq!(descriptor.format().to_string(), r#"{"type":"gpu","binary":"/b"}"#);
        let other = r#"{"type": "toaster", "binary": "/b"}"#;
        assert_eq!(Descriptor::parse(other), Err(DescriptorError::Unknown("type", "toaster".into())));
        let said = Capabilities::parse(r#"{"type": "gpu", "features": ["virgl"]}"#).unwrap();
        assert_eq!(said.features, ["virgl"]);
    }
}
