//! Signals, and the end after idle time.

use crate::opener::Running;
use rpc_server::ServerHandle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::time::{Duration, Instant};

/// Takes over the signals; SIGPIPE is only caught to be ignored.
pub(crate) fn signals() -> io::Result<Signals> {
    Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPIPE])
}

/// Watches signals in one thread and, when asked for, idleness in another.
pub(crate) fn start(
    mut signals: Signals,
    server: ServerHandle,
    reload: impl Fn() + Send + 'static,
    idle_limit: Option<u32>,
    running: Running,
) -> io::Result<()> {
    if let Some(seconds) = idle_limit {
        let server = server.clone();
        std::thread::Builder::new()
            .name("idle".to_owned())
            .spawn(move || idle(&server, &running, seconds))?;
    }
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => reload(),
                SIGPIPE => {}
                _ => server.stop(),
            }
        }
    })?;
    Ok(())
}

fn idle(server: &ServerHandle, running: &Running, seconds: u32) {
    let mut since = Instant::now();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        if !server.clients().is_empty() || running.busy() {
            since = Instant::now();
        } else if since.elapsed() >= Duration::from_secs(seconds.into()) {
            log::info!("idle for {seconds} s, ending");
            server.stop();
            return;
        }
    }
}
