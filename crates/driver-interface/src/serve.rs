//! The procedures.

use crate::describe::{Describer, not_found};
use crate::device::Device;
use crate::{Driver, FROM, check_flags};
use api::consts::connect_list_all_interfaces as filter;
use api::interface::ConnectListAllInterfacesRet;
use api::{Call, Interface};
use base::object::InterfaceRef;
use base::{Error, ErrorCode, Result};

impl Driver {
    fn find(&self, name: &str) -> Result<Device> {
        Device::find(&self.root, name).ok_or_else(|| not_found(name))
    }

    /// Names of the listed interfaces whose link is in a state.
    fn names(&self, state: &str) -> impl Iterator<Item = String> {
        let listed = Device::listed(&self.root).into_iter();
        listed.filter(move |device| device.state() == state).map(|device| device.name)
    }
}

fn reference(device: &Device) -> InterfaceRef {
    InterfaceRef { name: device.name.clone(), mac: device.mac() }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn most(maxnames: i32) -> usize {
    usize::try_from(maxnames).unwrap_or(0)
}

/// What counts as active.
const UP: &str = "up";
/// What counts as merely defined, in the procedures that have no filter.
const DOWN: &str = "down";

impl Interface for Driver {
    fn connect_num_of_interfaces(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.names(UP).count()).cast_signed())
    }

    fn connect_list_interfaces(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(self.names(UP).take(most(maxnames)).collect())
    }

    fn connect_num_of_defined_interfaces(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.names(DOWN).count()).cast_signed())
    }

    fn connect_list_defined_interfaces(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(self.names(DOWN).take(most(maxnames)).collect())
    }

    fn connect_list_all_interfaces(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllInterfacesRet> {
        check_flags(flags, filter::ACTIVE | filter::INACTIVE, "udevConnectListAllInterfaces")?;
        let wanted = |device: &Device| match flags {
            filter::ACTIVE => device.is_active(),
            filter::INACTIVE => !device.is_active(),
            _ => true,
        };
        let listed = Device::listed(&self.root);
        let ifaces: Vec<InterfaceRef> =
            listed.iter().filter(|device| wanted(device)).map(reference).collect();
        let ret = count(ifaces.len());
        Ok(ConnectListAllInterfacesRet { ifaces: if need_results != 0 { ifaces } else { Vec::new() }, ret })
    }

    fn interface_lookup_by_name(&self, _cx: &Call, name: &str) -> Result<InterfaceRef> {
        self.find(name).map(|device| reference(&device))
    }

    fn interface_lookup_by_mac_string(&self, _cx: &Call, mac: &str) -> Result<InterfaceRef> {
        let mut fitting = Device::listed(&self.root).into_iter().filter(|device| device.mac() == mac);
        let Some(device) = fitting.next() else {
            let text = format!("couldn't find interface with MAC address '{mac}'");
            return Err(Error::new(ErrorCode::NO_INTERFACE, FROM, text));
        };
        if fitting.next().is_some() {
            let text = format!("the MAC address '{mac}' matches multiple interfaces");
            return Err(Error::new(ErrorCode::MULTIPLE_INTERFACES, FROM, text));
        }
        Ok(reference(&device))
    }

    fn interface_get_xml_desc(&self, _cx: &Call, iface: &InterfaceRef, flags: u32) -> Result<String> {
        check_flags(flags, api::consts::interface_xml::INACTIVE, "udevInterfaceGetXMLDesc")?;
        // The kernel knows nothing but what is now: a definition for later looks the same.
        Ok(Describer::new(&self.root).interface(&iface.name)?.format())
    }

    fn interface_is_active(&self, _cx: &Call, iface: &InterfaceRef) -> Result<i32> {
        Ok(i32::from(self.find(&iface.name)?.is_active()))
    }
}
