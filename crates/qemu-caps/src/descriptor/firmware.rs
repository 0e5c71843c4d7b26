//! Firmware images.

use super::DescriptorError;
use serde_json::{Map, Value, json};

/// Kinds of firmware, e.g. for the interface that guests find.
const INTERFACES: &[&str] = &["bios", "openfirmware", "uboot", "uefi"];

/// Features that are known; others are passed over.
const FEATURES: &[&str] = &[
    "acpi-s3",
    "acpi-s4",
    "amd-sev",
    "amd-sev-es",
    "amd-sev-snp",
    "enrolled-keys",
    "requires-smm",
    "secure-boot",
    "verbose-dynamic",
    "verbose-static",
];

/// One firmware image, as its descriptor tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// `uefi`, `bios`, …
    pub interfaces: Vec<String>,
    /// How it is put into the machine: `flash`, `memory`, `kernel`.
    pub device: String,
    /// `split`, `combined` or `stateless`, for flash.
    pub mode: String,
    /// Image and its format.
    pub image: (String, String),
    /// Variable store to copy and its format.
    pub template: Option<(String, String)>,
    /// Architecture and patterns of machine names.
    pub targets: Vec<(String, Vec<String>)>,
    /// What it can do and needs.
    pub features: Vec<String>,
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn words(value: &Value, name: &'static str) -> Result<Vec<String>, DescriptorError> {
    let list = value.get(name).and_then(Value::as_array).ok_or(DescriptorError::Missing(name))?;
    list.iter().map(|word| word.as_str().map(str::to_owned).ok_or(DescriptorError::Missing(name))).collect()
}

fn file(value: &Value, name: &'static str) -> Result<(String, String), DescriptorError> {
    let value = value.get(name).ok_or(DescriptorError::Missing(name))?;
    Ok((
        text(value, "filename").ok_or(DescriptorError::Missing("filename"))?,
        text(value, "format").ok_or(DescriptorError::Missing("format"))?,
    ))
}

/// A pattern with `*` for any characters and `?` for one.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        (Some((b'?', rest)), Some((_, left))) => glob(rest, left),
        (Some((own, rest)), Some((other, left))) => own == other && glob(rest, left),
        _ => false,
    }
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// When something that must be there is not, or has an unknown word.
    pub fn parse(json: &str) -> Result<Descriptor, DescriptorError> {
        use DescriptorError::{Json, Missing, Unknown};
        let document: Value = serde_json::from_str(json).map_err(|error| Json(error.to_string()))?;
        let interfaces = words(&document, "interface-types")?;
        if let Some(other) = interfaces.iter().find(|own| !INTERFACES.contains(&own.as_str())) {
            return Err(Unknown("interface type", other.clone()));
        }
        let mapping = document.get("mapping").ok_or(Missing("mapping"))?;
        let device = text(mapping, "device").ok_or(Missing("device"))?;
        let (mut mode, mut template) = (String::new(), None);
        let image = match device.as_str() {
            "flash" => {
                mode = text(mapping, "mode").unwrap_or_else(|| "split".to_owned());
                match mode.as_str() {
                    "split" => template = Some(file(mapping, "nvram-template")?),
                    "combined" | "stateless" => {}
                    _ => return Err(Unknown("mode", mode)),
                }
                file(mapping, "executable")?
            }
            "kernel" | "memory" => (text(mapping, "filename").ok_or(Missing("filename"))?, "raw".to_owned()),
            _ => return Err(Unknown("device", device)),
        };
        let targets = document.get("targets").and_then(Value::as_array).ok_or(Missing("targets"))?;
        let target = |target: &Value| {
            let arch = text(target, "architecture").ok_or(Missing("architecture"))?;
            Ok((arch, words(target, "machines")?))
        };
        let features = words(&document, "features")?;
        Ok(Descriptor {
            interfaces,
            device,
            mode,
            image,
            template,
            targets: targets.iter().map(target).collect::<Result<_, _>>()?,
            features: features.into_iter().filter(|own| FEATURES.contains(&own.as_str())).collect(),
        })
    }

    /// The descriptor as JSON, without what is only for people.
    pub fn format(&self) -> Value {
        let mut mapping = Map::new();
        let file = |(name, format): &(String, String)| json!({"filename": name, "format": format});
        mapping.insert("device".to_owned(), json!(self.device));
        if self.device == "flash" {
            mapping.insert("mode".to_owned(), json!(self.mode));
            mapping.insert("executable".to_owned(), file(&self.image));
            if let Some(template) = &self.template {
                mapping.insert("nvram-template".to_owned(), file(template));
            }
        } else {
            mapping.insert("filename".to_owned(), json!(self.image.0));
        }
        let targets = self.targets.iter();
        json!({
            "interface-types": self.interfaces,
            "mapping": mapping,
            "targets": targets
                .map(|(arch, machines)| json!({"architecture": arch, "machines": machines}))
                .collect::<Value>(),
            "features": self.features,
        })
    }

    /// Whether it has a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|own| own == feature)
    }

    /// Whether it is for a machine.
    pub fn serves(&self, arch: &str, machine: &str) -> bool {
        self.targets.iter().any(|(target, machines)| {
            (target == arch || target == "i386" && arch == "i686")
                && machines.iter().any(|pattern| glob(pattern.as_bytes(), machine.as_bytes()))
        })
    }
}

/// Firmware for a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Supported {
    /// Kinds by the names of domain documents: `bios`, `efi`.
    pub kinds: Vec<String>,
    /// Images with their stores of variables.
    pub images: Vec<(String, Option<String>)>,
    /// There is one for secure boot.
    pub secure: bool,
}

/// Firmware for a machine, of all that is installed.
pub fn supported(descriptors: &[Descriptor], arch: &str, machine: &str) -> Supported {
    let mut found = Supported::default();
    let (mut bios, mut efi) = (false, false);
    for descriptor in descriptors.iter().filter(|descriptor| descriptor.serves(arch, machine)) {
        bios |= descriptor.interfaces.iter().any(|own| own == "bios");
        efi |= descriptor.interfaces.iter().any(|own| own == "uefi");
        found.secure |= descriptor.has("requires-smm");
        if descriptor.device == "kernel" {
            continue;
        }
        let store = descriptor.template.as_ref().map(|(path, _)| path.clone());
        let image = (descriptor.image.0.clone(), store);
        if !found.images.contains(&image) {
            found.images.push(image);
        }
    }
    let named = [(bios, "bios"), (efi, "efi")];
    found.kinds = named.iter().filter(|(there, _)| *there).map(|(_, name)| (*name).to_owned()).collect();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("pc-q35-*", "pc-q35-10.0", true),
            ("pc", "pc", true),
            ("p?", "pc", true),
            ("*", "", true),
            ("pc-*-x", "pc-a-y", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn read_and_written() {
        let text = r#"{"description": "d", "interface-types": ["uefi"],
            "mapping": {"device": "flash", "executable": {"filename": "c", "format": "raw"},
                        "nvram-template": {"filename": "v", "format": "raw"}},
            "targets": [{"architecture": "x86_64", "machines": ["pc-*"]}],
            "features": ["requires-smm", "of-the-future"], "tags": []}"#;
        let descriptor = Descriptor::parse(text).unwrap();
        assert_eq!(descriptor.mode, "split");
        assert_eq!(descriptor.features, ["requires-smm"]);
        let again = Descriptor::parse(&descriptor.format().to_string()).unwrap();
        assert_eq!(descriptor, again);
        let found = supported(&[descriptor.clone(), descriptor], "x86_64", "pc-1.0");
        assert_eq!(found.kinds, ["efi"]);
        assert_eq!(found.images, [("c".to_owned(), Some("v".to_owned()))]);
        assert!(found.secure);
        assert_eq!(Descriptor::parse("{}"), Err(DescriptorError::Missing("interface-types")));
    }
}
