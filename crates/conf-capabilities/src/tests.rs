//! Documents of made-up hosts and guests.

use crate::bhyve::{self, Bhyve};
use crate::domain::{DomainCapabilities, Part, Processors, Words};
use crate::host::{Feature, Guest, Host, Machine};
use crate::{host, xen};

#[test]
fn nothing_known() {
    let text = DomainCapabilities {
        path: "/e".into(),
        kind: "kvm".into(),
        arch: "a".into(),
        ..DomainCapabilities::default()
    }
    .format();
    assert!(text.contains("  <devices>\n  </devices>\n"), "{text}");
    assert!(text.contains("<mode name='custom' supported='no'/>"), "{text}");
    assert!(!text.contains("<machine>") && !text.contains("<vcpu"), "{text}");
}

#[test]
fn parts_and_choices() {
    let words = Words::new().with("a").when(false, "b").when(true, "c");
    let caps = DomainCapabilities {
        devices: vec![
            Part::plain("gone", false),
            Part::offering("there", vec![words.named("kind"), ("none", Vec::new())]),
        ],
        cpu: Processors { passthrough: Some(vec!["off".into()]), ..Processors::default() },
        ..DomainCapabilities::default()
    };
    let text = caps.format();
    assert!(text.contains("    <gone supported='no'/>\n    <there supported='yes'>\n"), "{text}");
    assert!(text.contains("        <value>c</value>\n      </enum>\n      <enum name='none'/>\n"), "{text}");
    assert!(text.contains("<enum name='hostPassthroughMigratable'>"), "{text}");
}

#[test]
fn hypervisors_that_are_not_asked() {
    let plain = bhyve::domain_capabilities("/b", "x86_64", Bhyve::default(), &[]).format();
    assert!(
        plain.contains("<os supported='no'/>") && plain.contains("<graphics supported='no'/>"),
        "{plain}"
    );
    let full = xen::domain_capabilities("/x", "xenfv", "x86_64", &["/rom".into()]).format();
    assert!(full.contains("<vcpu max='128'/>") && full.contains("<value>/rom</value>"), "{full}");
}

#[test]
fn a_host_and_its_guests() {
    let guest = Guest {
        os_type: "hvm",
        arch: "a".into(),
        word_size: 32,
        emulator: Some("/e".into()),
        machines: vec![Machine {
            name: "m".into(),
            canonical: Some("m-1".into()),
            max_cpus: 2,
            deprecated: true,
        }],
        kinds: vec!["qemu"],
        features: vec![
            Feature { name: "f", toggle: None },
            Feature { name: "g", toggle: Some((true, false)) },
        ],
    };
    let text = host::format(&Host { arch: "a".into(), ..Host::default() }, &[guest]);
    for line in [
        "      <machine canonical='m-1' maxCpus='2' deprecated='yes'>m</machine>\n",
        "      <f/>\n      <g default='on' toggle='no'/>\n",
        "<capabilities>\n\n  <host>\n",
        "  </guest>\n\n</capabilities>\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}
