//! One domain: a value that readers take as it is, and a job for those who change it.

use crate::descriptors::Groups;
use crate::removal::Removals;
use crate::{Driver, FROM, error, not_running};
use api::ConnectionId;
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_domain::Domain;
use conf_snapshot::{Checkpoint, Moments, Snapshot};
use engine::{JobGuard, JobKind, JobSlot, Key};
use host::cgroup::Cgroup;
use host::process::Process;
use qemu_live::vcpus::Vcpu;
use qmp::{CommandError, Monitor};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How long a call waits for another's job.
const JOB_WAIT: Duration = Duration::from_secs(30);
/// How long a command to the monitor may take.
pub(crate) const MONITOR_WAIT: Duration = Duration::from_secs(30);

/// A running guest as it is now: what changes while it runs, and the run it belongs to.
#[derive(Debug)]
pub(crate) struct Live {
    /// The definition as it runs, with aliases and run-time parts.
    pub(crate) domain: Domain,
    /// Its processors, those that are switched off too.
    pub(crate) vcpus: Vec<Vcpu>,
    pub(crate) run: Arc<Run>,
}

/// One run of a guest, from its start to its end.
#[derive(Debug)]
pub(crate) struct Run {
    /// The definition it was started with: what a transient guest shows as its inactive one.
    pub(crate) base: Arc<Domain>,
    pub(crate) id: i32,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) process: Process,
    pub(crate) private_dir: PathBuf,
    pub(crate) cgroup: Option<Cgroup>,
    /// The connection whose end is the guest's end.
    pub(crate) bound_to: Option<ConnectionId>,
    /// What outlives a change of the definition.
    pub(crate) session: Session,
    pub(crate) tainted: Vec<&'static str>,
}

impl Deref for Live {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl qemu_live::Monitor for Run {
    fn command(&self, name: &str, arguments: Json) -> Result<Json> {
        Run::command(self, name, arguments)
    }
}

/// A monitor of a guest that is being started or taken over.
pub(crate) struct Asking<'m>(pub(crate) &'m Monitor);

impl qemu_live::Monitor for Asking<'_> {
    fn command(&self, name: &str, arguments: Json) -> Result<Json> {
        self.0.command(name, arguments, MONITOR_WAIT).map_err(|cause| failed(name, &cause))
    }
}

/// What a domain is now.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) name: String,
    /// The stored definition; none for a transient domain.
    pub(crate) config: Option<Arc<Domain>>,
    pub(crate) live: Option<Arc<Live>>,
    pub(crate) autostart: bool,
    pub(crate) autostart_once: bool,
    /// State and reason, as the interface numbers them.
    pub(crate) state: (i32, i32),
}

/// Parts of a running guest that are not its definition.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// A shutdown of the guest is a reboot.
    pub(crate) reboot_on_shutdown: AtomicBool,
    /// It was just reset after a shutdown: the halt and the start that the emulator tells of are part of that.
    pub(crate) restarting: AtomicBool,
    /// The console's client.
    pub(crate) console: Mutex<Option<Arc<crate::console::Session>>>,
    /// Devices that are to go.
    pub(crate) removals: Removals,
    /// Images whose marks were set by their number; events name them so.
    pub(crate) indexed: Mutex<BTreeSet<u32>>,
    /// How often a tray was opened or closed.
    pub(crate) trays: AtomicU32,
    /// The number of the next block node, once one was added after the start.
    pub(crate) nodes: AtomicU32,
    /// It is ended for a reason that whoever ends it tells.
    pub(crate) ending: AtomicBool,
    /// Work on the guest as a whole.
    pub(crate) works: crate::work::Works,
    /// The backup that goes on.
    pub(crate) backup: crate::backup::Slot,
    /// Work on images of disks.
    pub(crate) jobs: crate::block::job::Jobs,
    /// The agent, while the guest listens to it.
    pub(crate) agent: Mutex<Option<Arc<qga::Agent>>>,
    /// How long it may take to answer, counted from -2, which is no end.
    pub(crate) agent_seconds: AtomicI32,
    /// Fastest migration in MiB a second; 0 is no limit.
    pub(crate) bandwidth: AtomicU64,
    /// The end of the monitor, and all it told before, has been dealt with.
    pub(crate) closed: (Mutex<bool>, Condvar),
}

impl Session {
    /// Says that nothing more comes from the monitor.
    pub(crate) fn close(&self) {
        *self.closed.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closed.1.notify_all();
    }

    /// Waits until what the monitor told last has been dealt with, so that its events come before those of whoever
    /// waits.
    pub(crate) fn wait_closed(&self, limit: Duration) {
        let closed = self.closed.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.closed.1.wait_timeout_while(closed, limit, |closed| !*closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A domain.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) uuid: Uuid,
    value: RwLock<Arc<Value>>,
    job: JobSlot,
    /// Held while its status is written or removed.
    pub(crate) status: Mutex<()>,
    /// The stored definition was read and is not completed yet.
    pub(crate) fresh: Mutex<bool>,
    /// Snapshots.
    pub(crate) snapshots: Mutex<Moments<Snapshot>>,
    /// Checkpoints.
    pub(crate) checkpoints: Mutex<Moments<Checkpoint>>,
    /// Descriptors that clients have handed over.
    pub(crate) descriptors: Groups,
}

impl Key for Guest {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> String {
        self.value().name.clone()
    }

    fn is_named(&self, name: &str) -> bool {
        self.value.read().unwrap_or_else(PoisonError::into_inner).name == name
    }
}

impl Guest {
    pub(crate) fn new(uuid: Uuid, value: Value) -> Guest {
        Guest {
            uuid,
            value: RwLock::new(Arc::new(value)),
            job: JobSlot::default(),
            status: Mutex::default(),
            fresh: Mutex::default(),
            snapshots: Mutex::default(),
            checkpoints: Mutex::default(),
            descriptors: Groups::default(),
        }
    }

    /// What the domain is now.
    pub(crate) fn value(&self) -> Arc<Value> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the value in one step.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut current = self.value.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**current).clone();
        change(&mut next);
        *current = Arc::new(next);
    }

    /// Changes the definition of the running guest in one step; one that fails changes nothing.
    pub(crate) fn change_live(&self, change: impl FnOnce(&mut Domain) -> Result<()>) -> Result<()> {
        let mut current = self.value.write().unwrap_or_else(PoisonError::into_inner);
        let live = current.live.as_ref().ok_or_else(not_running)?;
        let mut domain = live.domain.clone();
        change(&mut domain)?;
        domain.sort();
        let next = Live { domain, vcpus: live.vcpus.clone(), run: live.run.clone() };
        let mut value = (**current).clone();
        value.live = Some(Arc::new(next));
        *current = Arc::new(value);
        Ok(())
    }

    /// How a client names it.
    pub(crate) fn reference(&self) -> DomainRef {
        let value = self.value();
        let id = value.live.as_ref().map_or(-1, |live| live.id);
        DomainRef { name: value.name.clone(), uuid: self.uuid, id }
    }

    /// Begins a job or says who holds it.
    pub(crate) fn begin(&self, kind: JobKind, name: &str) -> Result<JobGuard<'_>> {
        self.job.begin(kind, name, JOB_WAIT).map_err(|refusal| {
            let text = format!("cannot acquire state change lock (held by monitor={})", refusal.holder);
            log::warn!(
                "{name} gave up after {JOB_WAIT:?}: {} holds the job '{}'",
                refusal.holder,
                refusal.kind.as_str()
            );
            error(ErrorCode::OPERATION_TIMEOUT, text)
        })
    }

    /// The job that is held now.
    pub(crate) fn job(&self) -> Option<(JobKind, String, Duration)> {
        self.job.held()
    }

    /// The running guest, or the error that it does not run.
    pub(crate) fn live(&self) -> Result<Arc<Live>> {
        self.value().live.clone().ok_or_else(not_running)
    }
}

/// Which definitions a call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The running one.
    pub(crate) live: bool,
    /// The stored one.
    pub(crate) config: bool,
}

impl Value {
    /// The definitions that `flags` of the interface mean: 1 the running one, 2 the stored one, 0 the current.
    pub(crate) fn target(&self, flags: u32) -> Result<Target> {
        let active = self.live.is_some();
        let target = match flags & 3 {
            0 => Target { live: active, config: !active },
            bits => Target { live: bits & 1 != 0, config: bits & 2 != 0 },
        };
        if target.live && !active {
            return Err(not_running());
        }
        if target.config && self.config.is_none() {
            return Err(Error::operation_invalid(
                ErrorDomain::DOMAIN,
                "transient domains do not have any persistent config",
            ));
        }
        Ok(target)
    }

    /// The one definition that `flags` of the interface ask for.
    pub(crate) fn definition(&self, flags: u32) -> Result<Domain> {
        let target = self.target(exclusive(flags)?)?;
        match &self.live {
            Some(live) if target.live => Ok(live.domain.clone()),
            _ => self.stored().ok_or_else(not_running),
        }
    }

    pub(crate) fn stored(&self) -> Option<Domain> {
        self.config.as_ref().map(|config| (**config).clone())
    }
}

impl Run {
    /// Sends a command to the monitor.
    pub(crate) fn command(&self, name: &str, arguments: Json) -> Result<Json> {
        self.monitor.command(name, arguments, MONITOR_WAIT).map_err(|cause| failed(name, &cause))
    }

    pub(crate) fn will_reboot(&self) -> bool {
        self.session.reboot_on_shutdown.load(Ordering::Acquire)
    }
}

/// Refuses two flags of which a call can mean but one.
pub(crate) fn exclusive_of(flags: u32, one: (u32, &str), other: (u32, &str), function: &str) -> Result<()> {
    if flags & one.0 != 0 && flags & other.0 != 0 {
        let text = format!("Flags '{}' and '{}' are mutually exclusive", one.1, other.1);
        return Err(Error::invalid_arg(FROM, function, "flags", &text));
    }
    Ok(())
}

/// Refuses flags that mean both definitions where there can be but one answer.
pub(crate) fn exclusive(flags: u32) -> Result<u32> {
    if flags & 3 == 3 {
        return Err(Error::invalid_arg(
            ErrorDomain::DOMAIN,
            "virDomainObjGetDefs",
            "flags",
            "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive",
        ));
    }
    Ok(flags)
}

/// A monitor's refusal in the interface's words.
pub(crate) fn failed(command: &str, cause: &CommandError) -> Error {
    match cause {
        CommandError::Refused { description, .. } => {
            Error::internal(FROM, format!("unable to execute QEMU command '{command}': {description}"))
        }
        CommandError::Stalled(_) => {
            error(ErrorCode::OPERATION_FAILED, "the QEMU monitor does not answer; the guest may be stuck")
        }
        CommandError::Closed => error(ErrorCode::OPERATION_FAILED, "domain is no longer running"),
    }
}

impl Driver {
    /// The domain a client means.
    pub(crate) fn find(&self, dom: &DomainRef) -> Result<Arc<Guest>> {
        self.guests.by_uuid(dom.uuid).ok_or_else(|| {
            error(ErrorCode::NO_DOMAIN, format!("no domain with matching uuid '{}' ({})", dom.uuid, dom.name))
        })
    }
}
