//! Guests survive the daemon, however it ends.

use super::{define, foreign, possible};
use std::process::Command;
use testkit::Daemon;
use testkit::guest::Definition;

#[test]
fn guests_outlive_the_daemon() {
    if !possible() || foreign() {
        return;
    }
    let mut daemon = Daemon::start();
    let virsh = define(&daemon, &Definition::firmware("outlive"));
    define(&daemon, &Definition::firmware("gone"));
    define(&daemon, &Definition::firmware("idle"));
    virsh.ok(&["start", "outlive"]);
    virsh.ok(&["start", "gone"]);
    virsh.ok(&["suspend", "outlive"]);
    let before = virsh.ok(&["dumpxml", "outlive"]);

    daemon.stop();
    daemon.resume();
    // What stands for no USB controller loses its name over a restart, with the reference too.
    let none = "<controller type='usb' index='0' model='none'";
    let named = format!("{none}>\n      <alias name='usb'/>\n    </controller>");
    assert!(before.contains(&named), "{before}");
    assert_eq!(virsh.ok(&["dumpxml", "outlive"]), before.replace(&named, &format!("{none}/>")));
    virsh.says(&["domstate", "outlive"], "paused");
    virsh.ok(&["resume", "outlive"]);

    daemon.kill();
    let ended = Command::new("pkill")
        .args(["-KILL", "-f", &format!("guest=gone,.*{}/", daemon.root().display())])
        .status();
    assert!(ended.unwrap().success(), "the guest 'gone' runs without its daemon");
    daemon.resume();
    virsh.says(&["domstate", "outlive"], "running");
    virsh.says(&["domstate", "gone", "--reason"], "shut off (crashed)");
    virsh.says(&["domstate", "idle"], "shut off");
    virsh.says(&["qemu-monitor-command", "outlive", "--hmp", "info status"], "VM status: running");
    virsh.ok(&["destroy", "outlive"]);
    virsh.ok(&["start", "outlive"]);
    virsh.ok(&["destroy", "outlive"]);
}
