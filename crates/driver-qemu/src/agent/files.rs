//! File systems of a guest.

use super::malformed;
use crate::guest::Guest;
use crate::{Driver, check_flags, error};
use api::domain_agent::{DomainFsinfo, DomainGetFsinfoRet};
use base::object::DomainRef;
use base::{ErrorCode, Result};
use conf_domain::Domain;
use qga::answer::{Place, filesystems};
use serde_json::{Value as Json, json};
use xml::Tree;

fn number(element: Option<&Tree>, name: &str) -> u32 {
    let text = element.and_then(|element| element.attr(name)).unwrap_or("0");
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

fn pci(device: &Tree) -> Option<(u32, u32, u32, u32)> {
    let address = device.child("address").filter(|address| address.is("type", "pci"));
    address?;
    Some((
        number(address, "domain"),
        number(address, "bus"),
        number(address, "slot"),
        number(address, "function"),
    ))
}

/// The target of the disk that the guest sees at a place.
pub(super) fn disk_at<'d>(domain: &'d Domain, place: &Place) -> Option<&'d str> {
    let wanted_bus = match place.kind.as_str() {
        "ide" | "fdc" | "scsi" | "virtio" | "usb" | "sata" => place.kind.as_str(),
        "nvme" | "spdm" => return None,
        other => other,
    };
    let fits = |disk: &&Tree| {
        if disk.attr_at("target", "bus") != Some(wanted_bus) {
            return false;
        }
        if let Some(ccw) = place.ccw.filter(|_| disk.attr_at("address", "type") == Some("ccw")) {
            let address = disk.child("address");
            return (number(address, "cssid"), number(address, "ssid"), number(address, "devno")) == ccw;
        }
        match disk.attr_at("address", "type") {
            Some("pci") => place.pci.is_some() && pci(disk) == place.pci,
            Some("drive") => {
                let address = disk.child("address");
                let own = (number(address, "bus"), number(address, "target"), number(address, "unit"));
                let controller = domain.all("controller").find(|controller| {
                    controller.is("type", wanted_bus)
                        && controller.attr("index") == address.and_then(|address| address.attr("controller"))
                });
                // Controllers that are part of the board are where the board has them.
                let there =
                    place.pci.is_none() || controller.is_none_or(|c| pci(c).is_none() || pci(c) == place.pci);
                own == place.unit && there
            }
            _ => false,
        }
    };
    domain.all("disk").find(fits)?.attr_at("target", "dev")
}

impl Driver {
    pub(super) fn trim(
        &self,
        dom: &DomainRef,
        mountpoint: Option<&str>,
        minimum: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainFSTrim")?;
        if mountpoint.is_some() {
            let text = "Specifying mount point is not supported for now";
            return Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, text));
        }
        let live = self.find(dom)?.live()?;
        live.agent_command("guest-fstrim", &json!({"minimum": minimum})).map(drop)
    }

    pub(super) fn freeze(&self, dom: &DomainRef, mountpoints: &[String], flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainFSFreeze")?;
        let live = self.find(dom)?.live()?;
        let (command, arguments) = if mountpoints.is_empty() {
            ("guest-fsfreeze-freeze", Json::Null)
        } else {
            ("guest-fsfreeze-freeze-list", json!({"mountpoints": mountpoints}))
        };
        count(command, &live.agent_command(command, &arguments)?)
    }

    /// Freezes the file systems of a guest for a moment.
    pub(crate) fn freeze_guest(&self, guest: &Guest) -> Result<()> {
        let live = guest.live()?;
        live.agent_command("guest-fsfreeze-freeze", &Json::Null).map(drop)
    }

    /// Thaws them again.
    pub(crate) fn thaw_guest(&self, guest: &Guest) {
        let thawed = guest.live().and_then(|live| live.agent_command("guest-fsfreeze-thaw", &Json::Null));
        if let Err(cause) = thawed {
            log::error!("the file systems of guest '{}' stay frozen: {cause}", guest.value().name);
        }
    }

    pub(super) fn thaw(&self, dom: &DomainRef, mountpoints: &[String], flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainFSThaw")?;
        if !mountpoints.is_empty() {
            let text = "specifying mountpoints is not supported";
            return Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, text));
        }
        let live = self.find(dom)?.live()?;
        count("guest-fsfreeze-thaw", &live.agent_command("guest-fsfreeze-thaw", &Json::Null)?)
    }

    pub(super) fn file_systems(&self, dom: &DomainRef, flags: u32) -> Result<DomainGetFsinfoRet> {
        check_flags(flags, 0, "qemuDomainGetFSInfo")?;
        let live = self.find(dom)?.live()?;
        let answer = live.agent_command("guest-get-fsinfo", &Json::Null)?;
        let found = filesystems(&answer);
        let info = |system: qga::answer::Filesystem| DomainFsinfo {
            dev_aliases: system
                .disks
                .iter()
                .filter_map(|disk| disk_at(&live.domain, &disk.place).map(str::to_owned))
                .collect(),
            mountpoint: system.mountpoint,
            name: system.name,
            fstype: system.kind,
        };
        let info: Vec<DomainFsinfo> = found.into_iter().map(info).collect();
        let ret = info.len() as u32;
        Ok(DomainGetFsinfoRet { info, ret })
    }
}

/// How many file systems the agent has dealt with.
fn count(command: &str, answer: &Json) -> Result<i32> {
    answer.as_i64().and_then(|count| count.try_into().ok()).ok_or_else(|| malformed(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_by_their_places() {
        let text = "<domain type='qemu'><name>a</name><memory>1</memory><os><type arch='x86_64'>hvm</type></os><devices>\
            <disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/><address type='pci' slot='0x04'/></disk>\
            <disk type='file'><source file='/b'/><target dev='hdb' bus='ide'/>\
            <address type='drive' controller='0' bus='0' target='0' unit='1'/></disk></devices></domain>";
        let flags = conf_domain::ParseFlags { skip_validate: true, ..conf_domain::ParseFlags::default() };
        let domain = Domain::parse(text, flags, &mut || [0; 16]).unwrap();
        let virtio = Place { kind: "virtio".into(), pci: Some((0, 0, 4, 0)), ..Place::default() };
        assert_eq!(disk_at(&domain, &virtio), Some("vda"));
        let ide = Place { kind: "ide".into(), pci: Some((0, 0, 1, 1)), unit: (0, 0, 1), ccw: None };
        assert_eq!(disk_at(&domain, &ide), Some("hdb"));
        assert_eq!(disk_at(&domain, &Place { kind: "usb".into(), ..Place::default() }), None);
    }
}
