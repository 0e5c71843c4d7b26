//! The procedures.

use crate::tree::{Known, Snapshot};
use crate::{Driver, FROM, check_flags, error, unsupported, vport};
use api::consts::connect_list_all_node_device as filter;
use api::node_device::ConnectListAllNodeDevicesRet;
use api::{Call, NodeDevice};
use base::error::Fields;
use base::object::NodeDeviceRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_nodedev::device::FormatFlags;
use conf_nodedev::{Device, Kind, Origin};
use std::sync::Arc;

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Bits that ask for kinds of devices.
const KINDS: u32 = (1 << 24) - 1;

/// Whether a device passes a pair of filter bits: none or both filter nothing.
fn passes(flags: u32, with: u32, without: u32, holds: bool) -> bool {
    match (flags & with != 0, flags & without != 0) {
        (true, false) => holds,
        (false, true) => !holds,
        _ => true,
    }
}

fn listed(known: &Known, flags: u32) -> bool {
    let kinds = flags & KINDS;
    (kinds == 0 || known.device.kinds().iter().any(|kind| kinds & kind.bit() != 0))
        && passes(flags, filter::PERSISTENT, filter::TRANSIENT, known.persistent)
        && passes(flags, filter::ACTIVE, filter::INACTIVE, known.active)
}

impl Driver {
    /// All devices, as they are now.
    fn devices(&self) -> Snapshot {
        let before = self.tree.snapshot();
        self.read_defined(false);
        if before.is_empty() { before } else { self.tree.now() }
    }

    /// The device a client means.
    pub(crate) fn find(&self, name: &str) -> Result<Known> {
        let found = self.devices().get(name).cloned();
        found.ok_or_else(|| {
            error(ErrorCode::NO_NODE_DEVICE, format!("no node device with matching name '{name}'"))
        })
    }

    /// The names of active devices of a kind; of all when none is named.
    fn names(&self, kind: Option<&str>) -> Vec<String> {
        let devices = self.devices();
        let fits = |known: &&Known| {
            let kinds = kind.map(|word| Kind::parse(word).is_some_and(|kind| known.device.is(kind)));
            known.active && kinds.unwrap_or(true)
        };
        devices.values().filter(fits).map(|known| known.device.name.clone()).collect()
    }

    /// A device as it is this moment: counters and states of running ones are read again.
    fn fresh(&self, known: &Known) -> Arc<Device> {
        let path = known.device.sysfs_path.as_deref().filter(|_| known.active);
        let again = path.and_then(|path| self.describer.device(path, &|path| self.tree.at(path)));
        let Some(again) = again.filter(|again| again.name == known.device.name) else {
            return known.device.clone();
        };
        if known.persistent {
            return crate::mediated::merged(known, &Known::of_kernel(again)).device;
        }
        Arc::new(again)
    }

    /// The kinds of a device by name, those within others included.
    fn words(&self, name: &str) -> Result<Vec<String>> {
        let known = self.find(name)?;
        Ok(known.device.kinds().into_iter().map(|kind| kind.as_str().to_owned()).collect())
    }
}

impl NodeDevice for Driver {
    fn node_num_of_devices(&self, _cx: &Call, cap: Option<&str>, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "nodeNumOfDevices")?;
        Ok(count(self.names(cap).len()).cast_signed())
    }

    fn node_list_devices(
        &self,
        _cx: &Call,
        cap: Option<&str>,
        maxnames: i32,
        flags: u32,
    ) -> Result<Vec<String>> {
        check_flags(flags, 0, "nodeListDevices")?;
        let most = usize::try_from(maxnames).unwrap_or(0);
        Ok(self.names(cap).into_iter().take(most).collect())
    }

    fn connect_list_all_node_devices(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllNodeDevicesRet> {
        let states = filter::PERSISTENT | filter::TRANSIENT | filter::ACTIVE | filter::INACTIVE;
        check_flags(flags, KINDS | states, "nodeConnectListAllNodeDevices")?;
        let snapshot = self.devices();
        let found = snapshot.values().filter(|known| listed(known, flags));
        let devices: Vec<NodeDeviceRef> =
            found.map(|known| NodeDeviceRef { name: known.device.name.clone() }).collect();
        let ret = count(devices.len());
        let devices = if need_results != 0 { devices } else { Vec::new() };
        Ok(ConnectListAllNodeDevicesRet { devices, ret })
    }

    fn node_device_lookup_by_name(&self, _cx: &Call, name: &str) -> Result<NodeDeviceRef> {
        self.find(name).map(|known| NodeDeviceRef { name: known.device.name.clone() })
    }

    fn node_device_lookup_scsi_host_by_wwn(
        &self,
        _cx: &Call,
        wwnn: &str,
        wwpn: &str,
        flags: u32,
    ) -> Result<NodeDeviceRef> {
        check_flags(flags, 0, "nodeDeviceLookupSCSIHostByWWN")?;
        let devices = self.devices();
        let found = vport::by_names(&devices, wwnn, wwpn);
        found.map(|known| NodeDeviceRef { name: known.device.name.clone() }).ok_or_else(nameless)
    }

    fn node_device_get_xml_desc(&self, _cx: &Call, name: &str, flags: u32) -> Result<String> {
        check_flags(flags, 1, "nodeDeviceGetXMLDesc")?;
        let known = self.find(name)?;
        let inactive = flags & 1 != 0;
        if inactive && !known.persistent {
            let text = format!("node device '{name}' is not persistent");
            return Err(Error::operation_invalid(FROM, text));
        }
        // The definition is what there is of a device that is not running.
        Ok(self.fresh(&known).format(FormatFlags { inactive: inactive || !known.active }))
    }

    fn node_device_get_parent(&self, _cx: &Call, name: &str) -> Result<Option<String>> {
        Ok(self.find(name)?.device.parent.clone())
    }

    fn node_device_num_of_caps(&self, _cx: &Call, name: &str) -> Result<i32> {
        Ok(count(self.words(name)?.len()).cast_signed())
    }

    fn node_device_list_caps(&self, _cx: &Call, name: &str, maxnames: i32) -> Result<Vec<String>> {
        let most = usize::try_from(maxnames).unwrap_or(0);
        Ok(self.words(name)?.into_iter().take(most).collect())
    }

    fn node_device_dettach(&self, _cx: &Call, name: &str) -> Result<()> {
        self.detach(name, None)
    }

    fn node_device_detach_flags(
        &self,
        _cx: &Call,
        name: &str,
        driver_name: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        if flags != 0 {
            return Err(Error::unsupported_flags(ErrorDomain::QEMU, "qemuNodeDeviceDetachFlags", flags));
        }
        self.detach(name, driver_name)
    }

    fn node_device_re_attach(&self, _cx: &Call, name: &str) -> Result<()> {
        self.reattach(name)
    }

    fn node_device_reset(&self, _cx: &Call, name: &str) -> Result<()> {
        self.reset(name)
    }

    fn node_device_create_xml(&self, _cx: &Call, xml_desc: &str, flags: u32) -> Result<NodeDeviceRef> {
        check_flags(flags, 1, "nodeDeviceCreateXML")?;
        let device = Device::parse(xml_desc, Origin::New, flags & 1 != 0)?;
        if device.is(Kind::Mdev) {
            let address = self.placed(&device)?;
            return self.create_mediated(&device, &address);
        }
        if device.is(Kind::ScsiHost) { self.create_port(&device) } else { Err(strange()) }
    }

    fn node_device_define_xml(&self, _cx: &Call, xml_desc: &str, flags: u32) -> Result<NodeDeviceRef> {
        check_flags(flags, 1, "nodeDeviceDefineXML")?;
        let device = Device::parse(xml_desc, Origin::New, flags & 1 != 0)?;
        if !device.is(Kind::Mdev) {
            return Err(strange());
        }
        let address = self.placed(&device)?;
        self.define_mediated(&device, &address)
    }

    fn node_device_destroy(&self, _cx: &Call, name: &str) -> Result<()> {
        let known = self.find(name)?;
        if known.device.is(Kind::Mdev) {
            return self.stop_mediated(&known);
        }
        if known.device.is(Kind::ScsiHost) { self.destroy_port(&known) } else { Err(strange()) }
    }

    fn node_device_undefine(&self, _cx: &Call, name: &str, flags: u32) -> Result<()> {
        check_flags(flags, 0, "nodeDeviceUndefine")?;
        self.undefine(name)
    }

    fn node_device_create(&self, _cx: &Call, name: &str, flags: u32) -> Result<()> {
        check_flags(flags, 0, "nodeDeviceCreate")?;
        self.start_mediated(name)
    }

    fn node_device_get_autostart(&self, _cx: &Call, name: &str) -> Result<i32> {
        Ok(self.find(name)?.autostart.into())
    }

    fn node_device_set_autostart(&self, _cx: &Call, name: &str, autostart: i32) -> Result<()> {
        self.set_autostart(name, autostart != 0)
    }

    fn node_device_is_persistent(&self, _cx: &Call, name: &str) -> Result<i32> {
        Ok(self.find(name)?.persistent.into())
    }

    fn node_device_is_active(&self, _cx: &Call, name: &str) -> Result<i32> {
        Ok(self.find(name)?.active.into())
    }

    fn node_device_update(&self, _cx: &Call, name: &str, xml_desc: &str, flags: u32) -> Result<()> {
        check_flags(flags, 3, "nodeDeviceUpdate")?;
        self.update(name, xml_desc, flags)
    }
}

/// No adapter has these names; the reference finds no words for that.
fn nameless() -> Error {
    Error::from_fields(Fields {
        message: "An error occurred, but the cause is unknown".to_owned(),
        ..Error::bare(ErrorCode::INTERNAL_ERROR, ErrorDomain::NONE).into_fields()
    })
}

fn strange() -> Error {
    unsupported("Unsupported device type")
}
