//! Guests that outlived an earlier daemon.
//!
//! Every status document names a process and a monitor. Where both are there, the guest is taken over; where not, it has
//! ended meanwhile and what is left of it is cleaned up.

use crate::block::job::{BlockJob, record};
use crate::guest::{Asking, Guest, Live, MONITOR_WAIT, Run, Session, Value, failed};
use crate::hooks::Moment;
use crate::nic::Owner;
use crate::placement::partition;
use crate::status::{PAUSED, RUNNING, STATES};
use crate::{Driver, FROM};
use api::consts::domain_state as state;
use api::consts::{domain_event_stopped_detail_type as stopped, domain_event_type as kind};
use api::consts::{
    domain_paused_reason as paused, domain_running_reason as running, domain_shutoff_reason as shutoff,
};
use base::{Error, Result};
use conf_domain::{Domain, ParseFlags};
use conf_snapshot::Backup;
use host::cgroup::Cgroup;
use host::process::Process;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use xml::Document;

/// What a status document says.
struct Status {
    domain: Domain,
    state: (i32, i32),
    pid: i32,
    monitor: PathBuf,
    private_dir: PathBuf,
    cgroup: Option<PathBuf>,
    reboot: bool,
    jobs: Vec<BlockJob>,
    backup: Option<(Backup, bool)>,
}

fn position(list: &[&str], word: Option<&str>) -> i32 {
    word.and_then(|word| list.iter().position(|known| *known == word)).unwrap_or(0) as i32
}

fn read(text: &str) -> Result<Status> {
    let wrong = |what: &str| Error::internal(FROM, format!("status document: {what}"));
    let document = Document::parse(text).map_err(|cause| wrong(&cause.to_string()))?;
    let root = document.root();
    let node = root.child("domain").ok_or_else(|| wrong("no domain"))?;
    let flags = ParseFlags { status: true, skip_validate: true, ..ParseFlags::default() };
    let mut domain = Domain::parse_node(node, flags, &mut || [0; 16])?;
    // What stands for no controller has no name either.
    for device in domain.devices_mut().iter_mut() {
        if device.name == "controller" && device.is("type", "usb") && device.is("model", "none") {
            device.remove("alias");
        }
    }
    let path = |name: &str| root.child(name).and_then(|node| node.attr("path")).map(PathBuf::from);
    let number = position(STATES, root.attr("state"));
    let reasons = if number == state::PAUSED { PAUSED } else { RUNNING };
    let monitor = path("monitor").ok_or_else(|| wrong("no monitor"))?;
    Ok(Status {
        state: (number, position(reasons, root.attr("reason"))),
        pid: root.attr("pid").and_then(|pid| pid.parse().ok()).ok_or_else(|| wrong("no pid"))?,
        private_dir: path("libDir").or_else(|| monitor.parent().map(Path::to_owned)).unwrap_or_default(),
        cgroup: path("cgroup"),
        reboot: root.child("fakereboot").is_some(),
        monitor,
        jobs: record::read(root, &domain),
        backup: crate::backup::record::read(root),
        domain,
    })
}

/// The group of a guest around the one its emulator runs in.
fn own_group(path: &Path) -> Option<Cgroup> {
    let named = |path: &&Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.ends_with(".scope") || name.ends_with(".libvirt-qemu"))
    };
    path.ancestors().find(named).and_then(Cgroup::adopt)
}

/// Ends the emulators that use a guest's private folder, and their control groups.
pub(crate) fn end_users(folder: &Path, running: &[(i32, Vec<String>)], why: &str) {
    let key = format!("\"{}\"", folder.join("master-key.aes").display());
    for (pid, words) in running {
        if !words.iter().any(|word| word.contains(&key)) {
            continue;
        }
        let Some(process) = Process::of(*pid) else { continue };
        log::warn!("ending process {pid}: {why} ({})", folder.display());
        let group = host::process::cgroup(*pid).and_then(|path| own_group(&path));
        process.kill();
        process.wait(std::time::Duration::from_secs(5));
        if let Some(group) = group {
            group.remove();
        }
    }
}

impl Driver {
    /// Takes over the guests that run, cleans up after those that do not.
    pub(crate) fn reconnect(&self) {
        for (name, text) in host::store::files(&self.run_dir(), "xml") {
            let status = match read(&text) {
                Ok(status) => status,
                Err(cause) => {
                    log::error!("{name}.xml in {} is left alone: {cause}", self.run_dir().display());
                    continue;
                }
            };
            if let Some(id) = status.domain.id {
                self.next_id.fetch_max(id + 1, Ordering::Relaxed);
            }
            let guest = self.guests.by_uuid(status.domain.uuid).unwrap_or_else(|| {
                let value = Value {
                    name: status.domain.name.clone(),
                    config: None,
                    live: None,
                    autostart: false,
                    autostart_once: false,
                    state: (state::SHUTOFF, 0),
                };
                let guest = Arc::new(Guest::new(status.domain.uuid, value));
                self.load_snapshots(&guest);
                self.load_checkpoints(&guest);
                self.guests.insert(guest.clone());
                guest
            });
            let (private_dir, cgroup) = (status.private_dir.clone(), status.cgroup.clone());
            let (owner, domain) = (Owner::of(&status.domain), status.domain.clone());
            if let Err(cause) = self.take_over(&guest, status) {
                log::warn!("guest '{name}' has ended while there was no daemon: {cause}");
                self.nics.disconnect(&owner, domain.all("interface"));
                self.hook_after(Moment::Stopped, &domain, "-");
                self.bury(&guest, &private_dir, cgroup.as_deref());
                self.hook_after(Moment::Release, &domain, "crashed");
            } else {
                self.nics.keep(&owner, &domain);
                self.tell_reconnected(&guest);
            }
        }
        self.sweep();
    }

    /// Tells scripts that a guest was found again, which they may not like.
    fn tell_reconnected(&self, guest: &Arc<Guest>) {
        let Some(live) = guest.value().live.clone() else { return };
        let refused = self.hook(Moment::Reconnect, &live.domain, "-");
        if let Err(error) = refused {
            log::error!("guest '{}' is ended: {error}", guest.value().name);
            let _ = self.destroy_held(guest, "failed");
        }
    }

    /// Ends what a daemon left that was killed while it started a guest: the folder of the guest is there, the status
    /// document is not yet. Nobody was told that such a guest runs.
    fn sweep(&self) {
        let known: Vec<PathBuf> = self
            .guests
            .snapshot()
            .values()
            .filter_map(|guest| guest.value().live.as_ref().map(|live| live.private_dir.clone()))
            .collect();
        for (name, _) in host::store::files(&self.run_dir(), "pid") {
            let runs = self.guests.by_name(&name).is_some_and(|guest| guest.value().live.is_some());
            if !runs && name != "driver" {
                let _ = host::store::remove(&self.pid_file(&name));
            }
        }
        // Either folder may have been removed without the other.
        let names = |folder: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
        };
        let private = names(&self.state_dir());
        let private = private.iter().filter_map(|name| name.strip_prefix("domain-")).map(str::to_owned);
        let mut stale: Vec<String> = private.chain(names(&self.run_dir().join("channel"))).collect();
        stale.retain(|short| !known.contains(&self.state_dir().join(format!("domain-{short}"))));
        stale.sort_unstable();
        stale.dedup();
        if stale.is_empty() {
            return;
        }
        let running = host::process::command_lines();
        let guests = self.guests.snapshot();
        let mut partitions: BTreeSet<String> = guests
            .values()
            .filter_map(|guest| Some(partition(guest.value().config.as_ref()?).into_owned()))
            .collect();
        partitions.insert("/machine".to_owned());
        for short in stale {
            let folder = self.state_dir().join(format!("domain-{short}"));
            end_users(&folder, &running, "its start was cut off");
            // Groups are made before there is a process in them.
            if let Some((id, name)) = short.split_once('-')
                && let Ok(id) = id.parse()
            {
                let found =
                    partitions.iter().filter_map(|partition| Cgroup::find("qemu", id, name, partition));
                found.for_each(|group| group.remove());
            }
            let _ = host::store::remove_folder(&folder);
            let _ = host::store::remove_folder(&self.run_dir().join("channel").join(short));
        }
    }

    fn take_over(&self, guest: &Arc<Guest>, status: Status) -> Result<()> {
        let id = status.domain.id.ok_or_else(|| Error::internal(FROM, "no id"))?;
        let process = Process::of(status.pid).ok_or_else(|| Error::internal(FROM, "the process is gone"))?;
        let stream = UnixStream::connect(&status.monitor)
            .map_err(|cause| Error::system(FROM, &cause, "failed to connect to monitor socket"))?;
        let monitor = self.watch(guest, id, stream)?;
        let ask = |name: &str| {
            monitor.command(name, Json::Null, MONITOR_WAIT).map_err(|cause| failed(name, &cause))
        };
        ask("qmp_capabilities")?;
        let running_now = ask("query-status")?.get("running").and_then(Json::as_bool).unwrap_or(false);
        let known = status.state;
        let now = match (running_now, known.0) {
            (true, state::RUNNING) | (false, state::PAUSED) => known,
            (true, _) => (state::RUNNING, running::UNPAUSED),
            (false, _) => (state::PAUSED, paused::UNKNOWN),
        };
        let vcpus = qemu_live::vcpus::ask(&Asking(&monitor), status.domain.vcpus_max())?;
        let chardevs = ask("query-chardev")?;
        let mut domain = status.domain;
        qemu_live::channels::note(domain.devices_mut().iter_mut(), &chardevs);
        let base = guest.value().config.clone().unwrap_or_else(|| Arc::new(domain.clone()));
        let live = Live {
            domain,
            vcpus,
            run: Arc::new(Run {
                base,
                id,
                monitor,
                process,
                private_dir: status.private_dir,
                cgroup: status.cgroup.as_deref().and_then(Cgroup::adopt),
                bound_to: None,
                session: Session { reboot_on_shutdown: AtomicBool::new(status.reboot), ..Session::default() },
                tainted: Vec::new(),
            }),
        };
        status.jobs.into_iter().for_each(|job| live.session.jobs.add(job));
        crate::backup::record::resume(&live, status.backup);
        guest.change(|value| {
            value.live = Some(Arc::new(live));
            value.state = now;
        });
        if let Some(live) = &guest.value().live {
            self.resume_jobs(guest, live);
            self.agent_taken_over(guest, live);
        }
        log::info!("guest '{}' runs on", guest.value().name);
        Ok(())
    }

    /// Cleans up after a guest that ended without a daemon.
    fn bury(&self, guest: &Arc<Guest>, private_dir: &Path, cgroup: Option<&Path>) {
        let name = guest.value().name.clone();
        guest.change(|value| value.state = (state::SHUTOFF, shutoff::CRASHED));
        let own = private_dir.starts_with(self.state_dir()) && private_dir != self.state_dir();
        if own {
            // It may still run, and only be out of reach.
            end_users(private_dir, &host::process::command_lines(), "it cannot be taken over");
            let _ = host::store::remove_folder(private_dir);
        }
        if let Some(short) =
            private_dir.file_name().and_then(|folder| folder.to_str()?.strip_prefix("domain-"))
        {
            let _ = host::store::remove_folder(&self.run_dir().join("channel").join(short));
        }
        if let Some(group) = cgroup.and_then(Cgroup::adopt) {
            group.remove();
        }
        self.forget_status(guest, &name);
        let dom = guest.reference();
        if guest.value().config.is_none() {
            self.forget_all_snapshots(guest);
            self.forget_all_checkpoints(guest);
            self.guests.remove(guest.uuid);
        }
        let payload =
            api::event::DomainEventLifecycleMsg { dom, event: kind::STOPPED, detail: stopped::CRASHED };
        self.events.publish(api::event::Event::DomainLifecycle(payload));
    }
}
