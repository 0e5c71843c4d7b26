//! `<permissions>` of pools and volumes.

use crate::fault::invalid;
use crate::read;
use base::Result;
use xml::{Node, Writer};

/// Who may use a file or folder; absent parts are left as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// Mode bits, at most 07777.
    pub mode: Option<u32>,
    /// Number of the owner.
    pub owner: Option<u32>,
    /// Number of the group.
    pub group: Option<u32>,
    /// Security label.
    pub label: Option<String>,
}

/// A number that `-1` stands for none in, as do its 32 bits read without sign.
fn identity(node: Node<'_>, name: &str) -> Result<Option<u32>> {
    let Some(element) = node.child(name) else { return Ok(None) };
    let text = element.text();
    let wrong = || invalid(format!("malformed {name} element"));
    let number = match text.trim_ascii_start().strip_prefix('-') {
        Some("1") => return Ok(None),
        Some(_) => return Err(wrong()),
        None => read::decimal(&text).and_then(|number| u32::try_from(number).ok()).ok_or_else(wrong)?,
    };
    Ok(Some(number).filter(|number| *number != u32::MAX))
}

impl Permissions {
    /// Reads the element.
    ///
    /// # Errors
    /// When a number is none.
    pub fn parse(node: Node<'_>) -> Result<Permissions> {
        let mode = match read::text(node, "mode") {
            None => None,
            Some(text) => {
                let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
                Some(mode.ok_or_else(|| invalid("malformed octal mode"))?)
            }
        };
        let (owner, group) = (identity(node, "owner")?, identity(node, "group")?);
        Ok(Permissions { mode, owner, group, label: read::text(node, "label") })
    }

    /// Prints the element, if there is anything in it.
    pub fn format(&self, w: &mut Writer) {
        w.element("permissions").children_or_nothing(|w| {
            w.leaf_opt("mode", self.mode.map(|mode| format!("0{mode:o}")));
            w.leaf_opt("owner", self.owner.map(u32::cast_signed));
            w.leaf_opt("group", self.group.map(u32::cast_signed));
            w.leaf_opt("label", self.label.as_ref());
        });
    }
}
