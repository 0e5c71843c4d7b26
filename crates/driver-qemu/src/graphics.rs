//! Screens of guests: where they listen, who looks at them, connections handed over by clients.

use crate::guest::{Guest, Live, MONITOR_WAIT, failed};
use crate::{Driver, FROM, check_flags, error};
use api::Call;
use api::event::{DomainEventGraphicsAddress, DomainEventGraphicsIdentity, DomainEventGraphicsMsg, Event};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use engine::JobKind;

use qemu_plan::argv::settings::Settings;
use serde_json::{Value as Json, json};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use xml::Tree;

/// The client is let in without a password.
const SKIP_AUTH: u32 = 1;

/// Notes where a screen listens, where its definition leaves it to the settings.
pub(crate) fn settle(device: &mut Tree, private_dir: &Path, settings: &Settings) {
    if device.name != "graphics" {
        return;
    }
    let (kind, auto, usual) = match device.attr("type") {
        Some("vnc") => ("vnc", settings.vnc_auto_socket, &settings.vnc_listen),
        Some("spice") => ("spice", settings.spice_auto_socket, &settings.spice_listen),
        _ => return,
    };
    let own = private_dir.join(format!("{kind}.sock")).display().to_string();
    let Some(listen) = device.child_mut("listen") else { return };
    let (name, value) = match listen.attr("type") {
        Some("address") if listen.attr("address").is_none() && auto => {
            listen.set("type", "socket");
            ("socket", own)
        }
        Some("address") if listen.attr("address").is_none() => ("address", usual.clone()),
        Some("socket") if listen.attr("socket").is_none() => ("socket", own),
        _ => return,
    };
    listen.set(name, value.clone());
    match (name, kind) {
        ("address", _) => device.set("listen", value),
        (_, "vnc") => device.set("socket", value),
        _ => {}
    }
}

/// Refuses ports that another guest's screen has.
pub(crate) fn check_ports(domain: &Domain, used: &[u32]) -> Result<()> {
    for graphics in domain.all("graphics").filter(|graphics| !graphics.is("autoport", "yes")) {
        let ports =
            ["port", "tlsPort"].into_iter().filter_map(|name| graphics.attr(name)?.parse::<u32>().ok());
        for port in ports {
            if used.contains(&port) {
                return Err(Error::internal(ErrorDomain::NONE, format!("Failed to reserve port {port}")));
            }
        }
    }
    Ok(())
}

fn address(event: &Json, side: &str, port: &str) -> DomainEventGraphicsAddress {
    let side = event.get(side);
    let text = |name: &str| side.and_then(|side| side.get(name)).and_then(Json::as_str).unwrap_or_default();
    let family = match text("family") {
        "ipv6" => 1,
        "unix" => 2,
        _ => 0,
    };
    DomainEventGraphicsAddress { family, node: text("host").to_owned(), service: text(port).to_owned() }
}

impl Driver {
    /// Somebody begins to look at a screen, has said who he is, or looks away. False for other events.
    pub(crate) fn heard_of_screens(&self, guest: &Guest, event: &qmp::Event) -> bool {
        let phase = match event.name.split_once('_') {
            Some(("VNC" | "SPICE", "CONNECTED")) => 0,
            Some(("VNC" | "SPICE", "INITIALIZED")) => 1,
            Some(("VNC" | "SPICE", "DISCONNECTED")) => 2,
            _ => return false,
        };
        let port = if event.name.starts_with("VNC") { "service" } else { "port" };
        let of = |side: &str, name: &str| {
            event.data.get(side).and_then(|side| side.get(name)).and_then(Json::as_str).map(str::to_owned)
        };
        let identities = [("x509_dname", "x509dname"), ("sasl_username", "saslUsername")];
        let subject = identities.into_iter().filter_map(|(member, kind)| {
            Some(DomainEventGraphicsIdentity { type_: kind.to_owned(), name: of("client", member)? })
        });
        self.events.publish(Event::DomainGraphics(DomainEventGraphicsMsg {
            dom: guest.reference(),
            phase,
            local: address(&event.data, "server", port),
            remote: address(&event.data, "client", port),
            auth_scheme: of("server", "auth").unwrap_or_default(),
            subject: subject.collect(),
        }));
        true
    }

    /// Connects a client's socket to a screen.
    pub(crate) fn open_graphics(&self, cx: &Call, dom: &DomainRef, index: u32, flags: u32) -> Result<()> {
        check_flags(flags, SKIP_AUTH, "qemuDomainOpenGraphics")?;
        let fds = cx.take_fds();
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "open graphics")?;
        let live = guest.live()?;
        let fd = fds.first().ok_or_else(|| error(ErrorCode::INVALID_ARG, "no socket was passed"))?;
        connect(&live, index, fd.as_fd(), flags & SKIP_AUTH != 0)
    }

    /// Makes a pair of sockets: one end for a screen, the other for the client.
    pub(crate) fn open_graphics_fd(&self, cx: &Call, dom: &DomainRef, index: u32, flags: u32) -> Result<()> {
        check_flags(flags, SKIP_AUTH, "qemuDomainOpenGraphicsFD")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "open graphics")?;
        let live = guest.live()?;
        let (ours, theirs) = UnixStream::pair()
            .map_err(|cause| Error::system(FROM, &cause, "Unable to create socket pair"))?;
        connect(&live, index, theirs.as_fd(), flags & SKIP_AUTH != 0)?;
        cx.return_fd(ours.into());
        Ok(())
    }

    /// Lets screens read their certificates again.
    pub(crate) fn reload_graphics(&self, dom: &DomainRef, kind: u32, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainGraphicsReload")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "reload graphics")?;
        let live = guest.live()?;
        if kind > 1 {
            return Err(error(ErrorCode::INVALID_ARG, format!("unknown graphics type {kind}")));
        }
        if !live.domain.all("graphics").any(|graphics| graphics.is("type", "vnc")) {
            return Err(error(ErrorCode::CONFIG_UNSUPPORTED, "no graphics device of type vnc to reload"));
        }
        live.command("display-reload", json!({"type": "vnc", "tls-certs": true})).map(drop)
    }
}

/// Hands a socket to a screen.
fn connect(live: &Arc<Live>, index: u32, fd: BorrowedFd<'_>, skip_auth: bool) -> Result<()> {
    let internal = |text: String| Error::internal(FROM, text);
    let graphics = live
        .domain
        .all("graphics")
        .nth(index as usize)
        .ok_or_else(|| internal(format!("No graphics backend with index {index}")))?;
    let kind = graphics.attr("type").unwrap_or_default();
    if !matches!(kind, "vnc" | "spice") {
        return Err(internal(format!("Can only open VNC or SPICE graphics backends, not {kind}")));
    }
    live.monitor
        .command_with_fd("getfd", &json!({"fdname": "graphicsfd"}), fd, MONITOR_WAIT)
        .map_err(|cause| failed("getfd", &cause))?;
    let arguments = json!({"protocol": kind, "fdname": "graphicsfd", "skipauth": skip_auth});
    let done = live.command("add_client", arguments);
    if done.is_err() {
        let _ = live.command("closefd", json!({"fdname": "graphicsfd"}));
    }
    done.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_screens_listen() {
        let settings = Settings::default();
        let screen = |listen: Tree| Tree::new("graphics").with("type", "vnc").holding(listen);
        let mut plain = screen(Tree::new("listen").with("type", "address"));
        settle(&mut plain, Path::new("/d"), &settings);
        assert_eq!(plain.attr("listen"), Some("127.0.0.1"));
        let mut socket = screen(Tree::new("listen").with("type", "socket"));
        settle(&mut socket, Path::new("/d"), &settings);
        assert_eq!(socket.attr_at("listen", "socket"), Some("/d/vnc.sock"));
        let mut chosen = screen(Tree::new("listen").with("type", "address").with("address", "::1"));
        settle(&mut chosen, Path::new("/d"), &settings);
        assert_eq!(chosen.attr("listen"), None);
    }
}
