//! Stock virsh against a daemon of the test's own, with guests under real QEMU.
//!
//! Every expectation here holds for the reference too: run the tests with `FERROVIRT_TEST_URI=qemu:///system` in a
//! private namespace with its daemon to see that. What only our daemon can do (kill it, start it again below its root)
//! is skipped then.

mod config;
mod connection;
mod console;
mod events;
mod interfaces;
mod lifecycle;
mod moments;
mod restart;
mod service;

use std::process::{Command, Stdio};
use testkit::guest::Definition;
use testkit::{Daemon, Virsh};

/// Live tests need virsh and QEMU and the right to start guests; without them they say so and pass.
fn possible() -> bool {
    let present = |name: &str| {
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let good = present("virsh") && present("qemu-system-x86_64");
    if !good {
        println!("virsh or qemu-system-x86_64 not present, skipped (scripts/test.sh installs them)");
    }
    good
}

/// Whether the tests run against another daemon than ours.
fn foreign() -> bool {
    std::env::var_os("FERROVIRT_TEST_URI").is_some()
}

/// Writes the definition to a file and gives its path.
fn file(daemon: &Daemon, definition: &Definition) -> String {
    let path = daemon.scratch(&format!("{}.xml", definition.name));
    std::fs::write(&path, definition.xml()).unwrap();
    path.display().to_string()
}

/// Defines the guest.
fn define(daemon: &Daemon, definition: &Definition) -> Virsh {
    let virsh = daemon.virsh();
    virsh.says(&["define", &file(daemon, definition)], &format!("Domain '{}' defined", definition.name));
    virsh
}

/// Removes what a test left in a daemon that is not its own.
struct Cleanup<'d>(&'d Daemon, &'static str);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        let virsh = self.0.virsh();
        virsh.run(&["destroy", self.1]);
        virsh.run(&["undefine", self.1, "--nvram", "--managed-save"]);
    }
}
