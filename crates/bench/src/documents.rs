//! Measures of documents: no daemon, no emulator, only the rooms that read, complete and print a definition.
//!
//! ```text
//! cargo xtask bench --documents [--quick] [--json]
//! ```

use crate::measures::{Figure, median, micros};
use conf_domain::{Domain, FormatFlags, ParseFlags};
use qemu_caps::Probe;
use qemu_plan::complete::{Site, complete};
use qemu_plan::{Caps, Firmware};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// An ordinary definition of about a hundred lines.
const TYPICAL: &str = include_str!("../data/typical.xml");

/// Answers of an emulator, as far as completing the typical definition asks for them.
const EMULATOR: &str = include_str!("../data/emulator.json");

type Measure = fn(&Bench) -> Figure;

/// Name, unit, measure.
pub(crate) const MEASURES: &[(&str, &str, Measure)] = &[
    ("document-parse", "us", |bench| bench.time(|bench| bench.parse(TYPICAL).map(|_| ()))),
    ("document-complete", "us", |bench| {
        let parsed = bench.parse(TYPICAL)?;
        bench.time(|bench| bench.complete(parsed.clone()).map(|_| ()))
    }),
    ("document-format", "us", |bench| {
        let domain = bench.complete(bench.parse(TYPICAL)?)?;
        bench.time(|_| {
            black_box(domain.format(FormatFlags::STORED));
            Ok(())
        })
    }),
    ("document-clone", "us", |bench| {
        let domain = bench.complete(bench.parse(TYPICAL)?)?;
        bench.time(|_| {
            black_box(domain.clone());
            Ok(())
        })
    }),
    ("document-round", "us", |bench| {
        bench.time(|bench| {
            black_box(bench.complete(bench.parse(TYPICAL)?)?.format(FormatFlags::STORED));
            Ok(())
        })
    }),
    ("document-memory", "KiB", Bench::memory),
];

/// What a definition is completed for.
#[derive(Debug)]
pub(crate) struct Bench {
    caps: Caps,
    site: Site,
    rounds: usize,
}

impl Bench {
    pub(crate) fn new(quick: bool) -> Result<Bench, String> {
        let answers: serde_json::Value = serde_json::from_str(EMULATOR).map_err(|e| e.to_string())?;
        let mut probe = Probe::new("/usr/bin/qemu-system-x86_64", false);
        loop {
            while let Some(command) = probe.command() {
                let query = command.get("execute").and_then(serde_json::Value::as_str).unwrap_or_default();
                let answer = match answers.get(query) {
                    Some(answer) => Ok(answer.clone()),
                    None if query == "qmp_capabilities" => Ok(serde_json::Value::Null),
                    None if query.starts_with("query-") => Ok(serde_json::Value::Array(Vec::new())),
                    None => Err(format!("The command {query} has not been found")),
                };
                probe.reply(answer).map_err(|error| error.to_string())?;
            }
            if !probe.again() {
                break;
            }
            probe.restart();
        }
        let caps = probe.finish();
        let site = Site {
            firmware: Firmware::new(Vec::new(), "/var/lib/libvirt/qemu/nvram".to_owned()),
            lib_dir: "/var/lib/libvirt/qemu".to_owned(),
            channel_dir: "/run/libvirt/qemu/channel".to_owned(),
            ..Site::default()
        };
        Ok(Bench { caps, site, rounds: if quick { 200 } else { 2000 } })
    }

    fn parse(&self, text: &str) -> Result<Domain, String> {
        Domain::parse(text, FLAGS, &mut || [7; 16]).map_err(|error| error.to_string())
    }

    fn complete(&self, mut domain: Domain) -> Result<Domain, String> {
        complete(&mut domain, &self.caps, &self.site, FLAGS).map_err(|error| error.to_string())?;
        Ok(domain)
    }

    /// The typical definition, completed.
    pub(crate) fn typical(&self) -> Result<Domain, String> {
        self.complete(self.parse(TYPICAL)?)
    }

    /// What the emulator can do.
    pub(crate) fn caps(&self) -> &Caps {
        &self.caps
    }

    pub(crate) fn time(&self, work: impl Fn(&Bench) -> Result<(), String>) -> Figure {
        let round = |_| {
            let begin = Instant::now();
            work(self)?;
            Ok::<Duration, String>(begin.elapsed())
        };
        median(self.rounds / 10, round)?;
        median(self.rounds, round).map(micros)
    }

    /// Memory that one definition holds: what the process grows by for many, each read and completed on its own.
    fn memory(&self) -> Figure {
        let count = self.rounds;
        let mut held = Vec::with_capacity(count);
        held.push(self.complete(self.parse(TYPICAL)?)?);
        let before = resident()?;
        for _ in 0..count {
            held.push(self.complete(self.parse(TYPICAL)?)?);
        }
        let grown = resident()?.saturating_sub(before);
        black_box(&held);
        Ok(grown as f64 / count as f64)
    }
}

const FLAGS: ParseFlags = ParseFlags::DEFINED;

/// Resident memory of this process in KiB.
fn resident() -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
    value.ok_or_else(|| "no figure of resident memory".to_owned())
}
