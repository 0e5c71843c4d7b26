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

/// Who wrote the numbers of owners: they are printed with a sign, which nobody else may write, so that the upper half of them
/// can be read again by this daemon only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Origin {
    /// A client, who says `4294967294`.
    #[default]
    Client,
    /// This daemon or the reference, who keeps `-2` for it.
    Stored,
}

/// A number that `-1` stands for none in, as do its 32 bits read without sign.
fn identity(node: Node<'_>, name: &str, origin: Origin) -> Result<Option<u32>> {
    let Some(element) = node.child(name) else { return Ok(None) };
    let text = element.text();
    let wrong = || invalid(format!("malformed {name} element"));
    let number = match text.trim_ascii_start().strip_prefix('-') {
        Some("1") => return Ok(None),
        Some(_) if origin == Origin::Stored => {
            text.trim_ascii().parse::<i32>().map_err(|_| wrong())?.cast_unsigned()
        }
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
    pub fn parse(node: Node<'_>, origin: Origin) -> Result<Permissions> {
        let mode = match read::text(node, "mode") {
            None => None,
            Some(text) => {
                let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
                Some(mode.ok_or_else(|| invalid("malformed octal mode"))?)
            }
        };
        let (owner, group) = (identity(node, "owner", origin)?, identity(node, "group", origin)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use xml::Document;

    fn pass(owner: &str, origin: Origin) -> Result<String> {
        let text = format!("<permissions><owner>{owner}</owner></permissions>");
        let document = Document::parse(&text).unwrap();
        let mut w = Writer::new();
        Permissions::parse(document.root(), origin)?.format(&mut w);
        Ok(w.finish())
    }

    #[test]
    fn the_upper_half_of_owners_is_kept_with_a_sign() {
        for (owner, kept) in
            [("2147483648", "-2147483648"), ("4294967294", "-2"), ("2147483647", "2147483647")]
        {
            let first = pass(owner, Origin::Client).unwrap();
            assert!(first.contains(&format!("<owner>{kept}</owner>")), "{first}");
            assert_eq!(pass(kept, Origin::Stored).unwrap(), first);
        }
        for none in ["-1", "4294967295"] {
            assert_eq!(pass(none, Origin::Client).unwrap(), "");
        }
        for wrong in ["-2", "4294967296", "-", "--1"] {
            assert!(pass(wrong, Origin::Client).is_err(), "{wrong}");
        }
        for wrong in ["-2147483649", "-", "- 2"] {
            assert!(pass(wrong, Origin::Stored).is_err(), "{wrong}");
        }
    }
}
