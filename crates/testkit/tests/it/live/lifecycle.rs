//! Starting, pausing and ending guests.

use super::{Cleanup, define, file, possible};
use std::time::Duration;
use testkit::guest::Definition;
use testkit::{Daemon, Virsh, wait_for};

fn state_becomes(virsh: &Virsh, name: &str, state: &str, seconds: u64) {
    let reached = wait_for(Duration::from_secs(seconds), || {
        (virsh.run(&["domstate", name, "--reason"]).out.trim() == state).then_some(())
    });
    assert!(
        reached.is_some(),
        "{name}: {state:?} expected, is {}",
        virsh.ok(&["domstate", name, "--reason"])
    );
}

#[test]
fn firmware_guest_through_its_states() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let devices = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
        <video><model type='vga' vram='16384' heads='1'/></video>
        <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
        <input type='tablet' bus='virtio'/>
        <interface type='user'><model type='virtio'/></interface>";
    let virsh = define(&daemon, &Definition::firmware("states").with(devices));
    let _cleanup = Cleanup(&daemon, "states");
    virsh.says(&["start", "states", "--paused"], "Domain 'states' started");
    virsh.says(&["domstate", "states", "--reason"], "paused (user)");
    virsh.says(&["list"], "states   paused");
    virsh.says(&["resume", "states"], "Domain 'states' resumed");
    virsh.says(&["domstate", "states", "--reason"], "running (unpaused)");
    virsh.refused(&["start", "states"], "Domain is already active");
    virsh.says(&["suspend", "states"], "Domain 'states' suspended");
    virsh.says(&["domstate", "states", "--reason"], "paused (user)");
    virsh.ok(&["resume", "states"]);
    virsh.says(&["reset", "states"], "Domain 'states' was reset");
    let id = virsh.ok(&["domid", "states"]).trim().to_owned();
    assert!(id.parse::<u32>().is_ok(), "{id}");
    let live = virsh.ok(&["dumpxml", "states"]);
    assert!(live.starts_with(&format!("<domain type='qemu' id='{id}'>")), "{live}");
    for text in [
        "<alias name='serial0'/>",
        "<alias name='net0'/>",
        "<alias name='balloon0'/>",
        "<source path='/dev/pts/",
    ] {
        assert!(live.contains(text), "{text}: {live}");
    }
    assert!(!virsh.ok(&["dumpxml", "states", "--inactive"]).contains("<alias"));
    virsh.says(&["ttyconsole", "states"], "/dev/pts/");
    virsh.says(&["vncdisplay", "states"], "127.0.0.1:");
    virsh.says(&["domdisplay", "states"], "vnc://127.0.0.1:");
    virsh.says(&["send-key", "states", "KEY_ENTER"], "");
    virsh.says(
        &["qemu-monitor-command", "states", "{\"execute\":\"query-status\"}"],
        "\"status\":\"running\"",
    );
    virsh.says(&["qemu-monitor-command", "states", "--hmp", "info status"], "VM status: running");
    let picture = daemon.scratch("screen");
    virsh.says(&["screenshot", "states", &picture.display().to_string()], "Screenshot saved to");
    assert!(std::fs::metadata(&picture).unwrap().len() > 1000);
    virsh.says(&["dominfo", "states"], "State:          running");
    virsh.says(&["domstats", "states", "--state"], "state.state=1");
    virsh.says(&["reboot", "states"], "Domain 'states' is being rebooted");
    virsh.says(&["destroy", "states"], "Domain 'states' destroyed");
    virsh.says(&["domstate", "states", "--reason"], "shut off (destroyed)");
    virsh.says(&["undefine", "states"], "Domain 'states' has been undefined");
}

#[test]
fn transient_guest_is_gone_after_its_end() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = daemon.virsh();
    let _cleanup = Cleanup(&daemon, "brief");
    virsh.says(&["create", &file(&daemon, &Definition::firmware("brief"))], "Domain 'brief' created from");
    virsh.says(&["dominfo", "brief"], "Persistent:     no");
    virsh.says(&["list", "--transient"], "brief");
    virsh.refused(&["autostart", "brief"], "cannot set autostart for transient domain");
    virsh.ok(&["destroy", "brief"]);
    virsh.refused(&["domstate", "brief"], "failed to get domain 'brief'");
}

#[test]
fn linux_guest_boots_heeds_the_power_button_and_reboots() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = define(&daemon, &Definition::linux("linux"));
    let _cleanup = Cleanup(&daemon, "linux");
    let console = super::console::Console::start_with(&virsh, "linux");
    console.wait_for("FERRO-READY name=linux");
    virsh.says(&["reboot", "linux", "--mode", "acpi"], "is being rebooted");
    console.wait_for("FERRO-STOP poweroff");
    // A reboot by the power button is a shutdown that starts again in place.
    console.wait_for("FERRO-READY name=linux");
    state_becomes(&virsh, "linux", "running (booted)", 5);
    virsh.says(&["shutdown", "linux"], "Domain 'linux' is being shutdown");
    state_becomes(&virsh, "linux", "shut off (shutdown)", 60);
}

#[test]
fn guest_that_powers_off_by_itself() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = define(&daemon, &Definition::linux("itself").arguments("ferro.after=poweroff:0"));
    let _cleanup = Cleanup(&daemon, "itself");
    virsh.ok(&["start", "itself"]);
    state_becomes(&virsh, "itself", "shut off (shutdown)", 90);
}
