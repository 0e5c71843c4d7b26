//! A server of a test's own, over drivers that serve nothing.

use api::{Call, DriverSet, OpenRequest, Opener};
use base::Result;
use rpc_server::client::Entry;
use rpc_server::{Limits, Server, ServerHandle, Service};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

struct Nobody;

impl Opener for Nobody {
    fn open(&self, _cx: &Call, _request: OpenRequest<'_>) -> Result<DriverSet> {
        Ok(DriverSet::empty("test:///nothing"))
    }
}

/// A running server with a read-write, a read-only, an admin and a guarded socket.
pub(crate) struct Running {
    folder: PathBuf,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Running {
    pub(crate) fn start() -> Running {
        Running::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Running {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("rpc-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let service = |name: &str, read_only: bool, admin: bool| Service {
            listener: UnixListener::bind(folder.join(name)).unwrap(),
            entry: Entry { read_only, admin, ask_authority: false },
        };
        let services =
            vec![service("rw", false, false), service("ro", true, false), service("admin", false, true)];
        let server = Server::new(services, Arc::new(Nobody), DriverSet::empty("admin"), limits).unwrap();
        let handle = server.handle();
        let thread = std::thread::spawn(move || server.run().unwrap());
        Running { folder, handle, thread: Some(thread) }
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        &self.handle
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        let _ = self.thread.take().unwrap().join();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
