//! Virtual ports: host adapters that a real one makes on its fibre channel.

use crate::tree::{Known, Snapshot};
use crate::{Driver, FROM, error, internal, unsupported};
use base::object::NodeDeviceRef;
use base::{Error, ErrorCode, Result};
use conf_nodedev::capability::scsi::Host;
use conf_nodedev::{Capability, Device, Kind};

/// A host adapter.
pub(crate) fn adapter(device: &Device) -> Option<&Host> {
    device.capabilities.iter().find_map(|capability| match capability {
        Capability::ScsiHost(host) => Some(host),
        _ => None,
    })
}

/// The adapter with these world wide names.
pub(crate) fn by_names<'s>(devices: &'s Snapshot, wwnn: &str, wwpn: &str) -> Option<&'s Known> {
    devices.values().find(|known| {
        let names = adapter(&known.device).and_then(|host| host.fibre_channel.as_ref());
        names.is_some_and(|names| names.wwnn.as_deref() == Some(wwnn) && names.wwpn.as_deref() == Some(wwpn))
    })
}

impl Driver {
    /// The adapter that a document asks for as the parent of a new port.
    fn port_parent(&self, wanted: &Device) -> Result<Known> {
        let now = self.tree.snapshot();
        let names = &wanted.parent_names;
        let found = match (&wanted.parent, &names.wwnn, &names.wwpn, &names.fabric_wwn) {
            (Some(name), ..) => now.get(name),
            (None, Some(wwnn), Some(wwpn), _) => by_names(&now, wwnn, wwpn),
            (None, _, _, Some(fabric)) => now.values().find(|known| {
                let names = adapter(&known.device).and_then(|host| host.fibre_channel.as_ref());
                names.is_some_and(|names| names.fabric_wwn.as_ref() == Some(fabric))
            }),
            _ => {
                let able = now.values().find(|known| known.device.is(Kind::Vports));
                return able.cloned().ok_or_else(|| internal("Could not find any vport capable device"));
            }
        };
        let found = found.cloned();
        let missing = || internal(format!("Could not find parent device for '{}'", wanted.name));
        let found = found.ok_or_else(missing)?;
        if !found.device.is(Kind::Vports) {
            let text = format!("Parent device {} is not capable of vport operations", found.device.name);
            return Err(internal(text));
        }
        Ok(found)
    }

    fn operate(&self, host: &Host, file: &str, names: &str) -> Result<()> {
        let number = host.host.unwrap_or_default();
        let folders = ["sys/class/fc_host", "sys/class/scsi_host"];
        let paths = folders.map(|folder| self.root.join(format!("{folder}/host{number}/{file}")));
        let path = paths.iter().find(|path| path.exists());
        let path = path
            .ok_or_else(|| internal(format!("vport operation '{file}' is not supported for host{number}")))?;
        std::fs::write(path, names).map_err(|error| {
            let text =
                format!("Write of '{names}' to '{}' during vport create/delete failed", path.display());
            Error::system(FROM, &error, text)
        })
    }

    /// Makes a port.
    pub(crate) fn create_port(&self, wanted: &Device) -> Result<NodeDeviceRef> {
        let parent = self.port_parent(wanted)?;
        let host = adapter(&parent.device).ok_or_else(|| unsupported("Unsupported device type"))?;
        let names = adapter(wanted).and_then(|host| host.fibre_channel.clone()).unwrap_or_default();
        // Numbers of the kind that everyone may give themselves; the first four bits say so.
        let random = |prefix: &str| {
            let bytes = host::random::bytes::<4>();
            bytes.iter().fold(prefix.to_owned(), |text, byte| format!("{text}{byte:02x}"))
        };
        let wwnn = names.wwnn.unwrap_or_else(|| random("50014a00"));
        let wwpn = names.wwpn.unwrap_or_else(|| random("50014a00"));
        self.operate(host, "vport_create", &format!("{wwpn}:{wwnn}"))?;
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let now = self.tree.now();
            if let Some(known) = by_names(&now, &wwnn, &wwpn) {
                return Ok(NodeDeviceRef { name: known.device.name.clone() });
            }
            if std::time::Instant::now() > end {
                let text = format!(
                    "no node device for '{}' with matching wwnn '{wwnn}' and wwpn '{wwpn}'",
                    wanted.name
                );
                return Err(error(ErrorCode::NO_NODE_DEVICE, text));
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Removes a port.
    pub(crate) fn destroy_port(&self, known: &Known) -> Result<()> {
        let names = adapter(&known.device).and_then(|host| host.fibre_channel.as_ref());
        let names = names.and_then(|names| Some((names.wwnn.as_ref()?, names.wwpn.as_ref()?)));
        let (wwnn, wwpn) = names.ok_or_else(|| internal("Device is not a fibre channel HBA"))?;
        let parent = self.find(known.device.parent.as_deref().unwrap_or_default())?;
        let host = adapter(&parent.device);
        let host = host.filter(|host| host.vports.is_some()).ok_or_else(|| {
            internal(format!("Parent device {} is not capable of vport operations", parent.device.name))
        })?;
        self.operate(host, "vport_delete", &format!("{wwpn}:{wwnn}"))
    }
}
