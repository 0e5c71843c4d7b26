//! Snapshots, checkpoints and backups of running guests.

use super::{Cleanup, define, foreign, possible};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::guest::Definition;
use testkit::{Daemon, Virsh, wait_for};

/// Makes an image with the emulator's tool; false where that is not installed.
fn image(path: &Path, size: &str) -> bool {
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(path).arg(size).status();
    let good = made.is_ok_and(|status| status.success());
    if !good {
        println!("qemu-img not present, skipped (scripts/test.sh installs it)");
    }
    good
}

fn disk(path: &Path) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>
         <target dev='vda' bus='virtio'/></disk>",
        path.display()
    )
}

/// The image that the guest writes to.
fn top(virsh: &Virsh, name: &str) -> String {
    let listed = virsh.ok(&["domblklist", name]);
    let line = listed.lines().find(|line| line.trim_start().starts_with("vda")).unwrap_or_default();
    line.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn ends(virsh: &Virsh, args: &[&str], text: &str) {
    let said = wait_for(Duration::from_secs(60), || virsh.run(args).out.contains(text).then_some(()));
    assert!(said.is_some(), "{args:?} does not say {text:?}: {}", virsh.ok(args));
}

#[test]
fn snapshots_and_the_way_back() {
    if !possible() {
        return;
    }
    let mut daemon = Daemon::start();
    let base = daemon.scratch("base.qcow2");
    if !image(&base, "4M") {
        return;
    }
    let virsh = define(&daemon, &Definition::firmware("moments").with(&disk(&base)));
    virsh.ok(&["start", "moments"]);
    virsh.says(&["snapshot-create-as", "moments", "first", "--disk-only"], "Domain snapshot first created");
    virsh.says(&["snapshot-create-as", "moments", "second", "--disk-only"], "second created");
    virsh.refused(&["snapshot-create-as", "moments", "first"], "domain moment first already exists");
    virsh.says(&["snapshot-current", "moments", "--name"], "second");
    virsh.says(&["snapshot-parent", "moments", "second"], "first");
    virsh.says(&["snapshot-info", "moments", "first"], "Location:       external");
    assert_eq!(top(&virsh, "moments"), base.with_extension("second").display().to_string());
    if !foreign() {
        daemon.kill();
        daemon.resume();
        virsh.says(&["snapshot-current", "moments", "--name"], "second");
        virsh.says(&["snapshot-dumpxml", "moments", "first"], "<state>disk-snapshot</state>");
    }
    virsh.says(&["snapshot-delete", "moments", "first"], "Domain snapshot first deleted");
    virsh.says(&["snapshot-delete", "moments", "second"], "Domain snapshot second deleted");
    assert_eq!(top(&virsh, "moments"), base.display().to_string());
    virsh.says(&["snapshot-create-as", "moments", "inside"], "Domain snapshot inside created");
    virsh.says(&["snapshot-info", "moments", "inside"], "Location:       internal");
    virsh.ok(&["snapshot-create-as", "moments", "outside", "--disk-only"]);
    virsh.refused(
        &["snapshot-delete", "moments", "outside"],
        "that has internal snapshot as parent not supported",
    );
    virsh.says(&["snapshot-list", "moments", "--tree"], "inside");
    virsh.ok(&["destroy", "moments"]);
    virsh.ok(&["snapshot-revert", "moments", "inside"]);
    virsh.says(&["domstate", "moments"], "running");
    virsh.ok(&["destroy", "moments"]);
    virsh.refused(&["undefine", "moments"], "cannot delete inactive domain with 2 snapshots");
    virsh.ok(&["undefine", "moments", "--snapshots-metadata"]);
}

#[test]
fn backups_of_what_has_changed() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let base = daemon.scratch("noted.qcow2");
    if !image(&base, "4M") {
        return;
    }
    let virsh = define(&daemon, &Definition::firmware("noted").with(&disk(&base)));
    let _cleanup = Cleanup(&daemon, "noted");
    virsh.ok(&["start", "noted"]);
    virsh.says(&["checkpoint-create-as", "noted", "c1"], "Domain checkpoint c1 created");
    virsh.says(&["checkpoint-dumpxml", "noted", "c1", "--size"], "bitmap='c1' size='0'");
    for (name, since) in [("full", ""), ("changed", "<incremental>c1</incremental>")] {
        let copy = daemon.scratch(&format!("{name}.qcow2"));
        let document = daemon.scratch(&format!("{name}.xml"));
        let text = format!(
            "<domainbackup>{since}<disks><disk name='vda' type='file'><target file='{}'/></disk></disks></domainbackup>",
            copy.display()
        );
        std::fs::write(&document, text).unwrap();
        virsh.says(&["backup-begin", "noted", &document.display().to_string()], "Backup started");
        // What is told once is forgotten, so the second round does not hear of the first.
        ends(&virsh, &["domjobinfo", "noted", "--completed"], "Backup");
        virsh.refused(&["backup-dumpxml", "noted"], "no domain backup job present");
        let size = Command::new("qemu-img").arg("info").arg(&copy).output().unwrap();
        assert!(String::from_utf8_lossy(&size.stdout).contains("virtual size: 4 MiB"), "{name}");
    }
    virsh.says(&["checkpoint-delete", "noted", "c1"], "Domain checkpoint c1 deleted");
    virsh.ok(&["destroy", "noted"]);
    virsh.ok(&["undefine", "noted"]);
}
