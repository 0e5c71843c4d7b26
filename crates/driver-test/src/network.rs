//! Virtual networks.

use crate::world::{Net, World, first};
use crate::{Test, fail, invalid, known};
use api::event::{Event, NetworkEventCallbackMetadataChangePayload, NetworkEventLifecyclePayload};
use api::network::ConnectListAllNetworksRet;
use api::{Call, Network};
use base::object::NetworkRef;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_network::{FormatFlags, Network as Definition};

fn parse(xml: &str) -> Result<Definition> {
    Definition::parse(xml, &mut || host::random::bytes())
}

fn happened(world: &mut World, net: NetworkRef, event: i32) {
    world.events.push(Event::NetworkLifecycle(NetworkEventLifecyclePayload { net, event, detail: 0 }));
}

/// The place of a definition: that of the network with the same identity, or a new one.
fn place(world: &World, def: &Definition, live: bool) -> Result<Option<usize>> {
    if let Some(at) = world.networks.iter().position(|known| known.def.uuid == def.uuid) {
        let known = &world.networks[at];
        if known.def.name != def.name {
            let text = format!("network '{}' is already defined with uuid {}", known.def.name, def.uuid);
            return Err(Error::operation_failed(ErrorDomain::NETWORK, text));
        }
        if live && known.active {
            let text = format!("network is already active as '{}'", known.def.name);
            return Err(Error::operation_invalid(ErrorDomain::NETWORK, text));
        }
        return Ok(Some(at));
    }
    if let Some(known) = world.networks.iter().find(|known| known.def.name == def.name) {
        let text = format!("network '{}' already exists with uuid {}", def.name, known.def.uuid);
        return Err(Error::operation_failed(ErrorDomain::NETWORK, text));
    }
    Ok(None)
}

fn define(world: &mut World, xml: &str, flags: u32) -> Result<NetworkRef> {
    known(flags, 1, "testNetworkDefineXMLFlags")?;
    let def = parse(xml)?;
    let at = match place(world, &def, false)? {
        Some(at) => {
            let net = &mut world.networks[at];
            net.persistent = true;
            if net.active {
                net.next = Some(def);
            } else {
                net.def = def;
            }
            at
        }
        None => {
            world.networks.push(Net { def, next: None, active: false, persistent: true, autostart: false });
            world.networks.len() - 1
        }
    };
    let net = world.networks[at].reference();
    happened(world, net.clone(), 0);
    Ok(net)
}

fn create(world: &mut World, xml: &str, flags: u32) -> Result<NetworkRef> {
    known(flags, 1, "testNetworkCreateXMLFlags")?;
    let def = parse(xml)?;
    let at = match place(world, &def, true)? {
        Some(at) => {
            world.networks[at].def = def;
            at
        }
        None => {
            world.networks.push(Net { def, next: None, active: false, persistent: false, autostart: false });
            world.networks.len() - 1
        }
    };
    world.networks[at].active = true;
    let net = world.networks[at].reference();
    happened(world, net.clone(), 2);
    Ok(net)
}

impl Test {
    fn network_names(&self, active: bool) -> Vec<String> {
        self.world()
            .networks
            .iter()
            .filter(|net| net.active == active)
            .map(|net| net.def.name.clone())
            .collect()
    }
}

impl Network for Test {
    fn connect_num_of_networks(&self, _: &Call) -> Result<i32> {
        Ok(self.network_names(true).len() as i32)
    }

    fn connect_list_networks(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(first(self.network_names(true).into_iter(), maxnames))
    }

    fn connect_num_of_defined_networks(&self, _: &Call) -> Result<i32> {
        Ok(self.network_names(false).len() as i32)
    }

    fn connect_list_defined_networks(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(first(self.network_names(false).into_iter(), maxnames))
    }

    fn connect_list_all_networks(&self, _: &Call, _: i32, flags: u32) -> Result<ConnectListAllNetworksRet> {
        known(flags, 63, "testConnectListAllNetworks")?;
        let passes = |yes: u32, no: u32, is: bool| {
            flags & (yes | no) == 0 || (flags & yes != 0 && is) || (flags & no != 0 && !is)
        };
        let world = self.world();
        let wanted = |net: &&Net| {
            passes(2, 1, net.active) && passes(4, 8, net.persistent) && passes(16, 32, net.autostart)
        };
        let nets: Vec<NetworkRef> = world.networks.iter().filter(wanted).map(Net::reference).collect();
        Ok(ConnectListAllNetworksRet { ret: nets.len() as u32, nets })
    }

    fn network_lookup_by_name(&self, _: &Call, name: &str) -> Result<NetworkRef> {
        let world = self.world();
        match world.networks.iter().find(|net| net.def.name == name) {
            Some(net) => Ok(net.reference()),
            None => fail(ErrorCode::NO_NETWORK, format!("no network with matching name '{name}'")),
        }
    }

    fn network_lookup_by_uuid(&self, _: &Call, uuid: Uuid) -> Result<NetworkRef> {
        let mut world = self.world();
        Ok(world.net(&NetworkRef { name: String::new(), uuid })?.reference())
    }

    fn network_define_xml(&self, _: &Call, xml: &str) -> Result<NetworkRef> {
        self.change(|world| define(world, xml, 0))
    }

    fn network_define_xml_flags(&self, _: &Call, xml: &str, flags: u32) -> Result<NetworkRef> {
        self.change(|world| define(world, xml, flags))
    }

    fn network_create_xml(&self, _: &Call, xml: &str) -> Result<NetworkRef> {
        self.change(|world| create(world, xml, 0))
    }

    fn network_create_xml_flags(&self, _: &Call, xml: &str, flags: u32) -> Result<NetworkRef> {
        self.change(|world| create(world, xml, flags))
    }

    fn network_create(&self, _: &Call, net: &NetworkRef) -> Result<()> {
        self.change(|world| {
            let found = world.net(net)?;
            if found.active {
                return invalid(format!("Network '{}' is already running", found.def.name));
            }
            found.active = true;
            let net = found.reference();
            happened(world, net, 2);
            Ok(())
        })
    }

    fn network_destroy(&self, _: &Call, net: &NetworkRef) -> Result<()> {
        self.change(|world| {
            let found = world.net(net)?;
            found.active = false;
            if let Some(next) = found.next.take() {
                found.def = next;
            }
            let (net, keep) = (found.reference(), found.persistent);
            if !keep {
                world.networks.retain(|known| known.def.uuid != net.uuid);
            }
            happened(world, net, 3);
            Ok(())
        })
    }

    fn network_undefine(&self, _: &Call, net: &NetworkRef) -> Result<()> {
        self.change(|world| {
            let found = world.net(net)?;
            if found.active {
                return invalid(format!("Network '{}' is still running", found.def.name));
            }
            let net = found.reference();
            world.networks.retain(|known| known.def.uuid != net.uuid);
            happened(world, net, 1);
            Ok(())
        })
    }

    fn network_get_xml_desc(&self, _: &Call, net: &NetworkRef, flags: u32) -> Result<String> {
        known(flags, 1, "testNetworkGetXMLDesc")?;
        let mut world = self.world();
        let net = world.net(net)?;
        let inactive = flags & 1 != 0;
        let def = if inactive { net.next.as_ref().unwrap_or(&net.def) } else { &net.def };
        Ok(def.format(FormatFlags { inactive }))
    }

    fn network_get_autostart(&self, _: &Call, net: &NetworkRef) -> Result<i32> {
        Ok(i32::from(self.world().net(net)?.autostart))
    }

    fn network_set_autostart(&self, _: &Call, net: &NetworkRef, autostart: i32) -> Result<()> {
        self.world().net(net)?.autostart = autostart != 0;
        Ok(())
    }

    fn network_get_bridge_name(&self, _: &Call, net: &NetworkRef) -> Result<String> {
        let mut world = self.world();
        let net = world.net(net)?;
        match net.def.bridge.name.clone() {
            Some(name) => Ok(name),
            None => {
                let text = format!("network '{}' does not have a bridge name.", net.def.name);
                Err(Error::internal(ErrorDomain::TEST, text))
            }
        }
    }

    fn network_is_active(&self, _: &Call, net: &NetworkRef) -> Result<i32> {
        Ok(i32::from(self.world().net(net)?.active))
    }

    fn network_is_persistent(&self, _: &Call, net: &NetworkRef) -> Result<i32> {
        Ok(i32::from(self.world().net(net)?.persistent))
    }

    fn network_update(
        &self,
        _: &Call,
        net: &NetworkRef,
        command: u32,
        section: u32,
        parent: i32,
        xml: &str,
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testNetworkUpdate")?;
        let command = conf_network::update::Command::from_number(command);
        self.change(|world| {
            let found = world.net(net)?;
            let live = flags & 1 != 0 || (flags & 3 == 0 && found.active);
            if live && !found.active {
                return invalid("network is not running");
            }
            if live {
                found.def = found.def.updated(command, section, parent, xml)?;
            }
            if flags & 2 != 0 || (flags & 3 == 0 && !found.active) {
                let stored = found.next.as_ref().unwrap_or(&found.def);
                let stored = stored.updated(command, section, parent, xml)?;
                if found.active { found.next = Some(stored) } else { found.def = stored }
            }
            Ok(())
        })
    }

    fn network_get_metadata(
        &self,
        _: &Call,
        net: &NetworkRef,
        kind: i32,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        known(flags, 3, "testNetworkGetMetadata")?;
        let mut world = self.world();
        let def = &world.net(net)?.def;
        let found = match kind {
            0 => def.description.clone(),
            1 => def.title.clone(),
            _ => def.metadata.get(uri.unwrap_or_default()).transpose()?,
        };
        found.ok_or_else(|| {
            let text = "Requested metadata element is not present";
            Error::new(ErrorCode::NO_NETWORK_METADATA, ErrorDomain::NETWORK, text)
        })
    }

    fn network_set_metadata(
        &self,
        _: &Call,
        net: &NetworkRef,
        kind: i32,
        text: Option<&str>,
        key: Option<&str>,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testNetworkSetMetadata")?;
        self.change(|world| {
            let found = world.net(net)?;
            let own = text.filter(|text| !text.is_empty()).map(str::to_owned);
            match kind {
                0 => found.def.description = own,
                1 => found.def.title = own,
                _ => found.def.metadata.set(uri.unwrap_or_default(), key.unwrap_or_default(), text)?,
            }
            let (net, nsuri) = (found.reference(), uri.map(str::to_owned));
            world.events.push(Event::NetworkMetadataChange(NetworkEventCallbackMetadataChangePayload {
                net,
                type_: kind,
                nsuri,
            }));
            Ok(())
        })
    }
}
