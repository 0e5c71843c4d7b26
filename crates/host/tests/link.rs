//! Links in a network of the test's own; needs root.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, a skipped one says so"
)]

use host::link::{Bridge, Links, MacvlanMode, Port, Tag};

/// Runs a test of this file again in a network of its own; true in there.
fn in_own_network(test: &str) -> bool {
    if std::env::var_os("TEST_NETWORK").is_some() {
        return true;
    }
    let exe = std::env::current_exe().unwrap();
    let run = std::process::Command::new("unshare")
        .arg("-n")
        .arg(exe)
        .args(["--exact", test, "--nocapture"])
        .env("TEST_NETWORK", "1")
        .output();
    match run {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("unshare failed") => {
            println!("skipped: a network namespace needs root");
        }
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("skipped: unshare: {error}"),
    }
    false
}

#[test]
fn bridges_ports_addresses_and_routes() {
    if !in_own_network("bridges_ports_addresses_and_routes") {
        return;
    }
    let links = Links::open().unwrap();
    let bridge = Bridge { stp: true, delay: 0, vlan_filtering: true };
    let mac = Some([0x52, 0x54, 0, 1, 2, 3]);
    // Not every kernel knows tags.
    let tags = links.create_bridge("br0", mac, &bridge).is_ok();
    let bridge = Bridge { vlan_filtering: tags, ..bridge };
    if !tags {
        links.create_bridge("br0", mac, &bridge).unwrap();
    }
    assert_eq!(links.create_bridge("br0", None, &bridge).unwrap_err().raw_os_error(), Some(17));
    assert_eq!(
        links.create_bridge("averyveryverylongname", None, &bridge).unwrap_err().raw_os_error(),
        Some(34)
    );
    assert_eq!(links.set_mtu("br0", 10).unwrap_err().raw_os_error(), Some(22));
    links.set_mtu("br0", 1400).unwrap();
    links.set_up("br0", true).unwrap();
    let (address, gateway) = ("10.0.0.1".parse().unwrap(), "10.0.0.7".parse().unwrap());
    links.add_address("br0", address, 24, Some("10.0.0.255".parse().unwrap())).unwrap();
    links.add_address("br0", "fd00::1".parse().unwrap(), 64, None).unwrap();
    links.add_route("br0", "10.9.0.0".parse().unwrap(), 16, gateway, 1).unwrap();
    let index = links.find("br0").unwrap().index;
    assert!(
        links
            .addresses()
            .unwrap()
            .iter()
            .any(|found| found.address == address && found.prefix == 24 && found.link == index)
    );
    assert!(links.routes(false).unwrap().iter().any(|route| route.prefix == 16 && route.link == index));
    assert!(links.routes(true).unwrap().iter().any(|route| route.prefix == 64 && route.link == index));
    links.create_bridge("br1", None, &Bridge { stp: false, delay: 300, vlan_filtering: false }).unwrap();
    let tap = "t0";
    let (_fd, name) = host::tap::create(tap, false, 1).unwrap();
    assert_eq!(name, tap);
    links.set_master(tap, Some("br0")).unwrap();
    links.set_port(tap, &Port { isolated: Some(true), learning: Some(false), flood: Some(false) }).unwrap();
    if tags {
        links.set_tags(tap, &[Tag { id: 1, native: true, untagged: true }], false).unwrap();
        links
            .set_tags(
                tap,
                &[
                    Tag { id: 42, native: true, untagged: true },
                    Tag { id: 43, native: false, untagged: false },
                ],
                true,
            )
            .unwrap();
    }
    links.set_table_entry(tap, [0x52, 0x54, 0, 9, 9, 9], true).unwrap();
    links.set_table_entry(tap, [0x52, 0x54, 0, 9, 9, 9], false).unwrap();
    assert_eq!(links.find(tap).unwrap().master, Some(index));
    links.set_master(tap, None).unwrap();
    let macvtap = links.create_macvtap("mv%d", [0x52, 0x54, 0, 7, 7, 7], "br1", MacvlanMode::Bridge);
    // Not every kernel knows these.
    assert!(macvtap.is_ok() || macvtap.unwrap_err().raw_os_error() == Some(95));
    links.delete("br0").unwrap();
    assert!(links.find("br0").is_err() && links.delete("br0").is_err());
}
