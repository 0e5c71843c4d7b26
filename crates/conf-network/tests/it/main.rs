//! Networks through the public seams: what is read is printed, what contradicts itself is refused, sections change.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed and says why"
)]

use conf_network::update::Command;
use conf_network::{FormatFlags, Network, NetworkPort};
use proptest::prelude::*;

const UUID: &str = "<uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid>";

fn parse(body: &str) -> base::Result<Network> {
    let network = Network::parse(&format!("<network><name>n</name>{UUID}{body}</network>"), &mut || [0; 16])?;
    network.validate(&|_| true)?;
    Ok(network)
}

/// Elements that are printed as they came.
fn kept(body: &str) {
    let text = parse(body).unwrap().format(FormatFlags::default());
    let squeezed: String = text.lines().map(str::trim).collect();
    let expected = format!("<network><name>n</name>{UUID}{body}</network>");
    assert_eq!(squeezed, expected);
}

/// Elements that are refused, with a part of the message.
fn refused(body: &str, message: &str) {
    let error = parse(body).expect_err(body);
    assert!(error.message().contains(message), "{body}: {error}");
}

#[test]
fn elements_are_printed_as_they_came() {
    const BRIDGE: &str = "<bridge name='b' stp='on' delay='0'/>";
    const IP: &str = "<ip address='10.1.0.1' prefix='16'></ip>";
    kept(
        "<forward mode='bridge'/><bridge name='b'/><vlan trunk='yes'><tag id='1'/><tag id='2' nativeMode='untagged'/></vlan>",
    );
    kept(
        "<forward mode='hostdev' managed='yes'><driver name='vfio' model='m'/><address type='pci' domain='0x0000' bus='0x01' slot='0x02' function='0x3'/></forward>",
    );
    kept(&format!(
        "<forward mode='nat'><nat ipv6='yes'><address start='1.1.1.1' end='1.1.1.9'/><port start='5' end='9'/></nat></forward>{BRIDGE}{IP}"
    ));
    kept(&format!(
        "{BRIDGE}<mtu size='9000'/><mac address='52:54:00:00:00:01'/><domain name='d' localOnly='yes' register='no'/>"
    ));
    kept(&format!(
        "{BRIDGE}<dns enable='yes' forwardPlainNames='no'><forwarder domain='x' addr='::1'/><txt name='a' value='b'/><srv service='s' protocol='tcp' target='t' port='1' weight='2'/><host ip='1.1.1.1'><hostname>h</hostname></host></dns>"
    ));
    kept(&format!(
        "{BRIDGE}<ip address='10.1.0.1' netmask='255.255.0.0' localPtr='yes'><tftp root='/t'/><dhcp><range start='10.1.0.9' end='10.1.1.9'><lease expiry='1' unit='hours'/></range><host mac='52:54:00:00:00:02' name='a' ip='10.1.0.5'><lease expiry='0'/></host><bootp file='f' server='10.1.0.2'/></dhcp></ip><route address='10.2.0.0' prefix='16' gateway='10.1.0.7' metric='3'/>"
    ));
    kept(&format!(
        "{BRIDGE}<virtualport type='openvswitch'><parameters profileid='p'/></virtualport><portgroup name='a' default='yes'><bandwidth><inbound average='1' peak='2' burst='3'/><outbound average='4'/></bandwidth></portgroup>"
    ));
}

#[test]
fn contradictions_are_refused() {
    refused("<forward/>", "nat forwarding requested, but no IP address provided");
    refused("<forward mode='private'/><bridge name='b'/>", "bridge name not allowed in private mode");
    refused(
        "<forward mode='bridge'/><bridge name='b' delay='2'/>",
        "bridge delay/stp/zone options only allowed",
    );
    refused("<forward mode='private'/><mtu size='1400'/>", "mtu size only allowed");
    refused("<vlan><tag id='1'/></vlan>", "whose type doesn't support vlan configuration");
    refused("<dns enable='no'><txt name='a' value='b'/></dns>", "Extra data in disabled network");
    refused(
        "<portgroup name='a'/><portgroup name='a'/>",
        "multiple <portgroup> elements with the same name (a)",
    );
    refused(
        "<ip address='10.1.0.1' prefix='16'/><route address='10.2.0.0' prefix='16' gateway='10.3.0.1'/>",
        "unreachable static route gateway",
    );
    refused(
        "<ip address='10.1.0.1' prefix='16'><dhcp><host mac='52:54:00:00:00:02'/></dhcp></ip>",
        "Missing IP address",
    );
    refused("<bandwidth><inbound average='1' floor='1'/></bandwidth>", "floor attribute is not supported");
    refused("<metadata>", "Opening and ending tag mismatch");
}

fn update(body: &str, command: Command, section: u32, entry: &str) -> base::Result<String> {
    let network = parse(body)?.updated(command, section, -1, entry)?;
    Ok(network.format(FormatFlags { inactive: true }))
}

#[test]
fn sections_change_alone() {
    let dhcp =
        "<ip address='10.1.0.1' prefix='16'><dhcp><range start='10.1.0.9' end='10.1.0.19'/></dhcp></ip>";
    let host = "<host mac='52:54:00:00:00:02' ip='10.1.0.5'/>";
    assert!(update(dhcp, Command::AddLast, 4, host).unwrap().contains(host));
    assert!(update(dhcp, Command::Delete, 4, host).unwrap_err().message().contains("couldn't locate"));
    assert!(
        !update(dhcp, Command::Delete, 5, "<range start='10.1.0.9' end='10.1.0.19'/>")
            .unwrap()
            .contains("range")
    );
    assert!(
        update(dhcp, Command::Modify, 5, "<range/>").unwrap_err().message().contains("cannot be modified")
    );
    assert!(
        update("", Command::Unknown(9), 11, "<txt name='a' value='b'/>")
            .unwrap_err()
            .message()
            .contains("code 9")
    );
    assert!(
        update("", Command::AddLast, 3, "<ip/>").unwrap_err().message().contains("can't update 'ip' section")
    );
    assert!(update("<dns enable='no'/>", Command::AddLast, 11, "<txt name='a' value='b'/>").is_err());
    let names =
        |entry: &str| update("", Command::AddLast, 12, entry).map_err(|error| error.message().to_owned());
    assert!(names("<srv service='a_+-/' protocol='t+-/' target='.'/>").is_ok());
    let bad = "invalid character in service attribute 'a.' in DNS SRV record of network 'n'";
    assert_eq!(names("<srv service='a.'/>").unwrap_err(), bad);
    let bad = "invalid character in protocol attribute 'x_y' in DNS SRV record of network 'n'";
    assert_eq!(names("<srv service='a' protocol='x_y'/>").unwrap_err(), bad);
    let groups = "<portgroup name='a' default='yes'/><portgroup name='b'/>";
    let error = update(groups, Command::Unknown(5), 9, "<portgroup name='b' default='yes'/>").unwrap_err();
    assert!(error.message().contains("Only one default is allowed"), "{error}");
    let six = "<host name='a' ip='2001:db8::1'/>";
    assert!(update(dhcp, Command::AddLast, 4, six).unwrap_err().message().contains("address family"));
    assert!(update(dhcp, Command::Delete, 4, six).unwrap_err().message().contains("couldn't locate"));
    let two = "<dns><host ip='1.1.1.1'><hostname>a</hostname></host><host ip='1.1.1.2'><hostname>a</hostname></host></dns>";
    let error = update(two, Command::Delete, 10, "<host><hostname>a</hostname></host>").unwrap_err();
    assert!(error.message().contains("multiple matching DNS HOST records"), "{error}");
}

#[test]
fn ports_are_printed_as_they_came() {
    let owner = "<owner><name>g</name><uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c12</uuid></owner>";
    for plug in [
        "",
        "<plug type='network' bridge='b'/>",
        "<plug type='bridge' bridge='b' macTableManager='kernel'/>",
        "<plug type='direct' dev='e' mode='passthrough'/>",
        "<plug type='hostdev-pci' managed='no'><driver name='xen'/><address domain='0x0000' bus='0x01' slot='0x02' function='0x0'/></plug>",
    ] {
        let text =
            format!("<networkport>{UUID}{owner}<mac address='52:54:00:00:00:01'/>{plug}</networkport>");
        let printed: String = NetworkPort::parse(&text).unwrap().format().lines().map(str::trim).collect();
        assert_eq!(printed, text);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = parse(&text);
        let _ = parse(&format!("<ip address='{text}' prefix='{text}'/>"));
        let _ = NetworkPort::parse(&text);
    }
}
