//! Namespaces, networks and machines.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use testkit::{Daemon, Virsh};

/// A machine: its name, the network it is on, its addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    /// Letter and forward mode of its network.
    pub(crate) network: Option<(&'static str, &'static str)>,
    pub(crate) v4: &'static str,
    pub(crate) v6: &'static str,
}

const fn on(
    name: &'static str,
    network: (&'static str, &'static str),
    v4: &'static str,
    v6: &'static str,
) -> Machine {
    Machine { name, network: Some(network), v4, v6 }
}

/// All machines; the last is the host itself.
pub(crate) const MACHINES: [Machine; 7] = [
    on("ha", ("a", "nat"), "10.77.1.10", "fd77:1::10"),
    on("hb", ("b", "nat"), "10.77.2.10", "fd77:2::10"),
    on("hc", ("c", "route"), "10.77.3.10", "fd77:3::10"),
    on("hd", ("d", ""), "10.77.4.10", "fd77:4::10"),
    on("he", ("e", "open"), "10.77.5.10", "fd77:5::10"),
    Machine { name: "out", network: None, v4: "10.99.0.2", v6: "fd99::2" },
    Machine { name: "", network: None, v4: "10.99.0.1", v6: "fd99::1" },
];

/// The namespaces of one test.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) backend: &'static str,
    pub(crate) folder: PathBuf,
}

/// Runs a test of this file again in namespaces of its own; true in there. Says why not, where it is not possible.
pub(crate) fn inside(test: &str) -> bool {
    if std::env::var_os("TEST_STAGE").is_some() {
        return true;
    }
    for program in ["virsh", "dnsmasq", "ip", "iptables", "nft", "busybox"] {
        let there = std::env::var("PATH").unwrap_or_default();
        let mut folders = there.split(':').chain(["/usr/sbin", "/sbin"]);
        if !folders.any(|folder| PathBuf::from(folder).join(program).is_file()) {
            println!("skipped: {program} is not installed");
            return false;
        }
    }
    testkit::namespace::inside(test)
}

/// Runs a command that must succeed.
pub(crate) fn sh(command: &str) -> String {
    let output = try_sh(command);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command.
pub(crate) fn try_sh(command: &str) -> Output {
    Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap()
}

/// A command in the namespace of a machine.
pub(crate) fn at(machine: &str, command: &str) -> String {
    if machine.is_empty() { command.to_owned() } else { format!("ip netns exec {machine} {command}") }
}

impl Stage {
    /// Sets up the world outside.
    pub(crate) fn set(backend: &'static str) -> Stage {
        let folder = std::env::temp_dir().join(format!("packets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        sh(
            "mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; mount -t sysfs sysfs /sys; ip link set lo up",
        );
        sh("ip netns add out; ip link add up0 type veth peer name eth0 netns out");
        sh("ip addr add 10.99.0.1/24 dev up0; ip addr add fd99::1/64 dev up0 nodad; ip link set up0 up");
        sh("ip -n out addr add 10.99.0.2/24 dev eth0; ip -n out addr add fd99::2/64 dev eth0 nodad");
        sh("ip -n out link set lo up; ip -n out link set eth0 up");
        sh("ip -n out route add default via 10.99.0.1; ip -n out route add default via fd99::1");
        Stage { backend, folder }
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self) -> Daemon {
        // It keeps the leases when it lies beside the daemon.
        testkit::program("lease-helper", "libvirt_leaseshelper");
        Daemon::prepared(|root| {
            let folder = root.join("etc/libvirt");
            std::fs::create_dir_all(&folder).unwrap();
            let line = format!("firewall_backend = \"{}\"\n", self.backend);
            std::fs::write(folder.join("network.conf"), line).unwrap();
        })
    }

    /// Starts the networks in the order given.
    pub(crate) fn start_networks(&self, virsh: &Virsh, order: &[&Machine]) {
        for machine in order {
            let (letter, mode) = machine.network.unwrap();
            let path = self.folder.join(format!("{letter}.xml"));
            let served = self.served(letter);
            std::fs::create_dir_all(&served).unwrap();
            // dnsmasq gives its rights away and must still reach it.
            sh(&format!("chmod 755 {} {}", self.folder.display(), served.display()));
            std::fs::write(&path, document(letter, mode, machine, &served.display().to_string())).unwrap();
            virsh.ok(&["net-create", &path.display().to_string()]);
        }
    }

    /// Files that a network serves.
    pub(crate) fn served(&self, letter: &str) -> PathBuf {
        self.folder.join(format!("tftp-{letter}"))
    }

    /// Connects the machines of networks with fixed addresses, and starts what answers on each.
    pub(crate) fn connect(&self, machines: &[&Machine]) {
        for machine in machines {
            let (name, letter) = (machine.name, machine.network.unwrap().0);
            sh(&format!("ip netns add {name}"));
            sh(&at(name, "sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra'"));
            sh(&format!("ip link add v{name} type veth peer name eth0 netns {name}"));
            sh(&format!(
                "ip link set v{name} master vb{letter}; ip link set v{name} up; ip -n {name} link set lo up"
            ));
            let (v4, v6) = (machine.v4, machine.v6);
            let gateway = |address: &str| address.strip_suffix("10").map(|net| format!("{net}1")).unwrap();
            sh(&format!(
                "ip -n {name} addr add {v4}/24 dev eth0; ip -n {name} addr add {v6}/64 dev eth0 nodad"
            ));
            sh(&format!("ip -n {name} link set eth0 up"));
            sh(&format!("ip -n {name} route add default via {}", gateway(v4)));
            sh(&format!("ip -n {name} route add default via {}", gateway(v6)));
        }
        // Addresses of bridges are tried out when their first machine is connected.
        let settled = || try_sh("ip -6 addr show tentative").stdout.is_empty();
        assert!(soon(Duration::from_secs(10), settled), "addresses are still tried out");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The document of a network that has everything.
fn document(letter: &str, mode: &str, machine: &Machine, served: &str) -> String {
    let forward = match mode {
        "" => String::new(),
        "nat" => "<forward mode='nat'><nat ipv6='yes'/></forward>".to_owned(),
        mode => format!("<forward mode='{mode}'/>"),
    };
    let v4 = machine.v4.strip_suffix("10").unwrap();
    let v6 = machine.v6.strip_suffix("10").unwrap();
    format!(
        "<network><name>{letter}</name>{forward}<bridge name='vb{letter}' stp='off' delay='0'/>\
         <domain name='{letter}.test' localOnly='yes'/>\
         <dns><host ip='{v4}77'><hostname>printer</hostname></host></dns>\
         <ip address='{v4}1' prefix='24'><tftp root='{served}'/>\
         <dhcp><range start='{v4}100' end='{v4}200'/><host mac='52:54:00:77:00:01' name='known' ip='{v4}50'/></dhcp></ip>\
         <ip family='ipv6' address='{v6}1' prefix='64'/></network>"
    )
}

/// Waits until something holds.
pub(crate) fn soon(limit: Duration, mut what: impl FnMut() -> bool) -> bool {
    testkit::wait_for(limit, || what().then_some(())).is_some()
}
