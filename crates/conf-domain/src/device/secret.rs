//! Secrets of devices: who reads a disk and what opens it. The secrets themselves are kept elsewhere and named here.

use crate::fault::{invalid, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::Tree;

/// Something in the document is not understood, found where secrets are read.
fn unread(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text)
}

fn storage(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::STORAGE, text)
}

/// Reads which secret is meant: by its UUID or by what it is used for.
///
/// # Errors
/// When it is said not at all, twice, or in no UUID.
pub(crate) fn named(secret: &mut Tree) -> Result<()> {
    match (secret.attr("uuid"), secret.attr("usage")) {
        (None, None) => Err(unread("missing secret uuid or usage attribute")),
        (Some(_), Some(_)) => Err(unread("either secret uuid or usage expected")),
        (None, Some(_)) => Ok(()),
        (Some(text), None) => {
            let uuid: Uuid = text.parse().map_err(|_| unread(format!("invalid secret uuid '{text}'")))?;
            secret.set("uuid", uuid.to_string());
            Ok(())
        }
    }
}

/// Types of secrets.
const TYPES: &[&str] = &["none", "volume", "ceph", "iscsi", "tls", "vtpm"];

/// Reads `<auth>`.
///
/// # Errors
/// In the reference's words.
pub(crate) fn auth(auth: &mut Tree) -> Result<()> {
    if auth.attr("username").is_none_or(str::is_empty) {
        return Err(storage("missing username for auth"));
    }
    let Some(secret) = auth.child_mut("secret") else {
        return Err(storage("Missing <secret> element in auth"));
    };
    named(secret)
}

/// Whether there are secrets of a type.
pub(super) fn is_type(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Checks that the secret of a disk's `<auth>` is of a type there is.
///
/// # Errors
/// When it is of none.
pub(crate) fn auth_type(auth: &Tree) -> Result<()> {
    match auth.attr_at("secret", "type") {
        None => Err(unsupported("unknown secret type '<null>'")),
        Some(kind) if !TYPES.contains(&kind) => Err(unsupported(format!("unknown secret type '{kind}'"))),
        Some(_) => Ok(()),
    }
}

/// Reads `<encryption>` of an image.
///
/// # Errors
/// In the reference's words.
pub(crate) fn encryption(encryption: &mut Tree) -> Result<()> {
    let strange = |text: String| Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::STORAGE, text);
    match encryption.attr("format") {
        None | Some("") => return Err(storage("unknown volume encryption format")),
        Some("default" | "qcow" | "luks" | "luks2" | "luks-any") => {}
        Some(format) => return Err(strange(format!("unknown volume encryption format type {format}"))),
    }
    for secret in encryption.all_mut("secret") {
        match secret.attr("type") {
            None | Some("") => return Err(storage("unknown volume encryption secret type")),
            Some("passphrase") => {}
            Some(kind) => return Err(strange(format!("unknown volume encryption secret type {kind}"))),
        }
        named(secret)?;
    }
    let luks = encryption.is("format", "luks") || encryption.is("format", "luks2");
    if luks && encryption.child("ivgen").is_some() && encryption.child("cipher").is_none() {
        return Err(storage("ivgen element found, but cipher is missing"));
    }
    if luks && encryption.child("cipher").is_some() {
        return Err(unsupported("supplying <cipher> for domain disk definition is unnecessary"));
    }
    encryption.remove("cipher");
    encryption.remove("ivgen");
    Ok(())
}

/// Reads the security labels of a source: one with a label is applied, one that says nothing is none.
///
/// # Errors
/// When a label is said where there must be none, or the other way round.
pub(crate) fn labels(source: &mut Tree) -> Result<()> {
    let mut models: Vec<String> = Vec::new();
    for label in source.all_mut("seclabel") {
        let model = label.attr("model").map(str::to_owned);
        let shown = model.as_deref().unwrap_or("<null>");
        if models.iter().any(|other| other == shown) {
            let text = format!("seclabel for model {shown} is already provided");
            return Err(Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text));
        }
        let given = label.child("label").is_some_and(|label| !label.body().is_empty());
        if given && label.is("relabel", "no") {
            return Err(invalid(format!(
                "Cannot specify a label if relabelling is turned off. model={shown}"
            )));
        }
        if !given && label.is("relabel", "yes") {
            return Err(invalid(format!("Cannot specify relabel if label is missing. model={shown}")));
        }
        models.extend(model);
        if given {
            label.default_to("relabel", "yes");
        }
        label.unset("labelskip");
    }
    source.children.retain(|child| child.name != "seclabel" || child.attr("relabel").is_some());
    Ok(())
}
