//! The cache document: capabilities as they are kept between starts of the daemon.
//!
//! Only who wrote it reads it, and only while the emulator, the daemon, the kernel and the processor's microcode are
//! the ones it was written with: the [`Stamp`].
//!
//! * [`write()`]: capabilities to text
//! * [`read()`]: text to capabilities

mod read;
mod write;

pub use read::{DocumentError, read};
pub use write::write;

/// What a cache document depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Time of change of the emulator's file, in seconds since 1970.
    pub emulator_changed: i64,
    /// Time of change of the folder with the emulator's modules; 0 when there is none.
    pub modules_changed: i64,
    /// Time of change of the daemon's file.
    pub self_changed: i64,
    /// Version of the daemon as one number.
    pub self_version: u64,
    /// Version of the processor's microcode.
    pub microcode: u32,
    /// What the host's processor is, in words.
    pub host_cpu: Option<String>,
    /// Release and version of the kernel.
    pub kernel: Option<String>,
    /// Guests may have guests of their own.
    pub nesting: bool,
    /// The kernel can run protected guests.
    pub secure_guest: bool,
}
