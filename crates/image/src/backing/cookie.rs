//! Cookies as a server gets them, as elements.

use super::refused;
use base::Result;
use xml::Tree;

/// Reads `name=value; name=value`.
///
/// # Errors
/// When a part has no value.
pub(super) fn parse(text: &str) -> Result<Tree> {
    let mut cookies = Tree::new("cookies");
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| refused(format!("malformed http cookie '{part}'")))?;
        cookies.children.push(Tree::leaf("cookie", value).with("name", name));
    }
    Ok(cookies)
}
