//! Back ends of character devices: what a serial port, a channel or a redirected device is connected to.

use super::piece::Piece;
use super::{Builder, Json, ability, alias_of, comma, on_off};
use crate::Caps;
use crate::complete::unsupported;
use base::Result;
use serde_json::Value;
use xml::Tree;

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port or service.
    Inet(String, String),
    /// A path.
    Unix(String),
    /// A descriptor that is open already.
    Fd(String),
}

impl Default for Address {
    fn default() -> Address {
        Address::Unix(String::new())
    }
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where it is.
    pub address: Address,
    /// Whether the protocol is telnet; only of hosts and ports.
    pub telnet: Option<bool>,
    /// The emulator listens.
    pub server: bool,
    /// The emulator waits for somebody to connect before it goes on.
    pub wait: bool,
    /// Seconds until a lost connection is made again; 0 is never.
    pub reconnect: Option<u64>,
    /// Object with the certificates.
    pub tls: Option<String>,
}

impl Socket {
    /// A connection to a path.
    pub(crate) fn connect(path: &str, reconnect: Option<u64>) -> Socket {
        let address = Address::Unix(path.to_owned());
        Socket { address, telnet: None, server: false, wait: false, reconnect, tls: None }
    }
}

/// What a character device is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Nothing.
    Null,
    /// A console of the emulator's own window.
    Vc,
    /// A new pseudo terminal.
    Pty,
    /// The emulator's standard input and output.
    Stdio,
    /// A file that is written, and whether it is kept.
    File(String, Option<bool>),
    /// A serial port of the host.
    Serial(String),
    /// A parallel port of the host.
    Parallel(String),
    /// A pair of named pipes.
    Pipe(String),
    /// Datagrams: host and port sent to, address and port received at.
    Udp {
        /// Sent to.
        remote: (String, String),
        /// Received at.
        local: Option<(String, String)>,
    },
    /// A stream.
    Socket(Socket),
    /// A channel of SPICE that has a meaning of its own: `vdagent`, `usbredir`, `smartcard`.
    SpiceVmc(&'static str),
    /// A channel of SPICE of this name.
    SpicePort(String),
    /// A channel of the bus on which the guest is shown.
    Dbus(String),
    /// The emulator's own agent.
    Vdagent {
        /// Clipboard is shared.
        clipboard: Option<bool>,
        /// The client draws the mouse.
        mouse: Option<bool>,
    },
}

/// A file that keeps what goes through a character device, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Path.
    pub file: String,
    /// Written to its end.
    pub append: Option<bool>,
}

/// A character device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chardev {
    /// Name.
    pub id: String,
    /// Back end.
    pub backend: Backend,
    /// Log.
    pub log: Option<Log>,
}

fn state(set: bool) -> &'static str {
    if set { "on" } else { "off" }
}

impl Chardev {
    pub(crate) fn of(id: impl Into<String>, backend: Backend) -> Chardev {
        Chardev { id: id.into(), backend, log: None }
    }

    /// The value of the option.
    pub fn text(&self, caps: &Caps) -> String {
        if ability::chardev_json(caps) {
            return self.json(caps).text();
        }
        let mut words = vec![self.kind().to_owned(), format!("id={}", self.id)];
        let mut put = |name: &str, value: &str| words.push(format!("{name}={}", comma(value)));
        match &self.backend {
            Backend::Null | Backend::Vc | Backend::Pty | Backend::Stdio => {}
            Backend::Serial(path) | Backend::Parallel(path) | Backend::Pipe(path) => put("path", path),
            Backend::File(path, append) => {
                put("path", path);
                append.iter().for_each(|append| put("append", state(*append)));
            }
            Backend::Udp { remote, local } => {
                put("host", &remote.0);
                put("port", &remote.1);
                let (host, port) = local.as_ref().map_or(("", "0"), |local| (&local.0, &local.1));
                put("localaddr", host);
                put("localport", if port.is_empty() { "0" } else { port });
            }
            Backend::Socket(socket) => {
                match &socket.address {
                    Address::Inet(host, port) => {
                        put("host", host);
                        put("port", port);
                    }
                    Address::Unix(path) => put("path", path),
                    Address::Fd(fd) => put("fd", fd),
                }
                if socket.telnet == Some(true) {
                    put("telnet", "on");
                }
                if socket.server {
                    put("server", "on");
                    if !socket.wait {
                        put("wait", "off");
                    }
                }
                if let Some((name, time)) = reconnect(socket, caps) {
                    put(name, &time.to_string());
                }
                socket.tls.iter().for_each(|tls| put("tls-creds", tls));
            }
            Backend::SpiceVmc(name) => put("name", name),
            Backend::SpicePort(name) | Backend::Dbus(name) => put("name", name),
            Backend::Vdagent { clipboard, mouse } => {
                put("name", "vdagent");
                clipboard.iter().for_each(|set| put("clipboard", state(*set)));
                mouse.iter().for_each(|set| put("mouse", state(*set)));
            }
        }
        if let Some(log) = &self.log {
            put("logfile", &log.file);
            log.append.iter().for_each(|append| put("logappend", state(*append)));
        }
        words.join(",")
    }

    /// Name of the back end.
    fn kind(&self) -> &'static str {
        match &self.backend {
            Backend::Null => "null",
            Backend::Vc => "vc",
            Backend::Pty => "pty",
            Backend::Stdio => "stdio",
            Backend::File(..) => "file",
            Backend::Serial(_) => "serial",
            Backend::Parallel(_) => "parallel",
            Backend::Pipe(_) => "pipe",
            Backend::Udp { .. } => "udp",
            Backend::Socket(_) => "socket",
            Backend::SpiceVmc(_) => "spicevmc",
            Backend::SpicePort(_) => "spiceport",
            Backend::Dbus(_) => "dbus",
            Backend::Vdagent { .. } => "qemu-vdagent",
        }
    }

    /// The arguments of `chardev-add`.
    pub fn json(&self, caps: &Caps) -> Json {
        let data = match &self.backend {
            Backend::Null | Backend::Vc | Backend::Pty | Backend::Stdio => Json::new(),
            Backend::File(path, append) => Json::new().put("out", path.clone()).put_opt("append", *append),
            Backend::Serial(path) | Backend::Parallel(path) | Backend::Pipe(path) => {
                Json::new().put("device", path.clone())
            }
            Backend::Udp { remote, local } => Json::new()
                .put("remote", inet(&remote.0, &remote.1))
                .put_opt("local", local.as_ref().map(|(host, port)| inet(host, port))),
            Backend::Socket(socket) => {
                let json = Json::new().put("addr", address(&socket.address));
                let json = json.put_opt("telnet", socket.telnet).put("server", socket.server);
                let json = if socket.server { json.put("wait", socket.wait) } else { json };
                let json = match reconnect(socket, caps) {
                    Some((name, time)) => json.put(name, time),
                    None => json,
                };
                json.put_opt("tls-creds", socket.tls.clone())
            }
            Backend::SpiceVmc(name) => Json::new().put("type", *name),
            Backend::SpicePort(name) => Json::new().put("fqdn", name.clone()),
            Backend::Dbus(name) => Json::new().put("name", name.clone()),
            Backend::Vdagent { clipboard, mouse } => {
                Json::new().put_opt("clipboard", *clipboard).put_opt("mouse", *mouse)
            }
        };
        let data = match &self.log {
            Some(log) => data.put("logfile", log.file.clone()).put_opt("logappend", log.append),
            None => data,
        };
        let backend = Json::new().put("type", self.kind()).put("data", data.value());
        Json::new().put("id", self.id.clone()).put("backend", backend.value())
    }
}

/// Name and value of the time after which a lost connection is made again.
fn reconnect(socket: &Socket, caps: &Caps) -> Option<(&'static str, u64)> {
    let seconds = socket.reconnect?;
    Some(if ability::reconnect_ms(caps) {
        ("reconnect-ms", seconds.saturating_mul(1000))
    } else {
        ("reconnect", seconds)
    })
}

fn inet(host: &str, port: &str) -> Value {
    let data = Json::new().put("host", host).put("port", port);
    Json::new().put("type", "inet").put("data", data.value()).value()
}

fn address(address: &Address) -> Value {
    let (kind, data) = match address {
        Address::Inet(host, port) => return inet(host, port),
        Address::Unix(path) => ("unix", Json::new().put("path", path.clone())),
        Address::Fd(fd) => ("fd", Json::new().put("str", fd.clone())),
    };
    Json::new().put("type", kind).put("data", data.value()).value()
}

/// The time to reconnect that an element asks for: seconds, 0 for never.
pub(crate) fn reconnect_of(source: &Tree) -> Option<u64> {
    let reconnect = source.child("reconnect")?;
    match on_off(reconnect.attr("enabled")) {
        Some(true) => reconnect.attr("timeout").and_then(|text| text.parse().ok()),
        Some(false) => Some(0),
        None => None,
    }
}

/// The socket by which the emulator is controlled.
pub(super) fn monitor(address: &Address) -> Piece {
    let address = address.clone();
    let socket = Socket { address, telnet: None, server: true, wait: false, reconnect: None, tls: None };
    Piece::Chardev(Chardev::of("charmonitor", Backend::Socket(socket)))
}

/// The connection to the program that serves a disk.
pub(super) fn vhost_user_disk(disk: &Tree, alias: &str) -> Chardev {
    let source = disk.child("source");
    let path = source.and_then(|source| source.attr("path")).unwrap_or_default();
    let socket = Socket::connect(path, source.and_then(reconnect_of));
    Chardev::of(format!("chr-vu-{alias}"), Backend::Socket(socket))
}

/// The pieces of the back end of a device: what it needs, then itself under the name `id`.
///
/// `device` is the element with the attribute `type` and the sources; `alias` is the name its descriptors go by.
pub(super) fn pieces(b: &mut Builder<'_>, device: &Tree, id: &str, alias: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let backend = backend(b, device, id, alias, &mut pieces)?;
    let log = match device.child("log") {
        Some(log) => {
            let file = log.attr("file").unwrap_or_default().to_owned();
            Some(match b.pass(&format!("{alias}-log")) {
                // What is handed over has been truncated where that was asked for.
                Some((piece, file)) => {
                    pieces.push(piece);
                    Log { file, append: Some(true) }
                }
                None => Log { file, append: on_off(log.attr("append")) },
            })
        }
        None => None,
    };
    pieces.push(Piece::Chardev(Chardev { id: id.to_owned(), backend, log }));
    Ok(pieces)
}

/// The pieces of the back end of a device that has its own alias.
pub(super) fn of_device(b: &mut Builder<'_>, device: &Tree) -> Result<Vec<Piece>> {
    let alias = alias_of(device).to_owned();
    pieces(b, device, &format!("char{alias}"), &alias)
}

fn backend(
    b: &mut Builder<'_>,
    device: &Tree,
    id: &str,
    alias: &str,
    pieces: &mut Vec<Piece>,
) -> Result<Backend> {
    let source = device.child("source");
    let attr = |name: &str| source.and_then(|source| source.attr(name)).unwrap_or_default();
    let path = || attr("path").to_owned();
    Ok(match device.attr("type").unwrap_or_default() {
        "null" => Backend::Null,
        "vc" => Backend::Vc,
        "pty" => Backend::Pty,
        "stdio" => Backend::Stdio,
        "dev" if device.name == "parallel" => Backend::Parallel(path()),
        "dev" => Backend::Serial(path()),
        "pipe" => Backend::Pipe(path()),
        "file" => match b.pass(&format!("{alias}-source")) {
            Some((piece, path)) => {
                pieces.push(piece);
                Backend::File(path, Some(true))
            }
            None => Backend::File(path(), on_off(Some(attr("append")))),
        },
        "udp" => udp(device),
        "tcp" => Backend::Socket(tcp(b, device, id, pieces)?),
        "unix" => Backend::Socket(unix(b, device, alias)),
        "spicevmc" => Backend::SpiceVmc(match device.name.as_str() {
            "redirdev" => "usbredir",
            "smartcard" => "smartcard",
            _ => "vdagent",
        }),
        "spiceport" => Backend::SpicePort(attr("channel").to_owned()),
        "dbus" => Backend::Dbus(match attr("channel") {
            "" if device.name == "redirdev" => "org.qemu.usbredir".to_owned(),
            channel => channel.to_owned(),
        }),
        "qemu-vdagent" => Backend::Vdagent {
            clipboard: source.and_then(|source| on_off(source.attr_at("clipboard", "copypaste"))),
            mouse: source.and_then(|source| source.attr_at("mouse", "mode")).map(|mode| mode == "client"),
        },
        other => return Err(unsupported(format!("unsupported chardev '{other}'"))),
    })
}

/// A source of a device that has one for each direction.
fn directed<'d>(device: &'d Tree, mode: &str) -> Option<&'d Tree> {
    device.all("source").find(|source| source.attr("mode").unwrap_or("connect") == mode)
}

fn udp(device: &Tree) -> Backend {
    let pair = |source: &Tree| {
        let text = |name: &str| source.attr(name).unwrap_or_default().to_owned();
        (text("host"), text("service"))
    };
    let local = directed(device, "bind").map(pair);
    let local = local.filter(|(host, port)| !host.is_empty() || !port.is_empty());
    Backend::Udp { remote: directed(device, "connect").map(pair).unwrap_or_default(), local }
}

fn tcp(b: &Builder<'_>, device: &Tree, id: &str, pieces: &mut Vec<Piece>) -> Result<Socket> {
    let source = device.child("source");
    let attr = |name: &str| source.and_then(|source| source.attr(name)).unwrap_or_default();
    let server = attr("mode") == "bind";
    let settings = &b.start.settings.chardev_tls;
    let mut tls = None;
    if on_off(source.and_then(|source| source.attr("tls"))).unwrap_or(settings.on) {
        let object = format!("obj{id}_tls0");
        let password = format!("{id}-secret0");
        let vault = b.start.vault.as_ref();
        pieces.extend(settings.objects(&object, &password, server, vault, &b.start.secrets)?);
        tls = Some(object);
    }
    Ok(Socket {
        address: Address::Inet(attr("host").to_owned(), attr("service").to_owned()),
        telnet: Some(matches!(device.attr_at("protocol", "type"), Some("telnet" | "telnets"))),
        server,
        wait: false,
        reconnect: source.and_then(reconnect_of),
        tls,
    })
}

fn unix(b: &Builder<'_>, device: &Tree, alias: &str) -> Socket {
    let source = device.child("source");
    let attr = |name: &str| source.and_then(|source| source.attr(name)).unwrap_or_default();
    let server = attr("mode") != "connect";
    let fd = b.start.chardev_fds.get(alias).filter(|_| server);
    let address = match fd {
        Some(fd) => Address::Fd(fd.to_string()),
        None => Address::Unix(attr("path").to_owned()),
    };
    let reconnect = source.and_then(reconnect_of);
    Socket { address, telnet: None, server, wait: false, reconnect, tls: None }
}
