//! The daemon: options, sockets, signals, which drivers.
//!
//! ```text
//! options ─▶ configuration ─▶ log ─▶ pid file ─▶ sockets ─▶ drivers ─▶ serving ──TERM──▶ sockets closed, guests stay
//!                                                              ▲   │
//!                                                              └HUP┘ limits and log are read again
//! ```

mod admin;
mod alone;
mod detach;
mod opener;
mod options;
mod settings;
mod sockets;
mod watch;

use api::{Call, DriverSet, Secret};
use conf_file::Settings;
use driver_secret::{UsageKind, Wanted};
use driver_storage::{Passphrases, SecretKey};
use host::Layout;
use options::{Asked, Options};
use rpc_server::Server;
use settings::{Configuration, Refused};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static BLOCKS: host::blocks::Blocks = host::blocks::Blocks;

/// The release of the reference whose interfaces are spoken.
pub(crate) const VERSION: &str = "11.3.0";

/// Exit statuses, as scripts around libvirtd know them.
mod status {
    pub(crate) const PID_FILE: u8 = 1;
    pub(crate) const RUN_DIR: u8 = 2;
    pub(crate) const SIGNALS: u8 = 4;
    pub(crate) const NETWORK: u8 = 6;
    pub(crate) const CONFIG: u8 = 7;
    pub(crate) const DRIVER: u8 = 11;
}

/// A start that failed: exit status and what to say.
pub(crate) struct Failure(pub(crate) u8, pub(crate) String);

#[allow(clippy::print_stdout, reason = "version and help belong on standard output")]
fn main() -> ExitCode {
    host::memory::prepare();
    let mut args = std::env::args();
    let path = args.next().unwrap_or_default();
    let program = path.rsplit('/').next().unwrap_or("ferrovirtd").to_owned();
    match options::parse(args) {
        Asked::Help => print!("{}", options::help(&program)),
        Asked::Version => println!("{program} (libvirt) {VERSION}"),
        Asked::Wrong(text) => {
            eprint!("{program}: {text}\n{}", options::help(&program));
            return ExitCode::FAILURE;
        }
        Asked::Serve(options) => {
            if let Err(Failure(status, text)) = start(&program, &options) {
                eprintln!("{program}: {text}");
                return ExitCode::from(status);
            }
        }
    }
    ExitCode::SUCCESS
}

/// Passphrases of volumes, from the secrets.
struct Secrets(Arc<driver_secret::Driver>);

impl Passphrases for Secrets {
    fn value(&self, key: &SecretKey) -> base::Result<Vec<u8>> {
        self.0.value(match key {
            SecretKey::Uuid(uuid) => Wanted::Uuid(*uuid),
            SecretKey::Usage(usage) => Wanted::Usage(UsageKind::Volume, usage),
        })
    }

    fn of_volume(&self, path: &str) -> Option<base::Uuid> {
        let found = self.0.secret_lookup_by_usage(&Call::internal(), UsageKind::Volume.number(), path);
        found.ok().map(|secret| secret.uuid)
    }
}

fn configuration(options: &Options, layout: &Layout) -> Result<Configuration, Refused> {
    let (path, optional) = match &options.config {
        Some(path) => (path.clone(), false),
        None => (layout.config().join("libvirtd.conf"), true),
    };
    let settings = match std::fs::read_to_string(&path) {
        Ok(text) => Settings::parse(&path.display().to_string(), &text)?,
        Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => Settings::default(),
        Err(error) => return Err(Refused(format!("Failed to open file '{}': {error}", path.display()))),
    };
    settings::read(&settings, layout.privileged(), options.verbose)
}

fn start(program: &str, options: &Options) -> Result<(), Failure> {
    // Before anything else is opened: the descriptors have fixed numbers.
    let handed = host::service::sockets();
    if options.daemon && !detach::detached() {
        return detach::run();
    }
    let layout = Layout::of(&options.root);
    let conf = configuration(options, &layout)
        .map_err(|Refused(text)| Failure(status::CONFIG, format!("Can't load config file: {text}")))?;
    logging::set(conf.log_level, conf.log_filters.clone(), &conf.log_outputs)
        .map_err(|error| Failure(status::CONFIG, format!("Can't open log outputs: {error}")))?;
    if options.listen {
        log::warn!("listening for TCP/IP connections is not supported yet");
    }
    // Files are made with modes of our own choice, never with those of whoever started the daemon.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let run = conf.socket_dir.as_ref().map_or_else(|| layout.run(), PathBuf::from);
    std::fs::create_dir_all(&run).map_err(|error| {
        Failure(status::RUN_DIR, format!("unable to create rundir {}: {error}", run.display()))
    })?;
    let pid_path = options.pid_file.clone().unwrap_or_else(|| layout.pid_file(program));
    let _pid_file = host::pidfile::acquire(&pid_path).map_err(|text| Failure(status::PID_FILE, text))?;
    faults::arm();
    let signals = watch::signals().map_err(|error| Failure(status::SIGNALS, error.to_string()))?;

    let sockets = if handed.is_empty() {
        sockets::open(&run, program, layout.privileged(), &conf)
            .map_err(|text| Failure(status::NETWORK, text))?
    } else {
        sockets::adopt(handed, &conf)
    };
    let administration = Arc::new(admin::Administration::new(program));
    let mut administrators = DriverSet::empty("admin");
    administrators.admin = administration.clone();
    let opener = Arc::new(opener::Drivers::new(layout.privileged()));
    let server = Server::new(sockets.services, opener.clone(), administrators, conf.limits)
        .map_err(|error| Failure(status::NETWORK, format!("cannot serve: {error}")))?;
    let handle = server.handle();
    administration.serve(handle.clone());
    let failed = |error| Failure(status::DRIVER, format!("Driver state initialization failed: {error}"));
    let events = Arc::new(handle.clone());
    let network = driver_network::Driver::start(driver_network::Setup {
        layout: layout.clone(),
        events: events.clone(),
    })
    .map_err(failed)?;
    let secret =
        driver_secret::Driver::start(driver_secret::Setup { layout: layout.clone(), events: events.clone() })
            .map_err(failed)?;
    let filter = layout.privileged().then(|| driver_nwfilter::Driver::start(&layout)).transpose();
    let filter = filter.map_err(failed)?;
    let host_uuid = conf.host_uuid.as_deref().and_then(|text| text.parse().ok());
    let node_device = driver_nodedev::Driver::start(driver_nodedev::Setup {
        layout: layout.clone(),
        events: events.clone(),
        host_uuid,
    })
    .map_err(failed)?;
    let interface = Arc::new(driver_interface::Driver::new(layout.root()));
    let storage = driver_storage::Driver::start(driver_storage::Setup {
        layout: layout.clone(),
        events: events.clone(),
        passphrases: Box::new(Secrets(secret.clone())),
    })
    .map_err(failed)?;
    // Guests need their networks and volumes.
    let qemu = driver_qemu::Driver::start(driver_qemu::Setup {
        layout: layout.clone(),
        host_uuid,
        events,
        networks: network.clone(),
        filters: filter.clone().map(|filter| filter as _),
        storage: storage.clone(),
    })
    .map_err(failed)?;
    let running = opener::Running { qemu, network, interface, node_device, filter, secret, storage };
    opener.serve(running.clone());

    detach::ready();
    host::service::notify("READY=1");
    log::info!("serving {}", run.display());
    let reload = {
        let (options, layout, handle) = (options.clone(), layout, handle.clone());
        move || match configuration(&options, &layout) {
            Ok(conf) => {
                handle.set_limits(conf.limits);
                if let Err(error) = logging::set(conf.log_level, conf.log_filters, &conf.log_outputs) {
                    log::error!("log outputs stay as they were: {error}");
                }
                log::info!("configuration read again");
            }
            Err(Refused(text)) => log::error!("configuration stays as it was: {text}"),
        }
    };
    watch::start(signals, handle, reload, options.timeout, running.clone())
        .map_err(|error| Failure(status::SIGNALS, error.to_string()))?;
    let served = server.run();
    host::service::notify("STOPPING=1");
    running.stop();
    for path in &sockets.files {
        let _ = std::fs::remove_file(path);
    }
    served.map_err(|error| Failure(status::NETWORK, format!("cannot serve: {error}")))
}
