//! Measures of the planner: from a stored definition to the emulator's command line.
//!
//! ```text
//! cargo xtask bench --planning [--quick] [--json]
//! definition ──for this start──▶ names ──▶ plan ──▶ argv
//! ```

use crate::documents::Bench;
use crate::measures::Figure;
use conf_domain::Domain;
use qemu_plan::argv::chardev::Address;
use qemu_plan::argv::secret::Vault;
use qemu_plan::argv::{self, PortUse, Start};
use qemu_plan::complete::{self, Hardware};
use qemu_plan::{Caps, alias};
use std::hint::black_box;

type Measure = fn(&Bench) -> Figure;

/// Name, unit, measure.
pub(crate) const MEASURES: &[(&str, &str, Measure)] = &[
    ("planning-start", "us", |bench| {
        let (domain, start) = (bench.typical()?, facts());
        bench.time(|bench| {
            black_box(line(&domain, bench.caps(), &start)?);
            Ok(())
        })
    }),
    ("planning-line", "us", |bench| {
        let (mut domain, start) = (bench.typical()?, facts());
        prepare(&mut domain, bench.caps())?;
        bench.time(|bench| {
            let line = argv::plan(&domain, bench.caps(), &start).map_err(|error| error.to_string())?;
            black_box(line);
            Ok(())
        })
    }),
];

/// What a start finds out before.
fn facts() -> Start {
    Start {
        private_dir: "/var/lib/libvirt/qemu/domain-1-typical".to_owned(),
        channel_dir: "/run/libvirt/qemu/channel/1-typical".to_owned(),
        monitor: Address::Fd("20".to_owned()),
        short_name: "1-typical".to_owned(),
        tap_fds: ["net0", "net1"].map(|name| (name.to_owned(), vec![21])).into(),
        chardev_fds: ["charchannel0", "channel0", "channel1"].map(|name| (name.to_owned(), 22)).into(),
        vault: Some(Vault { key: [7; 32], iv: || [8; 16] }),
        sandbox: true,
        timestamps: true,
        ..Start::default()
    }
}

/// What is decided anew for each start.
fn prepare(domain: &mut Domain, caps: &Caps) -> Result<(), String> {
    complete::for_start(domain, caps, &Hardware::default()).map_err(|error| error.to_string())?;
    complete::align_memory(domain, caps);
    alias::assign(domain);
    argv::choose_ports(domain, false, &mut |port| {
        Ok(match port {
            PortUse::Vnc => 5900,
            PortUse::Spice => 5901,
            PortUse::SpiceTls => 5902,
        })
    })
    .map_err(|error| error.to_string())
}

fn line(domain: &Domain, caps: &Caps, start: &Start) -> Result<argv::Line, String> {
    let mut domain = domain.clone();
    prepare(&mut domain, caps)?;
    argv::plan(&domain, caps, start).map_err(|error| error.to_string())
}
