//! Network disks served by nbdkit instead of the emulator.
//!
//! Each image with such a source gets a server of its own that listens on a socket in the guest's folder. What must not
//! be seen in a list of processes (passwords, cookies) is written into a pipe, whose number stands on the command line.

use super::image::Location;
use super::protocol;
use crate::argv::Line;
use crate::argv::secret::{Named, Secrets};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// How the servers of a guest are started.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'s> {
    /// Path of the program.
    pub program: &'s str,
    /// The guest's folder.
    pub folder: &'s str,
    /// Secrets that the definition names.
    pub secrets: &'s Secrets,
}

/// Makes a pipe that holds data; gives the number of the end to read from.
pub type Pipe<'p> = dyn FnMut(&[u8]) -> i32 + 'p;

/// The servers of a disk's images, the topmost image first: `prefix` and the depth make their names
/// (`disk0-src0`). Images that the emulator reaches by itself have none.
///
/// # Errors
/// When a secret was not found.
pub fn servers(
    disk: &Tree,
    prefix: &str,
    setup: Setup<'_>,
    pipe: &mut Pipe<'_>,
) -> Result<Vec<(String, Line)>> {
    let mut servers = Vec::new();
    let mut image = Some(disk);
    let mut depth = 0;
    while let Some(own) = image {
        let name = format!("{prefix}-src{depth}");
        // What lies below is never written to.
        let readonly = depth > 0 || disk.child("readonly").is_some();
        if let Some(location) = Location::of(own).filter(|location| plugin(location).is_some()) {
            let line = server(&location, &name, readonly, setup, pipe)?;
            servers.push((name, line));
        }
        image = own.child("backingStore");
        depth += 1;
    }
    Ok(servers)
}

/// The plugin that speaks the protocol of a source.
pub(super) fn plugin(location: &Location<'_>) -> Option<&'static str> {
    match location.protocol() {
        _ if location.kind != "network" => None,
        "http" | "https" | "ftp" | "ftps" | "tftp" => Some("curl"),
        "ssh" => Some("ssh"),
        _ => None,
    }
}

fn server(
    location: &Location<'_>,
    name: &str,
    readonly: bool,
    setup: Setup<'_>,
    pipe: &mut Pipe<'_>,
) -> Result<Line> {
    let socket = format!("{}/nbdkit-{name}.socket", setup.folder);
    let mut line = Line { program: setup.program.to_owned(), args: Vec::new(), env: Vec::new() };
    line.args.extend(["--unix".to_owned(), socket, "--foreground".to_owned()]);
    if readonly {
        line.args.push("--readonly".to_owned());
    }
    let plugin = plugin(location).unwrap_or_default();
    line.args.push(plugin.to_owned());
    if plugin == "curl" {
        curl(location, setup, &mut line, pipe)?;
    } else {
        ssh(location, setup, &mut line, pipe)?;
    }
    Ok(line)
}

fn pair(line: &mut Line, name: &str, value: impl std::fmt::Display) {
    line.args.push(format!("{name}={value}"));
}

/// User and password.
fn auth(location: &Location<'_>, setup: Setup<'_>, line: &mut Line, pipe: &mut Pipe<'_>) -> Result<()> {
    let Some(auth) = location.auth else { return Ok(()) };
    if let Some(user) = auth.attr("username") {
        pair(line, "user", user);
    }
    let Some(secret) = auth.child("secret") else { return Ok(()) };
    let kind = secret.attr("type").unwrap_or_default();
    let named = Named::of(secret, kind).ok_or_else(|| unsupported("the secret of a disk has no name"))?;
    let value = setup.secrets.0.get(&named);
    let value = value.ok_or_else(|| unsupported("the secret of a disk was not looked up"))?;
    let end = pipe(value);
    pair(line, "password", format!("-{end}"));
    Ok(())
}

fn curl(location: &Location<'_>, setup: Setup<'_>, line: &mut Line, pipe: &mut Pipe<'_>) -> Result<()> {
    let source = location.source;
    let name = source.attr("name").unwrap_or_default();
    pair(line, "protocols", location.protocol());
    pair(line, "url", protocol::url(source, location.protocol(), name));
    auth(location, setup, line, pipe)?;
    if let Some(cookies) = source.child("cookies") {
        let end = pipe(protocol::cookies(cookies).as_bytes());
        pair(line, "cookie", format!("-{end}"));
    }
    if source.attr_at("ssl", "verify") == Some("no") {
        pair(line, "sslverify", "false");
    }
    if let Some(seconds) = source.attr_at("timeout", "seconds") {
        pair(line, "timeout", seconds);
    }
    Ok(())
}

fn ssh(location: &Location<'_>, setup: Setup<'_>, line: &mut Line, pipe: &mut Pipe<'_>) -> Result<()> {
    let source = location.source;
    let host = source.child("host");
    for name in ["name", "port"] {
        let value = host.and_then(|host| host.attr(name)).unwrap_or(if name == "port" { "0" } else { "" });
        pair(line, if name == "name" { "host" } else { name }, value);
    }
    pair(line, "path", source.attr("name").unwrap_or_default());
    auth(location, setup, line, pipe)?;
    if let Some(identity) = source.child("identity") {
        if let Some(key) = identity.attr("keyfile") {
            pair(line, "identity", key);
        }
        if let Some(socket) = identity.attr("agentsock") {
            line.env.push(("SSH_AUTH_SOCK".to_owned(), socket.to_owned()));
        }
        if let Some(user) = identity.attr("username") {
            pair(line, "user", user);
        }
    }
    if let Some(path) = source.attr_at("knownHosts", "path") {
        pair(line, "known-hosts", path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_through_pipes() {
        let secret = Tree::new("secret").with("type", "iscsi").with("usage", "u");
        let auth = Tree::new("auth").with("username", "me").holding(secret);
        let host = Tree::new("host").with("name", "::1").with("port", "80");
        let source =
            Tree::new("source").with("protocol", "http").with("name", "a").holding(host).holding(auth);
        let below =
            Tree::new("backingStore").with("type", "file").holding(Tree::new("source").with("file", "/f"));
        let disk = Tree::new("disk").with("type", "network").holding(source).holding(below);
        let mut secrets = Secrets::default();
        fn setup(secrets: &Secrets) -> Setup<'_> {
            Setup { program: "nbdkit", folder: "/d", secrets }
        }
        assert!(servers(&disk, "disk0", setup(&secrets), &mut |_: &[u8]| 0).is_err());
        secrets.0.insert(Named::Usage("iscsi".to_owned(), "u".to_owned()), b"hidden".to_vec());
        let mut piped = Vec::new();
        let found = servers(&disk, "disk0", setup(&secrets), &mut |data: &[u8]| {
            piped.push(data.to_vec());
            7
        });
        let found = found.unwrap();
        let (name, line) = &found[0];
        assert_eq!((found.len(), name.as_str()), (1, "disk0-src0"));
        assert_eq!(
            line.args.join(" "),
            "--unix /d/nbdkit-disk0-src0.socket --foreground curl protocols=http url=http://[::1]:80/a user=me password=-7"
        );
        assert_eq!(piped, [b"hidden".to_vec()]);
    }
}
