//! Starting a guest.
//!
//! ```text
//! Planned (definition, aliases, id) ─▶ Prepared (folders, sockets, taps) ─▶ Spawned (process) ─▶ Live (monitor answers)
//!        each step notes what undoes it; a failure undoes the steps in reverse and tells the first error
//! ```

use crate::guest::{Guest, Live, MONITOR_WAIT, Run, Session, failed};
use crate::hooks::Moment;
use crate::nic::{self, Owner};
use crate::placement;
use crate::{Driver, FROM, error};
use api::ConnectionId;
use api::consts::{domain_event_resumed_detail_type as resumed, domain_event_started_detail_type as started};
use api::consts::{domain_event_suspended_detail_type as suspended, domain_event_type as kind};
use api::consts::{domain_paused_reason as paused, domain_running_reason as running};
use api::consts::{domain_shutoff_reason as shutoff, domain_state as state};
use base::{Error, ErrorCode, Result};
use conf_domain::Domain;
use host::process::{Command, Process};
use qemu_plan::argv::chardev::Address;
use qemu_plan::argv::secret::Vault;
use qemu_plan::argv::{Line, PortUse, Start};
use qemu_plan::{alias, argv, complete};
use qmp::{Monitor, Notice};
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use xml::Tree;

/// Numbers of guests that are tried.
const ID_TRIES: usize = 1000;

/// How a guest is to be started.
#[derive(Debug, Default)]
pub(crate) struct How {
    pub(crate) paused: bool,
    pub(crate) bound_to: Option<ConnectionId>,
    /// Where its state comes from. Then it is left paused, and whoever starts it tells what became of it.
    pub(crate) incoming: Option<Incoming>,
}

/// The state of a guest that goes on where it was.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The emulator's stream; without one its state is loaded otherwise.
    pub(crate) fd: Option<OwnedFd>,
    /// The processor that the guest saw.
    pub(crate) cpu: Option<Tree>,
}

/// What undoes the steps done so far.
#[derive(Default)]
pub(crate) struct Undo(Vec<Box<dyn FnOnce()>>);

impl Undo {
    pub(crate) fn later(&mut self, step: impl FnOnce() + 'static) {
        self.0.push(Box::new(step));
    }

    pub(crate) fn forget(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(step) = self.0.pop() {
            step();
        }
    }
}

/// A guest that is up, but not yet kept: when that fails, however it does, the guest ends again.
struct Brought<'d> {
    driver: &'d Driver,
    guest: &'d Arc<Guest>,
}

impl Brought<'_> {
    /// The guest is kept.
    fn stays(self) {
        std::mem::forget(self);
    }
}

impl Drop for Brought<'_> {
    fn drop(&mut self) {
        let _ = self.driver.destroy_held(self.guest, "failed");
    }
}

/// Descriptors and facts that the command line needs.
struct Prepared {
    start: Start,
    fds: Vec<OwnedFd>,
    monitor_path: PathBuf,
    private_dir: PathBuf,
}

/// The part of a domain's name that stands in its folders.
pub(crate) fn short_name(id: i32, name: &str) -> String {
    let short: String = name.chars().take(20).collect();
    format!("{id}-{short}")
}

fn system(cause: &std::io::Error, text: impl std::fmt::Display) -> Error {
    Error::system(FROM, cause, text)
}

impl Driver {
    /// Starts a guest whose job is held. A guest that could not be started is off for that reason.
    pub(crate) fn launch(&self, guest: &Arc<Guest>, domain: Domain, how: How) -> Result<()> {
        let mut begun = None;
        let outcome = self.bring_up(guest, domain, how, &mut begun);
        if let (Err(_), Some(domain)) = (&outcome, begun) {
            self.hook_after(Moment::Stopped, &domain, "-");
            self.hook_after(Moment::Release, &domain, "failed");
        }
        if outcome.is_err() {
            guest.change(|value| {
                if value.live.is_none() {
                    value.state = (state::SHUTOFF, shutoff::FAILED);
                }
            });
        }
        outcome
    }

    /// A number for a guest whose control groups nobody else has.
    fn free_id(&self, domain: &Domain) -> i32 {
        let next = || self.next_id.fetch_add(1, Ordering::Relaxed);
        let partition = crate::placement::partition(domain);
        let mut id = next();
        for _ in 0..ID_TRIES {
            if host::cgroup::Cgroup::find("qemu", id, &domain.name, &partition).is_none() {
                break;
            }
            id = next();
        }
        id
    }

    /// `begun` is the guest that scripts were told of, as long as nobody else tells them of its end.
    fn bring_up(
        &self,
        guest: &Arc<Guest>,
        mut domain: Domain,
        how: How,
        begun: &mut Option<Domain>,
    ) -> Result<()> {
        let caps = self.caps_for(&domain)?;
        let id = self.free_id(&domain);
        let base = Arc::new(domain.clone());
        domain.id = Some(id);
        complete::for_start(&mut domain, &caps, &crate::surroundings::hardware(&caps.arch))?;
        complete::align_memory(&mut domain, &caps);
        alias::assign(&mut domain);
        let comes = how.incoming.is_some();
        let incoming = how.incoming.and_then(|incoming| {
            if let Some(cpu) = incoming.cpu {
                *domain.tree.child_or_new("cpu") = cpu;
            }
            incoming.fd
        });
        crate::opened::check(&domain)?;
        let absent = crate::absent::leave_out(&mut domain, comes);
        if self.hooked() {
            *begun = Some(domain.clone());
        }
        self.hook(Moment::Prepare, &domain, "-")?;
        let mut undo = Undo::default();
        self.take_ports(&mut domain)?;
        let mut prepared = self.prepare(&mut domain, id, &mut undo)?;
        let stream = incoming.as_ref().map(AsRawFd::as_raw_fd);
        if stream.is_some() {
            prepared.start.host.incoming = Some("defer".to_owned());
        }
        prepared.fds.extend(incoming);
        guest.descriptors.hand_out(&mut prepared.start, &mut prepared.fds)?;
        crate::surroundings::certificates(&domain, &prepared.private_dir)?;
        self.hook(Moment::Start, &domain, "-")?;
        let line = argv::plan(&*self.with_places(&domain)?, &caps, &prepared.start)?;
        self.make_memory_folders(&line, &prepared.start.short_name)?;
        let log_path = self.log_dir().join(format!("{}.log", domain.name));
        let mut log =
            File::options().create(true).append(true).mode(0o600).open(&log_path).map_err(|cause| {
                system(&cause, format!("failed to create logfile {}", log_path.display()))
            })?;
        let offset = log.metadata().map_or(0, |metadata| metadata.len());
        let _ = writeln!(
            log,
            "starting up, emulator version {}.{}.{} {}",
            caps.version.0, caps.version.1, caps.version.2, caps.package
        );
        let _ = log.write_all(argv::shell(&line).as_bytes());
        let cgroup = placement::group(&domain, id, &mut undo);
        let kind = crate::processor::kind(&line);
        let process = self.spawn(line, prepared.fds, &log, &mut undo)?;
        let cgroup = placement::enter(cgroup, process.pid(), &domain.name);
        let monitor = self
            .greet(guest, id, &prepared.monitor_path)
            .map_err(|cause| self.explain(cause, &process, &log_path, offset))?;
        let refresh = self
            .refresh(&monitor, &mut domain, kind.as_deref())
            .map_err(|cause| self.explain(cause, &process, &log_path, offset));
        refresh?;
        nic::pull_plugs(&monitor, &domain)?;
        let vcpus = self.bring_processors(&monitor, &mut domain, process.pid(), cgroup.as_ref())?;
        if let Some(number) = stream {
            crate::saving::transfer::read(&monitor, number)?;
        }
        let tainted = if rustix::process::geteuid().is_root() { vec!["high-privileges"] } else { Vec::new() };
        for taint in &tainted {
            let _ = writeln!(log, "Domain id={id} is tainted: {taint}");
        }
        let live = Arc::new(Live {
            domain,
            vcpus,
            run: Arc::new(Run {
                base,
                id,
                monitor,
                process,
                private_dir: prepared.private_dir,
                cgroup,
                bound_to: how.bound_to,
                session: Session::default(),
                tainted,
            }),
        });
        guest.change(|value| {
            value.live = Some(live.clone());
            value.state = (state::PAUSED, if how.paused { paused::USER } else { paused::STARTING_UP });
        });
        undo.forget();
        let brought = Brought { driver: self, guest };
        *begun = None;
        self.tell_absent(guest, absent);
        self.agent_awaited(guest, &live.domain);
        if comes {
            // Whoever lets it go on sees to what follows.
            self.tell_started(guest, &live)?;
            brought.stays();
            return Ok(());
        }
        if how.paused {
            self.tell_started(guest, &live)?;
            self.write_status(guest)?;
            brought.stays();
            self.lifecycle(guest, kind::STARTED, started::BOOTED);
            self.lifecycle(guest, kind::SUSPENDED, suspended::PAUSED);
            return Ok(());
        }
        live.command("cont", Json::Null)?;
        guest.change(|value| value.state = (state::RUNNING, running::BOOTED));
        self.tell_started(guest, &live)?;
        self.write_status(guest)?;
        brought.stays();
        self.lifecycle(guest, kind::RESUMED, resumed::UNPAUSED);
        self.lifecycle(guest, kind::STARTED, started::BOOTED);
        Ok(())
    }

    /// Tells scripts that a guest has started, which they may not like.
    fn tell_started(&self, guest: &Arc<Guest>, live: &Arc<Live>) -> Result<()> {
        self.hook(Moment::Started, &live.domain, "-").inspect_err(|_| {
            let _ = self.destroy_held(guest, "failed");
        })
    }

    /// Gives displays with automatic ports their numbers.
    fn take_ports(&self, domain: &mut Domain) -> Result<()> {
        let mut used = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        used.clear();
        for other in self.guests.snapshot().values() {
            if let Some(live) = &other.value().live {
                for graphics in live.domain.all("graphics") {
                    let ports = ["port", "tlsPort"].into_iter().filter_map(|name| graphics.attr(name));
                    used.extend(ports.filter_map(|port| port.parse::<u32>().ok()));
                }
            }
        }
        let taken: Vec<u32> = used.iter().copied().collect();
        crate::graphics::check_ports(domain, &taken)?;
        let mut next = 5900..=65535u16;
        argv::choose_ports(domain, false, &mut |purpose| {
            let free = next.find(|port| {
                !used.contains(&u32::from(*port)) && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
            });
            free.map(u32::from).ok_or_else(|| {
                let name = if purpose == PortUse::Vnc { "vnc" } else { "spice" };
                Error::internal(FROM, format!("Unable to find an unused port in range '{name}' (5900-65535)"))
            })
        })
    }

    fn prepare(&self, domain: &mut Domain, id: i32, undo: &mut Undo) -> Result<Prepared> {
        let short = short_name(id, &domain.name);
        let private_dir = self.state_dir().join(format!("domain-{short}"));
        let channel_dir = self.run_dir().join("channel").join(&short);
        for (folder, mode) in [(&private_dir, 0o750), (&channel_dir, 0o750)] {
            let _ = host::store::remove_folder(folder);
            host::store::folder(folder, mode)
                .map_err(|cause| system(&cause, format!("cannot create directory '{}'", folder.display())))?;
            let folder = folder.clone();
            undo.later(move || {
                crate::reconnect::end_users(&folder, &host::process::command_lines(), "its start failed");
                drop(host::store::remove_folder(&folder));
            });
        }
        let key = private_dir.join("master-key.aes");
        let secret = host::random::bytes::<32>();
        host::store::write_volatile(&key, &secret, 0o600)
            .map_err(|cause| system(&cause, "failed to write the master key"))?;

        let mut fds = Vec::new();
        let monitor_path = private_dir.join("monitor.sock");
        let monitor: OwnedFd = listen(&monitor_path)?.into();
        let mut start = Start {
            monitor: Address::Fd(monitor.as_raw_fd().to_string()),
            vault: Some(Vault { key: secret, iv: host::random::bytes::<16> }),
            short_name: short.clone(),
            sandbox: true,
            timestamps: true,
            private_dir: private_dir.display().to_string(),
            channel_dir: channel_dir.display().to_string(),
            env: environment(&private_dir),
            host: self.facts(&short),
            ..Start::default()
        };
        fds.push(monitor);
        let owner = Owner::of(domain);
        for device in domain.devices_mut().iter_mut() {
            let alias = device.attr_at("alias", "name").unwrap_or_default().to_owned();
            crate::graphics::settle(device, &private_dir, &start.settings);
            crate::opened::open(device, &alias, &mut start, &mut fds)?;
            match device.name.as_str() {
                "serial" | "parallel" | "channel" | "console" if device.is("type", "unix") => {
                    if device.attr_at("source", "path").is_none() && device.name == "channel" {
                        let name = device.attr_at("target", "name").unwrap_or(&alias).replace('/', "_");
                        let source = device.child_or_new("source");
                        source.set("mode", "bind");
                        source.set("path", channel_dir.join(name).display().to_string());
                    }
                    let shared =
                        device.name == "console" && device.attr_at("target", "type") == Some("serial");
                    if device.attr_at("source", "mode") == Some("bind") && !shared {
                        let path = PathBuf::from(device.attr_at("source", "path").unwrap_or_default());
                        let socket: OwnedFd = listen(&path)?.into();
                        start.chardev_fds.insert(alias, socket.as_raw_fd());
                        fds.push(socket);
                        undo.later(move || drop(std::fs::remove_file(path)));
                    }
                    if device.name == "channel" {
                        device.child_or_new("target").default_to("state", "disconnected");
                    }
                }
                "disk" if device.is("type", "block") && device.is("device", "cdrom") => {
                    let path = device.attr_at("source", "dev").unwrap_or_default().to_owned();
                    if is_drive(Path::new(&path)) {
                        start.host_drives.insert(path);
                    }
                }
                "interface" => {
                    if let Some(ends) = self.nics.connect(&owner, device, undo)? {
                        start.tap_fds.insert(alias.clone(), nic::numbers(&ends.taps));
                        start.vhost_fds.insert(alias, nic::numbers(&ends.vhosts));
                        fds.extend(ends.taps.into_iter().chain(ends.vhosts));
                    }
                }
                _ => {}
            }
        }
        domain.devices_mut().iter_mut().for_each(crate::console::settle);
        self.follow_volumes(domain)?;
        crate::chain::of_domain(domain)?;
        argv::number_images(domain);
        crate::opened::check_paths(domain)?;
        domain.tree.child_or_new("resource").child_or_new("partition").text = Some("/machine".to_owned());
        crate::labels::note(domain);
        domain.sort();
        nvram(domain)?;
        Ok(Prepared { start, fds, monitor_path, private_dir })
    }

    fn spawn(&self, line: Line, fds: Vec<OwnedFd>, log: &File, undo: &mut Undo) -> Result<Process> {
        let program = PathBuf::from(&line.program);
        let command = Command {
            program: program.clone(),
            args: line.args.into_iter().map(Into::into).collect(),
            env: line.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            input: Vec::new(),
            fds,
        };
        let mut child = command
            .spawn_detached(log)
            .map_err(|cause| system(&cause, format!("Cannot start '{}'", program.display())))?;
        let pid = child.id() as i32;
        let process = Process::of(pid);
        // The end of the process is heard through its monitor; somebody has to take its exit status.
        let reaper = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || drop(child.wait()));
        if let Err(cause) = reaper {
            log::error!("the exit status of process {pid} will not be taken: {cause}");
        }
        let process = process.ok_or_else(|| Error::internal(FROM, "QEMU ended at once; see its log"))?;
        undo.later(move || {
            if let Some(process) = Process::of(pid) {
                process.kill();
                process.wait(Duration::from_secs(5));
            }
        });
        Ok(process)
    }

    /// Connects to the monitor. The socket listens already, so there is nothing to wait for but the emulator.
    fn greet(&self, guest: &Guest, id: i32, path: &Path) -> Result<Arc<Monitor>> {
        let stream = UnixStream::connect(path)
            .map_err(|cause| system(&cause, "failed to connect to monitor socket"))?;
        let monitor = self.watch(guest, id, stream)?;
        monitor
            .command("qmp_capabilities", Json::Null, MONITOR_WAIT)
            .map_err(|cause| failed("qmp_capabilities", &cause))?;
        Ok(monitor)
    }

    /// Watches a monitor; what it notices goes to the driver's event thread.
    pub(crate) fn watch(&self, guest: &Guest, id: i32, stream: UnixStream) -> Result<Arc<Monitor>> {
        let (notices, uuid) = (self.notices.clone(), guest.uuid);
        let listener = move |notice: Notice| drop(notices.send((uuid, id, notice)));
        self.hub.watch(stream, Box::new(listener)).map_err(|cause| system(&cause, "cannot watch the monitor"))
    }

    /// Asks the emulator for what only it knows: names of ptys, features of processors.
    pub(crate) fn refresh(&self, monitor: &Monitor, domain: &mut Domain, kind: Option<&str>) -> Result<()> {
        let ask = |name: &str| {
            monitor.command(name, Json::Null, MONITOR_WAIT).map_err(|cause| failed(name, &cause))
        };
        let chardevs = ask("query-chardev")?;
        let pty = |alias: &str| {
            let label = format!("char{alias}");
            let found = chardevs
                .as_array()?
                .iter()
                .find(|chardev| chardev.get("label").and_then(Json::as_str) == Some(&label))?;
            found.get("filename")?.as_str()?.strip_prefix("pty:").map(str::to_owned)
        };
        for device in domain.devices_mut().iter_mut().filter(|device| device.is("type", "pty")) {
            let alias = device.attr_at("alias", "name").unwrap_or_default().to_owned();
            if let Some(path) = pty(&alias) {
                device.child_or_new("source").set("path", path.clone());
                if device.name == "console" {
                    device.set("tty", path);
                }
            }
        }
        if domain.all("memory").next().is_some() {
            let answer = ask("query-memory-devices")?;
            qemu_live::memory::note(domain.devices_mut().iter_mut(), &answer);
        }
        let processors = ask("query-cpus-fast")?;
        self.refresh_cpu(monitor, domain, &processors, kind)?;
        self.passwords(monitor, domain)?;
        domain.sort();
        Ok(())
    }

    fn passwords(&self, monitor: &Monitor, domain: &Domain) -> Result<()> {
        for graphics in domain.all("graphics").filter(|graphics| graphics.is("type", "vnc")) {
            if let Some(password) = graphics.attr("passwd") {
                let arguments = json!({"protocol": "vnc", "password": password});
                monitor
                    .command("set_password", arguments, MONITOR_WAIT)
                    .map_err(|cause| failed("set_password", &cause))?;
            }
        }
        Ok(())
    }

    /// An emulator that ended before it answered has said why in its log.
    fn explain(&self, cause: Error, process: &Process, log: &Path, offset: u64) -> Error {
        if !process.wait(Duration::from_millis(500)) {
            return cause;
        }
        let text = std::fs::read(log).map(|bytes| {
            String::from_utf8_lossy(bytes.get(offset as usize..).unwrap_or_default()).into_owned()
        });
        let text = text.unwrap_or_default();
        let said: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("qemu-system-") && line.contains(": ") && !line.ends_with('\\'))
            .collect();
        let said = if said.is_empty() { "see the guest's log".to_owned() } else { said.join("\n") };
        Error::internal(FROM, format!("process exited while connecting to monitor: {said}"))
    }

    /// Starts guests that start by themselves, once per boot of the machine.
    pub(crate) fn autostart(&self) {
        let mark = self.run_dir().join("autostarted");
        if mark.exists() {
            return;
        }
        for guest in self.guests.snapshot().values() {
            let value = guest.value();
            if self.stopping() || !(value.autostart || value.autostart_once) || value.live.is_some() {
                continue;
            }
            if value.autostart_once
                && let Err(cause) = self.set_autostart_once(guest, false)
            {
                // Started every time is worse than not started this time.
                log::error!("internal error: Failed to autostart VM '{}': {cause}", value.name);
                continue;
            }
            let outcome = guest.begin(engine::JobKind::Modify, "autostart").and_then(|_job| {
                match guest.value().stored() {
                    Some(domain) => self.launch(guest, domain, How::default()),
                    None => Ok(()),
                }
            });
            if let Err(cause) = outcome {
                log::error!("internal error: Failed to autostart VM '{}': {cause}", value.name);
            }
        }
        if let Err(cause) = File::options().create(true).write(true).truncate(true).mode(0o600).open(&mark) {
            log::error!("{}: {cause}; guests start again with the next daemon", mark.display());
        }
    }
}

pub(crate) fn environment(private_dir: &Path) -> Vec<(String, String)> {
    let home = private_dir.display().to_string();
    let path = host::program::path().to_string_lossy().into_owned();
    let mut env = vec![
        ("LC_ALL".to_owned(), "C".to_owned()),
        ("PATH".to_owned(), path),
        ("HOME".to_owned(), home.clone()),
    ];
    for name in ["USER", "LOGNAME", "TMPDIR"] {
        if let Ok(value) = std::env::var(name) {
            env.push((name.to_owned(), value));
        }
    }
    for (name, folder) in [("DATA", ".local/share"), ("CACHE", ".cache"), ("CONFIG", ".config")] {
        env.push((format!("XDG_{name}_HOME"), format!("{home}/{folder}")));
    }
    env
}

/// Whether a device is a CD-ROM drive of the host.
fn is_drive(path: &Path) -> bool {
    let device = std::fs::canonicalize(path).ok();
    let name = device.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    name.is_some_and(|name| name.strip_prefix("sr").is_some_and(|rest| rest.parse::<u32>().is_ok()))
}

/// A socket for the emulator. Its folder keeps others away where it is the driver's own.
fn listen(path: &Path) -> Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|cause| {
        system(&cause, format!("Unable to bind to UNIX socket path '{}'", path.display()))
    })?;
    let mode = std::fs::Permissions::from_mode(0o775);
    std::fs::set_permissions(path, mode)
        .map_err(|cause| system(&cause, format!("cannot set mode of {}", path.display())))?;
    Ok(listener)
}

/// A variable store that does not exist yet is copied from its template.
fn nvram(domain: &Domain) -> Result<()> {
    let Some(store) = domain.tree.at("os/nvram") else { return Ok(()) };
    let path = Path::new(store.body());
    if path.as_os_str().is_empty() || path.exists() {
        return Ok(());
    }
    let Some(template) = store.attr("template") else {
        return Err(error(
            ErrorCode::OPERATION_FAILED,
            format!("unable to find any master var store for loader: {}", path.display()),
        ));
    };
    let contents = std::fs::read(template)
        .map_err(|cause| system(&cause, format!("Failed to open file '{template}'")))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|cause| system(&cause, format!("cannot create '{}'", folder.display())))?;
    }
    host::store::write(path, &contents, 0o600)
        .map_err(|cause| system(&cause, format!("Failed to create file '{}'", path.display())))
}
