//! Stock virsh, and what it answered.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How virsh reaches a daemon.
#[derive(Debug, Clone)]
pub struct Virsh {
    uri: String,
    home: PathBuf,
    read_only: bool,
}

/// Outcome of one command.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit status; -1 after a signal or the time limit.
    pub status: i32,
    what: String,
}

impl Virsh {
    pub(crate) fn new(uri: String, home: &Path) -> Virsh {
        Virsh { uri, home: home.to_owned(), read_only: false }
    }

    pub(crate) fn read_only(mut self) -> Virsh {
        self.read_only = true;
        self
    }

    /// The command line of `virsh ARGS`, for tests that talk to it while it runs.
    pub fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        // A command that hangs is a failure of its own, not of the whole test run.
        let mut command = Command::new("timeout");
        command.args(["-k", "2", "90", "virsh", "-c", &self.uri]);
        if self.read_only {
            command.arg("-r");
        }
        command.args(args).env("LC_ALL", "C.UTF-8").env("HOME", &self.home).env("XDG_CACHE_HOME", &self.home);
        command
    }

    /// Runs `virsh ARGS` to its end.
    pub fn run(&self, args: &[impl AsRef<OsStr>]) -> Answer {
        let what = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
        match self.command(args).stdin(Stdio::null()).output() {
            Ok(output) => Answer {
                out: String::from_utf8_lossy(&output.stdout).into_owned(),
                err: String::from_utf8_lossy(&output.stderr).into_owned(),
                status: output.status.code().unwrap_or(-1),
                what,
            },
            Err(error) => Answer { out: String::new(), err: error.to_string(), status: -1, what },
        }
    }

    /// Starts `virsh ARGS` in the background with its output piped.
    ///
    /// # Panics
    /// When virsh cannot be started.
    pub fn start(&self, args: &[impl AsRef<OsStr>]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("virsh starts")
    }

    /// Runs `virsh ARGS`, which must succeed; gives its standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ok(&self, args: &[impl AsRef<OsStr>]) -> String {
        let answer = self.run(args);
        assert_eq!(answer.status, 0, "virsh {}: {}{}", answer.what, answer.out, answer.err);
        answer.out
    }

    /// Runs `virsh ARGS`, which must fail and say `text`.
    ///
    /// # Panics
    /// When it succeeds or says something else.
    #[track_caller]
    pub fn refused(&self, args: &[impl AsRef<OsStr>], text: &str) {
        let answer = self.run(args);
        assert_eq!(answer.status, 1, "virsh {}: {}{}", answer.what, answer.out, answer.err);
        assert!(answer.err.contains(text), "virsh {}: {:?} expected, got {}", answer.what, text, answer.err);
    }

    /// Runs `virsh ARGS`, which must succeed with `text` in its output.
    ///
    /// # Panics
    /// When it fails or says something else.
    #[track_caller]
    pub fn says(&self, args: &[impl AsRef<OsStr>], text: &str) {
        let out = self.ok(args);
        assert!(out.contains(text), "{text:?} expected, got\n{out}");
    }
}
