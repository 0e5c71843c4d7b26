//! Interfaces of the host, which the test makes in a namespace of its own.

use super::{foreign, possible};
use std::process::Command;
use testkit::Daemon;

/// Cards with a cable between them, one of which is a port of a bridge, and a bridge without ports.
const LINKS: &[&str] = &[
    "link set lo up",
    "link add fva address 52:54:00:fa:00:01 type veth peer name fvb address 52:54:00:fa:00:02",
    "link add fvc address 52:54:00:fa:00:03 type veth peer name fvd address 52:54:00:fa:00:04",
    "link add fvbr address 52:54:00:fa:00:05 type bridge stp_state 1 forward_delay 200",
    "link add fvempty address 52:54:00:fa:00:06 type bridge",
    "link set fvb master fvbr",
    "link set fva mtu 1400",
    "link set fva up",
    "link set fvb up",
    "address add 10.66.0.1/24 dev fvbr",
];

fn ip(arguments: &str) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let run = Command::new("ip").args(arguments.split(' ')).env("PATH", path).status();
    run.is_ok_and(|status| status.success())
}

/// The kernel's tree as this namespace sees it, below the root of a daemon.
struct Tree(std::path::PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

const BRIDGE: &str = "<interface type='bridge' name='fvbr'>
  <mtu size='1500'/>
  <bridge stp='on' delay='200'>
    <interface type='ethernet' name='fvb'>
      <link speed='10000' state='up'/>
      <mac address='52:54:00:fa:00:02'/>
    </interface>
  </bridge>
</interface>";

/// What is asked, and what the answer is or holds.
const ANSWERS: &[(&str, &str)] = &[
    ("iface-list", "fva active 52:54:00:fa:00:01"),
    ("iface-list --inactive", "fvc inactive 52:54:00:fa:00:03"),
    ("iface-list --all", "fvempty inactive 52:54:00:fa:00:06"),
    ("iface-list --all", "lo inactive 00:00:00:00:00:00"),
    ("iface-mac fva", "52:54:00:fa:00:01"),
    ("iface-name 52:54:00:fa:00:03", "fvc"),
    (
        "iface-dumpxml fva",
        "<interface type='ethernet' name='fva'>\n  <mtu size='1400'/>\n  <link speed='10000' state='up'/>\n  \
         <mac address='52:54:00:fa:00:01'/>\n</interface>",
    ),
    ("iface-dumpxml fvbr", BRIDGE),
    ("iface-dumpxml fvbr --inactive", BRIDGE),
    (
        "iface-dumpxml fvempty",
        "<interface type='bridge' name='fvempty'>\n  <mtu size='1500'/>\n  <bridge stp='off' delay='1500'>\n  \
         </bridge>\n</interface>",
    ),
    (
        "iface-dumpxml fvc",
        "<interface type='ethernet' name='fvc'>\n  <mtu size='1500'/>\n  <link state='down'/>\n  \
         <mac address='52:54:00:fa:00:03'/>\n</interface>",
    ),
];

const NOT_SUPPORTED: &str = "this function is not supported by the connection driver: ";

/// What is asked, and why it is refused.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("iface-dumpxml nobody", "", "Interface not found: couldn't find interface named 'nobody'"),
    (
        "iface-name 52:54:00:fa:00:99",
        "",
        "Interface not found: couldn't find interface with MAC address '52:54:00:fa:00:99'",
    ),
    ("iface-undefine fva", NOT_SUPPORTED, "virInterfaceUndefine"),
    ("iface-start fva", NOT_SUPPORTED, "virInterfaceCreate"),
    ("iface-destroy fva", NOT_SUPPORTED, "virInterfaceDestroy"),
    ("iface-begin", NOT_SUPPORTED, "virInterfaceChangeBegin"),
    ("iface-commit", NOT_SUPPORTED, "virInterfaceChangeCommit"),
    ("iface-rollback", NOT_SUPPORTED, "virInterfaceChangeRollback"),
];

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

/// One blank between columns.
fn folded(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn what_the_kernel_has_is_shown() {
    if !possible() || !testkit::namespace::inside("live::interfaces::what_the_kernel_has_is_shown") {
        return;
    }
    for link in LINKS {
        if !ip(link) {
            println!("skipped: the kernel has not what `ip {link}` needs");
            return;
        }
    }
    // Links need a moment to be up, bridges to see their ports.
    let up = || std::fs::read_to_string("/proc/net/if_inet6").ok().filter(|text| text.contains("fva"));
    testkit::wait_for(std::time::Duration::from_secs(5), up);
    let mut tree = None;
    let daemon = Daemon::prepared(|root| {
        if !foreign() {
            let folder = root.join("sys");
            std::fs::create_dir_all(&folder).unwrap();
            let mounted =
                Command::new("mount").args(["-t", "sysfs", "-o", "ro", "sysfs"]).arg(&folder).status();
            tree = mounted.is_ok_and(|status| status.success()).then(|| Tree(folder));
        }
    });
    if tree.is_none() && !foreign() {
        println!("skipped: the kernel's tree cannot be mounted");
        return;
    }
    let virsh = daemon.virsh();
    for (command, answer) in ANSWERS {
        let out = virsh.ok(&words(command));
        if command.starts_with("iface-list") {
            assert!(folded(&out).lines().any(|line| line == *answer), "{command}: {out}");
        } else {
            assert_eq!(out.trim_end(), *answer, "{command}");
        }
    }
    let all = folded(&virsh.ok(&["iface-list", "--all"]));
    assert!(!all.lines().any(|line| line.starts_with("fvb ")), "a port of a bridge is in no list: {all}");
    virsh.says(&["iface-mac", "fvb"], "52:54:00:fa:00:02");
    let file = daemon.scratch("interface.xml");
    std::fs::write(&file, "<interface type='ethernet' name='fvnew'/>").unwrap();
    let file = file.display().to_string();
    virsh.refused(&["iface-define", &file], &format!("{NOT_SUPPORTED}virInterfaceDefineXML"));
    for (command, before, text) in REFUSALS {
        virsh.refused(&words(command), &format!("{before}{text}"));
    }
    let read_only = daemon.virsh_ro();
    read_only.says(&["iface-dumpxml", "fva"], "52:54:00:fa:00:01");
    let refusal = "operation forbidden: read only access prevents virInterfaceUndefine";
    read_only.refused(&["iface-undefine", "fva"], refusal);
    drop(tree);
}
