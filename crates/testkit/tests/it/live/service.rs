//! The daemon as a service: administration, sockets of a service manager, a user's own daemon, options, signals.

use super::{foreign, possible};
use std::process::{Command, Stdio};
use std::time::Duration;
use testkit::{Daemon, wait_for};

fn admin(daemon: &Daemon, args: &[&str]) -> (i32, String) {
    let uri = format!(
        "libvirtd:///system?socket={}",
        daemon.root().join("run/libvirt/libvirt-admin-sock").display()
    );
    let output = Command::new("timeout").args(["20", "virt-admin", "-c", &uri]).args(args).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn administration() {
    if !possible() || foreign() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = daemon.virsh();
    let mut watcher = virsh.start(&["event", "--all", "--loop", "--timeout", "30"]);
    std::thread::sleep(Duration::from_millis(500));
    for (args, expected) in [
        (&["server-list"][..], " 0    admin\n 1    libvirtd\n"),
        (&["server-threadpool-info", "libvirtd"], "minWorkers     : 5\nmaxWorkers     : 20\n"),
        (&["server-clients-info", "libvirtd"], "nclients_max        : 5000\nnclients            : 1\n"),
        (&["client-list", "libvirtd"], "unix"),
        (&["client-info", "libvirtd", "2"], "unix_user_name : root"),
        (&["server-threadpool-set", "libvirtd", "--max-workers", "25"], ""),
        (&["server-threadpool-info", "libvirtd"], "maxWorkers     : 25"),
        (&["server-clients-set", "libvirtd", "--max-clients", "10", "--max-unauth-clients", "5"], ""),
        (&["server-clients-info", "libvirtd"], "nclients_max        : 10\n"),
        (&["daemon-log-filters", "--filters", "1:qemu 3:rpc"], ""),
        (&["daemon-log-filters"], "Logging filters: 1:qemu 3:rpc"),
        (&["client-disconnect", "libvirtd", "2"], "Client '2' disconnected"),
    ] {
        let (status, text) = admin(&daemon, args);
        assert_eq!(status, 0, "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {expected:?} expected, got {text}");
    }
    for (args, expected) in [
        (&["server-threadpool-info", "nosuch"][..], "Server not found: No server named 'nosuch'"),
        (&["client-info", "libvirtd", "99"], "Client not found: No client with matching ID '99'"),
    ] {
        let (status, text) = admin(&daemon, args);
        assert!(status == 1 && text.contains(expected), "{args:?}: {text}");
    }
    assert!(
        wait_for(Duration::from_secs(5), || watcher.try_wait().unwrap()).is_some(),
        "the client is cut off"
    );
}

/// A process that does not outlive its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A service manager made of a few lines: hands over a socket, waits to be told that the daemon is ready.
const MANAGER: &str = r#"
import os, socket, sys
root, program = sys.argv[1:3]
os.makedirs(root + "/run", exist_ok=True)
listening = socket.socket(socket.AF_UNIX); listening.bind(root + "/run/given"); listening.listen(5)
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); told.bind(root + "/run/told"); told.settimeout(20)
child = os.fork()
if child == 0:
    os.dup2(listening.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="libvirtd-ro.socket", NOTIFY_SOCKET=root + "/run/told")
    os.execv(program, [program, "--root", root])
print(told.recv(100).decode(), flush=True)
sys.stdin.read()
os.kill(child, 15)
print(told.recv(100).decode(), os.waitpid(child, 0)[1], flush=True)
"#;

#[test]
fn sockets_of_a_service_manager() {
    if !possible() || foreign() || Command::new("python3").arg("-V").output().is_err() {
        return;
    }
    let root = format!("/tmp/fa{}", std::process::id());
    let program = testkit::program("daemon", "ferrovirtd");
    let mut manager = Command::new("python3")
        .args(["-c", MANAGER, &root])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(manager.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "READY=1\n");
    let uri = format!("qemu:///system?socket={root}/run/given");
    let virsh = |args: &[&str]| Command::new("virsh").args(["-r", "-c", &uri]).args(args).output().unwrap();
    assert!(virsh(&["list", "--all"]).status.success());
    // Its name says that it is for readers.
    let refused = Command::new("virsh").args(["-c", &uri, "undefine", "x"]).output().unwrap();
    assert!(!refused.status.success());
    drop(manager.stdin.take());
    line.clear();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "STOPPING=1 0\n");
    manager.wait().unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn options_and_configuration() {
    if foreign() {
        return;
    }
    let program = testkit::program("daemon", "ferrovirtd");
    let run = |args: &[&str]| {
        let output = Command::new("timeout").arg("10").arg(&program).args(args).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    };
    let (status, text) = run(&["--version"]);
    assert!(status == 0 && text.contains("(libvirt) 11.3.0"), "{text}");
    assert_eq!(run(&["--help"]).0, 0);
    let (status, text) = run(&["--bogus"]);
    assert!(status == 1 && text.contains("unrecognized option '--bogus'"), "{text}");
    let folder = std::env::temp_dir().join(format!("fo{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, root) = (folder.join("x.conf"), folder.display().to_string());
    for (contents, expected) in [
        ("max_clients = \"x\"\n", "x.conf:1: expected an unsigned integer for 'max_clients' parameter"),
        ("\nlog_level\n", "x.conf:2: log_level: expecting an assignment"),
        ("unix_sock_rw_perms = \"99\"\n", "Failed to parse mode '99' of 'unix_sock_rw_perms'"),
        ("log_outputs = \"9:stderr\"\n", "Invalid priority '9'"),
    ] {
        std::fs::write(&file, contents).unwrap();
        let (status, text) = run(&["--root", &root, "--config", &file.display().to_string()]);
        assert!(status == 7 && text.contains(expected), "{contents}: {status} {text}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn one_daemon_per_root_idle_end_and_clean_stop() {
    if !possible() || foreign() {
        return;
    }
    let mut daemon = Daemon::start();
    let program = testkit::program("daemon", "ferrovirtd");
    let second = Command::new(&program).arg("--root").arg(daemon.root()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("Failed to acquire pid file"));
    daemon.stop();
    assert!(!daemon.socket().exists(), "sockets are removed");
    let mut idle =
        Command::new(&program).args(["--timeout", "1", "--root"]).arg(daemon.root()).spawn().unwrap();
    assert!(
        wait_for(Duration::from_secs(10), || idle.try_wait().unwrap()).is_some_and(|status| status.success())
    );
    // In the background: the call returns when the daemon serves.
    let detached =
        Command::new(&program).args(["--daemon", "--timeout", "2", "--root"]).arg(daemon.root()).status();
    assert!(detached.unwrap().success());
    assert!(daemon.virsh().run(&["list"]).status == 0);
}

#[test]
fn a_users_own_daemon() {
    let here = Command::new("setpriv").arg("--version").output().is_ok();
    if !possible() || foreign() || !here {
        return;
    }
    let home = format!("/tmp/fu{}", std::process::id());
    let copy = format!("{home}/ferrovirtd");
    std::fs::create_dir_all(format!("{home}/run")).unwrap();
    std::fs::copy(testkit::program("daemon", "ferrovirtd"), &copy).unwrap();
    Command::new("chown").args(["-R", "65534:65534", &home]).status().unwrap();
    let user = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).args(args);
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", format!("{home}/run")).stdin(Stdio::null());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME");
        command
    };
    let daemon = Killed(user(&[&copy]).spawn().unwrap());
    let socket = format!("{home}/run/libvirt/libvirt-sock");
    assert!(
        wait_for(Duration::from_secs(10), || std::path::Path::new(&socket).exists().then_some(())).is_some()
    );
    let uri = format!("qemu:///session?socket={socket}");
    let xml = format!("{home}/g.xml");
    std::fs::write(&xml, testkit::guest::Definition::firmware("mine").xml()).unwrap();
    for args in [&["define", &xml][..], &["start", "mine"], &["destroy", "mine"], &["undefine", "mine"]] {
        let words = [&["virsh", "-c", &uri], args].concat();
        let output = user(&words).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    drop(daemon);
    std::fs::remove_dir_all(&home).unwrap();
}
