//! Discretionary access control: each file gets the emulator's user and group.

use crate::{Labelled, Subject, all, of_guest};
use conf_domain::Domain;

/// The owners of a guest's files; `owner` is that of a guest that does not say, e.g. `+64055:+994`.
pub fn dac(domain: &Domain, subjects: &[Subject<'_>], owner: &str) -> Vec<Labelled> {
    let guest = of_guest(domain, "dac");
    all(guest, "dac", subjects, |_, image| Some(image.unwrap_or(owner).to_owned()))
}
