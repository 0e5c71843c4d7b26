//! What is asked of a running emulator: what its answers mean, and which commands change it.
//!
//! ```text
//! Domain (as it runs) + wish ──check──▶ commands ──Monitor──▶ answers ──read──▶ Domain (as it runs now)
//! ```
//!
//! Nothing in here opens anything: an emulator is a [`Monitor`], which may as well be a list of recorded answers.
//!
//! * [`vcpus`]: processors, those that are switched off too
//! * [`matching`]: the device a client means
//! * [`throttle`]: limits of disks

pub mod channels;
pub mod keys;
pub mod matching;
pub mod memory;
pub mod moment;
pub mod throttle;
pub mod vcpus;

use base::Result;
use serde_json::Value as Json;

/// An emulator that takes commands.
pub trait Monitor {
    /// Sends a command; `arguments` is null for none.
    ///
    /// # Errors
    /// When the emulator refuses or does not answer, in the interface's words.
    fn command(&self, name: &str, arguments: Json) -> Result<Json>;
}
