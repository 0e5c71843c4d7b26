//! A device as part of a definition: filled in, placed and checked as if the definition had had it from the start.

use crate::{Driver, FROM};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, ParseFlags};
use qemu_plan::complete;
use xml::Tree;

/// The name of a device while it is looked for among the others.
const MARK: &str = "ua-device-to-be-added";

/// How a device of a running guest is read.
pub(super) const RUNNING: ParseFlags = ParseFlags { inactive: false, ..STORED };

/// How a device of a stored definition is read.
pub(super) const STORED: ParseFlags = ParseFlags::DEFINED;

/// A definition with one more device.
pub(super) struct Fitted {
    /// The definition; the device has no name but one that the client chose.
    pub(super) domain: Domain,
    /// The device's place among the devices.
    pub(super) at: usize,
}

impl Fitted {
    pub(super) fn device(&self) -> &Tree {
        static NONE: std::sync::OnceLock<Tree> = std::sync::OnceLock::new();
        self.domain.devices().get(self.at).unwrap_or_else(|| NONE.get_or_init(|| Tree::new("none")))
    }

    /// The device's place among those of its kind.
    pub(super) fn ordinal(&self) -> usize {
        let kind = &self.device().name;
        self.domain.devices().iter().take(self.at).filter(|other| other.name == *kind).count()
    }
}

/// The name a client chose for a device.
pub(super) fn chosen_name(device: &Tree) -> Option<&str> {
    device.attr_at("alias", "name").filter(|name| name.starts_with("ua-"))
}

/// Whether a device sits on a USB bus.
fn on_usb(device: &Tree) -> bool {
    match device.name.as_str() {
        "disk" => device.attr_at("target", "bus") == Some("usb"),
        "input" | "redirdev" => device.is("bus", "usb"),
        "hostdev" => device.is("mode", "subsystem") && device.is("type", "usb"),
        "hub" => device.is("type", "usb"),
        "serial" => device.attr_at("target", "type") == Some("usb-serial"),
        _ => false,
    }
}

/// Refuses a device whose bus a guest does not have.
pub(super) fn check_bus(domain: &Domain, device: &Tree) -> Result<()> {
    let usb = domain.all("controller").any(|c| c.is("type", "usb") && !c.is("model", "none"));
    if on_usb(device) && !usb {
        let text = "Device configuration is not compatible: Domain has no USB bus support";
        return Err(Error::unsupported(ErrorDomain::DOMAIN, text));
    }
    Ok(())
}

/// Refuses what is completed for a whole definition only, and not for a device that comes alone.
fn check_alone(device: &Tree) -> Result<()> {
    let refuse = |text: String| Err(Error::unsupported(FROM, text));
    if device.name == "video" && !device.child("model").is_some_and(|model| model.is("primary", "yes")) {
        let kind = device.attr_at("model", "type").unwrap_or_default();
        if matches!(kind, "vga" | "cirrus" | "vmvga" | "ramfb") {
            return refuse(format!("video type '{kind}' is only valid as primary video device"));
        }
    }
    let first =
        device.child("address").is_some_and(|address| address.is("type", "ccid") && address.is("slot", "0"));
    if device.name == "smartcard" && !first {
        return refuse("this QEMU binary lacks multiple smartcard support".to_owned());
    }
    Ok(())
}

impl Driver {
    /// Fits a device into a definition.
    pub(super) fn fit(&self, domain: &Domain, device: &Tree, flags: ParseFlags) -> Result<Fitted> {
        self.fit_at(domain, domain.devices().len(), device, flags)
    }

    /// Fits a device into a definition at a place among the others.
    pub(super) fn fit_at(
        &self,
        domain: &Domain,
        place: usize,
        device: &Tree,
        flags: ParseFlags,
    ) -> Result<Fitted> {
        check_alone(device)?;
        if let Some(name) = chosen_name(device) {
            let taken = domain.devices().iter().any(|other| other.attr_at("alias", "name") == Some(name));
            if taken && !flags.skip_validate {
                let text = format!("non unique alias detected: {name}");
                return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::DOMAIN, text));
            }
        }
        let mut device = device.clone();
        let chosen = chosen_name(&device).map(str::to_owned);
        device.remove("alias");
        device.children.push(Tree::new("alias").with("name", MARK));
        let mut fitted = domain.with_device(device, place, flags, &mut host::random::bytes::<16>)?;
        let caps = self.caps_for(&fitted)?;
        let site = self.site(&fitted);
        complete::complete(&mut fitted, &caps, &site, flags)?;
        let marked = |device: &Tree| device.attr_at("alias", "name") == Some(MARK);
        let at = fitted.devices().iter().position(marked);
        let at = at.ok_or_else(|| Error::internal(FROM, "the device is not part of the definition"))?;
        if let Some(device) = fitted.devices_mut().get_mut(at) {
            match chosen {
                Some(name) => device.child_or_new("alias").set("name", name),
                None => device.remove("alias"),
            }
        }
        Ok(Fitted { domain: fitted, at })
    }

    /// Reads a device for what is wrong with it itself, wherever it would fit.
    pub(super) fn read_alone(&self, domain: &Domain, device: &Tree, flags: ParseFlags) -> Result<()> {
        let caps = self.caps_for(domain)?;
        let site = self.site(domain);
        complete::alone::device(domain, device, &caps, &site, flags, &mut host::random::bytes::<16>)?;
        if flags.skip_validate { Ok(()) } else { check_alone(device) }
    }

    /// The device a client describes, with its defaults filled in as far as that goes without a place for it.
    pub(super) fn described(&self, domain: &Domain, given: &Tree) -> Tree {
        let mut around = domain.clone();
        // What would fill its places is not there; buses are.
        around.devices_mut().retain(|device| matches!(device.name.as_str(), "controller" | "emulator"));
        let flags = ParseFlags { skip_validate: true, ..ParseFlags::default() };
        match self.fit(&around, given, flags) {
            Ok(fitted) => fitted.device().clone(),
            Err(cause) => {
                log::debug!("a device is taken as it is described: {cause}");
                given.clone()
            }
        }
    }
}
