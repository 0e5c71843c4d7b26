//! Rounds of work and sudden death.

use crate::daemon::Daemon;
use crate::model::{Dice, Known, State, Step};
use crate::traces;
use api::{Call, DomainConfig, DomainInfo, DomainLifecycle, DomainLookup};
use base::object::DomainRef;
use base::{Error, ErrorCode};
use driver_remote::Remote;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Deaths.
    pub rounds: usize,
    /// Clients at a time, each with a domain of its own.
    pub clients: usize,
    /// Start of the dice.
    pub seed: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Calls that were acknowledged.
    pub acknowledged: usize,
    /// Calls that were under way when the daemon was killed.
    pub cut_off: usize,
    /// Guests that ran on when the daemon was killed, all rounds together.
    pub guests: usize,
}

/// Runs the rounds; `tell` hears of each.
///
/// # Errors
/// With everything that is wrong after the first round that goes wrong.
pub fn run(
    daemon: &mut Daemon,
    options: Options,
    tell: &mut dyn FnMut(usize, Outcome),
) -> Result<Outcome, String> {
    let mut known = vec![Known::default(); options.clients];
    let mut total = Outcome::default();
    let mut dice = Dice::new(options.seed);
    daemon.start()?;
    warm_up(daemon, options.clients)?;
    for round in 0..options.rounds {
        let seed = dice.roll();
        // Early deaths meet the first calls, late ones guests that are up.
        let life = Duration::from_millis(20 + dice.roll() % 800);
        let outcome = one(daemon, &mut known, seed, life)?;
        total.acknowledged += outcome.acknowledged;
        total.cut_off += outcome.cut_off;
        daemon.start()?;
        total.guests += check(daemon, &mut known).map_err(|wrong| {
            format!("round {round} (seed {}):\n{}\n--- log\n{}", options.seed, wrong.join("\n"), daemon.log())
        })?;
        tell(round, total);
    }
    Ok(total)
}

/// Waits until the daemon knows its emulators, which the first definition needs; a daemon that dies before has done
/// nothing yet.
fn warm_up(daemon: &Daemon, client: usize) -> Result<(), String> {
    let (remote, cx) = (daemon.open()?, Call::internal());
    let dom =
        remote.domain_define_xml_flags(&cx, &document(client, 0), 0).map_err(|cause| cause.to_string())?;
    remote.domain_undefine_flags(&cx, &dom, 0).map_err(|cause| cause.to_string())
}

fn name(client: usize) -> String {
    format!("crash-{client}")
}

fn document(client: usize, mark: u64) -> String {
    format!(
        "<domain type='qemu'><name>{}</name><uuid>00000000-0000-4000-8000-{client:012x}</uuid><title>{mark}</title><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>
<serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<memballoon model='none'/></devices></domain>",
        name(client)
    )
}

/// Lets the clients work until the daemon is killed.
fn one(daemon: &mut Daemon, known: &mut [Known], seed: u64, life: Duration) -> Result<Outcome, String> {
    let connections = known.iter().map(|_| daemon.open()).collect::<Result<Vec<_>, _>>()?;
    let dead = AtomicBool::new(false);
    let outcomes: Vec<Result<Outcome, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = known
            .iter_mut()
            .zip(&connections)
            .enumerate()
            .map(|(client, (known, remote))| {
                let (dead, dice) = (&dead, Dice::new(seed.wrapping_add(client as u64)));
                scope.spawn(move || work(remote, client, known, dice, dead))
            })
            .collect();
        std::thread::sleep(life);
        dead.store(true, Ordering::Release);
        daemon.kill();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a client panicked".to_owned())))
            .collect()
    });
    let mut total = Outcome::default();
    for outcome in outcomes {
        let outcome = outcome?;
        total.acknowledged += outcome.acknowledged;
        total.cut_off += outcome.cut_off;
    }
    Ok(total)
}

fn work(
    remote: &Remote,
    client: usize,
    known: &mut Known,
    mut dice: Dice,
    dead: &AtomicBool,
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let mut dom = remote.domain_lookup_by_name(&Call::internal(), &name(client)).ok();
    while !dead.load(Ordering::Acquire) {
        let step = known.acknowledged.choose(dice.roll(), dice.roll() % 1_000_000);
        known.under_way = Some(step);
        match take(remote, client, &mut dom, step) {
            Ok(()) => {
                known.acknowledged = known.acknowledged.after(step);
                known.under_way = None;
                outcome.acknowledged += 1;
            }
            // The connection broke: what became of the call is not known.
            Err(_) if dead.load(Ordering::Acquire) => {
                outcome.cut_off += 1;
                break;
            }
            Err(cause) => {
                return Err(format!("{}: {step:?} in {:?}: {cause}", name(client), known.acknowledged));
            }
        }
    }
    Ok(outcome)
}

fn take(remote: &Remote, client: usize, dom: &mut Option<DomainRef>, step: Step) -> Result<(), Error> {
    let cx = Call::internal();
    if let Step::Define(mark) = step {
        *dom = Some(remote.domain_define_xml_flags(&cx, &document(client, mark), 0)?);
        return Ok(());
    }
    let dom =
        dom.as_ref().ok_or_else(|| Error::new(ErrorCode::NO_DOMAIN, base::ErrorDomain::QEMU, "no domain"))?;
    match step {
        Step::Define(_) => Ok(()),
        // Paused: the guests themselves are of no interest.
        Step::Start => remote.domain_create_with_flags(&cx, dom, 1).map(drop),
        Step::Destroy => remote.domain_destroy(&cx, dom),
        Step::Undefine => remote.domain_undefine_flags(&cx, dom, 0),
    }
}

/// Looks at everything after a crash; gives the number of guests that run.
fn check(daemon: &Daemon, known: &mut [Known]) -> Result<usize, Vec<String>> {
    let remote = daemon.open().map_err(|cause| vec![cause])?;
    let mut wrong = Vec::new();
    let (mut stored, mut running) = (BTreeSet::new(), BTreeSet::new());
    for (client, known) in known.iter_mut().enumerate() {
        let found = match look(&remote, client) {
            Ok(found) => found,
            Err(cause) => {
                wrong.push(format!("{}: {cause}", name(client)));
                continue;
            }
        };
        if !known.allows(found) {
            wrong.push(format!("{}: found {found:?}, known {known:?}", name(client)));
        }
        if found.stored.is_some() {
            stored.insert(name(client));
        }
        if found.running {
            running.insert(name(client));
        }
        *known = Known { acknowledged: found, under_way: None };
    }
    let emulators = traces::emulators(daemon.root());
    for name in &running {
        let count = emulators.iter().filter(|(_, guest)| guest == name).count();
        if count != 1 {
            wrong.push(format!("{name} runs, and has {count} emulators"));
        }
    }
    for (pid, guest) in emulators.iter().filter(|(_, guest)| !running.contains(guest)) {
        wrong.push(format!("{guest} does not run, and has an emulator: process {pid}"));
    }
    let leftovers = traces::leftovers(daemon.root(), &stored, &running);
    wrong.extend(leftovers.iter().map(|path| format!("left over: {}", path.display())));
    if wrong.is_empty() { Ok(running.len()) } else { Err(wrong) }
}

fn look(remote: &Remote, client: usize) -> Result<State, String> {
    let cx = Call::internal();
    let dom = match remote.domain_lookup_by_name(&cx, &name(client)) {
        Ok(dom) => dom,
        Err(cause) if cause.code() == ErrorCode::NO_DOMAIN => return Ok(State::default()),
        Err(cause) => return Err(cause.to_string()),
    };
    let words = |cause: Error| cause.to_string();
    let running = remote.domain_is_active(&cx, &dom).map_err(words)? != 0;
    if remote.domain_is_persistent(&cx, &dom).map_err(words)? == 0 {
        return Ok(State { stored: None, running });
    }
    const INACTIVE: u32 = 2;
    let text = remote.domain_get_xml_desc(&cx, &dom, INACTIVE).map_err(words)?;
    let mark = text.split("<title>").nth(1).and_then(|rest| rest.split('<').next());
    let mark = mark.and_then(|mark| mark.parse().ok()).ok_or("a definition without its mark")?;
    Ok(State { stored: Some(mark), running })
}
