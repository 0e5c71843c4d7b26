//! One pure function for each reader. It panics when something is wrong, and else says which kind of outcome there was.
//!
//! Beyond not to panic, most targets hold: what was read and printed can be read again, or a daemon that comes back would
//! not find what it kept; where the reference leaves no room for it to be otherwise, it is also printed the same.

mod documents;
mod guest;
mod image;
mod objects;
mod plan;
mod text;
mod wire;

use crate::dice::Dice;
use crate::mutate::Form;

/// A reader and how inputs for it are made.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name, also that of the folder of its corpus.
    pub name: &'static str,
    /// What its inputs look like.
    pub form: Form,
    /// Longest input in bytes.
    pub most: usize,
    /// Tries an input; inputs with the same result went the same way.
    pub run: fn(&[u8]) -> u64,
    /// Inputs to begin with, besides the files of the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the format, besides those of the corpus.
    pub words: fn() -> Vec<String>,
    /// Makes an input from nothing.
    pub fresh: Option<fn(&mut Dice) -> Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    wire::MESSAGE,
    wire::TYPES,
    documents::XML,
    documents::DOMAIN,
    documents::DEVICE,
    plan::PLAN,
    documents::NETWORK,
    documents::SNAPSHOT,
    documents::STATUS,
    objects::INTERFACE,
    objects::STORAGE,
    objects::FILTER,
    objects::NODE_DEVICE,
    objects::SECRET,
    objects::CPU,
    guest::QMP,
    guest::REPLIES,
    guest::AGENT,
    text::CONFIG,
    text::URI,
    image::IMAGE,
    image::SAVE_IMAGE,
];

/// Nothing besides the corpus.
const fn nothing<T>() -> Vec<T> {
    Vec::new()
}

/// A number for an outcome that is told by a text: what the text quotes and counts does not matter.
fn kind(text: &str) -> u64 {
    let (mut hash, mut quoted) = (0xcbf2_9ce4_8422_2325_u64, false);
    for byte in text.bytes().take(400) {
        match byte {
            b'\'' | b'"' => quoted = !quoted,
            b'0'..=b'9' => {}
            _ if quoted => {}
            _ => hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3),
        }
    }
    hash
}

/// The outcome of reading.
fn outcome<T>(read: &base::Result<T>) -> u64 {
    match read {
        Ok(_) => 1,
        Err(error) => kind(error.message()),
    }
}

/// Two texts that must be the same.
#[track_caller]
fn same(first: &str, second: &str, of: &str) {
    if first != second {
        let pairs = first.lines().zip(second.lines());
        let (one, two) = pairs.into_iter().find(|(one, two)| one != two).unwrap_or((first, second));
        panic!("{of} is not stable: '{one}' became '{two}'");
    }
}
