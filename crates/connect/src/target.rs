//! Where a URI leads: transport, socket and what the daemon is asked to open. Nothing is opened here.

use base::{Error, ErrorCode, ErrorDomain, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use uri::Uri;

/// What the process knows of its surroundings.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Runs as root.
    pub privileged: bool,
    /// Environment variables.
    pub variables: HashMap<String, String>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Surroundings {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Surroundings { privileged: rustix::process::geteuid().is_root(), variables }
    }

    /// A variable that is set to something.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn home(&self) -> String {
        self.variable("HOME").unwrap_or_default()
    }

    /// Where configuration files are.
    pub fn config(&self) -> PathBuf {
        if self.privileged {
            return PathBuf::from("/etc/libvirt");
        }
        let base = self.variable("XDG_CONFIG_HOME").unwrap_or_else(|| format!("{}/.config", self.home()));
        PathBuf::from(base).join("libvirt")
    }

    /// Where a session's sockets are.
    pub fn runtime(&self) -> String {
        let base = self.variable("XDG_RUNTIME_DIR").or_else(|| self.variable("XDG_CACHE_HOME"));
        base.unwrap_or_else(|| format!("{}/.cache", self.home())) + "/libvirt"
    }
}

/// How bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are those of the URIs")]
pub enum Transport {
    Unix,
    Tcp,
    Tls,
    Ssh,
    Ext,
    Libssh,
    Libssh2,
}

/// Where to connect and what to ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Local sockets to try, best first.
    pub sockets: Vec<String>,
    /// Daemon to start when no session socket answers.
    pub autostart: Option<String>,
    /// Host name or address.
    pub server: String,
    /// Port, 0 for the transport's default.
    pub port: u16,
    /// Program and arguments that carry the bytes.
    pub command: Vec<String>,
    /// The URI for the daemon; `None` lets it choose.
    pub uri: Option<String>,
    /// The way of authentication that the user insists on.
    pub auth: Option<String>,
    /// Where certificates are.
    pub certificates: tls::files::Files,
    /// What is wanted of TLS.
    pub wishes: tls::Wishes,
}

fn refuse(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::REMOTE, text)
}

/// Parameters that are for the client and not for the daemon.
const TEXTS: [&str; 13] = [
    "name",
    "command",
    "socket",
    "auth",
    "sshauth",
    "netcat",
    "keyfile",
    "pkipath",
    "known_hosts",
    "known_hosts_verify",
    "tls_priority",
    "mode",
    "proxy",
];
const NUMBERS: [&str; 3] = ["no_sanity", "no_verify", "no_tty"];

/// The parameters of a URI that the client itself understands, taken out of it.
struct Taken {
    texts: HashMap<&'static str, String>,
    numbers: HashMap<&'static str, bool>,
}

impl Taken {
    fn from(uri: &mut Uri) -> Result<Taken> {
        let mut taken = Taken { texts: HashMap::new(), numbers: HashMap::new() };
        for param in &mut uri.params {
            if let Some(name) = TEXTS.iter().find(|name| name.eq_ignore_ascii_case(&param.name)) {
                taken.texts.insert(name, param.value.clone());
            } else if let Some(name) = NUMBERS.iter().find(|name| name.eq_ignore_ascii_case(&param.name)) {
                let number: i32 = param
                    .value
                    .parse()
                    .map_err(|_| refuse(format!("Failed to parse value of URI component {name}")))?;
                taken.numbers.insert(name, number != 0);
            } else if !param.name.eq_ignore_ascii_case("authfile") {
                continue;
            }
            param.ignore = true;
        }
        Ok(taken)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    fn on(&self, name: &str) -> bool {
        self.numbers.get(name).copied().unwrap_or(false)
    }
}

/// The daemon that serves a driver's URIs by itself.
fn own_daemon(driver: &str) -> Option<&'static str> {
    Some(match driver {
        "qemu" => "virtqemud",
        "lxc" => "virtlxcd",
        "xen" => "virtxend",
        "bhyve" => "virtbhyved",
        "vbox" => "virtvboxd",
        "vz" => "virtvzd",
        "ch" => "virtchd",
        "interface" => "virtinterfaced",
        "network" => "virtnetworkd",
        "nodedev" => "virtnodedevd",
        "nwfilter" => "virtnwfilterd",
        "secret" => "virtsecretd",
        "storage" => "virtstoraged",
        _ => return None,
    })
}

fn socket_path(daemon: &str, session: bool, read_only: bool, around: &Surroundings) -> String {
    if session {
        return format!("{}/{daemon}-sock", around.runtime());
    }
    format!("/var/run/libvirt/{daemon}-sock{}", if read_only { "-ro" } else { "" })
}

/// Where to ask when no URI is known.
pub fn default(read_only: bool, around: &Surroundings) -> Target {
    let session = !around.privileged;
    Target {
        transport: Transport::Unix,
        sockets: ["virtqemud", "libvirt"].map(|name| socket_path(name, session, read_only, around)).to_vec(),
        autostart: session.then(|| "libvirtd".to_owned()),
        server: String::new(),
        port: 0,
        command: Vec::new(),
        uri: None,
        auth: None,
        certificates: certificates(None, around),
        wishes: tls::Wishes::default(),
    }
}

/// The folder that the URI names, else the user's files or the machine's.
fn certificates(folder: Option<&str>, around: &Surroundings) -> tls::files::Files {
    let etc = Path::new("/etc");
    match folder {
        Some(folder) => tls::files::Files::of_folder(Path::new(folder)),
        None if around.privileged => tls::files::Files::of_machine(etc),
        None => tls::files::Files::of_user(Path::new(&around.home()), etc),
    }
}

/// Where a URI leads.
///
/// # Errors
/// When it contradicts itself or its transport is not known.
pub fn resolve(uri: &Uri, read_only: bool, around: &Surroundings) -> Result<Target> {
    let mut uri = uri.clone();
    let taken = Taken::from(&mut uri)?;
    let (driver, transport) = uri.driver_and_transport();
    let driver = driver.unwrap_or_default().to_owned();
    let server = uri.server.clone().unwrap_or_default();
    let transport = match transport.map(str::to_ascii_lowercase).as_deref() {
        None if server.is_empty() => Transport::Unix,
        None | Some("tls") => Transport::Tls,
        Some("unix") => Transport::Unix,
        Some("ssh") => Transport::Ssh,
        Some("ext") => Transport::Ext,
        Some("tcp") => Transport::Tcp,
        Some("libssh2") => Transport::Libssh2,
        Some("libssh") => Transport::Libssh,
        Some(_) => {
            return Err(refuse(
                "remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)",
            ));
        }
    };
    if transport == Transport::Unix && !server.is_empty() {
        return Err(refuse(format!("using unix socket and remote server '{server}' is not supported.")));
    }
    let plain_local = transport == Transport::Unix && uri.scheme.as_deref() == Some(driver.as_str());
    if plain_local
        && own_daemon(&driver).is_none()
        && !matches!(driver.as_str(), "test" | "openvz" | "vmwareplayer")
    {
        return Err(crate::no_connect(uri.format()));
    }
    let session = uri.path.as_deref() == Some("/session");
    let mode = taken.text("mode").unwrap_or("auto");
    let direct = own_daemon(&driver);
    let names: Vec<&str> = match (mode, direct) {
        ("auto", Some(daemon)) if transport == Transport::Unix => vec![daemon, "libvirt"],
        ("auto" | "legacy", _) => vec!["libvirt"],
        ("direct", Some(daemon)) => vec![daemon],
        ("direct", None) => return Err(refuse("Cannot use direct socket mode if no URI is set")),
        _ => return Err(refuse(format!("Unknown remote mode '{mode}'"))),
    };
    let sockets: Vec<String> = match taken.text("socket") {
        Some(path) => vec![path.to_owned()],
        None => names.iter().map(|name| socket_path(name, session, read_only, around)).collect(),
    };
    let for_daemon = match taken.text("name") {
        Some("") => None,
        Some(name) => Some(name.to_owned()),
        None => Some(
            Uri {
                scheme: Some(driver.clone()),
                server: Some(String::new()),
                port: 0,
                user: None,
                ..uri.clone()
            }
            .format(),
        ),
    };
    let command = match transport {
        Transport::Ext => match taken.text("command") {
            Some(command) => vec![command.to_owned()],
            None => return Err(refuse("remote_open: for 'ext' transport, command is required")),
        },
        Transport::Ssh | Transport::Libssh | Transport::Libssh2 => {
            let for_daemon = for_daemon.as_deref().unwrap_or_default();
            ssh(&uri, transport, &taken, &sockets, for_daemon, read_only)?
        }
        _ => Vec::new(),
    };
    let autostart =
        session && transport == Transport::Unix && taken.text("socket").is_none() && !around.privileged;
    Ok(Target {
        transport,
        autostart: autostart.then(|| match names[..] {
            ["libvirt"] => "libvirtd".to_owned(),
            [name, ..] => name.to_owned(),
            [] => "libvirtd".to_owned(),
        }),
        sockets,
        server: if server.is_empty() { "localhost".to_owned() } else { server },
        port: uri.port,
        command,
        uri: for_daemon,
        auth: taken.text("auth").map(str::to_owned),
        certificates: certificates(taken.text("pkipath"), around),
        wishes: tls::Wishes {
            no_verify: taken.on("no_verify"),
            no_sanity: taken.on("no_sanity"),
            priority: taken.text("tls_priority").map(str::to_owned),
        },
    })
}

/// A word of a shell command.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn misled(text: String) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::RPC, text)
}

/// What the names of the SSH libraries ask for, as options of the program.
fn library_options(taken: &Taken) -> Result<Vec<String>> {
    let mut options = vec!["BatchMode=yes".to_owned()];
    if let Some(file) = taken.text("known_hosts") {
        options.push(format!("UserKnownHostsFile={file}"));
    }
    match taken.text("known_hosts_verify").unwrap_or("normal") {
        "normal" => {}
        "auto" => options.push("StrictHostKeyChecking=accept-new".to_owned()),
        "ignore" => options.push("StrictHostKeyChecking=no".to_owned()),
        other => return Err(misled(format!("Invalid host key verification method: '{other}'"))),
    }
    if let Some(methods) = taken.text("sshauth") {
        let mut wanted = Vec::new();
        for method in methods.split(',').filter(|method| !method.is_empty()) {
            let name = match method.to_ascii_lowercase().as_str() {
                "privkey" | "agent" => "publickey",
                "password" => "password",
                "keyboard-interactive" => "keyboard-interactive",
                _ => return Err(misled(format!("Invalid authentication method: '{method}'"))),
            };
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
        if !methods.to_ascii_lowercase().split(',').any(|method| method == "agent") {
            options.push("IdentityAgent=none".to_owned());
        }
        options.push(format!("PreferredAuthentications={}", wanted.join(",")));
    }
    Ok(options)
}

/// The program `ssh` with a command for the other side: the helper if it is there, else netcat on the socket. The names
/// of the SSH libraries run the same program; what they know more is given as its options.
fn ssh(
    uri: &Uri,
    transport: Transport,
    taken: &Taken,
    sockets: &[String],
    for_daemon: &str,
    read_only: bool,
) -> Result<Vec<String>> {
    let mut argv = vec![taken.text("command").unwrap_or("ssh").to_owned()];
    let mut option = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    let port = uri.port.to_string();
    if uri.port != 0 {
        option(&["-p", &port]);
    }
    if let Some(user) = &uri.user {
        option(&["-l", user]);
    }
    if let Some(key) = taken.text("keyfile") {
        option(&["-i", key]);
    }
    if taken.on("no_tty") {
        option(&["-T", "-o", "BatchMode=yes"]);
    }
    if taken.on("no_verify") {
        option(&["-o", "StrictHostKeyChecking=no"]);
    }
    let host = uri.server.as_deref().filter(|server| !server.is_empty()).unwrap_or("localhost");
    let netcat = quoted(taken.text("netcat").unwrap_or("nc"));
    let socket = quoted(sockets.last().map_or("", String::as_str));
    let nc = format!(
        "if {netcat} -q 2>&1 | grep 'requires an argument' >/dev/null 2>&1; then ARG=-q0; else ARG=; fi; {netcat} $ARG -U {socket}"
    );
    let helper = format!("virt-ssh-helper {}{}", if read_only { "-r " } else { "" }, quoted(for_daemon));
    let script =
        match taken.text("proxy").unwrap_or(if taken.text("netcat").is_some() { "netcat" } else { "auto" }) {
            "netcat" => nc,
            "native" => helper,
            _ => format!("if command -v virt-ssh-helper >/dev/null 2>&1; then {helper}; else {nc}; fi"),
        };
    if transport != Transport::Ssh {
        for value in library_options(taken)? {
            option(&["-o", &value]);
        }
    }
    option(&["-e", "none", "--", host, &format!("sh -c {}", quoted(&script))]);
    Ok(argv)
}

/// The socket of the administration interface that a URI names.
///
/// # Errors
/// When it names no daemon.
pub fn admin_socket(uri: &Uri, around: &Surroundings) -> Result<String> {
    let refuse = |text: String| Error::new(ErrorCode::INVALID_ARG, ErrorDomain::ADMIN, text);
    if let Some(path) = uri.param("socket") {
        return Ok(path.to_owned());
    }
    let daemon = uri.scheme.as_deref().unwrap_or_default();
    let known = ["libvirtd", "virtlogd", "virtlockd", "virtproxyd"].contains(&daemon)
        || [
            "qemu",
            "lxc",
            "xen",
            "bhyve",
            "vbox",
            "vz",
            "ch",
            "interface",
            "network",
            "nodedev",
            "nwfilter",
            "secret",
            "storage",
        ]
        .iter()
        .any(|driver| own_daemon(driver) == Some(daemon));
    if !known {
        return Err(refuse(format!("unsupported URI scheme '{daemon}'")));
    }
    let base = if daemon == "libvirtd" { "libvirt" } else { daemon };
    match uri.path.as_deref() {
        Some("/system") => Ok(format!("/var/run/libvirt/{base}-admin-sock")),
        Some("/session") => Ok(format!("{}/{base}-admin-sock", around.runtime())),
        other => Err(refuse(format!("invalid URI path '{}', try '/system'", other.unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(privileged: bool) -> Surroundings {
        let variables =
            [("XDG_RUNTIME_DIR", "/run/user/7")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        Surroundings { privileged, variables }
    }

    fn target(text: &str) -> Result<Target> {
        resolve(&Uri::read(text)?, false, &around(true))
    }

    #[test]
    fn sockets_and_uris_for_the_daemon() {
        let t = target("qemu:///system").unwrap();
        assert_eq!(t.sockets, ["/var/run/libvirt/virtqemud-sock", "/var/run/libvirt/libvirt-sock"]);
        assert_eq!(t.uri.as_deref(), Some("qemu:///system"));
        let t = target("qemu+unix:///session?socket=/s&x=1").unwrap();
        assert_eq!((t.sockets, t.uri.as_deref()), (vec!["/s".to_owned()], Some("qemu:///session?x=1")));
        let t = target("qemu+tcp://h/system?name=test:///default").unwrap();
        assert_eq!((t.transport, t.uri.as_deref()), (Transport::Tcp, Some("test:///default")));
    }

    #[test]
    fn ssh_command() {
        let t = target("qemu+ssh://u@h:9/system?no_tty=1").unwrap();
        assert_eq!(t.command[..8], ["ssh", "-p", "9", "-l", "u", "-T", "-o", "BatchMode=yes"]);
        assert!(t.command.last().unwrap().contains("virt-ssh-helper"));
    }

    #[test]
    fn names_of_ssh_libraries() {
        let options = |text: &str| target(&format!("qemu+libssh2://h/system?{text}")).unwrap().command;
        let has = |text: &str, wanted: &str| options(text).iter().any(|word| word == wanted);
        assert!(has("known_hosts=/k", "UserKnownHostsFile=/k"));
        assert!(has("known_hosts_verify=auto", "StrictHostKeyChecking=accept-new"));
        assert!(has("sshauth=password,privkey", "PreferredAuthentications=password,publickey"));
        assert!(has("sshauth=privkey", "IdentityAgent=none"));
        assert!(!has("sshauth=agent", "IdentityAgent=none"));
        assert!(target("qemu+libssh://h/system?sshauth=magic").is_err());
        assert!(target("qemu+libssh://h/system?known_hosts_verify=x").is_err());
    }

    #[test]
    fn certificates_of_a_uri() {
        let t = target("qemu://h/system?pkipath=/p&no_verify=1&tls_priority=NORMAL").unwrap();
        assert_eq!((t.transport, t.certificates.key), (Transport::Tls, PathBuf::from("/p/clientkey.pem")));
        assert!(t.wishes.no_verify && !t.wishes.no_sanity);
        assert_eq!(t.wishes.priority.as_deref(), Some("NORMAL"));
        let t = target("qemu://h/system").unwrap();
        assert_eq!(t.certificates.certificate, PathBuf::from("/etc/pki/libvirt/clientcert.pem"));
    }

    #[test]
    fn refusals() {
        let text = |uri: &str| target(uri).unwrap_err().message().to_owned();
        assert!(text("qemu+x:///system").contains("not recognised"));
        assert!(text("qemu+unix://h/system").contains("remote server 'h'"));
        assert!(text("qemu+ext:///system").contains("command is required"));
        assert!(text("qemu:///system?no_tty=x").contains("no_tty"));
        assert_eq!(text("nosuch:///system"), "no connection driver available for nosuch:///system");
    }
}
