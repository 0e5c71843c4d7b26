//! Labels of running guests: as whom the emulator runs and whose its files are.

use conf_domain::Domain;
use xml::Tree;

/// Notes as whom the emulator of a guest runs, where its definition does not say it.
pub(crate) fn note(domain: &mut Domain) {
    if domain.tree.all("seclabel").any(|label| label.is("model", "dac") || label.is("type", "none")) {
        return;
    }
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    // The plus says that a number is meant, not a name of digits.
    let text = format!("+{user}:+{group}");
    let label = Tree::new("seclabel")
        .with("type", "dynamic")
        .with("model", "dac")
        .with("relabel", "yes")
        .holding(Tree::leaf("label", text.clone()))
        .holding(Tree::leaf("imagelabel", text));
    domain.tree.children.push(label);
}
