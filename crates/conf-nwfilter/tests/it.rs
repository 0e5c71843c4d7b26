//! Filters through the public seams: what is read is printed, what is not understood is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed and says why"
)]

use conf_nwfilter::{Binding, Filter, Protocol};

const UUID: &str = "<uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid>";

fn parse(head: &str, body: &str) -> base::Result<Filter> {
    Filter::parse(&format!("<filter {head}>{UUID}{body}</filter>"), false, &mut || [0; 16])
}

fn printed(body: &str) -> String {
    let text = parse("name='f'", body).expect(body).format();
    let squeezed: String = text.lines().map(str::trim).collect();
    let inside = squeezed.split_once("</uuid>").unwrap().1.to_owned();
    inside.trim_end_matches("</filter>").to_owned()
}

fn rule(body: &str) -> String {
    let text = printed(&format!("<rule action='accept' direction='in'>{body}</rule>"));
    let head = "<rule action='accept' direction='in' priority='500'>";
    text.strip_prefix(head).unwrap_or(&text).trim_end_matches("</rule>").to_owned()
}

#[test]
fn every_attribute_of_every_protocol_has_its_place() {
    for protocol in Protocol::ALL {
        let names: Vec<&str> = protocol.attributes().iter().map(|attribute| attribute.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{protocol}");
        let element = format!("<{protocol} comment='c'/>");
        assert_eq!(rule(&element), element);
    }
    assert_eq!(
        rule(
            "<tcp comment='c' flags='SYN/ALL' dstportstart='$P[1]' state='NEW' dscp='3' srcipmask='255.255.0.0' srcipaddr='10.1.2.3'/>"
        ),
        "<tcp srcipaddr='10.1.2.3' srcipmask='16' dscp='3' state='NEW' dstportstart='$P[1]' flags='SYN/ALL' comment='c'/>"
    );
    assert_eq!(rule("<tcp ipset='s' ipsetflags='src'/><udp dscp='1'/>"), "<tcp/>");
    assert_eq!(rule("<all ipset='s' ipsetflags='SRC'/>"), "<all ipset='s' ipsetflags='src'/>");
}

#[test]
fn negation_goes_with_the_first_of_a_group() {
    assert_eq!(
        rule("<tcp match='no' srcipaddr='1.2.3.4'/><tcp srcipmask='24' dscp='1'/>"),
        "<tcp dscp='1'/><tcp match='no' srcipaddr='1.2.3.4' srcipmask='24'/>"
    );
    assert_eq!(rule("<icmp match='no' code='1'/><icmp type='2'/>"), "<icmp type='2' code='1'/>");
    assert_eq!(
        rule("<udp match='no' srcportstart='1'/><udp dstportend='4'/>"),
        "<udp match='no' srcportstart='1' dstportend='4'/>"
    );
}

#[test]
fn heads_entries_and_refusals() {
    let kept = "<filterref filter='b'><parameter name='A' value='1'/><parameter name='A' value='2'/></filterref>\
                <rule action='drop' direction='inout' priority='-1000' statematch='false'/>";
    assert_eq!(printed(kept), kept);
    let head = |head: &str| parse(head, "").unwrap().format().lines().next().unwrap().to_owned();
    assert_eq!(head("name='f' chain='ipv4-x'"), "<filter name='f' chain='ipv4-x' priority='-700'>");
    assert_eq!(head("name='f' chain=''"), "<filter name='f' chain='root'>");
    let refused = |head: &str, body: &str, message: &str| {
        let error = parse(head, body).expect_err(body);
        assert!(error.message().contains(message), "{error}");
    };
    refused("", "", "filter has no name");
    refused("name='f' chain='bogus'", "", "Please use a chain name called 'root'");
    refused("name='f' chain='ipv4-abcdefgh'", "", "longer than 12 characters");
    refused("name='f' priority='1001'", "", "outside valid range of [-1000,1000]");
    refused("name='f'", "<rule/>", "Missing required attribute 'action'");
    let bad = "<rule action='accept' direction='in'><tcp dstportstart='99999'/></rule>";
    refused("name='f'", bad, "internal error: dstportstart has illegal value 99999");
    refused("name='f' chain='xxxxxxxxxxxxx'", "", "longer than 12 characters");
    refused("name='f' chain='a b'", "", "Chain name contains invalid characters");
    // Of several that are wrong the last is told.
    let several = "<rule action='accept' direction='in'><arp hwtype='65536' opcode='65537'/></rule>";
    refused("name='f'", several, "internal error: opcode has illegal value 65537");
    let portless = "<rule action='accept' direction='in'><ip srcportstart='1'/></rule>";
    refused("name='f'", portless, "IP rule with port specification");
}

#[test]
fn bindings_are_printed_as_they_came() {
    let text = "<filterbinding><owner><name>o</name><uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid></owner><portdev name='v'/><linkdev name='e'/><mac address='52:54:00:00:00:01'/><filterref filter='f'><parameter name='IP' value='1.2.3.4'/></filterref></filterbinding>";
    let printed: String = Binding::parse(text, true).unwrap().format().lines().map(str::trim).collect();
    assert_eq!(printed, text);
    let error = Binding::parse("<filterbinding/>", false).unwrap_err();
    assert_eq!(error.message(), "internal error: filter binding has no port dev name");
    let told = |inside: &str| {
        let text = format!("<filterbinding><portdev name='v'/>{inside}</filterbinding>");
        Binding::parse(&text, false).unwrap_err().message().to_owned()
    };
    let owner = "<owner><name>o</name><uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid></owner>";
    for (inside, message) in [
        ("<linkdev/>", "internal error: filter binding has no link dev name"),
        ("", "internal error: filter binding has no owner name"),
        ("<owner><name>o</name></owner>", "internal error: filter binding has no owner UUID"),
        ("<owner><name>o</name><uuid>x</uuid></owner>", "internal error: Unable to parse UUID 'x'"),
        (owner, "internal error: filter binding has no MAC address"),
        (&format!("{owner}<mac address='x'/>"), "internal error: Unable to parse MAC 'x'"),
        (
            &format!("{owner}<mac address='52:54:00:00:00:01'/>"),
            "internal error: filter binding has no filter reference",
        ),
    ] {
        assert_eq!(told(inside), message, "{inside}");
    }
}
