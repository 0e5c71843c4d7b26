//! The default world, and worlds read from a file.

use crate::document::{self, Pool, Volume};
use crate::world::{Device, Dom, IfaceState, Net, PoolState, World, parse_domain};
use base::{Error, ErrorDomain, Result};
use conf_interface::Interface;
use conf_network::Network;
use std::path::Path;
use xml::{Document, Tree};

const DEFAULT: &str = "<node>
<domain type='test'>
  <name>test</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <memory>8388608</memory><currentMemory>2097152</currentMemory><vcpu>2</vcpu>
  <os><type>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/guest/diskimage1'/><target dev='vda' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </disk>
    <interface type='network'>
      <mac address='aa:bb:cc:dd:ee:ff'/><source network='default'/><target dev='testnet0'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x1' function='0x0'/>
    </interface>
    <memballoon model='virtio'><address type='pci' domain='0x0000' bus='0x00' slot='0x2' function='0x0'/></memballoon>
  </devices>
</domain>
<network>
  <name>default</name><uuid>dd8fe884-6c02-601e-7551-cca97df1c5df</uuid>
  <bridge name='virbr0'/><forward/>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>
</network>
<interface type='ethernet' name='eth1'>
  <start mode='onboot'/><mac address='aa:bb:cc:dd:ee:ff'/><mtu size='1492'/>
  <protocol family='ipv4'><ip address='192.168.0.5' prefix='24'/><route gateway='192.168.0.1'/></protocol>
</interface>
<pool type='dir'>
  <name>default-pool</name><uuid>dfe224cb-28fb-8dd0-c4b2-64eb3f0f4566</uuid><target><path>/default-pool</path></target>
</pool>
<device>
  <name>computer</name>
  <capability type='system'>
    <hardware>
      <vendor>Libvirt</vendor><version>Test driver</version><serial>123456</serial>
      <uuid>11111111-2222-3333-4444-555555555555</uuid>
    </hardware>
    <firmware><vendor>Libvirt</vendor><version>Test Driver</version><release_date>01/22/2007</release_date></firmware>
  </capability>
</device>
<device>
  <name>scsi_host1</name><parent>computer</parent>
  <capability type='scsi_host'>
    <host>1</host><unique_id>0</unique_id>
    <capability type='fc_host'>
      <wwnn>2000000012341234</wwnn><wwpn>1000000012341234</wwpn><fabric_wwn>2000000043214321</fabric_wwn>
    </capability>
    <capability type='vport_ops'><max_vports>0</max_vports><vports>0</vports></capability>
  </capability>
</device>
<device>
  <name>scsi_host2</name><parent>computer</parent>
  <capability type='scsi_host'>
    <host>2</host><unique_id>1</unique_id>
    <capability type='fc_host'>
      <wwnn>2000000056785678</wwnn><wwpn>1000000056785678</wwpn><fabric_wwn>2000000087658765</fabric_wwn>
    </capability>
    <capability type='vport_ops'><max_vports>0</max_vports><vports>0</vports></capability>
  </capability>
</device>
<device>
  <name>scsi_host11</name><parent>scsi_host1</parent>
  <capability type='scsi_host'>
    <host>11</host><unique_id>10</unique_id>
    <capability type='fc_host'>
      <wwnn>2000000034563456</wwnn><wwpn>1000000034563456</wwpn><fabric_wwn>2000000043214321</fabric_wwn>
    </capability>
  </capability>
</device>
</node>";

/// The world of `test:///default`.
pub(crate) fn world() -> Result<World> {
    read(DEFAULT, None)
}

/// The world that a file describes.
pub(crate) fn from_file(path: &str) -> Result<World> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::system(ErrorDomain::NONE, &error, format!("Failed to open file '{path}'")))?;
    read(&text, Path::new(path).parent())
}

fn xml(text: impl Into<String>) -> Error {
    Error::xml(ErrorDomain::TEST, text)
}

/// An item of the document, or the file that stands for it.
fn item(node: xml::Node<'_>, folder: Option<&Path>) -> Result<String> {
    match node.attr("file") {
        Some(file) => {
            let path = folder.unwrap_or(Path::new("")).join(file);
            std::fs::read_to_string(&path).map_err(|error| {
                Error::system(ErrorDomain::TEST, &error, format!("Failed to open file '{}'", path.display()))
            })
        }
        None => Ok(node.source().to_owned()),
    }
}

const RUNSTATE: &str = "http://libvirt.org/schemas/domain/test/1.0";

fn read(text: &str, folder: Option<&Path>) -> Result<World> {
    let document = Document::parse(text).map_err(|error| xml(error.shown(text)))?;
    let root = document.root();
    if root.name() != "node" {
        return Err(xml("Root element is not 'node'"));
    }
    let mut world = World::default();
    let mut random = || host::random::bytes();
    for node in root.elements() {
        let text = item(node, folder)?;
        match node.name() {
            "domain" => {
                let run = node.child_ns(RUNSTATE, "runstate").map(xml::Node::text);
                let transient = node.child_ns(RUNSTATE, "transient").is_some();
                world.domains.push(Dom::new(parse_domain(&text, true)?, !transient));
                let at = world.domains.len() - 1;
                let state = run.and_then(|text| text.trim().parse::<i32>().ok()).unwrap_or(1);
                if state != crate::world::SHUTOFF {
                    world.start(at, 1);
                    world.domains[at].state = state;
                    world.domains[at].reason = 0;
                }
            }
            "network" => {
                let def = Network::parse(&text, &mut random)?;
                world.networks.push(Net {
                    def,
                    next: None,
                    active: true,
                    persistent: true,
                    autostart: false,
                });
            }
            "interface" => {
                world.interfaces.push(IfaceState { def: Interface::parse(&text, false)?, active: true });
            }
            "pool" => {
                let tree = document::root(&text, "pool", ErrorDomain::STORAGE)?;
                let volumes: Vec<Tree> = tree.all("volume").cloned().collect();
                let def = Pool::of(tree)?;
                let volumes: Result<Vec<Volume>> =
                    volumes.iter().map(|volume| Volume::of(volume, &def)).collect();
                let mut pool =
                    PoolState { def, active: true, persistent: true, autostart: false, volumes: Vec::new() };
                for volume in volumes? {
                    pool.def.allocation += volume.allocation;
                    pool.def.available = pool.def.available.saturating_sub(volume.allocation);
                    pool.volumes.push(volume);
                }
                world.pools.push(pool);
            }
            "device" => {
                let tree = document::root(&text, "device", ErrorDomain::NODEDEV)?;
                let name = document::text(&tree, "name").unwrap_or_default().to_owned();
                world.devices.push(Device { name, tree });
            }
            "auth" => {
                let users = node.children("user");
                world.users.extend(users.map(|user| (user.text(), user.attr("password").map(str::to_owned))));
            }
            _ => {}
        }
    }
    Ok(world)
}
