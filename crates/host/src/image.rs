//! What an image file says of itself, as far as starting a guest needs it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Whether a qcow2 image names a backing image; `None` when it cannot be read or is no such image.
pub fn qcow2_has_backing(path: &Path) -> Option<bool> {
    let mut header = [0; 16];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let (magic, rest) = header.split_first_chunk::<4>()?;
    // Behind the magic number come the version and the offset of the backing image's name, which is 0 for none.
    (magic == b"QFI\xfb").then(|| rest[4..].iter().any(|byte| *byte != 0))
}
