//! What networks answer themselves: addresses, names, files for booting, where the way out is.

use crate::stage::{MACHINES, Stage, at, sh, soon, try_sh};
use std::net::UdpSocket;
use std::time::Duration;

/// A machine without addresses, on a network.
fn bare(name: &str, letter: &str, mac: &str) {
    sh(&format!("ip netns add {name}; ip link add v{name} type veth peer name eth0 netns {name}"));
    sh(&format!(
        "ip -n {name} link set eth0 address {mac}; ip -n {name} link set lo up; ip -n {name} link set eth0 up"
    ));
    sh(&format!("ip link set v{name} master vb{letter}; ip link set v{name} up"));
}

/// A question for the address of a name.
fn question(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// The address that a server gives for a name.
fn resolved(server: &str, name: &str) -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.send_to(&question(name), (server, 53)).ok()?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).ok()?;
    let answers = u16::from_be_bytes([buffer[6], buffer[7]]);
    let last = buffer.get(length.checked_sub(4)?..length)?;
    (answers > 0).then(|| last.iter().map(u8::to_string).collect::<Vec<_>>().join("."))
}

pub(crate) fn everything(stage: &Stage) {
    let daemon = stage.daemon();
    let virsh = daemon.virsh();
    stage.start_networks(&virsh, &[&MACHINES[0], &MACHINES[1]]);
    std::fs::write(stage.served("a").join("boot.txt"), "boot me").unwrap();

    let script = stage.folder.join("udhcpc.sh");
    let text = "#!/bin/sh\n[ \"$1\" = bound ] && ip addr add $ip/$mask dev $interface && echo got $ip $router $domain\nexit 0\n";
    std::fs::write(&script, text).unwrap();
    sh(&format!("chmod 755 {}", script.display()));
    let ask = |name: &str, host: &str| {
        let command =
            format!("busybox udhcpc -i eth0 -n -q -f -t 6 -T 1 -x hostname:{host} -s {}", script.display());
        sh(&at(name, &command))
    };
    bare("s1", "a", "52:54:00:77:00:01");
    let got = ask("s1", "ignored");
    assert!(
        got.contains("got 10.77.1.50 10.77.1.1 a.test"),
        "{got} {} {}",
        virsh.ok(&["net-dhcp-leases", "a"]),
        sh(&format!("cat {}/var/lib/libvirt/dnsmasq/a.hostsfile; ip -n s1 link", daemon.root().display()))
    );
    bare("s2", "a", "52:54:00:77:00:02");
    let got = ask("s2", "second");
    assert!(got.contains("got 10.77.1."), "{got}");
    let lent = || virsh.ok(&["net-dhcp-leases", "a"]);
    assert!(soon(Duration::from_secs(2), || lent().contains("52:54:00:77:00:02")), "{}", lent());
    let lent = lent();
    assert!(lent.contains("10.77.1.50/24") && lent.contains("known"), "{lent}");
    assert!(lent.contains("second"), "{lent}");
    let one = virsh.ok(&["net-dhcp-leases", "a", "52:54:00:77:00:01"]);
    assert!(one.contains("10.77.1.50") && !one.contains("second"), "{one}");

    assert_eq!(resolved("10.77.1.1", "printer").as_deref(), Some("10.77.1.77"));
    assert_eq!(resolved("10.77.1.1", "printer.a.test").as_deref(), Some("10.77.1.77"));
    assert_eq!(resolved("10.77.1.1", "known.a.test").as_deref(), Some("10.77.1.50"));
    let second = resolved("10.77.1.1", "second.a.test");
    assert!(second.is_some_and(|address| lent.contains(&address)), "{lent}");
    // Names of a network stay in it.
    assert_eq!(resolved("10.77.2.1", "known.a.test"), None);

    let file = sh(&at("s1", "sh -c 'cd /tmp && busybox tftp -g -r boot.txt -l - 10.77.1.1'"));
    assert_eq!(file, "boot me");

    // Routers are told of over IPv6.
    let v6 = || String::from_utf8_lossy(&try_sh("ip -n s1 -6 addr show dynamic").stdout).into_owned();
    assert!(soon(Duration::from_secs(8), || v6().contains("fd77:1:")), "{}", v6());
    assert!(sh("ip -n s1 -6 route").contains("default via fe80:"), "{}", sh("ip -n s1 -6 route"));

    // A host that is added while the network runs gets its address; so does one after the server has died.
    let host = "<host mac='52:54:00:77:00:03' name='third' ip='10.77.1.60'/>";
    virsh.ok(&["net-update", "a", "add", "ip-dhcp-host", host, "--live"]);
    bare("s3", "a", "52:54:00:77:00:03");
    let got = ask("s3", "x");
    assert!(got.contains("got 10.77.1.60"), "{got}");
    if std::env::var_os("FERROVIRT_TEST_URI").is_none() {
        let pid = std::fs::read_to_string(daemon.root().join("run/libvirt/network/a.pid")).unwrap();
        // One that has just started is not started again at once.
        std::thread::sleep(Duration::from_secs(6));
        sh(&format!("kill -9 {pid}"));
        let served = || resolved("10.77.1.1", "printer").is_some();
        assert!(soon(Duration::from_secs(10), served), "{}", daemon.log());
        let lent = virsh.ok(&["net-dhcp-leases", "a"]);
        assert!(lent.contains("10.77.1.60") && lent.contains("second"), "{lent}");
    }
    virsh.ok(&["net-destroy", "a"]);
    assert_eq!(resolved("10.77.1.1", "printer"), None);
    virsh.ok(&["net-destroy", "b"]);
}
