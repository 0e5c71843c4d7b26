//! Definitions: what is kept, listed, printed and changed while a guest is off.

use super::{Cleanup, define, file, possible};
use testkit::Daemon;
use testkit::guest::Definition;

#[test]
fn definitions() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = define(&daemon, &Definition::firmware("config"));
    let _cleanup = Cleanup(&daemon, "config");
    for (args, text) in [
        (&["list", "--all"][..], " -    config   shut off\n"),
        (&["list", "--inactive"], "config"),
        (&["list", "--all", "--name"], "config\n"),
        (&["list", "--all", "--persistent"], "config"),
        (&["list", "--all", "--no-autostart"], "config"),
        (&["list", "--all", "--state-shutoff"], "config"),
        (&["list", "--all", "--without-snapshot"], "config"),
        (&["list", "--all", "--without-managed-save"], "config"),
        (&["list", "--all", "--title"], "config"),
        (&["domstate", "config", "--reason"], "shut off (unknown)"),
        (&["domid", "config"], "-\n"),
        (&["dominfo", "config"], "State:          shut off\n"),
        (&["dominfo", "config"], "Max memory:     262144 KiB\n"),
        (
            &["dominfo", "config"],
            "Persistent:     yes\nAutostart:      disable\nAutostart Once: disable\nManaged save:   no\n",
        ),
        (&["autostart", "config"], "Domain 'config' marked as autostarted"),
        (&["list", "--all", "--autostart"], "config"),
        (&["dominfo", "config"], "Autostart:      enable"),
        (&["autostart", "--disable", "config"], "Domain 'config' unmarked as autostarted"),
        (&["desc", "config"], "No description for domain: config"),
        (&["desc", "config", "--config", "some", "words"], "Domain description updated successfully"),
        (&["desc", "config"], "some words"),
        (&["desc", "config", "--title", "--config", "T"], "Domain title updated successfully"),
        (&["dumpxml", "config"], "  <title>T</title>\n  <description>some words</description>\n"),
        (
            &["metadata", "config", "--uri", "http://x/1", "--key", "k", "--set", "<m a=\"1\"/>", "--config"],
            "Metadata modified",
        ),
        (&["metadata", "config", "--uri", "http://x/1", "--config"], "<m a=\"1\"/>"),
        (&["metadata", "config", "--uri", "http://x/1", "--remove", "--config"], "Metadata removed"),
        (&["dumpxml", "config", "--inactive"], "<name>config</name>"),
        (&["dumpxml", "config", "--migratable"], "<name>config</name>"),
        (&["dumpxml", "config", "--security-info"], "<name>config</name>"),
        (&["dumpxml", "config", "--update-cpu"], "<name>config</name>"),
        (&["domxml-to-native", "qemu-argv", "--domain", "config"], "qemu-system-x86_64 -name guest=config"),
    ] {
        virsh.says(args, text);
    }
    let uuid = virsh.ok(&["domuuid", "config"]).trim().to_owned();
    virsh.says(&["domname", &uuid], "config");
    assert_eq!(virsh.ok(&["list", "--name"]).trim(), "");
    virsh.refused(&["dominfo", "none"], "failed to get domain 'none'");
    assert_eq!(virsh.ok(&["metadata", "config", "--uri", "http://x/1"]).trim(), "");
    virsh.refused(&["shutdown", "config"], "Requested operation is not valid: domain is not running");
    virsh.refused(&["destroy", "config"], "Requested operation is not valid: domain is not running");
    virsh.refused(&["suspend", "config"], "Requested operation is not valid: domain is not running");

    // A document without a UUID is a new domain, whose name is taken; the completed one is its own definition.
    let first = virsh.ok(&["dumpxml", "config"]);
    let taken = format!("operation failed: domain 'config' already exists with uuid {uuid}");
    virsh.refused(&["define", &file(&daemon, &Definition::firmware("config"))], &taken);
    let path = daemon.scratch("again.xml");
    std::fs::write(&path, &first).unwrap();
    virsh.ok(&["define", &path.display().to_string()]);
    assert_eq!(virsh.ok(&["dumpxml", "config"]), first);

    let other = first.replace(&uuid, "0b1ab1a0-0000-4000-8000-000000000001");
    std::fs::write(&path, other).unwrap();
    virsh.refused(&["define", &path.display().to_string()], &taken);
    virsh.says(&["undefine", "config"], "Domain 'config' has been undefined");
    virsh.refused(&["domuuid", "config"], "failed to get domain 'config'");
}

#[test]
fn malformed_documents_change_nothing() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = daemon.virsh();
    let good = Definition::firmware("bad").xml();
    for (from, to, text) in [
        ("</domain>", "", "Premature end of data in tag domain line 1"),
        (
            "<domain type='qemu'>",
            "<domain type='bogus'>",
            "unsupported configuration: invalid domain type bogus",
        ),
        ("<name>bad</name>", "", "missing name information"),
        (
            "<memory unit='MiB'>256</memory>",
            "",
            "XML error: Memory size must be specified via <memory> or in the <numa> configuration",
        ),
        ("arch='x86_64'", "arch='z80'", "unsupported configuration: Unknown architecture z80"),
        ("machine='q35'", "machine='nope'", "XML error: No PCI buses available"),
        ("<vcpu>1</vcpu>", "<vcpu>0</vcpu>", "internal error: CPU IDs in <numa> exceed the <vcpu> count"),
        ("/usr/bin/qemu-system-x86_64", "/nowhere/qemu", "/nowhere/qemu"),
    ] {
        assert!(good.contains(from), "{from}");
        let path = daemon.scratch("bad.xml");
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let path = path.display().to_string();
        let answer = virsh.run(&["define", &path]);
        println!("{from} -> {to}: {}", answer.err);
        virsh.refused(&["define", &path], "Failed to define domain from");
        if answer.status != 0 {
            assert!(answer.err.contains(text), "{text:?} expected: {}", answer.err);
        }
    }
    assert!(!virsh.ok(&["list", "--all", "--name"]).contains("bad"));
}
