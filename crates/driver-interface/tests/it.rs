//! The driver over a tree of interfaces that the test makes, through the trait.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed and says why")]

use api::{Call, Interface};
use driver_interface::Driver;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A host with interfaces, removed at the end.
struct Host(PathBuf);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Host {
    fn new(name: &str) -> Host {
        let root = std::env::temp_dir().join(format!("interface-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("sys/class/net")).unwrap();
        Host(root)
    }

    /// An interface of a kind (`""` is a card) whose link has a state; further files with their contents.
    fn has(&self, name: &str, kind: &str, state: &str, files: &[(&str, &str)]) -> &Host {
        let bus = if kind.is_empty() { "pci0000:00/net" } else { "virtual/net" };
        let folder = self.0.join("sys/devices").join(bus).join(name);
        let kind = if kind.is_empty() { String::new() } else { format!("DEVTYPE={kind}\n") };
        write(&folder.join("uevent"), &format!("{kind}INTERFACE={name}\n"));
        write(&folder.join("address"), &format!("52:54:00:00:00:{:02x}\n", name.len()));
        write(&folder.join("operstate"), &format!("{state}\n"));
        write(&folder.join("mtu"), "1500\n");
        write(&folder.join("speed"), "1000\n");
        for (file, text) in files {
            write(&folder.join(file), text);
        }
        symlink(&folder, self.0.join("sys/class/net").join(name)).unwrap();
        self
    }

    fn driver(&self) -> Driver {
        Driver::new(&self.0)
    }

    /// The document of an interface, or why there is none.
    fn describe(&self, name: &str) -> String {
        let driver = self.driver();
        let cx = Call::internal();
        let found = driver.interface_lookup_by_name(&cx, name);
        let xml = found.and_then(|iface| driver.interface_get_xml_desc(&cx, &iface, 0));
        xml.unwrap_or_else(|error| error.message().to_owned())
    }
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

const BOND: &[(&str, &str)] = &[
    ("bonding/mode", "active-backup 1\n"),
    ("bonding/miimon", "100\n"),
    ("bonding/downdelay", "0\n"),
    ("bonding/updelay", "200\n"),
    ("bonding/use_carrier", "1\n"),
    ("bonding/arp_interval", "0\n"),
    ("bonding/arp_validate", "none 0\n"),
    ("bonding/arp_ip_target", "\n"),
    ("slave_e0/uevent", ""),
];

#[test]
fn lists() {
    let host = Host::new("lists");
    host.has("z", "", "up", &[]).has("e0", "", "down", &[]).has("lo", "x", "unknown", &[]);
    host.has("abc", "bridge", "up", &[]);
    host.has("port", "", "up", &[("brport/state", "3\n")]).has(
        "tap",
        "x",
        "up",
        &[("tun_flags", "0x1002\n")],
    );
    write(&host.0.join("sys/class/net/bonding_masters"), "\n");
    let (driver, cx) = (host.driver(), Call::internal());
    assert_eq!(driver.connect_list_interfaces(&cx, 9).unwrap(), ["z", "abc"]);
    assert_eq!(driver.connect_num_of_interfaces(&cx).unwrap(), 2);
    assert_eq!(driver.connect_list_interfaces(&cx, 1).unwrap(), ["z"]);
    assert_eq!(driver.connect_list_defined_interfaces(&cx, 9).unwrap(), ["e0"]);
    assert_eq!(driver.connect_num_of_defined_interfaces(&cx).unwrap(), 1);
    for (flags, names) in [(0, "e0 z abc lo"), (1, "e0 lo"), (2, "z abc"), (3, "e0 z abc lo")] {
        let all = driver.connect_list_all_interfaces(&cx, 1, flags).unwrap();
        let found: Vec<&str> = all.ifaces.iter().map(|iface| iface.name.as_str()).collect();
        assert_eq!(found.join(" "), names, "{flags}");
        let number = driver.connect_list_all_interfaces(&cx, 0, flags).unwrap();
        assert_eq!((number.ret, number.ifaces.len()), (all.ret, 0));
    }
    let error = driver.connect_list_all_interfaces(&cx, 1, 4).unwrap_err();
    assert_eq!(error.message(), "unsupported flags (0x4) in function udevConnectListAllInterfaces");

    let by_mac = |mac: &str| driver.interface_lookup_by_mac_string(&cx, mac).map(|iface| iface.name);
    assert_eq!(by_mac("52:54:00:00:00:01").unwrap(), "z");
    let error = by_mac("52:54:00:00:00:02").unwrap_err();
    let text =
        "multiple matching interfaces found: the MAC address '52:54:00:00:00:02' matches multiple interfaces";
    assert_eq!(error.message(), text);
    let error = by_mac("nobody").unwrap_err();
    assert_eq!(error.message(), "Interface not found: couldn't find interface with MAC address 'nobody'");
    for name in ["nobody", "", "..", "a/b", "bonding_masters"] {
        let error = driver.interface_lookup_by_name(&cx, name).unwrap_err();
        assert_eq!(error.message(), format!("Interface not found: couldn't find interface named '{name}'"));
    }
    let tap = driver.interface_lookup_by_name(&cx, "tap").unwrap();
    assert_eq!(driver.interface_is_active(&cx, &tap).unwrap(), 1);
    let error = driver.interface_undefine(&cx, &tap).unwrap_err();
    let text = "this function is not supported by the connection driver: virInterfaceUndefine";
    assert_eq!(error.message(), text);
}

#[test]
fn documents() {
    let host = Host::new("documents");
    host.has("e0", "", "up", &[("speed", "-1\n")]).has("bond0", "bond", "up", BOND).has(
        "br0",
        "bridge",
        "down",
        &[("bridge/stp_state", "1\n"), ("bridge/forward_delay", "200\n"), ("brif/bond0", ""), ("brif/v", "")],
    );
    host.has("v", "vlan", "down", &[]);
    write(
        &host.0.join("proc/net/vlan/v"),
        "v  VID: 42\t REORDER_HDR: 1  dev->priv_flags: 1021\n  total frames received 0\nDevice: e0\n",
    );
    let card = "<interface type='ethernet' name='e0'>
  <mtu size='1500'/>
  <link speed='4294967295' state='up'/>
  <mac address='52:54:00:00:00:02'/>
</interface>
";
    assert_eq!(host.describe("e0"), card);
    let bridge = "<interface type='bridge' name='br0'>
  <mtu size='1500'/>
  <bridge stp='on' delay='200'>
    <interface type='bond' name='bond0'>
      <link speed='1000' state='up'/>
      <bond mode='active-backup'>
        <miimon freq='100' updelay='200' carrier='netif'/>
        <interface type='ethernet' name='e0'>
          <link speed='4294967295' state='up'/>
          <mac address='52:54:00:00:00:02'/>
        </interface>
      </bond>
    </interface>
    <interface type='vlan' name='v'>
      <link state='down'/>
      <vlan tag='42'>
        <interface name='e0'/>
      </vlan>
    </interface>
  </bridge>
</interface>
";
    assert_eq!(host.describe("br0"), bridge);
}

#[test]
fn monitors_of_bonds() {
    for (at, (mode, validate, shown)) in [
        ("balance-rr 0", "none 0", "<bond mode='balance-rr'>\n    <arpmon interval='5' target='10.0.0.1'/>"),
        (
            "802.3ad 4",
            "active 1",
            "<bond mode='802.3ad'>\n    <arpmon interval='5' target='10.0.0.1' validate='active'/>",
        ),
        (
            "broadcast 3",
            "backup 2",
            "<bond mode='broadcast'>\n    <arpmon interval='5' target='10.0.0.1' validate='backup'/>",
        ),
        ("other 9", "all 3", "<bond>\n    <arpmon interval='5' target='10.0.0.1' validate='all'/>"),
        ("bad", "all 3", "internal error: Invalid format for 'bonding/mode' for 'b'"),
        ("bad x", "all 3", "internal error: Could not parse 'bonding/mode' ' x' for 'b'"),
    ]
    .into_iter()
    .enumerate()
    {
        let host = Host::new(&format!("bond{at}"));
        let mut files = BOND.to_vec();
        files.truncate(files.len() - 1);
        let arp = [("bonding/arp_interval", "5\n"), ("bonding/arp_ip_target", "10.0.0.1\n")];
        files.extend(arp);
        files.extend([("bonding/mode", mode), ("bonding/arp_validate", validate)]);
        host.has("b", "bond", "up", &files);
        let text = host.describe("b");
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn what_is_not_understood() {
    let host = Host::new("refusals");
    host.has("a", "", "weird", &[]).has("b", "", "up", &[("speed", "x\n")]);
    host.has("c", "", "up", &[("mtu", "x\n")]).has("d", "vlan", "up", &[]).has("e", "bond", "up", &[]);
    let bridge = |stp: &'static str| [("bridge/stp_state", stp), ("bridge/forward_delay", "1\n")];
    host.has("f", "bridge", "up", &bridge("2\n")).has("g", "bridge", "up", &bridge("x\n"));
    host.has("h", "bridge", "up", &bridge("0\n")).has("i", "bridge", "up", &[("bridge/stp_state", "0\n")]);
    host.has(
        "j",
        "bridge",
        "up",
        &[("bridge/stp_state", "0\n"), ("bridge/forward_delay", "1\n"), ("brif/no", "")],
    );
    let mut files = BOND.to_vec();
    files.push(("slave_no/uevent", ""));
    host.has("k", "bond", "up", &files).has("e0", "", "up", &[]);
    for (name, message) in [
        ("a", "internal error: Unable to parse: weird"),
        ("b", "internal error: Unable to parse: x\n"),
        ("c", "internal error: Could not parse MTU value 'x'"),
        ("d", "Failed to open file '/proc/net/vlan/d': No such file or directory"),
        ("e", "internal error: Could not retrieve 'bonding/downdelay' for 'e'"),
        ("f", "internal error: Invalid STP state value 2 received for 'f'. Must be -1, 0, or 1."),
        ("g", "internal error: Could not parse 'bridge/stp_state' 'x' for 'g'"),
        ("h", "Could not get members of bridge 'h': No such file or directory"),
        ("i", "internal error: Could not retrieve 'bridge/forward_delay' for 'i'"),
        (
            "j",
            "internal error: Could not get interface information for 'no', which is a member of bridge 'j'",
        ),
        (
            "k",
            "internal error: Could not get interface information for 'slave_no', which is a enslaved in bond 'k'",
        ),
    ] {
        assert_eq!(host.describe(name), message);
    }
}
