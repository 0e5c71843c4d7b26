//! The firmware's image: flash chips as block nodes, or a file the board loads itself.

use super::disk::image::{Image, Location, Names};
use super::disk::node;
use super::machine::Options;
use super::{Builder, ability};
use base::Result;
use xml::Tree;

/// The image with the code, when it is a flash chip.
fn code<'d>(b: &Builder<'d>) -> Option<&'d Tree> {
    b.domain.tree.at("os/loader").filter(|loader| loader.is("type", "pflash"))
}

/// The image with the variables.
fn variables<'d>(b: &Builder<'d>) -> Option<&'d Tree> {
    code(b).and(b.domain.tree.at("os/nvram"))
}

fn format(element: &Tree) -> &str {
    element.attr("format").unwrap_or("raw")
}

/// Whether the variables need a node for their format besides the one that reads the file.
fn variables_have_format(b: &Builder<'_>, nvram: &Tree) -> bool {
    format(nvram) != "raw" || !ability::bare_raw(b.caps)
}

/// A file that is named by the text of an element.
fn file(element: &Tree) -> Tree {
    Tree::new("source").with("file", element.body())
}

fn location(source: &Tree) -> Location<'_> {
    Location::plain("file", source)
}

/// Block nodes of the chips.
pub(super) fn chips(b: &mut Builder<'_>) -> Result<()> {
    let Some(loader) = code(b) else { return Ok(()) };
    let path = file(loader);
    let mut image = Image::plain(Names::of("pflash0"), location(&path), format(loader));
    image.read_only = loader.is("readonly", "yes");
    image.dressed = true;
    // Images of firmware stand for themselves.
    image.ends = true;
    let pieces = node::chain(&image, b.start)?;
    b.add_all(pieces);
    let Some(nvram) = variables(b) else { return Ok(()) };
    let path = file(nvram);
    let place = Location::of(nvram).unwrap_or_else(|| location(&path));
    let mut image = Image::plain(Names::of("pflash1"), place, format(nvram));
    image.dressed = variables_have_format(b, nvram);
    image.ends = true;
    let pieces = node::chain(&image, b.start)?;
    b.add_all(pieces);
    Ok(())
}

/// Options of the machine that put the chips on the board.
pub(super) fn machine(b: &Builder<'_>, options: &mut Options) {
    if code(b).is_some() {
        options.put("pflash0", "libvirt-pflash0-format");
    }
    if let Some(nvram) = variables(b) {
        let node = if variables_have_format(b, nvram) { "format" } else { "storage" };
        options.put("pflash1", format_args!("libvirt-pflash1-{node}"));
    }
}

/// What stands behind the processor: the image of a board without chips, and the guard of variables that only the
/// processor's management mode may write.
pub(super) fn image(b: &mut Builder<'_>) {
    let Some(loader) = b.domain.tree.at("os/loader") else { return };
    if !loader.is("type", "pflash") && !loader.body().is_empty() {
        b.option("-bios", loader.body());
    }
    if loader.is("secure", "yes") && loader.is("type", "pflash") {
        b.option("-global", "driver=cfi.pflash01,property=secure,value=on");
    }
}
