//! Random bytes from the kernel.

use base::Uuid;

/// Fills an array.
///
/// # Panics
/// Never on Linux: the kernel's source does not fail for small requests once the machine is up.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
    buffer
}

/// Random bytes that are fetched from the kernel several at a time: a document asks for a few here and there.
#[derive(Debug)]
pub struct Source {
    bytes: [u8; 64],
    used: usize,
}

impl Source {
    /// A source from which nothing was taken.
    pub fn new() -> Source {
        Source { bytes: [0; 64], used: 64 }
    }

    /// The next ones. No byte is given twice.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let end = self.used.saturating_add(N);
        if let Some(taken) = self.bytes.get(self.used..end).and_then(|part| part.first_chunk::<N>()) {
            self.used = end;
            return *taken;
        }
        if N >= self.bytes.len() {
            return bytes();
        }
        self.bytes = bytes();
        self.used = 0;
        self.take()
    }
}

impl Default for Source {
    fn default() -> Source {
        Source::new()
    }
}

/// A random UUID.
pub fn uuid() -> Uuid {
    Uuid::from_random(bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_twice() {
        let mut source = Source::default();
        let mut seen = std::collections::HashSet::new();
        assert!((0..100).all(|_| seen.insert(source.take::<16>().to_vec())));
        assert!((0..10).all(|_| seen.insert(source.take::<24>().to_vec())));
        assert!((0..4).all(|_| seen.insert(source.take::<80>().to_vec())));
        assert_eq!(source.take::<0>(), []);
    }
}
