//! Events as `virsh event` prints them.

use super::{Cleanup, define, possible};
use std::io::{BufRead, BufReader};
use std::time::Duration;
use testkit::Daemon;
use testkit::guest::Definition;

#[test]
fn lifecycle_events_in_order() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = daemon.virsh();
    let mut watcher = virsh.start(&["event", "--all", "--loop", "--timeout", "80"]);
    let lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in
            lines.map_while(Result::ok).filter(|line| line.contains("'event'") || line.contains("events"))
        {
            let _ = sender.send(line);
        }
    });
    // The watcher subscribes after it has connected; the first event tells that it has.
    std::thread::sleep(Duration::from_millis(700));

    define(&daemon, &Definition::firmware("event"));
    let _cleanup = Cleanup(&daemon, "event");
    virsh.ok(&["start", "event"]);
    virsh.ok(&["suspend", "event"]);
    virsh.ok(&["resume", "event"]);
    virsh.ok(&["destroy", "event"]);
    virsh.ok(&["undefine", "event"]);
    let mut got = Vec::new();
    while !got.last().is_some_and(|line: &String| line.contains("Undefined")) {
        match received.recv_timeout(Duration::from_secs(10)) {
            Ok(line) => got.push(line),
            Err(_) => panic!("events stop after {got:#?}"),
        }
    }
    let _ = watcher.kill();
    let _ = watcher.wait();
    let lifecycle: Vec<&str> =
        got.iter().filter_map(|line| line.strip_prefix("event 'lifecycle' for domain 'event': ")).collect();
    let expected = [
        "Defined Added",
        "Resumed Unpaused",
        "Started Booted",
        "Suspended Paused",
        "Resumed Unpaused",
        "Shutdown Finished after host request",
        "Stopped Destroyed",
        "Undefined Removed",
    ];
    assert_eq!(lifecycle, expected);
}
