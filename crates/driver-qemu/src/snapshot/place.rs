//! Where a moment stands among the others of its guest.

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_snapshot::moment;
use conf_snapshot::tree::{Moments, Named};

/// Refuses a moment whose parent is not there or stands below it, or that is another guest's. `what` is its kind, which
/// speaks for itself as `from`.
pub(crate) fn check_place<T: Named + Clone>(
    all: &Moments<T>,
    one: &T,
    owner: &moment::Guest,
    uuid: Uuid,
    (what, from): (&str, ErrorDomain),
) -> Result<()> {
    let name = &one.moment().name;
    // The tree of moments speaks for all drivers.
    let invalid = |text: String| Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text);
    if let Some(parent) = &one.moment().parent {
        if parent == name {
            return Err(invalid(format!("cannot set moment {name} as its own parent")));
        }
        if all.find(parent).is_none() {
            return Err(invalid(format!("parent {parent} for moment {name} not found")));
        }
        if all.is_above(name, parent) {
            return Err(invalid(format!("parent {parent} would create cycle to {name}")));
        }
    }
    let told = match owner {
        moment::Guest::Full(domain) => Some(domain.uuid),
        moment::Guest::Uuid(uuid) => Some(*uuid),
        moment::Guest::None => None,
    };
    if told.is_some_and(|told| told != uuid) {
        let text = format!("definition for {what} {name} must use uuid {uuid}");
        return Err(Error::new(ErrorCode::INVALID_ARG, from, text));
    }
    Ok(())
}
