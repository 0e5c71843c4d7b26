//! Who reaches whom.

use crate::probe::{self, Held};
use crate::stage::{MACHINES, Machine, Stage, sh, soon, try_sh};
use std::net::IpAddr;
use std::time::Duration;

/// Who reaches whom (columns as rows) with new connections, in both families: machines of nat a, nat b, routed c,
/// isolated d, open e, outside, the host.
const EXPECTED: [&str; 7] = [
    "1.1.111", //
    ".11.111", //
    "..1.111", //
    "...1..1", //
    "..1.111", //
    "..1.111", //
    "1111111", //
];

/// How soon rules must be there again.
const SOON: Duration = Duration::from_secs(2);

fn address(machine: &Machine, v6: bool) -> IpAddr {
    if v6 { machine.v6 } else { machine.v4 }.parse().unwrap()
}

/// The address under which a machine would reach another; the host answers under the nearest one.
fn seen_from(asker: &Machine, other: &Machine, v6: bool) -> IpAddr {
    let own = if v6 { asker.v6 } else { asker.v4 };
    match own.strip_suffix("10") {
        Some(net) if other.name.is_empty() => format!("{net}1").parse().unwrap(),
        _ => address(other, v6),
    }
}

/// Rows of who reaches whom.
fn measured(v6: bool) -> Vec<String> {
    let row = |machine: &Machine| {
        let others: Vec<IpAddr> = MACHINES.iter().map(|other| seen_from(machine, other, v6)).collect();
        let answers = probe::ask(machine.name, &others);
        answers.iter().map(|answer| if answer.is_some() { '1' } else { '.' }).collect()
    };
    std::thread::scope(|scope| {
        let rows: Vec<_> = MACHINES.iter().map(|machine| scope.spawn(move || row(machine))).collect();
        rows.into_iter().map(|row| row.join().unwrap()).collect()
    })
}

fn check(when: &str) {
    for v6 in [false, true] {
        let rows = measured(v6);
        println!("{when}, IPv{}: {rows:?}", if v6 { 6 } else { 4 });
        assert_eq!(rows, EXPECTED, "{when}, IPv{}", if v6 { 6 } else { 4 });
    }
}

/// Machines behind an address of the host's are seen as the host.
fn check_masquerade() {
    let outside = &MACHINES[5];
    for (machine, hidden) in [(0, true), (1, true), (2, false), (4, false)] {
        for v6 in [false, true] {
            let machine = &MACHINES[machine];
            let seen = probe::ask(machine.name, &[address(outside, v6)])[0];
            let expected = if hidden { address(&MACHINES[6], v6) } else { address(machine, v6) };
            assert_eq!(seen, Some(expected), "{}", machine.name);
        }
    }
}

/// Docker lets nothing pass that it does not know. What our rules in the same table allow passes all the same; for the
/// rest somebody says who is to blame, and what helps.
fn check_doctor(backend: &str, root: &std::path::Path) {
    let doctor = || {
        let program = testkit::program("doctor", "ferrovirt-doctor");
        let output = std::process::Command::new(program).arg("--root").arg(root).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(doctor(), "nothing keeps running networks from working\n");
    sh("iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER");
    sh("iptables -P FORWARD DROP");
    let found = doctor();
    println!("{found}");
    assert!(found.contains("because of policy DROP of chain FORWARD of table filter"), "{found}");
    assert!(found.contains("network 'e' (vbe): guests cannot reach others over IPv4"), "{found}");
    assert_eq!(found.contains("network 'a'"), backend == "nftables", "{found}");
    let blocked = measured(false);
    assert_eq!(&blocked[4][5..], ".1", "{blocked:?}");
    if backend == "iptables" {
        assert_eq!(blocked[..4], EXPECTED[..4]);
    }
    for remedy in found.lines().filter_map(|line| line.trim().strip_prefix("to allow it: ")) {
        sh(remedy);
    }
    assert_eq!(doctor(), "nothing keeps running networks from working\n");
    check("with Docker, after what the doctor said");
}

fn flush(backend: &str) {
    match backend {
        "iptables" => {
            sh("iptables -F; iptables -t nat -F; iptables -t mangle -F; ip6tables -F; ip6tables -t nat -F");
            sh("iptables -X; ip6tables -X");
        }
        _ => drop(sh("nft flush ruleset")),
    }
}

fn intact(backend: &str) -> bool {
    let rules = match backend {
        "iptables" => try_sh("iptables-save; ip6tables-save"),
        _ => try_sh("nft list ruleset"),
    };
    // The last network's last rule of each family is there.
    let text = String::from_utf8_lossy(&rules.stdout).into_owned();
    ["10.77.1.0/24", "10.77.2.0/24", "fd77:1::/64", "fd77:2::/64"].iter().all(|net| text.contains(net))
        && text.matches("vbd").count() >= 6
        && (backend != "iptables" || text.matches("-A FORWARD -j LIBVIRT").count() == 6)
}

/// All of it, in both orders of the networks.
pub(crate) fn everything(stage: &Stage) {
    let foreign = std::env::var_os("FERROVIRT_TEST_URI").is_some();
    let mut order: Vec<&Machine> = MACHINES.iter().filter(|machine| machine.network.is_some()).collect();
    let mut daemon = stage.daemon();
    let virsh = daemon.virsh();
    stage.start_networks(&virsh, &order);
    stage.connect(&order);
    let answering: Vec<_> = MACHINES.iter().map(|machine| probe::answerer(machine.name)).collect();
    check("started");
    check_masquerade();
    let outside: IpAddr = MACHINES[5].v4.parse().unwrap();
    let mut held = Held::open("ha", outside);
    if !foreign {
        for what in ["flushed", "deleted"] {
            if what == "flushed" {
                flush(stage.backend);
            } else if stage.backend == "iptables" {
                sh("iptables -D FORWARD -j LIBVIRT_FWI");
            } else {
                sh("nft delete table ip libvirt_network");
            }
            assert!(soon(SOON, || intact(stage.backend)), "{what}\n{}", daemon.log());
            check(what);
            assert!(held.answers(), "a connection from before");
        }
        daemon.kill();
        check("without a daemon");
        assert!(held.answers(), "a connection from before");
        daemon.resume();
        virsh.ok(&["net-list"]);
        check("with another daemon");
        daemon.kill();
        flush(stage.backend);
        daemon.resume();
        virsh.ok(&["net-list"]);
        check("flushed between two daemons");
        daemon.stop();
        daemon.resume();
        virsh.ok(&["net-list"]);
        check("after an orderly end");
        assert!(held.answers(), "a connection from before");
    }
    for machine in &order {
        virsh.ok(&["net-destroy", machine.network.unwrap().0]);
        sh(&format!("ip netns del {0}; ip link del v{0} 2>/dev/null || true", machine.name));
    }
    drop(held);
    order.reverse();
    stage.start_networks(&virsh, &order);
    drop(answering);
    stage.connect(&order);
    let _answering: Vec<_> = MACHINES.iter().map(|machine| probe::answerer(machine.name)).collect();
    check("started in the other order");
    if !foreign {
        check_doctor(stage.backend, daemon.root());
    }
    for machine in &order {
        virsh.ok(&["net-destroy", machine.network.unwrap().0]);
    }
}
