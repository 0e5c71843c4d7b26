//! dnsmasq of running networks: started, told of changes, watched, started again when it dies.

use crate::command::Run;
use crate::{Driver, bridge};
use base::{Error, ErrorDomain, Result, Uuid};
use conf_network::Network;
use host::process::Process;
use network_plan::dnsmasq::{self, Place};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a server has to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often servers are looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// A server that dies sooner than this after its start is not started again at once.
const STEADY: Duration = Duration::from_secs(5);

/// Where the lease helper may be installed.
const HELPERS: &[&str] = &["/usr/lib/libvirt/libvirt_leaseshelper", "/usr/libexec/libvirt_leaseshelper"];

/// A running server.
#[derive(Debug)]
struct Server {
    process: Process,
    since: Instant,
}

/// Servers of running networks.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    running: Mutex<BTreeMap<Uuid, Server>>,
    leaving: AtomicBool,
}

impl Servers {
    /// Servers are left alone from now on.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, Server>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver {
    fn server_file(&self, network: &Network, suffix: &str) -> PathBuf {
        self.server_dir().join(format!("{}.{suffix}", network.name))
    }

    /// The file of leases of a bridge.
    pub(crate) fn lease_file(&self, bridge: &str) -> PathBuf {
        self.server_dir().join(format!("{bridge}.status"))
    }

    /// The file of hardware addresses of a bridge.
    pub(crate) fn mac_file(&self, bridge: &str) -> PathBuf {
        self.server_dir().join(format!("{bridge}.macs"))
    }

    /// The name is spelled as in a document, because it always was.
    fn pid_file(&self, network: &Network) -> PathBuf {
        self.run_dir().join(format!("{}.pid", xml::escape(&network.name)))
    }

    /// The program that keeps leases: the installed one, else the one beside the daemon. A daemon below a root of its
    /// own takes its own, which finds the root.
    fn lease_helper(&self) -> String {
        let beside =
            std::env::current_exe().ok().map(|program| program.with_file_name("libvirt_leaseshelper"));
        let beside = beside.filter(|path| host::program::executable(path));
        let installed = HELPERS.iter().map(PathBuf::from).find(|path| host::program::executable(path));
        let found = if self.own_root() { installed.or(beside) } else { beside.or(installed) };
        found.unwrap_or_else(|| HELPERS[0].into()).display().to_string()
    }

    /// Whether the whole host is the daemon's.
    fn own_root(&self) -> bool {
        self.layout.root() == std::path::Path::new("/")
    }

    /// Writes all files of the server.
    fn write_server_files(&self, network: &Network) -> Result<()> {
        let folder = self.server_dir().display().to_string();
        let pid_file = self.pid_file(network).display().to_string();
        let place = Place { folder: &folder, pid_file: Some(&pid_file) };
        let config = dnsmasq::config(network, &place)?;
        let write = |path: &str, text: &str, mode: u32| {
            host::store::write_volatile(path.as_ref(), text.as_bytes(), mode).map_err(|cause| {
                Error::system(ErrorDomain::NONE, &cause, format!("cannot write config file '{path}'"))
            })
        };
        write(&self.server_file(network, "conf").display().to_string(), &config, 0o600)?;
        write(&dnsmasq::hosts_path(&folder, &network.name), &dnsmasq::hosts_file(network), 0o644)?;
        write(&dnsmasq::names_path(&folder, &network.name), &dnsmasq::names_file(network), 0o644)
    }

    /// Starts the server of a network, if it needs one.
    ///
    /// # Errors
    /// In the server's own words.
    pub(crate) fn start_server(&self, uuid: Uuid, network: &Network) -> Result<()> {
        if !dnsmasq::needed(network) {
            return Ok(());
        }
        self.write_server_files(network)?;
        let program = host::program::find("dnsmasq").ok_or_else(|| {
            let cause = std::io::Error::from_raw_os_error(2);
            Error::system(ErrorDomain::NONE, &cause, "Cannot find 'dnsmasq' in path")
        })?;
        let args = [
            format!("--conf-file={}", self.server_file(network, "conf").display()),
            "--leasefile-ro".to_owned(),
            format!("--dhcp-script={}", self.lease_helper()),
        ];
        let mut env = vec![("VIR_BRIDGE_NAME", bridge::name(network))];
        let root = self.layout.root().display().to_string();
        if !self.own_root() {
            env.push(("FERROVIRT_ROOT", &root));
        }
        let program = program.display().to_string();
        Run { program: &program, args: &args, env: &env, input: "" }.finish()?;
        // The server writes its number before it leaves its parent.
        match self.running_server(network) {
            Some(process) => {
                self.servers.lock().insert(uuid, Server { process, since: Instant::now() });
                Ok(())
            }
            None => Err(Error::internal(ErrorDomain::NONE, "dnsmasq has ended right after its start")),
        }
    }

    /// The server of a network that an earlier daemon, or the line above, started.
    fn running_server(&self, network: &Network) -> Option<Process> {
        let pid: i32 = std::fs::read_to_string(self.pid_file(network)).ok()?.trim().parse().ok()?;
        let process = Process::of(pid)?;
        // Numbers are used again; the command line tells whose it is.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let conf = self.server_file(network, "conf").display().to_string();
        String::from_utf8_lossy(&line).contains(&conf).then_some(process)
    }

    /// Takes over the server of an earlier daemon, or starts one.
    pub(crate) fn adopt_server(&self, uuid: Uuid, network: &Network) {
        if !dnsmasq::needed(network) {
            return;
        }
        if let Some(process) = self.running_server(network) {
            self.servers.lock().insert(uuid, Server { process, since: Instant::now() });
            return;
        }
        if let Err(error) = self.start_server(uuid, network) {
            log::error!("network '{}' is without its server: {error}", network.name);
        }
    }

    /// Ends the server of a network; the caller need not wait for the end.
    pub(crate) fn stop_server(&self, uuid: Uuid) -> Option<Process> {
        let server = self.servers.lock().remove(&uuid)?;
        server.process.terminate();
        Some(server.process)
    }

    /// Has the server read its lists of hosts and names again.
    pub(crate) fn refresh_server(&self, uuid: Uuid, network: &Network) -> Result<()> {
        if !self.servers.lock().contains_key(&uuid) {
            return self.start_server(uuid, network);
        }
        self.write_server_files(network)?;
        if let Some(server) = self.servers.lock().get(&uuid) {
            server.process.hang_up();
        }
        Ok(())
    }

    /// Starts the server anew, because it reads its configuration only once.
    pub(crate) fn restart_server(&self, uuid: Uuid, network: &Network) -> Result<()> {
        if let Some(process) = self.stop_server(uuid)
            && !process.wait(PATIENCE)
        {
            process.kill();
            process.wait(PATIENCE);
        }
        self.start_server(uuid, network)
    }

    /// Removes what a server leaves behind.
    pub(crate) fn forget_server(&self, network: &Network) {
        let _ = host::store::remove_volatile(&self.server_file(network, "conf"));
        let folder = self.server_dir().display().to_string();
        for path in [
            dnsmasq::hosts_path(&folder, &network.name),
            dnsmasq::names_path(&folder, &network.name),
            self.lease_file(bridge::name(network)).display().to_string(),
            self.mac_file(bridge::name(network)).display().to_string(),
        ] {
            let _ = host::store::remove_volatile(path.as_ref());
        }
        let _ = host::store::remove_volatile(&self.pid_file(network));
    }

    /// Starts servers again that have died.
    fn revive(&self) {
        let dead: Vec<Uuid> = {
            let mut running = self.servers.lock();
            let dead: Vec<Uuid> = running
                .iter()
                .filter(|(_, server)| server.process.wait(Duration::ZERO) && server.since.elapsed() > STEADY)
                .map(|(uuid, _)| *uuid)
                .collect();
            dead.iter().for_each(|uuid| drop(running.remove(uuid)));
            dead
        };
        for uuid in dead {
            let Some(net) = self.networks.by_uuid(uuid) else { continue };
            let Ok(_job) = net.begin("revive server") else { continue };
            let Some(live) = net.value().live.clone() else { continue };
            let network = &live.status.network;
            log::warn!("dnsmasq of network '{}' has ended; starting it again", network.name);
            if let Err(error) = self.start_server(uuid, network) {
                log::error!("network '{}' is without its server: {error}", network.name);
            }
        }
    }
}

/// Watches servers from a thread of its own, as long as the driver lives.
pub(crate) fn supervise(driver: &Arc<Driver>) {
    let driver: Weak<Driver> = Arc::downgrade(driver);
    let body = move || {
        loop {
            std::thread::sleep(GLANCE);
            let Some(driver) = driver.upgrade() else { return };
            if driver.servers.leaving.load(Ordering::Acquire) {
                return;
            }
            driver.revive();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("net-servers".to_owned()).spawn(body) {
        log::warn!("servers of networks are not watched: {error}");
    }
}
