//! Names of nodes.

use crate::argv::Names;
use base::{Error, ErrorDomain, Result};
use xml::Tree;

/// Letters that a node's name may have.
pub const LONGEST: usize = 31;

/// Refuses a name that the emulator does not take.
///
/// # Errors
/// When it is too long.
pub fn check(name: &str) -> Result<()> {
    if name.len() > LONGEST {
        return Err(Error::internal(ErrorDomain::QEMU, format!("node-name '{name}' too long for qemu")));
    }
    Ok(())
}

/// The names that a running guest's document keeps with a source: in its private part, or by the image's number.
///
/// # Errors
/// When one is too long.
pub fn kept(source: &Tree) -> Result<Names> {
    let own = |kind: &str| {
        let names = source.at("privateData/nodenames")?;
        names.all("nodename").find(|name| name.is("type", kind)).and_then(|name| name.attr("name"))
    };
    let numbered = Names::of(source.attr("index").unwrap_or("0"));
    let named = |kind: &str, other: String| own(kind).map_or(other, str::to_owned);
    let names = Names {
        storage: named("storage", numbered.storage),
        slice: named("slice-storage", numbered.slice),
        format: named("format", numbered.format),
    };
    [&names.storage, &names.slice, &names.format].into_iter().try_for_each(|name| check(name))?;
    Ok(names)
}
