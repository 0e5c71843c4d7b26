//! Host interfaces.

use crate::world::{IfaceState, first};
use crate::{Test, fail, invalid, known};
use api::interface::ConnectListAllInterfacesRet;
use api::{Call, Interface};
use base::object::InterfaceRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_interface::Interface as Document;

fn reference(interface: &IfaceState) -> InterfaceRef {
    reference_of(&interface.def)
}

fn reference_of(def: &Document) -> InterfaceRef {
    InterfaceRef { name: def.name.clone(), mac: def.mac().unwrap_or_default().to_owned() }
}

/// Already, or not, as it is asked to be.
fn unchanged<T>() -> Result<T> {
    Err(Error::bare(ErrorCode::OPERATION_INVALID, ErrorDomain::TEST))
}

impl Test {
    fn interface_names(&self, active: bool) -> Vec<String> {
        let world = self.world();
        world
            .interfaces
            .iter()
            .filter(|known| known.active == active)
            .map(|known| known.def.name.clone())
            .collect()
    }
}

impl Interface for Test {
    fn connect_num_of_interfaces(&self, _: &Call) -> Result<i32> {
        Ok(self.interface_names(true).len() as i32)
    }

    fn connect_list_interfaces(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(first(self.interface_names(true).into_iter(), maxnames))
    }

    fn connect_num_of_defined_interfaces(&self, _: &Call) -> Result<i32> {
        Ok(self.interface_names(false).len() as i32)
    }

    fn connect_list_defined_interfaces(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(first(self.interface_names(false).into_iter(), maxnames))
    }

    fn connect_list_all_interfaces(
        &self,
        _: &Call,
        _: i32,
        flags: u32,
    ) -> Result<ConnectListAllInterfacesRet> {
        known(flags, 3, "testConnectListAllInterfaces")?;
        let world = self.world();
        let wanted = |known: &&IfaceState| {
            flags == 0 || (flags & 2 != 0 && known.active) || (flags & 1 != 0 && !known.active)
        };
        let ifaces: Vec<InterfaceRef> = world.interfaces.iter().filter(wanted).map(reference).collect();
        Ok(ConnectListAllInterfacesRet { ret: ifaces.len() as u32, ifaces })
    }

    fn interface_lookup_by_name(&self, _: &Call, name: &str) -> Result<InterfaceRef> {
        Ok(reference(self.world().interface(name)?))
    }

    fn interface_lookup_by_mac_string(&self, _: &Call, mac: &str) -> Result<InterfaceRef> {
        let world = self.world();
        let found: Vec<&IfaceState> = world
            .interfaces
            .iter()
            .filter(|known| known.def.mac().is_some_and(|own| own.eq_ignore_ascii_case(mac)))
            .collect();
        match found[..] {
            [] => fail(ErrorCode::NO_INTERFACE, format!("no interface with matching mac '{mac}'")),
            [one] => Ok(reference(one)),
            _ => Err(Error::bare(ErrorCode::MULTIPLE_INTERFACES, ErrorDomain::TEST)),
        }
    }

    fn interface_get_xml_desc(&self, _: &Call, iface: &InterfaceRef, flags: u32) -> Result<String> {
        known(flags, 1, "testInterfaceGetXMLDesc")?;
        Ok(self.world().interface(&iface.name)?.def.format())
    }

    fn interface_define_xml(&self, _: &Call, xml: &str, flags: u32) -> Result<InterfaceRef> {
        known(flags, 1, "testInterfaceDefineXML")?;
        let def = Document::parse(xml, flags & 1 != 0)?;
        let mut world = self.world();
        match world.interfaces.iter().position(|known| known.def.name == def.name) {
            Some(at) => world.interfaces[at].def = def.clone(),
            None => world.interfaces.push(IfaceState { def: def.clone(), active: false }),
        }
        Ok(reference_of(&def))
    }

    fn interface_undefine(&self, _: &Call, iface: &InterfaceRef) -> Result<()> {
        let mut world = self.world();
        world.interface(&iface.name)?;
        world.interfaces.retain(|known| known.def.name != iface.name);
        Ok(())
    }

    fn interface_create(&self, _: &Call, iface: &InterfaceRef, flags: u32) -> Result<()> {
        known(flags, 0, "testInterfaceCreate")?;
        let mut world = self.world();
        let found = world.interface(&iface.name)?;
        if found.active {
            return unchanged();
        }
        found.active = true;
        Ok(())
    }

    fn interface_destroy(&self, _: &Call, iface: &InterfaceRef, flags: u32) -> Result<()> {
        known(flags, 0, "testInterfaceDestroy")?;
        let mut world = self.world();
        let found = world.interface(&iface.name)?;
        if !found.active {
            return unchanged();
        }
        found.active = false;
        Ok(())
    }

    fn interface_is_active(&self, _: &Call, iface: &InterfaceRef) -> Result<i32> {
        Ok(i32::from(self.world().interface(&iface.name)?.active))
    }

    fn interface_change_begin(&self, _: &Call, flags: u32) -> Result<()> {
        known(flags, 0, "testInterfaceChangeBegin")?;
        let mut world = self.world();
        if world.interfaces_before.is_some() {
            return invalid("there is another transaction running.");
        }
        world.interfaces_before = Some(world.interfaces.clone());
        Ok(())
    }

    fn interface_change_commit(&self, _: &Call, flags: u32) -> Result<()> {
        known(flags, 0, "testInterfaceChangeCommit")?;
        match self.world().interfaces_before.take() {
            Some(_) => Ok(()),
            None => invalid("no transaction running, nothing to be committed."),
        }
    }

    fn interface_change_rollback(&self, _: &Call, flags: u32) -> Result<()> {
        known(flags, 0, "testInterfaceChangeRollback")?;
        let mut world = self.world();
        match world.interfaces_before.take() {
            Some(before) => {
                world.interfaces = before;
                Ok(())
            }
            None => invalid("no transaction running, nothing to rollback."),
        }
    }
}
