//! Consoles, screenshots, keys.

use crate::guest::{Guest, Live};
use crate::{Driver, FROM, check_flags};
use api::{Call, DomainConsole, Stream};
use base::object::DomainRef;
use base::{Error, Result};
use engine::JobKind;
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use xml::Tree;

/// Another client's session is ended.
const FORCE: u32 = 1;
/// Only one client is let in, even where more could be.
const SAFE: u32 = 2;

/// A client's session on a character device.
#[derive(Debug)]
pub(crate) struct Session {
    over: AtomicBool,
    /// The relay's end of the client's stream.
    client: UnixStream,
}

impl Session {
    /// Ends it; the relay wakes up and leaves.
    fn end(&self) {
        self.over.store(true, Ordering::Release);
        let _ = self.client.shutdown(std::net::Shutdown::Both);
    }
}

/// The other end of a character device.
fn open(device: &Tree) -> Result<OwnedFd> {
    let path = device.attr_at("source", "path").unwrap_or_default();
    match device.attr("type").unwrap_or_default() {
        "pty" => rustix::fs::open(
            path,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        )
        .map_err(|cause| Error::system(FROM, &cause.into(), format!("cannot open '{path}'"))),
        "unix" => UnixStream::connect(path)
            .map(OwnedFd::from)
            .map_err(|cause| Error::system(FROM, &cause, format!("Unable to connect to '{path}'"))),
        _ => Err(Error::internal(FROM, "character device is not using a PTY or UNIX socket")),
    }
}

/// Says of a device whose characters go over the network that they go in the clear, where its definition leaves it open.
pub(crate) fn settle(device: &mut xml::Tree) {
    let carries = matches!(
        device.name.as_str(),
        "serial" | "parallel" | "channel" | "console" | "redirdev" | "smartcard" | "rng"
    );
    if carries
        && device.is("type", "tcp")
        && let Some(source) = device.child_mut("source")
    {
        source.default_to("tls", "no");
    }
}

impl Driver {
    /// Opens a character device for one client; a second is refused or takes the first one's place.
    fn session(&self, guest: &Arc<Guest>, live: &Arc<Live>, device: &Tree, flags: u32) -> Result<Stream> {
        let mut current = live.session.console.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = current.as_ref().filter(|session| !session.over.load(Ordering::Acquire)) {
            if flags & FORCE == 0 {
                return Err(Error::operation_failed(FROM, "Active console session exists for this domain"));
            }
            session.end();
        }
        let device_end = open(device)?;
        let (ours, theirs) = UnixStream::pair()
            .map_err(|cause| Error::system(FROM, &cause, "cannot make a pair of sockets"))?;
        let session = Arc::new(Session { over: AtomicBool::new(false), client: ours });
        let relayed = session.clone();
        let name = guest.value().name.clone();
        std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || relay(&device_end, &relayed, &name))
            .map_err(|cause| Error::system(FROM, &cause, "cannot start a console"))?;
        *current = Some(session.clone());
        Ok(Stream::channel(theirs.into()).on_end(move |_| session.end()))
    }
}

/// Moves bytes both ways until one side ends or the session is taken over.
fn relay(device: &OwnedFd, session: &Session, name: &str) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    let client = &session.client;
    let mut chunk = [0; 4096];
    while !session.over.load(Ordering::Acquire) {
        let mut fds = [PollFd::new(device, PollFlags::IN), PollFd::new(client, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => break,
        }
        let [from_device, from_client] = [fds[0].revents(), fds[1].revents()];
        let any = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        if from_device.intersects(any) {
            match rustix::io::read(device, &mut chunk) {
                Ok(count) if count > 0 => {
                    if write_all(client, &chunk[..count]).is_err() {
                        break;
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                _ => break,
            }
        }
        if from_client.intersects(any) {
            match rustix::io::read(client, &mut chunk) {
                Ok(count) if count > 0 => {
                    if write_all(device, &chunk[..count]).is_err() {
                        break;
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                _ => break,
            }
        }
    }
    session.end();
    log::debug!("console session of '{name}' is over");
}

fn write_all(fd: impl std::os::fd::AsFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::AGAIN) => {
                let limit = Timespec { tv_sec: 5, tv_nsec: 0 };
                if poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(&limit))? == 0 {
                    return Err(rustix::io::Errno::TIMEDOUT);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl DomainConsole for Driver {
    fn domain_open_console(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        dev_name: Option<&str>,
        flags: u32,
    ) -> Result<Stream> {
        check_flags(flags, FORCE | SAFE, "qemuDomainOpenConsole")?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        let device = match dev_name.filter(|name| !name.is_empty()) {
            Some(name) => ["console", "serial", "parallel"]
                .into_iter()
                .flat_map(|kind| live.domain.all(kind))
                .find(|device| device.attr_at("alias", "name") == Some(name)),
            None => live.domain.all("console").next().or_else(|| live.domain.all("serial").next()),
        };
        let missing = || {
            Error::internal(FROM, format!("cannot find console device '{}'", dev_name.unwrap_or("default")))
        };
        self.session(&guest, &live, device.ok_or_else(missing)?, flags)
    }

    fn domain_open_channel(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        name: Option<&str>,
        flags: u32,
    ) -> Result<Stream> {
        check_flags(flags, FORCE, "qemuDomainOpenChannel")?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        let device = match name.filter(|name| !name.is_empty()) {
            Some(name) => live.domain.all("channel").find(|c| {
                c.attr_at("alias", "name") == Some(name) || c.attr_at("target", "name") == Some(name)
            }),
            None => live.domain.all("channel").next(),
        };
        let missing = || Error::internal(FROM, format!("cannot find channel {}", name.unwrap_or("default")));
        self.session(&guest, &live, device.ok_or_else(missing)?, flags)
    }

    fn domain_screenshot(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        screen: u32,
        flags: u32,
    ) -> Result<(Option<String>, Stream)> {
        check_flags(flags, 0, "qemuDomainScreenshot")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Query, "screenshot")?;
        let live = guest.live()?;
        let Some(video) = live.domain.all("video").next() else {
            return Err(Error::operation_invalid(FROM, "no screens to take screenshot from"));
        };
        if screen > 0 {
            let heads: u32 = video.attr_at("model", "heads").and_then(|text| text.parse().ok()).unwrap_or(1);
            if screen >= heads {
                return Err(Error::operation_invalid(FROM, "no such screen ID"));
            }
        }
        let device = video.attr_at("alias", "name").unwrap_or_default();
        let path =
            live.private_dir.join(format!("screenshot-{:016x}", u64::from_ne_bytes(host::random::bytes())));
        let taken = live.command(
            "screendump",
            json!({"filename": path.display().to_string(), "format": "png", "device": device, "head": screen}),
        );
        // Emulators before 7.1 know but one format.
        let (taken, kind) = match taken {
            Err(cause) if cause.to_string().contains("format") => {
                let plain = json!({"filename": path.display().to_string(), "device": device, "head": screen});
                (live.command("screendump", plain), "image/x-portable-pixmap")
            }
            taken => (taken, "image/png"),
        };
        let opened = taken.and_then(|_| {
            File::open(&path).map_err(|cause| {
                Error::system(FROM, &cause, format!("Unable to open stream for '{}'", path.display()))
            })
        });
        let _ = std::fs::remove_file(&path);
        Ok((Some(kind.to_owned()), Stream::file(opened?.into(), None, false)))
    }

    fn domain_open_graphics(&self, cx: &Call, dom: &DomainRef, idx: u32, flags: u32) -> Result<()> {
        self.open_graphics(cx, dom, idx, flags)
    }

    fn domain_open_graphics_fd(&self, cx: &Call, dom: &DomainRef, idx: u32, flags: u32) -> Result<()> {
        self.open_graphics_fd(cx, dom, idx, flags)
    }

    fn domain_graphics_reload(&self, _cx: &Call, dom: &DomainRef, type_: u32, flags: u32) -> Result<()> {
        self.reload_graphics(dom, type_, flags)
    }

    fn domain_send_key(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        codeset: u32,
        holdtime: u32,
        keycodes: &[u32],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainSendKey")?;
        let codes: Vec<u32> = keycodes
            .iter()
            .map(|code| {
                qemu_live::keys::translate(codeset, *code).ok_or_else(|| {
                    let set = qemu_live::keys::set_name(codeset).unwrap_or_default();
                    let text = format!("cannot translate keycode {code} of {set} codeset to qnum keycode");
                    Error::internal(FROM, text)
                })
            })
            .collect::<Result<_>>()?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "send key")?;
        let live = guest.live()?;
        let keys: Vec<_> = codes.iter().map(|code| json!({"type": "number", "data": code})).collect();
        let mut arguments = json!({"keys": keys});
        if holdtime > 0 {
            arguments["hold-time"] = json!(holdtime);
        }
        live.command("send-key", arguments)?;
        if holdtime > 0 {
            std::thread::sleep(Duration::from_millis(u64::from(holdtime.min(10_000))));
        }
        Ok(())
    }
}
