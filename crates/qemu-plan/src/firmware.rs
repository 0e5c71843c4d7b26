//! Choosing firmware by its descriptors (QEMU's `docs/interop/firmware.json`).
//!
//! Descriptors are asked in their order; the first that serves the machine, has what is asked for and nothing that is
//! refused is taken. A definition that names an image gets what its descriptor says about it. Definitions that are not
//! new get raw images only, as they always did.

use crate::complete::{arch, machine};
use base::Result;
use conf_domain::Domain;
pub use qemu_caps::descriptor::firmware::Descriptor;
use xml::Tree;

/// What is installed, and where stores of variables are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firmware {
    /// Descriptors in their order.
    pub descriptors: Vec<Descriptor>,
    /// Images and their stores that have no descriptors.
    pub pairs: Vec<(String, String)>,
    /// Folder of the guests' variable stores.
    pub nvram_dir: String,
}

impl Firmware {
    /// Firmware by descriptors, and by the pairs that are always known.
    pub fn new(descriptors: Vec<Descriptor>, nvram_dir: String) -> Firmware {
        let pairs =
            OLD_PAIRS.iter().map(|(image, store)| ((*image).to_owned(), (*store).to_owned())).collect();
        Firmware { descriptors, pairs, nvram_dir }
    }
}

fn truth(text: Option<&str>) -> Option<bool> {
    text.map(|text| matches!(text, "yes" | "on"))
}

/// What the definition asks of its firmware.
struct Wanted {
    /// Kind of firmware, when the definition leaves the choice to us.
    interface: Option<&'static str>,
    path: Option<String>,
    template: Option<String>,
    /// Features that must or must not be there.
    features: Vec<(String, bool)>,
    secure: Option<bool>,
    smm: Option<bool>,
    s3: Option<bool>,
    s4: Option<bool>,
    format: Option<String>,
    stateless: Option<bool>,
    kind: Option<String>,
    writable: bool,
}

impl Wanted {
    fn of(domain: &Domain, abi_update: bool) -> Option<Wanted> {
        let os = domain.tree.child("os")?;
        let interface = match os.attr("firmware") {
            Some("efi") => Some("uefi"),
            Some("bios") => Some("bios"),
            _ => None,
        };
        let loader = os.child("loader");
        let path = loader.map(|loader| loader.body().trim().to_owned()).filter(|path| !path.is_empty());
        if interface.is_none() && path.is_none() {
            return None;
        }
        let asked = os.child("firmware").map(|firmware| {
            firmware
                .all("feature")
                .filter_map(|feature| {
                    Some((feature.attr("name")?.to_owned(), truth(feature.attr("enabled"))?))
                })
                .collect()
        });
        // A loader that is named without a format leaves it open.
        let named = match loader {
            Some(loader) => loader.attr("format"),
            None => os.attr_at("nvram", "format"),
        };
        let named = named.map(str::to_owned);
        // Images of old definitions were all raw.
        let old = (!abi_update).then(|| "raw".to_owned());
        Some(Wanted {
            interface,
            path,
            template: os.attr_at("nvram", "template").map(str::to_owned),
            features: asked.unwrap_or_default(),
            secure: truth(os.attr_at("loader", "secure")),
            smm: truth(domain.tree.attr_at("features/smm", "state")),
            s3: truth(domain.tree.attr_at("pm/suspend-to-mem", "enabled")),
            s4: truth(domain.tree.attr_at("pm/suspend-to-disk", "enabled")),
            format: named.or(old),
            stateless: truth(os.attr_at("loader", "stateless")),
            kind: os.attr_at("loader", "type").map(str::to_owned),
            writable: os.attr_at("loader", "readonly") == Some("no"),
        })
    }

    fn fits(&self, descriptor: &Descriptor) -> bool {
        let needs_smm = descriptor.has("requires-smm");
        let kind_fits =
            self.interface.is_none_or(|interface| descriptor.interfaces.iter().any(|own| own == interface));
        let place_fits = match descriptor.device.as_str() {
            "flash" => {
                let mode = if self.stateless == Some(true) { "stateless" } else { "split" };
                self.kind.as_deref().is_none_or(|kind| kind == "pflash")
                    && descriptor.mode == mode
                    && !self.writable
                    && (mode != "split" || descriptor.template.is_some())
                    && self.format.as_deref().is_none_or(|format| descriptor.image.1 == format)
            }
            "memory" => {
                self.kind.as_deref().is_none_or(|kind| kind == "rom")
                    && self.stateless != Some(false)
                    && !self.writable
                    && !descriptor.has("amd-sev")
            }
            _ => false,
        };
        kind_fits
            && place_fits
            && self.path.as_ref().is_none_or(|path| *path == descriptor.image.0)
            && self
                .template
                .as_ref()
                .is_none_or(|path| descriptor.template.as_ref().is_some_and(|(own, _)| own == path))
            && self.features.iter().all(|(name, wanted)| descriptor.has(name) == *wanted)
            && self.secure.is_none_or(|secure| secure == needs_smm)
            && !(needs_smm && self.smm == Some(false))
            && (self.s3 != Some(true) || descriptor.has("acpi-s3"))
            && (self.s4 != Some(true) || descriptor.has("acpi-s4"))
    }
}

/// Whether the store of variables is a file of this host.
fn is_local(nvram: Option<&Tree>) -> bool {
    nvram.and_then(|nvram| nvram.attr("type")).is_none_or(|kind| matches!(kind, "file" | "block" | "dir"))
}

fn find<'f>(domain: &Domain, firmware: &'f Firmware, wanted: &Wanted) -> Option<&'f Descriptor> {
    let fits = |descriptor: &&Descriptor| {
        descriptor.serves(arch(domain), machine(domain)) && wanted.fits(descriptor)
    };
    firmware.descriptors.iter().find(fits)
}

/// Fills in the firmware of a definition: all of it when the definition leaves the choice to us, and what is known about
/// an image that it names.
///
/// What cannot be found for an old definition is looked for again, and refused, when the guest is started.
///
/// # Errors
/// When nothing fits a new definition that leaves the choice to us.
pub(crate) fn choose(domain: &mut Domain, firmware: &Firmware, abi_update: bool) -> Result<()> {
    if let Some(wanted) = Wanted::of(domain, abi_update) {
        match find(domain, firmware, &wanted) {
            Some(found) => fill(domain, &found.clone()),
            None if wanted.interface.is_none() => by_old_list(domain, firmware),
            None if abi_update => return Err(nothing_fits(domain)),
            None => {}
        }
    }
    finish(domain, firmware, abi_update);
    Ok(())
}

/// Refuses a definition whose firmware was to be chosen by us and could not be.
///
/// # Errors
/// When no descriptor fits.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let Some(os) = domain.tree.child("os") else { return Ok(()) };
    match os.attr("firmware") {
        Some(_) if os.child("firmware").is_none() => Err(nothing_fits(domain)),
        _ => Ok(()),
    }
}

fn nothing_fits(domain: &Domain) -> base::Error {
    let name = domain.tree.attr_at("os", "firmware").unwrap_or_default();
    base::Error::new(
        base::ErrorCode::OPERATION_FAILED,
        base::ErrorDomain::QEMU,
        format!("Unable to find '{name}' firmware that is compatible with the current configuration"),
    )
}

fn fill(domain: &mut Domain, found: &Descriptor) {
    let os = domain.tree.child_or_new("os");
    if os.attr("firmware").is_none() {
        let name = if found.interfaces.iter().any(|own| own == "uefi") { "efi" } else { "bios" };
        os.set("firmware", name);
    }
    let local = is_local(os.child("nvram"));
    let flash = found.device == "flash";
    let split = flash && found.mode == "split";
    let list = os.child_or_new("firmware");
    for feature in ["enrolled-keys", "secure-boot"] {
        // Keys are in the store, and what is in another's store is not known.
        if feature == "enrolled-keys" && split && !local {
            continue;
        }
        if !list.all("feature").any(|known| known.is("name", feature)) {
            let enabled = if found.has(feature) { "yes" } else { "no" };
            list.children.push(Tree::new("feature").with("enabled", enabled).with("name", feature));
        }
    }
    list.children.sort_by(|a, b| a.attr("name").cmp(&b.attr("name")));
    let loader = os.child_or_new("loader");
    loader.text = Some(found.image.0.clone());
    if flash {
        loader.default_to("readonly", "yes");
        loader.set("type", "pflash");
        loader.set("format", found.image.1.clone());
    } else {
        loader.set("type", "rom");
        loader.set("format", "raw");
    }
    if found.has("requires-smm") {
        loader.set("secure", "yes");
    }
    if let Some((template, format)) = found.template.as_ref().filter(|_| split && local) {
        let nvram = os.child_or_new("nvram");
        nvram.default_to("template", template);
        nvram.default_to("templateFormat", format);
        if nvram.body().trim().is_empty() && nvram.child("source").is_none() {
            nvram.set("format", format.clone());
        } else {
            nvram.default_to("format", format);
        }
    }
    if found.has("requires-smm") {
        domain.tree.child_or_new("features").child_or_new("smm").set("state", "on");
    }
}

/// Images without descriptors whose stores are known by configuration.
fn by_old_list(domain: &mut Domain, firmware: &Firmware) {
    let os = domain.tree.child_or_new("os");
    let Some(loader) = os.child("loader") else { return };
    if !loader.is("type", "pflash") || !loader.is("readonly", "yes") || loader.is("stateless", "yes") {
        return;
    }
    let path = loader.body().trim();
    let Some((_, template)) = firmware.pairs.iter().find(|(image, _)| image == path) else { return };
    if is_local(os.child("nvram")) {
        let nvram = os.child_or_new("nvram");
        nvram.default_to("template", template);
        nvram.default_to("templateFormat", "raw");
    }
}

/// Formats that are still open are raw, and a store that has no name gets one.
fn finish(domain: &mut Domain, firmware: &Firmware, abi_update: bool) {
    let name = domain.name.clone();
    let os = domain.tree.child_or_new("os");
    let auto = os.attr("firmware").is_some();
    let Some(loader) = os.child_mut("loader") else { return };
    let path = !loader.body().trim().is_empty();
    // Nothing is said of the format of what is copied to memory.
    if path && !loader.is("type", "rom") || !abi_update && auto {
        loader.default_to("format", "raw");
    }
    if path {
        loader.default_to("type", "rom");
    }
    let chosen =
        path && loader.is("type", "pflash") && loader.is("readonly", "yes") && !loader.is("stateless", "yes");
    let format = loader.attr("format").unwrap_or("raw").to_owned();
    if !chosen || auto && os.child("firmware").is_none() {
        return;
    }
    let nvram = os.child_or_new("nvram");
    nvram.default_to("format", &format);
    if is_local(Some(nvram)) && nvram.body().trim().is_empty() && nvram.child("source").is_none() {
        let template =
            nvram.attr("template").and_then(|path| path.rsplit_once('.')).map(|(_, suffix)| suffix);
        let suffix = match template {
            Some(suffix @ ("raw" | "qcow2" | "fd")) if abi_update => suffix,
            _ if nvram.is("format", "qcow2") => "qcow2",
            _ => "fd",
        };
        nvram.text = Some(format!("{}/{name}_VARS.{suffix}", firmware.nvram_dir));
    }
}

/// Images and stores that are known without descriptors, unless the configuration says otherwise.
pub const OLD_PAIRS: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"),
];
