//! The packet filter, kept as networks want it, whoever changes it.
//!
//! ```text
//! install, remove ──▶ wanted: what each running network wants ──▶ one batch
//!                        ▲                                          │
//!    somebody changed the rules: still all there? ── no: everything again, in one batch
//! ```
//!
//! What is wanted is kept as values. Listings of the kernel's rules are never read to find out what networks have; they
//! are only asked whether private chains exist, and whether they are what they were.

mod handles;
mod iptables;
mod nftables;

use crate::command::{self, Single};
use crate::{Driver, FROM};
use base::{Error, Result, Uuid};
use firewall::removal::Removal;
use firewall::{Action, Backend, Intent};
use handles::Handles;
use host::netfilter::{Change, Rule, Watch};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long further changes are waited for after one was heard of.
const SETTLE: Duration = Duration::from_millis(100);
/// How long at most.
const SETTLE_MAX: Duration = Duration::from_millis(500);
/// How often rules are looked at where the kernel does not tell of changes.
const GLANCE: Duration = Duration::from_secs(1);

/// What the kernel is known to lack.
#[derive(Debug, Default)]
struct Lacks {
    /// Checksums cannot be filled in by a rule.
    checksum_rule: bool,
    /// Traffic control cannot fill in checksums.
    checksum_filter: bool,
}

/// What is wanted and what is known.
#[derive(Debug, Default)]
struct State {
    wanted: BTreeMap<Uuid, Intent>,
    /// Private chains were seen or made.
    made: bool,
    lacks: Lacks,
    /// Which rules of the kernel are whose.
    handles: Handles,
    /// Links between private chains; nftables only.
    links: Vec<Rule>,
}

/// Keeps the rules.
#[derive(Debug)]
pub(crate) struct Keeper {
    backend: Backend,
    state: Mutex<State>,
}

impl Keeper {
    pub(crate) fn new(backend: Backend) -> Keeper {
        Keeper { backend, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes private chains, which every network finds, also one that wants no rules.
    ///
    /// # Errors
    /// When the filter refuses.
    pub(crate) fn prepare(&self) -> Result<()> {
        let mut state = self.state();
        match self.backend {
            Backend::Iptables => iptables::ensure_chains(&mut state),
            Backend::Nftables => nftables::ensure_chains(&mut state),
            Backend::None => Ok(()),
        }
    }

    /// Installs the rules of a network that starts; gives what removes them.
    ///
    /// # Errors
    /// When the filter refuses; nothing is left then.
    pub(crate) fn install(&self, uuid: Uuid, intent: Intent) -> Result<Option<Removal>> {
        let mut state = self.state();
        let removal = match self.backend {
            Backend::Iptables => iptables::install(&mut state, uuid, &intent)?,
            Backend::Nftables => nftables::install(&mut state, uuid, &intent)?,
            Backend::None => return Ok(None),
        };
        state.wanted.insert(uuid, intent);
        Ok(Some(removal))
    }

    /// Removes the rules of a network that stops. What is gone already is no matter.
    pub(crate) fn remove(&self, uuid: Uuid, removal: &Removal) {
        let mut state = self.state();
        state.wanted.remove(&uuid);
        if state.handles.delete(uuid) {
            return;
        }
        state.handles.begin();
        match removal.backend {
            Backend::Iptables => iptables::run(&removal.actions().collect::<Vec<_>>()),
            Backend::Nftables => nftables::run(&removal.actions().collect::<Vec<_>>()),
            Backend::None => {}
        }
        state.handles.end();
    }

    /// Whether all of these changes of the kernel's rules are ours.
    fn are_own(&self, generations: &[u32]) -> bool {
        self.state().handles.are_own(generations)
    }

    /// Puts the rules of networks in order that ran before this daemon: what each wants, and what removes the rules it
    /// may have. Gives what removes the rules each has now.
    ///
    /// # Errors
    /// When the filter refuses.
    pub(crate) fn adopt(
        &self,
        networks: Vec<(Uuid, Intent, Option<Removal>)>,
    ) -> Result<BTreeMap<Uuid, Removal>> {
        let mut state = self.state();
        // Rules of another backend go first, and those of a version that put them into the chains of everybody.
        for (_, intent, removal) in &networks {
            match removal {
                Some(removal) if removal.backend != self.backend => match removal.backend {
                    Backend::Iptables => iptables::run(&removal.actions().collect::<Vec<_>>()),
                    Backend::Nftables => nftables::run(&removal.actions().collect::<Vec<_>>()),
                    Backend::None => {}
                },
                None if self.backend == Backend::Iptables => iptables::remove_oldest(intent),
                Some(_) | None => {}
            }
        }
        state.wanted = networks.into_iter().map(|(uuid, intent, _)| (uuid, intent)).collect();
        if state.wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        // Making them all is less work than looking at each, and tells their numbers.
        match self.backend {
            Backend::Iptables => iptables::rebuild(&mut state),
            Backend::Nftables => nftables::rebuild(&mut state),
            Backend::None => Ok(BTreeMap::new()),
        }
    }

    /// Whether the rules are as they should be.
    fn intact(&self) -> bool {
        let state = self.state();
        match self.backend {
            _ if state.wanted.is_empty() => true,
            Backend::Iptables => iptables::intact(&state),
            Backend::Nftables => nftables::intact(&state),
            Backend::None => true,
        }
    }

    /// Makes all rules again.
    fn rebuild(&self) -> Result<BTreeMap<Uuid, Removal>> {
        let mut state = self.state();
        match self.backend {
            Backend::Iptables => iptables::rebuild(&mut state),
            Backend::Nftables => nftables::rebuild(&mut state),
            Backend::None => Ok(BTreeMap::new()),
        }
    }
}

impl Driver {
    /// Looks whether somebody has taken rules away, and makes them again.
    fn mend(&self) {
        if !self.has_networks() || self.rules.intact() {
            return;
        }
        log::warn!("the packet filter's rules of networks were changed by somebody else; making them again");
        self.remake_rules();
    }

    /// Makes all rules of running networks again.
    pub(crate) fn remake_rules(&self) {
        match self.rules.rebuild() {
            Ok(removals) => self.note_removals(removals),
            Err(error) => log::error!("rules of networks could not be made again: {error}"),
        }
    }

    /// Stores what removes the rules of running networks.
    pub(crate) fn note_removals(&self, removals: BTreeMap<Uuid, Removal>) {
        for (uuid, removal) in removals {
            let Some(net) = self.networks.by_uuid(uuid) else { continue };
            net.change_live(|live| live.status.removal = Some(removal));
            if let Err(error) = self.write_status(&net) {
                log::error!("network '{}': {error}", net.value().name);
            }
        }
    }
}

/// Watches the rules from a thread of its own, as long as the driver lives.
pub(crate) fn watch(driver: &Arc<Driver>) {
    if driver.rules.backend == Backend::None {
        return;
    }
    let watch = match Watch::open() {
        Ok(watch) => watch,
        Err(error) => {
            log::warn!("changes of the packet filter are not heard of: {error}");
            return;
        }
    };
    // Tables of the older kind do not tell of changes, so they are looked at now and then.
    let silent = driver.rules.backend == Backend::Iptables && iptables::is_legacy();
    let driver: Weak<Driver> = Arc::downgrade(driver);
    let body = move || {
        loop {
            let mut heard = watch.changes(GLANCE);
            let Some(driver) = driver.upgrade() else { return };
            let foreign = |heard: &Option<Vec<Change>>| match heard {
                None => true,
                Some(changes) => {
                    let generations: Vec<u32> = changes.iter().map(|change| change.generation).collect();
                    !driver.rules.are_own(&generations)
                }
            };
            if foreign(&heard) {
                // Whoever changes one rule often changes more.
                let end = Instant::now() + SETTLE_MAX;
                while heard.is_none_or(|changes| !changes.is_empty()) && Instant::now() < end {
                    heard = watch.changes(SETTLE);
                }
                driver.mend();
            } else if silent {
                driver.mend();
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("net-rules".to_owned()).spawn(body) {
        log::warn!("changes of the packet filter are not heard of: {error}");
    }
}

/// Runs a batch.
///
/// # Errors
/// What the program complained of.
fn batch(program: &'static str, args: &[&str], input: &str) -> std::result::Result<String, String> {
    let answer = command::ask(&firewall::Call::new(program, args), input);
    if answer.success { Ok(answer.output) } else { Err(answer.complaint) }
}

/// Runs actions one by one; failures do not matter.
fn singly(backend: Backend, actions: &[&Action]) {
    let mut runner = Single;
    for action in actions {
        firewall::Runner::run(&mut runner, &action.call(backend));
    }
}

/// The filter cannot be used.
fn refused(text: impl Into<String>) -> Error {
    Error::internal(FROM, text)
}
