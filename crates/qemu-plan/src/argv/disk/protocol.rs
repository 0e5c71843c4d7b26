//! How the contents of an image are reached: a file, a device, a server.

use super::super::settings::Settings;
use super::super::{Json, Start};
use super::image::{Image, Location};
use crate::complete::unsupported;
use base::{Error, ErrorDomain, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use xml::Tree;

/// What a node is told besides the image: the daemon's settings, and names of objects made for it.
pub(crate) struct Reach<'s> {
    /// Only where the image is matters: as another image would name it.
    pub(crate) bare: bool,
    pub(crate) settings: &'s Settings,
    pub(crate) private_dir: &'s str,
    /// Numbers of the host's users and groups by name.
    pub(crate) ids: &'s BTreeMap<String, u32>,
    /// The object with the password.
    pub(crate) password: Option<String>,
    /// The object with the cookies.
    pub(crate) cookies: Option<String>,
    /// The object with the certificates.
    pub(crate) tls: Option<String>,
    /// The objects with the keys of an image that the protocol decrypts.
    pub(crate) keys: Vec<String>,
}

impl<'s> Reach<'s> {
    /// What a start knows, without objects.
    pub(crate) fn of(start: &'s Start) -> Reach<'s> {
        Reach {
            bare: false,
            settings: &start.settings,
            private_dir: &start.private_dir,
            ids: &start.ids,
            password: None,
            cookies: None,
            tls: None,
            keys: Vec::new(),
        }
    }
}

/// The members of a node that reads an image from where it is.
pub(crate) fn node(image: &Image<'_>, reach: &Reach<'_>) -> Result<Json> {
    let location = &image.location;
    let source = location.source;
    let attr = |name: &str| source.attr(name).unwrap_or_default();
    Ok(match location.kind {
        "file" => {
            let opened = image.opened.filter(|_| !reach.bare);
            let path = opened.map(|opened| format!("/dev/fdset/{}", opened.set));
            local("file", path.as_deref().unwrap_or(attr("file")), image, reach)
        }
        "block" => local(if image.drive { "host_cdrom" } else { "host_device" }, attr("dev"), image, reach),
        "dir" => Json::driver("vvfat")
            .put("dir", attr("dir"))
            .put("floppy", image.floppy)
            .put_opt("rw", (!reach.bare).then_some(!image.read_only)),
        "nvme" => nvme(source),
        "vhostvdpa" => {
            let path = image.opened.map(|opened| format!("/dev/fdset/{}", opened.set));
            Json::driver("virtio-blk-vhost-vdpa").put("path", path.unwrap_or_else(|| attr("dev").to_owned()))
        }
        "network" => network(image, reach)?,
        "volume" => {
            return Err(unsupported(format!(
                "the volume '{}' of the pool '{}' was not looked up",
                attr("volume"),
                attr("pool")
            )));
        }
        other => return Err(unsupported(format!("disks of type '{other}' have no node of their own"))),
    })
}

fn local(driver: &str, path: &str, image: &Image<'_>, reach: &Reach<'_>) -> Json {
    let json = Json::driver(driver).put("filename", path);
    if reach.bare {
        return json;
    }
    json.put_opt("aio", image.manner.aio).put_opt("pr-manager", image.reservations.clone())
}

fn nvme(source: &Tree) -> Json {
    let part = |name: &str| {
        let text = source.attr_at("address", name).unwrap_or("0");
        u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
    };
    let device =
        format!("{:04x}:{:02x}:{:02x}.{:x}", part("domain"), part("bus"), part("slot"), part("function"));
    let namespace: u64 = source.attr("namespace").and_then(|text| text.parse().ok()).unwrap_or(1);
    Json::driver("nvme").put("device", device).put("namespace", namespace)
}

/// A protocol that an NBD server of the host speaks instead of the emulator.
pub(super) fn served(location: &Location<'_>, settings: &Settings) -> bool {
    super::nbdkit::plugin(location).is_some_and(|plugin| settings.nbdkit.iter().any(|name| name == plugin))
}

fn network(image: &Image<'_>, reach: &Reach<'_>) -> Result<Json> {
    let location = &image.location;
    let source = location.source;
    let name = source.attr("name").unwrap_or_default();
    let user = location.auth.and_then(|auth| auth.attr("username"));
    // A name in another image tells nothing secret and nothing of this host.
    let told = user.filter(|_| !reach.bare);
    if !reach.bare && served(location, reach.settings) {
        let path = format!("{}/nbdkit-{}.socket", reach.private_dir, image.storage());
        let server = Json::new().put("type", "unix").put("path", path);
        return Ok(Json::driver("nbd").put("server", server.value()));
    }
    Ok(match location.protocol() {
        "nbd" => Json::driver("nbd")
            .put("server", one(source, true)?)
            .put_opt("export", source.attr("name"))
            .put_opt("tls-creds", reach.tls.clone())
            .put_opt("tls-hostname", source.attr("tlsHostname").filter(|_| !reach.bare))
            .put_opt("reconnect-delay", reconnect(source)),
        "gluster" => {
            let (volume, path) = name.split_once('/').unwrap_or((name, ""));
            Json::driver("gluster")
                .put("volume", volume)
                .put("path", path)
                .put("server", servers(source, true)?)
                .put_opt("debug", (!reach.bare).then_some(reach.settings.gluster_debug))
        }
        "iscsi" => iscsi(location, reach)?,
        "rbd" => rbd(location, reach)?,
        "nfs" => nfs(source, name, reach)?,
        "ssh" => Json::driver("ssh")
            .put("path", name)
            .put("server", one(source, false)?)
            .put_opt("user", user.or(source.attr_at("identity", "username")).or(location.login))
            .put_opt("host-key-check", location.any_key.then(|| Json::new().put("mode", "none").value())),
        "sheepdog" => Json::driver("sheepdog").put("server", one(source, true)?).put("vdi", name),
        "vxhs" => Json::driver("vxhs")
            .put_opt("tls-creds", reach.tls.clone())
            .put("vdisk-id", name)
            .put("server", one(source, false)?),
        protocol @ ("http" | "https" | "ftp" | "ftps" | "tftp") => {
            let number =
                |path: &str, name: &str| source.attr_at(path, name).and_then(|text| text.parse::<u64>().ok());
            Json::driver(protocol)
                .put("url", url(source, protocol, name))
                .put_opt("username", told)
                .put_opt("password-secret", reach.password.clone())
                .put_opt("sslverify", source.attr_at("ssl", "verify").map(|verify| verify == "yes"))
                .put_opt("cookie", source.child("cookies").filter(|_| reach.bare).map(cookies))
                .put_opt("cookie-secret", reach.cookies.clone())
                .put_opt("timeout", number("timeout", "seconds"))
                .put_opt("readahead", number("readahead", "size"))
        }
        other => return Err(unsupported(format!("protocol '{other}' is not supported by this emulator"))),
    })
}

/// Seconds until a lost connection is given up.
fn reconnect(source: &Tree) -> Option<u64> {
    source.attr_at("reconnect", "delay").and_then(|text| text.parse().ok())
}

/// A name of a host as it stands in an address.
pub(crate) fn bracketed(name: &str) -> String {
    if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.to_owned() }
}

/// Cookies as a server gets them.
pub(super) fn cookies(cookies: &Tree) -> String {
    let all = cookies
        .all("cookie")
        .map(|cookie| format!("{}={}", cookie.attr("name").unwrap_or_default(), cookie.body()));
    all.collect::<Vec<_>>().join("; ")
}

/// The address of a file on a server.
pub(crate) fn url(source: &Tree, protocol: &str, name: &str) -> String {
    let host = source.child("host");
    let part = |name: &str| host.and_then(|host| host.attr(name)).unwrap_or_default();
    let port = part("port");
    let port = if port.is_empty() { String::new() } else { format!(":{port}") };
    let slash = if name.starts_with('/') { "" } else { "/" };
    let query = source.attr("query").map(|query| format!("?{query}")).unwrap_or_default();
    let path = uri::escape(name, "/;@&=+$,");
    format!("{protocol}://{}{port}{slash}{path}{query}", bracketed(part("name")))
}

/// A server as QEMU's socket addresses are written; `typed` when the address tells its kind.
fn server(host: &Tree, typed: bool) -> Result<Value> {
    let json = match host.attr("transport") {
        Some("unix") => Json::new().put("type", "unix").put("path", host.attr("socket").unwrap_or_default()),
        Some("rdma") => return Err(unsupported("transport 'rdma' is not yet supported")),
        _ => {
            let json = if typed { Json::new().put("type", "inet") } else { Json::new() };
            json.put("host", host.attr("name").unwrap_or_default())
                .put("port", host.attr("port").unwrap_or("0"))
        }
    };
    Ok(json.value())
}

/// The only server of a protocol that knows no second.
fn one(source: &Tree, typed: bool) -> Result<Value> {
    let mut hosts = source.all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => server(host, typed),
        _ => {
            let name = match source.attr("protocol").unwrap_or_default() {
                "iscsi" => "iSCSI",
                "vxhs" => "VxHS",
                other => other,
            };
            let text = format!("{name} protocol accepts only one host");
            Err(Error::internal(ErrorDomain::QEMU, text))
        }
    }
}

fn servers(source: &Tree, typed: bool) -> Result<Value> {
    Ok(Value::Array(source.all("host").map(|host| server(host, typed)).collect::<Result<_>>()?))
}

fn iscsi(location: &Location<'_>, reach: &Reach<'_>) -> Result<Json> {
    let source = location.source;
    let name = source.attr("name").unwrap_or_default();
    let (target, lun) = name.split_once('/').unwrap_or((name, "0"));
    let lun: u64 = lun.parse().map_err(|_| unsupported(format!("cannot parse target for lunStr '{lun}'")))?;
    let host = source.child("host");
    let part = |name: &str| host.and_then(|host| host.attr(name)).unwrap_or_default();
    let port = host.and_then(|host| host.attr("port")).unwrap_or("3260");
    Ok(Json::driver("iscsi")
        .put("portal", format!("{}:{port}", bracketed(part("name"))))
        .put("target", target)
        .put("lun", lun)
        .put("transport", "tcp")
        .put_opt("user", location.auth.and_then(|auth| auth.attr("username")).filter(|_| !reach.bare))
        .put_opt("password-secret", reach.password.clone())
        .put_opt("initiator-name", source.attr_at("initiator/iqn", "name")))
}

fn rbd(location: &Location<'_>, reach: &Reach<'_>) -> Result<Json> {
    let source = location.source;
    let name = source.attr("name").unwrap_or_default();
    let (pool, image) = name.split_once('/').unwrap_or((name, ""));
    let hosts = source.child("host").map(|_| servers(source, false)).transpose()?;
    let user = location.auth.and_then(|auth| auth.attr("username")).filter(|_| !reach.bare);
    let modes = || Value::from(vec!["cephx", "none"]);
    Ok(Json::driver("rbd")
        .put("pool", pool)
        .put("image", image)
        .put_opt("snapshot", source.attr_at("snapshot", "name"))
        .put_opt("conf", source.attr_at("config", "file"))
        .put_opt("server", hosts)
        .put_opt("encrypt", keys(location, &reach.keys))
        .put_opt("user", user)
        .put_opt("auth-client-required", reach.password.as_ref().map(|_| modes()))
        .put_opt("key-secret", reach.password.clone()))
}

/// How an image and the images behind it are opened by the protocol, one key each, the top one first.
fn keys(location: &Location<'_>, keys: &[String]) -> Option<Value> {
    let format = location.encryption?.attr("format")?;
    let lock = |parent: Option<Value>, key: &String| {
        let json = Json::new().put("format", format).put("key-secret", key.clone());
        Some(json.put_opt("parent", parent).value())
    };
    keys.iter().rev().fold(None, lock)
}

fn nfs(source: &Tree, name: &str, reach: &Reach<'_>) -> Result<Json> {
    let host = source.attr_at("host", "name").unwrap_or_default();
    let id = |attr: &str| -> Result<Option<u32>> {
        let Some(text) = source.attr_at("identity", attr) else { return Ok(None) };
        // A plus says that it is a number; otherwise a name of the host comes first.
        let number = text.strip_prefix('+').unwrap_or(text).parse().ok();
        let found = if text.starts_with('+') { number } else { reach.ids.get(text).copied().or(number) };
        let kind = attr;
        found.map(Some).ok_or_else(|| unsupported(format!("cannot find {kind} '{text}'")))
    };
    let server = Json::new().put("host", host).put("type", "inet");
    Ok(Json::driver("nfs")
        .put("server", server.value())
        .put("path", name)
        .put_opt("user", id("user")?)
        .put_opt("group", id("group")?))
}
