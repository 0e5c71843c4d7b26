//! What is measured, and how.

use crate::networks;
use crate::subject::Subject;
use api::{Call, DomainConfig, DomainInfo, DomainLifecycle, DomainLookup, Host};
use base::object::DomainRef;
use driver_remote::Remote;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A value, or why there is none.
pub(crate) type Figure = Result<f64, String>;

type Measure = fn(&mut Subject, bool) -> Figure;

/// Name, unit, measure; `bool` asks for fewer rounds.
pub(crate) const MEASURES: &[(&str, &str, Measure)] = &[
    ("rss-idle", "KiB", rss),
    ("ping", "us", ping),
    ("calls-8-clients", "calls/s", eight_clients),
    ("connect", "us", connect),
    ("define", "us", define),
    ("lookup", "us", lookup),
    ("list-100", "us", list),
    ("xml", "us", xml),
    ("stats-per-domain", "us", stats),
    ("restart-1000", "ms", restart_1000),
    ("rss-1000", "KiB", rss_1000),
    ("create-to-running", "ms", create),
    ("create-minus-bare-qemu", "ms", create_over_bare),
    ("destroy", "ms", destroy),
    ("network-start", "ms", networks::start),
    ("network-stop", "ms", networks::stop),
    ("network-restart-100", "ms", networks::restart),
];

fn words(error: &base::Error) -> String {
    error.to_string()
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The median of `rounds` timings.
pub(crate) fn median(
    rounds: usize,
    mut round: impl FnMut(usize) -> Result<Duration, String>,
) -> Result<Duration, String> {
    let mut times = (0..rounds).map(&mut round).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn timed<T>(work: impl FnOnce() -> Result<T, String>) -> Result<Duration, String> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn document(name: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/><apic/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<controller type='usb' index='0' model='none'/><serial type='pty'/>
<interface type='user'><model type='virtio'/></interface><memballoon model='virtio'/></devices></domain>"
    )
}

fn define_one(remote: &Remote, name: &str) -> Result<DomainRef, String> {
    remote.domain_define_xml_flags(&Call::internal(), &document(name), 0).map_err(|e| words(&e))
}

fn undefine(remote: &Remote, domains: &[DomainRef]) {
    for dom in domains {
        let _ = remote.domain_undefine(&Call::internal(), dom);
    }
}

/// Runs `work` with so many defined domains, and removes them.
fn with_domains<T>(
    subject: &Subject,
    count: usize,
    work: impl FnOnce(&Remote, &[DomainRef]) -> Result<T, String>,
) -> Result<T, String> {
    let remote = subject.open()?;
    let mut domains = Vec::new();
    for index in 0..count {
        domains.push(define_one(&remote, &format!("bench-{index}"))?);
    }
    let outcome = work(&remote, &domains);
    undefine(&remote, &domains);
    outcome
}

fn ping(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "ping", if quick { 500 } else { 5000 });
    }
    let remote = subject.open()?;
    let cx = Call::internal();
    let call = |_| timed(|| remote.connect_get_lib_version(&cx).map_err(|e| words(&e)));
    median(200, call)?;
    median(if quick { 500 } else { 5000 }, call).map(micros)
}

fn eight_clients(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "calls", if quick { 500 } else { 2000 });
    }
    let remotes = (0..8).map(|_| subject.open()).collect::<Result<Vec<_>, _>>()?;
    let (count, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let span = Duration::from_millis(if quick { 500 } else { 2000 });
    std::thread::scope(|scope| {
        for remote in &remotes {
            scope.spawn(|| {
                let cx = Call::internal();
                while !over.load(Ordering::Relaxed) && remote.connect_get_lib_version(&cx).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(span);
        over.store(true, Ordering::Relaxed);
    });
    Ok(count.load(Ordering::Relaxed) as f64 / span.as_secs_f64())
}

fn connect(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "connect", if quick { 20 } else { 100 });
    }
    median(if quick { 20 } else { 200 }, |_| timed(|| subject.open())).map(micros)
}

fn define(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "define", if quick { 10 } else { 50 });
    }
    let remote = subject.open()?;
    let mut domains = Vec::new();
    let rounds = if quick { 10 } else { 50 };
    let outcome = median(rounds, |round| {
        timed(|| {
            domains.push(define_one(&remote, &format!("bench-{round}"))?);
            Ok(())
        })
    });
    undefine(&remote, &domains);
    outcome.map(micros)
}

fn lookup(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "lookup", if quick { 100 } else { 2000 });
    }
    with_domains(subject, 20, |remote, _| {
        let cx = Call::internal();
        median(if quick { 100 } else { 2000 }, |round| {
            let name = format!("bench-{}", round % 20);
            timed(|| remote.domain_lookup_by_name(&cx, &name).map_err(|e| words(&e)))
        })
        .map(micros)
    })
}

fn list(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "list", if quick { 50 } else { 500 });
    }
    with_domains(subject, 100, |remote, _| {
        let cx = Call::internal();
        median(if quick { 50 } else { 500 }, |_| {
            timed(|| remote.connect_list_all_domains(&cx, 1, 0).map_err(|e| words(&e)))
        })
        .map(micros)
    })
}

fn xml(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "xml", if quick { 100 } else { 2000 });
    }
    with_domains(subject, 1, |remote, domains| {
        let cx = Call::internal();
        let dom = &domains[0];
        median(if quick { 100 } else { 2000 }, |_| {
            timed(|| remote.domain_get_xml_desc(&cx, dom, 0).map_err(|e| words(&e)))
        })
        .map(micros)
    })
}

fn stats(subject: &mut Subject, quick: bool) -> Figure {
    if let Some(stock) = subject.stock.clone() {
        return stock.time(&subject.socket, "stats", if quick { 5 } else { 50 });
    }
    let count = 4;
    with_domains(subject, count, |remote, domains| {
        let cx = Call::internal();
        for dom in domains {
            remote.domain_create(&cx, dom).map_err(|e| words(&e))?;
        }
        let outcome = median(if quick { 5 } else { 50 }, |_| {
            timed(|| remote.connect_get_all_domain_stats(&cx, domains, 0, 0).map_err(|e| words(&e)))
        });
        for dom in domains {
            let _ = remote.domain_destroy(&cx, dom);
        }
        outcome.map(|time| micros(time) / count as f64)
    })
}

fn rss(subject: &mut Subject, _quick: bool) -> Figure {
    subject.resident()
}

fn restart_1000(subject: &mut Subject, quick: bool) -> Figure {
    let count = if quick { 100 } else { 1000 };
    let remote = subject.open()?;
    let mut domains = Vec::new();
    for index in 0..count {
        domains.push(define_one(&remote, &format!("bench-{index}"))?);
    }
    drop(remote);
    let begin = Instant::now();
    let restarted = subject.restart();
    let listed = restarted.and_then(|_| {
        let remote = subject.open()?;
        remote.connect_list_all_domains(&Call::internal(), 1, 0).map_err(|e| words(&e))
    });
    let time = begin.elapsed();
    undefine(&subject.open()?, &domains);
    let found = listed?.ret as usize;
    if found < count {
        Err(format!("{found} of {count} domains are back"))
    } else {
        Ok(time.as_secs_f64() * 1e3)
    }
}

fn rss_1000(subject: &mut Subject, quick: bool) -> Figure {
    let count = if quick { 100 } else { 1000 };
    with_domains(subject, count, |_, _| Ok(()))
        .and_then(|()| with_domains(&*subject, count, |_, _| subject.resident()))
}

/// Median time of starting and of ending a guest that stays in its firmware.
fn guest(subject: &Subject, quick: bool) -> Result<(Duration, Duration), String> {
    with_domains(subject, 1, |remote, domains| {
        let cx = Call::internal();
        let dom = &domains[0];
        let mut ends = Vec::new();
        let start = median(if quick { 3 } else { 9 }, |_| {
            let time = timed(|| remote.domain_create(&cx, dom).map_err(|e| words(&e)))?;
            ends.push(timed(|| remote.domain_destroy(&cx, dom).map_err(|e| words(&e)))?);
            Ok(time)
        })?;
        ends.sort_unstable();
        Ok((start, ends[ends.len() / 2]))
    })
}

/// Milliseconds until a guest runs, and until it has ended.
fn guest_time(subject: &Subject, quick: bool, ending: bool) -> Figure {
    if let Some(stock) = &subject.stock {
        let measure = if ending { "destroy" } else { "create" };
        return stock.time(&subject.socket, measure, if quick { 3 } else { 9 }).map(|time| time / 1e3);
    }
    let (start, end) = guest(subject, quick)?;
    Ok(if ending { end } else { start }.as_secs_f64() * 1e3)
}

fn create(subject: &mut Subject, quick: bool) -> Figure {
    guest_time(subject, quick, false)
}

fn destroy(subject: &mut Subject, quick: bool) -> Figure {
    guest_time(subject, quick, true)
}

/// The same machine without any daemon: until it says over its monitor that it runs.
fn bare(quick: bool) -> Result<Duration, String> {
    median(if quick { 3 } else { 9 }, |_| {
        timed(|| {
            let mut child = Command::new("qemu-system-x86_64")
                .args([
                    "-machine",
                    "q35",
                    "-accel",
                    "tcg",
                    "-cpu",
                    "qemu64",
                    "-m",
                    "64",
                    "-nodefaults",
                    "-display",
                    "none",
                ])
                .args([
                    "-netdev",
                    "user,id=n",
                    "-device",
                    "virtio-net-pci,netdev=n",
                    "-device",
                    "virtio-balloon-pci",
                ])
                .args(["-chardev", "pty,id=c", "-device", "isa-serial,chardev=c", "-qmp", "stdio"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|e| e.to_string())?;
            let mut stdin = child.stdin.take().ok_or("no input")?;
            let stdout = child.stdout.take().ok_or("no output")?;
            let asked = std::io::Write::write_all(
                &mut stdin,
                b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-status\",\"id\":\"s\"}\n",
            );
            let answered = asked.is_ok()
                && std::io::BufRead::lines(std::io::BufReader::new(stdout))
                    .map_while(Result::ok)
                    .any(|line| line.contains("\"id\": \"s\""));
            let _ = child.kill();
            let _ = child.wait();
            if answered { Ok(()) } else { Err("QEMU does not answer".to_owned()) }
        })
    })
}

fn create_over_bare(subject: &mut Subject, quick: bool) -> Figure {
    let bare = bare(quick)?.as_secs_f64() * 1e3;
    guest_time(subject, quick, false).map(|start| start - bare)
}
