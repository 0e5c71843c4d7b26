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

/// A random UUID.
pub fn uuid() -> Uuid {
    Uuid::from_random(bytes())
}
