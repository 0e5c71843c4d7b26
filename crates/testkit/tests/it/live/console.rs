//! The serial console as a stream, through `virsh console` on a terminal of its own.

use super::{Cleanup, define, possible};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::guest::Definition;
use testkit::{Daemon, Virsh, wait_for};

/// A running `virsh console` or `virsh start --console`.
pub(super) struct Console {
    child: Child,
    text: Arc<Mutex<String>>,
    seen: Mutex<usize>,
}

impl Console {
    fn spawn(virsh: &Virsh, args: &[&str]) -> Console {
        // virsh insists on a terminal: script(1) gives it one and passes on both directions. It must not be the
        // controlling one, since virsh then starts polkit's agent there, and whichever of the two touches the terminal
        // from the background is stopped.
        let plain = virsh.command(args);
        let words: Vec<String> = std::iter::once(plain.get_program())
            .chain(plain.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut child = Command::new("script")
            .args(["-q", "-f", "-e", "-c", &format!("exec setsid -w {}", words.join(" ")), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = Arc::new(Mutex::new(String::new()));
        let (mut out, sink) = (child.stdout.take().unwrap(), text.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n) = out.read(&mut chunk) {
                if n == 0 {
                    break;
                }
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..n]));
            }
        });
        Console { child, text, seen: Mutex::new(0) }
    }

    pub(super) fn start_with(virsh: &Virsh, name: &str) -> Console {
        Console::spawn(virsh, &["start", name, "--console"])
    }

    pub(super) fn open(virsh: &Virsh, name: &str, force: bool) -> Console {
        let words = ["console", name, "--force"];
        Console::spawn(virsh, if force { &words } else { &words[..2] })
    }

    /// Waits for `word` in what came since the last such wait.
    #[track_caller]
    pub(super) fn wait_for(&self, word: &str) {
        let mut seen = self.seen.lock().unwrap();
        let found = wait_for(Duration::from_secs(60), || {
            self.text.lock().unwrap()[*seen..].find(word).map(|at| at + word.len())
        });
        let Some(found) = found else {
            panic!("{word:?} expected on the console:\n{}", self.text.lock().unwrap())
        };
        *seen += found;
    }

    /// Types `line` until `word` comes: what is typed before virsh has switched the terminal to raw is thrown away,
    /// and it says nothing when it has.
    #[track_caller]
    fn ask(&mut self, line: &str, word: &str) {
        for _ in 0..20 {
            self.child.stdin.as_mut().unwrap().write_all(format!("{line}\r").as_bytes()).unwrap();
            let seen = *self.seen.lock().unwrap();
            let answered = || self.text.lock().unwrap()[seen..].contains(word).then_some(());
            if wait_for(Duration::from_secs(3), answered).is_some() {
                break;
            }
        }
        self.wait_for(word);
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_shell_over_the_console() {
    if !possible() {
        return;
    }
    let daemon = Daemon::start();
    let virsh = define(&daemon, &Definition::linux("shell"));
    let _cleanup = Cleanup(&daemon, "shell");
    let mut console = Console::start_with(&virsh, "shell");
    console.wait_for("Connected to domain 'shell'");
    console.wait_for("FERRO-READY name=shell");
    console.ask("echo $((6 * 7))-answer", "42-answer");

    // One client at a time, unless the other is forced off.
    let second = Console::open(&virsh, "shell", false);
    second.wait_for("Active console session exists for this domain");
    let mut third = Console::open(&virsh, "shell", true);
    third.wait_for("Connected to domain 'shell'");
    third.ask("echo $((6 * 9))-again", "54-again");
    virsh.ok(&["destroy", "shell"]);
}
