//! Commands about the connection and the host.

use super::possible;
use testkit::Daemon;

#[test]
fn host_commands() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = daemon.virsh();
    virsh.says(&["version"], "Using library: libvirt 11.3.0");
    virsh.says(&["version"], "Running hypervisor: QEMU 10.0.2");
    virsh.says(&["version", "--daemon"], "Running against daemon: 11.3.0");
    virsh.says(&["uri"], "qemu:///system");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    virsh.says(&["hostname"], host.trim());
    let nodeinfo = virsh.ok(&["nodeinfo"]);
    for line in ["CPU model:           x86_64", "CPU(s):", "CPU frequency:", "NUMA cell(s):", "Memory size:"]
    {
        assert!(nodeinfo.contains(line), "{line}: {nodeinfo}");
    }
    for line in ["total  :", "free   :", "buffers:", "cached :"] {
        virsh.says(&["nodememstats"], line);
    }
    for line in ["user:", "system:", "idle:", "iowait:"] {
        virsh.says(&["nodecpustats"], line);
    }
    virsh.says(&["nodecpustats", "--percent"], "usage:");
    virsh.says(&["nodecpumap"], "CPUs present:");
    virsh.says(&["freecell"], "Total:");
    virsh.says(&["maxvcpus", "--type", "qemu"], "");
    let capabilities = virsh.ok(&["capabilities"]);
    for text in ["<capabilities>", "<os_type>hvm</os_type>", "<arch name='x86_64'>", "<machine canonical="] {
        assert!(capabilities.contains(text), "{text}: {capabilities}");
    }
    let domain = virsh.ok(&["domcapabilities", "--virttype", "qemu", "--arch", "x86_64", "--machine", "q35"]);
    for text in
        ["<domainCapabilities>", "<domain>qemu</domain>", "<enum name='bus'>", "<value>virtio</value>"]
    {
        assert!(domain.contains(text), "{text}: {domain}");
    }
    virsh.refused(&["domcapabilities", "--virttype", "nonsense"], "unknown virttype: nonsense");
}

#[test]
fn read_only_connections_are_refused_what_changes() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let guest = testkit::guest::Definition::firmware("ro");
    let virsh = super::define(&daemon, &guest);
    let _cleanup = super::Cleanup(&daemon, "ro");
    let reader = daemon.virsh_ro();
    reader.says(&["list", "--all"], "ro");
    reader.says(&["dumpxml", "ro"], "<name>ro</name>");
    for (args, text) in [
        (&["start", "ro"][..], "read only access prevents virDomainCreate"),
        (&["destroy", "ro"], "read only access prevents virDomainDestroy"),
        (&["undefine", "ro"], "read only access prevents virDomainUndefine"),
        (&["autostart", "ro"], "read only access prevents virDomainSetAutostart"),
        (&["dumpxml", "ro", "--security-info"], "virDomainGetXMLDesc with secure flag"),
    ] {
        reader.refused(args, &format!("operation forbidden: {text}"));
    }
    virsh.ok(&["undefine", "ro"]);
}
