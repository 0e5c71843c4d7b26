//! One thread that reads all monitors.

use crate::monitor::{Listener, Monitor};
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Registry, Token};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The thread and its monitors.
#[derive(Debug)]
pub struct Hub {
    registry: Registry,
    monitors: Arc<Mutex<HashMap<usize, Arc<Monitor>>>>,
    next: AtomicUsize,
}

impl Hub {
    /// Starts the thread. It ends with the process.
    ///
    /// # Errors
    /// When the kernel refuses what polling needs.
    pub fn start() -> io::Result<Hub> {
        let mut poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let monitors: Arc<Mutex<HashMap<usize, Arc<Monitor>>>> = Arc::default();
        let shared = monitors.clone();
        std::thread::Builder::new().name("monitors".to_owned()).spawn(move || {
            let mut events = Events::with_capacity(256);
            let mut chunk = vec![0; 64 << 10];
            loop {
                if let Err(error) = poll.poll(&mut events, None)
                    && error.kind() != io::ErrorKind::Interrupted
                {
                    log::error!("monitors cannot be read any more: {error}");
                    return;
                }
                for event in &events {
                    let Token(token) = event.token();
                    let find = || shared.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned();
                    let Some(monitor) = find() else { continue };
                    if !monitor.readable(&mut chunk) {
                        shared.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
                    }
                }
            }
        })?;
        Ok(Hub { registry, monitors, next: AtomicUsize::new(0) })
    }

    /// Watches a connected monitor. `listener` is called in the hub's thread.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub fn watch(
        &self,
        stream: std::os::unix::net::UnixStream,
        listener: Listener,
    ) -> io::Result<Arc<Monitor>> {
        stream.set_nonblocking(true)?;
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let monitor = Arc::new(Monitor::new(UnixStream::from_std(stream), listener));
        self.monitors.lock().unwrap_or_else(PoisonError::into_inner).insert(token, monitor.clone());
        let raw = std::os::fd::AsRawFd::as_raw_fd(monitor.stream());
        let mut source = mio::unix::SourceFd(&raw);
        if let Err(error) = self.registry.register(&mut source, Token(token), Interest::READABLE) {
            self.monitors.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
            return Err(error);
        }
        Ok(monitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{CommandError, Notice};
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader, Write};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn answers_find_their_callers_and_silence_ends() {
        let hub = Hub::start().unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let (sender, notices) = channel();
        let monitor = hub.watch(ours, Box::new(move |notice| drop(sender.send(notice)))).unwrap();
        let peer = std::thread::spawn(move || {
            let mut out = theirs.try_clone().unwrap();
            for line in BufReader::new(theirs).lines().map_while(Result::ok) {
                let asked: Value = serde_json::from_str(&line).unwrap();
                match asked["execute"].as_str().unwrap() {
                    "good" => {
                        writeln!(out, "{{\"event\":\"STOP\"}}\n{}", json!({"return": 1, "id": asked["id"]}))
                    }
                    "bad" => {
                        writeln!(out, "{}", json!({"error": {"class": "C", "desc": "no"}, "id": asked["id"]}))
                    }
                    "quit" => return,
                    _ => Ok(()),
                }
                .unwrap();
            }
        });
        let long = Duration::from_secs(5);
        assert_eq!(monitor.command("good", Value::Null, long), Ok(json!(1)));
        let Notice::Event(event) = notices.recv().unwrap() else { panic!("no event") };
        assert_eq!(event.name, "STOP");
        let refused = CommandError::Refused { class: "C".into(), description: "no".into() };
        assert_eq!(monitor.command("bad", json!({"a": 1}), long), Err(refused));
        let short = Duration::from_millis(30);
        assert_eq!(monitor.command("silent", Value::Null, short), Err(CommandError::Stalled(short)));
        assert_eq!(monitor.command("quit", Value::Null, long), Err(CommandError::Closed));
        assert_eq!(notices.recv().unwrap(), Notice::Closed);
        assert_eq!(monitor.command("good", Value::Null, long), Err(CommandError::Closed));
        peer.join().unwrap();
    }
}
