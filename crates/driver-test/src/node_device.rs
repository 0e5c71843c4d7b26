//! Devices of the host: a tree with adapters that can get virtual ports.

use crate::world::{Device, World, first};
use crate::{Test, document, fail, known};
use api::event::{Event, NodeDeviceEventLifecyclePayload};
use api::node_device::ConnectListAllNodeDevicesRet;
use api::{Call, NodeDevice};
use base::object::NodeDeviceRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// Kinds of capabilities in the order of the bits that list them.
const KINDS: [&str; 21] = [
    "system",
    "pci",
    "usb_device",
    "usb",
    "net",
    "scsi_host",
    "scsi_target",
    "scsi",
    "storage",
    "fc_host",
    "vports",
    "scsi_generic",
    "drm",
    "mdev_types",
    "mdev",
    "ccw",
    "css",
    "vdpa",
    "ap_card",
    "ap_queue",
    "ap_matrix",
];

/// All kinds that a device has, those within others included.
fn kinds(tree: &Tree, nested: bool, out: &mut Vec<String>) {
    for capability in tree.all("capability") {
        if let Some(kind) = capability.attr("type") {
            out.push(if kind == "vport_ops" { "vports".to_owned() } else { kind.to_owned() });
        }
        if nested {
            kinds(capability, true, out);
        }
    }
}

fn has(device: &Device, kind: &str) -> bool {
    let mut found = Vec::new();
    kinds(&device.tree, true, &mut found);
    found.iter().any(|known| known == kind)
}

fn happened(world: &mut World, name: &str, event: i32) {
    let dev = NodeDeviceRef { name: name.to_owned() };
    world.events.push(Event::NodeDeviceLifecycle(NodeDeviceEventLifecyclePayload { dev, event, detail: 0 }));
}

/// The world wide names that a document gives a new port.
fn names(tree: &Tree) -> Option<(String, String)> {
    let host = tree.all("capability").find(|c| c.is("type", "scsi_host"))?;
    let fibre = host.all("capability").find(|c| c.is("type", "fc_host"))?;
    Some((document::text(fibre, "wwnn")?.to_owned(), document::text(fibre, "wwpn")?.to_owned()))
}

/// A new port of an adapter: the first port that exists, with other names.
fn create(world: &mut World, xml: &str) -> Result<NodeDeviceRef> {
    let wanted = document::root(xml, "device", ErrorDomain::NODEDEV)?;
    let Some((wwnn, wwpn)) = names(&wanted) else {
        return Err(Error::internal(ErrorDomain::NODEDEV, "Missing or invalid wwnn/wwpn values"));
    };
    let parent = match document::text(&wanted, "parent") {
        Some(parent) => parent.to_owned(),
        None => {
            let adapter = world.devices.iter().find(|device| has(device, "vports"));
            adapter.map(|device| device.name.clone()).unwrap_or_default()
        }
    };
    world.device(&parent)?;
    let mut tree = world.device("scsi_host11")?.tree.clone();
    let mut number = 12;
    while world.devices.iter().any(|device| device.name == format!("scsi_host{number}")) {
        number += 1;
    }
    let name = format!("scsi_host{number}");
    tree.child_or_new("name").text = Some(name.clone());
    tree.child_or_new("parent").text = Some(parent);
    if let Some(fibre) = tree.child_mut("capability").and_then(|host| host.child_mut("capability")) {
        fibre.child_or_new("wwnn").text = Some(wwnn);
        fibre.child_or_new("wwpn").text = Some(wwpn);
    }
    world.devices.push(Device { name: name.clone(), tree });
    happened(world, &name, 0);
    Ok(NodeDeviceRef { name })
}

impl Test {
    fn device_names(&self, cap: Option<&str>) -> Vec<String> {
        let world = self.world();
        let wanted = |device: &&Device| cap.is_none_or(|cap| has(device, cap));
        world.devices.iter().filter(wanted).map(|device| device.name.clone()).collect()
    }
}

impl NodeDevice for Test {
    fn node_num_of_devices(&self, _: &Call, cap: Option<&str>, flags: u32) -> Result<i32> {
        known(flags, 0, "testNodeNumOfDevices")?;
        Ok(self.device_names(cap).len() as i32)
    }

    fn node_list_devices(
        &self,
        _: &Call,
        cap: Option<&str>,
        maxnames: i32,
        flags: u32,
    ) -> Result<Vec<String>> {
        known(flags, 0, "testNodeListDevices")?;
        Ok(first(self.device_names(cap).into_iter(), maxnames))
    }

    fn connect_list_all_node_devices(
        &self,
        _: &Call,
        _: i32,
        flags: u32,
    ) -> Result<ConnectListAllNodeDevicesRet> {
        let world = self.world();
        let asked: Vec<&str> = KINDS
            .iter()
            .enumerate()
            .filter(|(at, _)| flags & (1 << at) != 0)
            .map(|(_, kind)| *kind)
            .collect();
        let wanted = |device: &&Device| asked.is_empty() || asked.iter().any(|kind| has(device, kind));
        let devices: Vec<NodeDeviceRef> = world
            .devices
            .iter()
            .filter(wanted)
            .map(|device| NodeDeviceRef { name: device.name.clone() })
            .collect();
        Ok(ConnectListAllNodeDevicesRet { ret: devices.len() as u32, devices })
    }

    fn node_device_lookup_by_name(&self, _: &Call, name: &str) -> Result<NodeDeviceRef> {
        Ok(NodeDeviceRef { name: self.world().device(name)?.name.clone() })
    }

    fn node_device_get_xml_desc(&self, _: &Call, name: &str, flags: u32) -> Result<String> {
        known(flags, 0, "testNodeDeviceGetXMLDesc")?;
        Ok(document::print(&self.world().device(name)?.tree))
    }

    fn node_device_get_parent(&self, _: &Call, name: &str) -> Result<Option<String>> {
        Ok(document::text(&self.world().device(name)?.tree, "parent").map(str::to_owned))
    }

    fn node_device_num_of_caps(&self, _: &Call, name: &str) -> Result<i32> {
        let mut found = Vec::new();
        kinds(&self.world().device(name)?.tree, false, &mut found);
        Ok(found.len() as i32)
    }

    fn node_device_list_caps(&self, _: &Call, name: &str, maxnames: i32) -> Result<Vec<String>> {
        let mut found = Vec::new();
        kinds(&self.world().device(name)?.tree, false, &mut found);
        Ok(first(found.into_iter(), maxnames))
    }

    fn node_device_is_active(&self, _: &Call, name: &str) -> Result<i32> {
        self.world().device(name).map(|_| 1)
    }

    fn node_device_is_persistent(&self, _: &Call, name: &str) -> Result<i32> {
        self.world().device(name).map(|_| 1)
    }

    fn node_device_create_xml(&self, _: &Call, xml: &str, flags: u32) -> Result<NodeDeviceRef> {
        known(flags, 1, "testNodeDeviceCreateXML")?;
        self.change(|world| create(world, xml))
    }

    fn node_device_destroy(&self, _: &Call, name: &str) -> Result<()> {
        self.change(|world| {
            let tree = world.device(name)?.tree.clone();
            if names(&tree).is_none() {
                let text = "Device is not a fibre channel HBA";
                return Err(Error::internal(ErrorDomain::NODEDEV, text));
            }
            match document::text(&tree, "parent") {
                Some(parent) => world.device(parent).map(drop)?,
                None => return fail(ErrorCode::NO_NODE_DEVICE, format!("device '{name}' has no parent")),
            }
            world.devices.retain(|device| device.name != name);
            happened(world, name, 1);
            Ok(())
        })
    }
}
