//! New images: empty, or based on others.

use crate::{FROM, chain, error};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::path::Path;
use xml::Tree;

fn cannot(cause: &std::io::Error, path: &str) -> Error {
    Error::system(ErrorDomain::STORAGE, cause, format!("cannot create image '{path}'"))
}

/// Makes a qcow2 image of `size` bytes that is based on another image.
pub(crate) fn create(path: &str, base: &str, format: &str, size: u64) -> Result<()> {
    let layout = layout(path, size, Some((base, format)))?;
    host::image::create(Path::new(path), &layout.parts, layout.length).map_err(|cause| cannot(&cause, path))
}

fn layout(path: &str, size: u64, base: Option<(&str, &str)>) -> Result<image::overlay::Layout> {
    image::overlay::create(size, base)
        .ok_or_else(|| Error::internal(FROM, format!("image '{path}' would be too large")))
}

/// Makes the image of an element with a source and a format, based on that of another element. A file that is there
/// already, as the destination of something, is overwritten; whoever calls has seen to that.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make(element: &Tree, size: u64, base: Option<&Tree>) -> Result<()> {
    let Some(path) = chain::local(element) else {
        // Elsewhere it is there already.
        return Ok(());
    };
    let format = chain::format_of(element).unwrap_or("raw");
    let device = host::image::extent(Path::new(path)).is_ok_and(|extent| extent.device);
    let base = base.and_then(|base| Some((chain::local(base)?, chain::format_of(base).unwrap_or("raw"))));
    let (parts, length) = match format {
        "raw" => (Vec::new(), size),
        "qcow2" => {
            let layout = layout(path, size, base)?;
            (layout.parts, layout.length)
        }
        other => {
            let text = format!("creation of images of format '{other}' is not supported");
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, text));
        }
    };
    let outcome = if device {
        host::image::write(Path::new(path), &parts)
    } else {
        host::image::replace(Path::new(path), &parts, length)
    };
    outcome.map_err(|cause| cannot(&cause, path))
}
