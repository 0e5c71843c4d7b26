//! Documents that are printed as they came, and those that are refused.

use crate::Interface;
use base::ErrorCode;

fn kept(kind: &str, body: &str) {
    let document = format!("<interface type='{kind}' name='x'>\n{body}</interface>\n");
    assert_eq!(Interface::parse(&document, true).unwrap().format(), document);
}

fn becomes(kind: &str, given: &str, body: &str) {
    let given = format!("<interface type='{kind}' name='x'>{given}</interface>");
    let document = format!("<interface type='{kind}' name='x'>\n{body}</interface>\n");
    assert_eq!(Interface::parse(&given, false).unwrap().format(), document, "{given}");
}

fn refused(text: &str, message: &str) {
    let error = Interface::parse(text, false).expect_err(text);
    assert_eq!(error.message(), message, "{text}");
}

fn body_refused(kind: &str, body: &str, message: &str) {
    let text = format!("<interface type='{kind}' name='x'>{body}</interface>");
    refused(&text, &format!("XML error: {message}"));
}

#[test]
fn what_is_complete_is_printed_as_it_came() {
    kept("ethernet", "");
    for start in ["none", "onboot", "hotplug"] {
        kept("ethernet", &format!("  <start mode='{start}'/>\n"));
    }
    kept(
        "ethernet",
        "  <start mode='onboot'/>
  <mtu size='9000'/>
  <protocol family='ipv4'>
    <dhcp peerdns='no'/>
    <ip address='10.1.2.3' prefix='8'/>
    <ip address='10.1.2.4'/>
    <route gateway='10.0.0.1'/>
  </protocol>
  <protocol family='ipv6'>
    <autoconf/>
    <dhcp/>
    <ip address='fd00::7' prefix='64'/>
    <route gateway='fd00::1'/>
  </protocol>
  <link speed='2500' state='up'/>
  <mac address='52:54:00:ab:cd:ef'/>
",
    );
    for state in ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"] {
        kept("ethernet", &format!("  <link state='{state}'/>\n"));
    }
    kept("vlan", "  <vlan tag='7'>\n    <interface name='e'/>\n  </vlan>\n");
    kept(
        "bridge",
        "  <bridge stp='on' delay='1.5'>
    <interface type='ethernet' name='a'>
      <link speed='10'/>
      <mac address='52:54:00:00:00:01'/>
    </interface>
    <interface type='bond' name='b'>
      <link state='up'/>
      <bond mode='802.3ad'>
        <interface type='ethernet' name='c'>
        </interface>
      </bond>
    </interface>
    <interface type='vlan' name='d'>
      <vlan tag='9'>
        <interface name='a'/>
      </vlan>
    </interface>
  </bridge>
",
    );
}

#[test]
fn bonds() {
    let member = "    <interface type='ethernet' name='c'>\n    </interface>\n";
    let modes =
        ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];
    for mode in modes {
        kept("bond", &format!("  <bond mode='{mode}'>\n{member}  </bond>\n"));
    }
    for monitor in [
        "miimon freq='100'",
        "miimon freq='100' downdelay='5' updelay='6' carrier='netif'",
        "miimon freq='100' carrier='ioctl'",
        "arpmon interval='3' target='10.0.0.1'",
        "arpmon interval='3' target='10.0.0.1' validate='active'",
        "arpmon interval='3' target='10.0.0.1' validate='backup'",
        "arpmon interval='3' target='10.0.0.1' validate='all'",
    ] {
        kept("bond", &format!("  <bond>\n    <{monitor}/>\n{member}  </bond>\n"));
    }
    becomes(
        "bond",
        "<bond><arpmon interval='2' target='a'/><miimon freq='1' updelay='0'/></bond>",
        "  <bond>\n    <miimon freq='1'/>\n  </bond>\n",
    );
    for (monitor, message) in [
        ("miimon", "bond interface miimon freq missing or invalid"),
        ("miimon freq='1' downdelay='x'", "bond interface miimon downdelay invalid"),
        ("miimon freq='1' updelay='x'", "bond interface miimon updelay invalid"),
        ("miimon freq='1' carrier='x'", "unknown mii bonding carrier x"),
        ("arpmon target='a'", "bond interface arpmon interval missing or invalid"),
        ("arpmon interval='1'", "bond interface arpmon target missing"),
        ("arpmon interval='1' target='a' validate='x'", "unknown arp bonding validate x"),
        ("interface type='vlan' name='a'", "interface has unsupported type 'vlan'"),
        ("interface type='bond' name='a'", "interface has unsupported type 'bond'"),
    ] {
        body_refused("bond", &format!("<bond><{monitor}/></bond>"), message);
    }
    body_refused("bond", "<bond mode='x'/>", "unknown bonding mode x");
}

#[test]
fn what_is_not_for_a_kind_is_left_out() {
    becomes("ethernet", "<bridge/><bond/><vlan/><start/><link/><mac/><mtu/>", "");
    becomes("ethernet", "<start mode=''/><link state='' speed='0'/><mac address=''/><mtu size=''/>", "");
    becomes(
        "bridge",
        "<mac address='52:54:00:00:00:01'/><link speed='1' state='up'/><bridge stp='x'>\
         <interface type='ethernet' name='a'><start mode='none'/><mtu size='9'/><protocol family='ipv4'/>\
         </interface></bridge>",
        "  <bridge>\n    <interface type='ethernet' name='a'>\n    </interface>\n  </bridge>\n",
    );
    becomes(
        "ethernet",
        "<protocol family='ipv4'><autoconf/><ip/><ip address='a' prefix='0'/><route/></protocol>",
        "  <protocol family='ipv4'>\n    <ip address='a'/>\n  </protocol>\n",
    );
}

#[test]
fn refusals() {
    refused("<bogus/>", "XML error: expecting root element of 'interface', not 'bogus'");
    refused("<interface/>", "XML error: Missing required attribute 'type' in element 'interface'");
    refused(
        "<interface type='x'/>",
        "XML error: Invalid value for attribute 'type' in element 'interface': 'x'.",
    );
    refused("<interface type='vlan'/>", "XML error: interface has no name");
    for kind in ["bridge", "bond", "vlan"] {
        body_refused(kind, "", &format!("{kind} interface misses the {kind} element"));
    }
    for (body, message) in [
        ("<start mode='x'/>", "unknown interface startmode x"),
        ("<mtu size='100001'/>", "value of the 'size' attribute of 'mtu' element must be at most 100000"),
        (
            "<link speed='-1'/>",
            "Invalid value for attribute 'speed' in element 'link': '-1'. Expected non-negative integer value",
        ),
        ("<link state='x'/>", "Invalid value for attribute 'state' in element 'link': 'x'."),
        ("<protocol/>", "protocol misses the family attribute"),
        ("<protocol family='x'/>", "unsupported protocol family 'x'"),
        (
            "<protocol family='ipv4'><dhcp peerdns='x'/></protocol>",
            "Invalid value for attribute 'peerdns' in element 'dhcp': 'x'.",
        ),
        (
            "<protocol family='ipv4'><ip address='a' prefix='x'/></protocol>",
            "Invalid value for attribute 'prefix' in element 'ip': 'x'. Expected integer value",
        ),
    ] {
        body_refused("ethernet", body, message);
    }
    body_refused("vlan", "<vlan/>", "vlan interface misses the tag attribute");
    body_refused("vlan", "<vlan tag='1'/>", "vlan interface misses name attribute");
    body_refused(
        "bridge",
        "<bridge><interface type='bridge' name='a'/></bridge>",
        "interface has unsupported type 'bridge'",
    );
    let error =
        Interface::parse("<interface type='ethernet' name='x'><bogus/></interface>", true).unwrap_err();
    assert_eq!(error.code(), ErrorCode::XML_INVALID_SCHEMA);
}
