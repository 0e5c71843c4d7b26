//! `<seclabel>` of the guest: which security driver labels it, and how.

use crate::ParseFlags;
use crate::fault::{attribute, invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

fn text(label: &Tree, name: &str) -> Option<String> {
    label.text_of(name).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Reads one label.
fn read(label: &Tree, flags: ParseFlags) -> Result<Tree> {
    let mut kind = label.attr("type").unwrap_or_default();
    if label.attr("type").is_some() && !matches!(kind, "none" | "dynamic" | "static") {
        return Err(attribute("seclabel", "type", kind));
    }
    let relabel = label.attr("relabel");
    if let Some(word) = relabel.filter(|word| !matches!(*word, "yes" | "no")) {
        return Err(attribute("seclabel", "relabel", word));
    }
    match (kind, relabel) {
        ("dynamic", Some("no")) => {
            return Err(unsupported("dynamic label type must use resource relabeling"));
        }
        ("none", Some("yes")) => {
            return Err(unsupported("resource relabeling is not compatible with 'none' label type"));
        }
        _ => {}
    }
    let model = label.attr("model");
    let live = !flags.inactive && kind != "none";
    let own = text(label, "label").filter(|_| kind == "static" || live);
    if kind == "static" && own.is_none() {
        return Err(invalid("security label is missing"));
    }
    let base = text(label, "baselabel").filter(|_| kind == "dynamic");
    if model.is_none() && (matches!(kind, "static" | "") || base.is_some()) {
        return Err(invalid("missing security model in domain seclabel"));
    }
    if model == Some("none") {
        kind = "none";
    }
    let mut read = Tree::new("seclabel");
    if !kind.is_empty() {
        read.set("type", kind);
    }
    if let Some(model) = model {
        read.set("model", model);
    }
    if kind == "none" {
        return Ok(read);
    }
    read.set("relabel", relabel.unwrap_or(if kind == "static" { "no" } else { "yes" }));
    let image = text(label, "imagelabel").filter(|_| live);
    for (name, text) in [("label", own), ("imagelabel", image), ("baselabel", base)] {
        if let Some(text) = text {
            read.children.push(Tree::leaf(name, text));
        }
    }
    Ok(read)
}

/// Reads all labels of a document.
///
/// # Errors
/// In the reference's words.
pub(crate) fn complete(tree: &mut Tree, flags: ParseFlags) -> Result<()> {
    let mut labels: Vec<Tree> = Vec::new();
    for given in tree.all("seclabel") {
        let label = read(given, flags)?;
        if let Some(model) = label.attr("model")
            && labels.iter().any(|other| other.is("model", model))
        {
            let text = format!("seclabel for model {model} is already provided");
            return Err(Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text));
        }
        labels.push(label);
    }
    if labels.len() > 1 && labels.iter().any(|label| label.attr("model").is_none()) {
        return Err(invalid("missing security model when using multiple labels"));
    }
    tree.remove("seclabel");
    // One that does not say how it labels says nothing.
    tree.children.extend(labels.into_iter().filter(|label| label.attr("type").is_some()));
    Ok(())
}
