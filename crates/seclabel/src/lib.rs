//! Which file of the host gets which security label when a guest is prepared.
//!
//! ```text
//! definition ──subjects──▶ [path, role, labels of its own] ──┬─selinux(Contexts)──▶ [path, context]
//!                                                            └─dac(Owner)─────────▶ [path, user and group]
//! ```
//!
//! What a guest may touch is one question, whatever the model; the models differ in what they do with it. SELinux gives
//! each guest a pair of categories ([`Range`]), and what guests share gets none. Discretionary access control gives the
//! emulator's user the file.

mod dac;
mod range;
mod selinux;
mod subject;

pub use dac::dac;
pub use range::Range;
pub use selinux::{Contexts, dynamic, selinux};
pub use subject::{Found, Role, Subject, subjects};

use conf_domain::Domain;
use xml::Tree;

/// A file and the label it is to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The file.
    pub path: String,
    /// A context, or `user:group` with numbers behind plus signs.
    pub label: String,
    /// Other guests may use the file too, so the label stays when this one ends.
    pub stays: bool,
}

/// The label of a model that a guest has.
pub fn of_guest<'d>(domain: &'d Domain, model: &str) -> Option<&'d Tree> {
    domain.tree.children.iter().find(|child| child.name == "seclabel" && child.is("model", model))
}

/// What a definition says about one file.
enum Own<'d> {
    /// Nothing.
    Unsaid,
    /// It keeps the label it has.
    Kept,
    /// It gets this one.
    Label(&'d str),
}

fn own<'d>(label: Option<&'d Tree>) -> Own<'d> {
    let Some(label) = label else { return Own::Unsaid };
    match label.text_of("label") {
        _ if label.is("relabel", "no") => Own::Kept,
        Some(text) => Own::Label(text),
        None => Own::Unsaid,
    }
}

/// The label that a definition gives a file itself, or else the image it lies behind.
fn stated<'d>(subject: &Subject<'d>, model: &str) -> Own<'d> {
    let of_model = |labels: &[&'d Tree]| {
        let fits = |label: &&&Tree| label.attr("model").is_none_or(|name| name == model);
        labels.iter().find(fits).copied()
    };
    match own(of_model(&subject.labels)) {
        Own::Unsaid => own(of_model(&subject.above)),
        said => said,
    }
}

/// The labels of a guest's files: `otherwise` gives that of a file about which the definition says nothing.
fn all<'d>(
    guest: Option<&'d Tree>,
    model: &str,
    subjects: &[Subject<'d>],
    mut otherwise: impl FnMut(&Subject<'d>, Option<&'d str>) -> Option<String>,
) -> Vec<Labelled> {
    // A guest without a label, or with one that changes nothing, leaves its files alone.
    let Some(guest) = guest.filter(|guest| !guest.is("relabel", "no") && !guest.is("type", "none")) else {
        return Vec::new();
    };
    let image = guest.text_of("imagelabel");
    let one = |subject: &Subject<'d>| {
        let label = match stated(subject, model) {
            Own::Kept => None,
            Own::Label(text) => Some(text.to_owned()),
            Own::Unsaid => otherwise(subject, image),
        }?;
        Some(Labelled { path: subject.path.clone(), label, stays: subject.role.shared() })
    };
    subjects.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests;
