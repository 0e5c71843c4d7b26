//! Choosing firmware by its descriptors (QEMU's `docs/interop/firmware.json`).
//!
//! Descriptors are asked in their order; the first that serves the machine, has what is asked for and nothing that is
//! refused is taken. Images in raw format come before others, unless the definition names a format.

use crate::complete::{arch, machine, unsupported};
use base::Result;
use conf_domain::Domain;
use serde_json::Value;
use xml::Tree;

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

/// What is installed, and where stores of variables are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firmware {
    /// Descriptors in their order.
    pub descriptors: Vec<Descriptor>,
    /// Folder of the guests' variable stores.
    pub nvram_dir: String,
}

impl Descriptor {
    /// Reads a descriptor; `None` when it is none.
    pub fn parse(text: &str) -> Option<Descriptor> {
        let document: Value = serde_json::from_str(text).ok()?;
        let words = |value: Option<&Value>| -> Vec<String> {
            let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mapping = document.get("mapping")?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let file = |name: &str| {
            let value = mapping.get(name)?;
            Some((text(value, "filename")?, text(value, "format").unwrap_or_else(|| "raw".to_owned())))
        };
        let device = text(mapping, "device")?;
        let image = match device.as_str() {
            "flash" => file("executable")?,
            _ => (text(mapping, "filename")?, "raw".to_owned()),
        };
        let targets =
            document.get("targets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Some(Descriptor {
            interfaces: words(document.get("interface-types")),
            mode: text(mapping, "mode").unwrap_or_else(|| "split".to_owned()),
            template: file("nvram-template"),
            targets: targets
                .iter()
                .filter_map(|target| Some((text(target, "architecture")?, words(target.get("machines")))))
                .collect(),
            features: words(document.get("features")),
            device,
            image,
        })
    }

    fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|own| own == feature)
    }

    fn serves(&self, arch: &str, machine: &str) -> bool {
        self.targets.iter().any(|(target, machines)| {
            (target == arch || target == "i386" && arch == "i686")
                && machines.iter().any(|pattern| glob(pattern, machine))
        })
    }
}

/// A pattern with `*` for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => {
            let Some(left) = text.strip_prefix(head) else { return false };
            (0..=left.len()).filter(|at| left.is_char_boundary(*at)).any(|at| glob(rest, &left[at..]))
        }
    }
}

/// What the definition asks of its firmware.
struct Wanted {
    interface: &'static str,
    /// Features that must or must not be there.
    features: Vec<(String, bool)>,
    secure: Option<bool>,
    smm: Option<bool>,
    format: Option<String>,
    stateless: bool,
}

fn truth(text: Option<&str>) -> Option<bool> {
    text.map(|text| matches!(text, "yes" | "on"))
}

impl Wanted {
    fn of(domain: &Domain) -> Option<Wanted> {
        let os = domain.tree.child("os")?;
        let interface = match os.attr("firmware")? {
            "efi" => "uefi",
            "bios" => "bios",
            _ => return None,
        };
        let asked = os.child("firmware").map(|firmware| {
            firmware
                .all("feature")
                .filter_map(|feature| {
                    Some((feature.attr("name")?.to_owned(), truth(feature.attr("enabled"))?))
                })
                .collect()
        });
        Some(Wanted {
            interface,
            features: asked.unwrap_or_default(),
            secure: truth(os.attr_at("loader", "secure")),
            smm: truth(domain.tree.attr_at("features/smm", "state")),
            format: os
                .attr_at("loader", "format")
                .or_else(|| os.attr_at("nvram", "format"))
                .map(str::to_owned),
            stateless: truth(os.attr_at("loader", "stateless")).unwrap_or(false),
        })
    }

    fn fits(&self, descriptor: &Descriptor) -> bool {
        let needs_smm = descriptor.has("requires-smm");
        descriptor.interfaces.iter().any(|own| own == self.interface)
            && self.features.iter().all(|(name, wanted)| descriptor.has(name) == *wanted)
            && self.secure.is_none_or(|secure| secure == needs_smm)
            && !(needs_smm && self.smm == Some(false))
            && (descriptor.device != "flash" || (descriptor.mode == "stateless") == self.stateless)
            && !(descriptor.device == "flash" && descriptor.mode == "split" && descriptor.template.is_none())
            && !["amd-sev", "intel-tdx"]
                .iter()
                .any(|own| descriptor.has(own) && descriptor.device == "memory")
    }
}

/// Fills in the firmware of a definition that leaves the choice to us.
///
/// # Errors
/// When no descriptor fits.
pub(crate) fn choose(domain: &mut Domain, firmware: &Firmware) -> Result<()> {
    let Some(wanted) = Wanted::of(domain) else { return Ok(()) };
    let named = domain.tree.at("os/loader").is_some_and(|loader| !loader.body().is_empty());
    if named {
        return Ok(());
    }
    let fits = |descriptor: &&Descriptor| {
        descriptor.serves(arch(domain), machine(domain)) && wanted.fits(descriptor)
    };
    let of_format = |format: &str| {
        firmware.descriptors.iter().filter(fits).find(|descriptor| descriptor.image.1 == format)
    };
    let found = match &wanted.format {
        Some(format) => of_format(format),
        None => of_format("raw").or_else(|| firmware.descriptors.iter().find(fits)),
    };
    let Some(found) = found.cloned() else {
        let name = domain.tree.child("os").and_then(|os| os.attr("firmware")).unwrap_or_default();
        return Err(base::Error::new(
            base::ErrorCode::OPERATION_FAILED,
            base::ErrorDomain::QEMU,
            format!("Unable to find '{name}' firmware that is compatible with the current configuration"),
        ));
    };
    if found.device == "kernel" {
        return Err(unsupported("firmware that is started as a kernel is not supported"));
    }
    let name = domain.name.clone();
    let os = domain.tree.child_or_new("os");
    if wanted.interface == "uefi" {
        let list = os.child_or_new("firmware");
        for feature in ["enrolled-keys", "secure-boot"] {
            if !list.all("feature").any(|known| known.is("name", feature)) {
                let enabled = if found.has(feature) { "yes" } else { "no" };
                list.children.push(Tree::new("feature").with("enabled", enabled).with("name", feature));
            }
        }
        list.children.sort_by(|a, b| a.attr("name").cmp(&b.attr("name")));
    }
    let loader = os.child_or_new("loader");
    loader.text = Some(found.image.0.clone());
    if found.device == "flash" {
        loader.default_to("readonly", "yes");
        loader.set("type", "pflash");
        loader.set("format", found.image.1.clone());
        if found.has("requires-smm") {
            loader.set("secure", "yes");
        }
    } else {
        loader.set("type", "rom");
        loader.set("format", "raw");
    }
    let template = found.template.as_ref().filter(|_| found.mode == "split");
    if let Some((template, format)) = template {
        let nvram = os.child_or_new("nvram");
        nvram.default_to("template", template);
        nvram.default_to("templateFormat", format);
        nvram.default_to("format", format);
        if nvram.body().is_empty() && nvram.child("source").is_none() {
            let suffix = if nvram.is("format", "qcow2") { "qcow2" } else { "fd" };
            nvram.text = Some(format!("{}/{name}_VARS.{suffix}", firmware.nvram_dir));
        }
    }
    if found.has("requires-smm") {
        domain.tree.child_or_new("features").child_or_new("smm").set("state", "on");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("pc-q35-*", "pc-q35-10.0", true),
            ("pc", "pc", true),
            ("*", "", true),
            ("pc-*-x", "pc-a-y", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
