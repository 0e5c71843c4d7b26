//! The dialogue that finds out what an emulator can do, without any I/O.
//!
//! ```text
//!   Probe::new ─▶ command() ─▶ Some(command): send it, then reply(answer), then command() again
//!                     │
//!                     ├─▶ None, again() is true: start the emulator anew without acceleration, restart(), go on
//!                     └─▶ None: finish() gives the capabilities
//! ```
//!
//! The commands and their order are fixed: which is asked depends on the answers before it only. A recorded
//! dialogue can therefore be played in place of an emulator.
//!
//! * [`question`]: what is asked, and in which order
//! * [`answer`]: what follows from an answer

mod answer;
mod question;

use crate::caps::Caps;
use crate::machine::Accel;
use question::Question;
use serde_json::{Map, Value, json};

/// Why a probe cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// A command that every emulator must answer failed.
    #[error("unable to execute QEMU command '{command}': {text}")]
    Refused {
        /// The command.
        command: &'static str,
        /// The emulator's words.
        text: String,
    },
    /// An emulator of a version that is not supported any more.
    #[error("QEMU version >= 6.2.0 is required, but {0}.{1}.{2} found")]
    TooOld(u32, u32, u32),
    /// An answer without the parts that make it one.
    #[error("{0} reply was malformed")]
    Malformed(&'static str),
}

/// The first version that is supported.
const OLDEST: (u32, u32, u32) = (6, 2, 0);

/// An emulator's answer to a command: what it returned, or the words of its refusal.
pub type Answer = std::result::Result<Value, String>;

/// A dialogue with an emulator.
#[derive(Debug)]
pub struct Probe {
    caps: Caps,
    hvf: bool,
    /// Answers that later ones are read with.
    seen: answer::Seen,
    script: &'static [Question],
    next: usize,
    /// Number of commands sent on this connection.
    sent: u32,
    accel: Accel,
    plain: bool,
}

impl Probe {
    /// Begins a dialogue with the emulator at a path. `hvf`: the host has the hypervisor of macOS.
    pub fn new(binary: &str, hvf: bool) -> Probe {
        Probe {
            caps: Caps { binary: binary.to_owned(), ..Caps::default() },
            hvf,
            seen: answer::Seen::default(),
            script: question::SCRIPT,
            next: 0,
            sent: 0,
            accel: Accel::Tcg,
            plain: false,
        }
    }

    /// Arguments to start the emulator with for this part of the dialogue, but for those of the monitor.
    pub fn arguments(&self) -> Vec<String> {
        let accel = match (self.plain, self.hvf) {
            (true, _) => "tcg",
            (false, true) => "hvf:tcg",
            (false, false) => "kvm:tcg",
        };
        ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("none,accel={accel}")])
            .collect()
    }

    /// The next command; `None` when this connection is done.
    pub fn command(&mut self) -> Option<Value> {
        while let Some(question) = self.script.get(self.next) {
            if let Some((execute, arguments)) = question.command(&self.caps, &self.seen) {
                self.sent += 1;
                let mut command = Map::new();
                command.insert("execute".to_owned(), json!(execute));
                if let Some(arguments) = arguments {
                    command.insert("arguments".to_owned(), arguments);
                }
                command.insert("id".to_owned(), json!(format!("libvirt-{}", self.sent)));
                return Some(Value::Object(command));
            }
            self.next += 1;
        }
        None
    }

    /// Takes the answer to the last command.
    ///
    /// # Errors
    /// When the emulator cannot be used.
    pub fn reply(&mut self, answer: Answer) -> Result<(), ProbeError> {
        let Some(question) = self.script.get(self.next) else { return Ok(()) };
        self.next += 1;
        self.take(question, answer)
    }

    /// Whether the emulator is to be started a second time, without acceleration.
    pub fn again(&self) -> bool {
        !self.plain && self.accel != Accel::Tcg && self.caps.offers(Accel::Tcg)
    }

    /// Begins the second connection.
    pub fn restart(&mut self) {
        self.plain = true;
        self.accel = Accel::Tcg;
        self.script = question::PLAIN_SCRIPT;
        self.next = 0;
        self.sent = 0;
    }

    /// What was found out.
    pub fn finish(self) -> Caps {
        self.caps
    }
}
