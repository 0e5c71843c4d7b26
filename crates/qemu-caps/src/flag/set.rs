//! Sets of flags.

use super::Flag;

const WORDS: usize = Flag::ALL.len().div_ceil(64);

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags([u64; WORDS]);

impl Flags {
    const fn place(flag: Flag) -> (usize, u64) {
        let index = flag as usize;
        (index / 64, 1 << (index % 64))
    }

    /// Whether a flag is in it.
    pub fn has(&self, flag: Flag) -> bool {
        let (word, bit) = Flags::place(flag);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Puts a flag in, or takes it out.
    pub fn set(&mut self, flag: Flag, present: bool) {
        let (word, bit) = Flags::place(flag);
        if let Some(word) = self.0.get_mut(word) {
            if present {
                *word |= bit;
            } else {
                *word &= !bit;
            }
        }
    }

    /// The flags in it, in the order of the cache document.
    pub fn iter(&self) -> impl Iterator<Item = Flag> {
        Flag::ALL.iter().copied().filter(|flag| self.has(*flag))
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<T: IntoIterator<Item = Flag>>(flags: T) -> Flags {
        let mut set = Flags::default();
        flags.into_iter().for_each(|flag| set.set(flag, true));
        set
    }
}
