//! New images that are based on others.

use crate::FROM;
use base::{Error, ErrorDomain, Result};
use std::path::Path;

/// Makes a qcow2 image of `size` bytes that is based on another image.
pub(crate) fn create(path: &str, base: &str, format: &str, size: u64) -> Result<()> {
    let layout = image::overlay::create(size, Some((base, format)))
        .ok_or_else(|| Error::internal(FROM, format!("image '{path}' would be too large")))?;
    host::image::create(Path::new(path), &layout.parts, layout.length)
        .map_err(|cause| Error::system(ErrorDomain::STORAGE, &cause, format!("cannot create image '{path}'")))
}
