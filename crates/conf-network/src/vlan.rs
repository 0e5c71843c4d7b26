//! `<vlan>`: tags of a trunk or of one network.

use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::{Node, Writer};

use crate::read;

/// Largest tag.
const TAG_MAX: u64 = 4095;

base::text_enum! {
    /// How frames of the native network of a trunk go.
    pub enum NativeMode {
        Tagged = "tagged",
        Untagged = "untagged",
    }
}

/// Tags of a port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vlan {
    /// The port carries several networks.
    pub trunk: bool,
    /// Tags in order.
    pub tags: Vec<u16>,
    /// The native network of a trunk and how its frames go.
    pub native: Option<(u16, NativeMode)>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text)
}

impl Vlan {
    /// Reads the element.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(node: Node<'_>) -> Result<Vlan> {
        let mut vlan = Vlan::default();
        for tag in node.children("tag") {
            let Some(id) = read::unsigned(tag, "id", false)? else {
                return Err(conf_domain::fault::missing("tag", "id"));
            };
            let id = u16::try_from(id)
                .ok()
                .filter(|id| u64::from(*id) <= TAG_MAX)
                .ok_or_else(|| invalid(format!("vlan tag id {id} too large (maximum {TAG_MAX})")))?;
            if let Some(mode) = read::member::<NativeMode>(tag, "nativeMode")? {
                if vlan.native.is_some() {
                    return Err(invalid("duplicate native vlan setting"));
                }
                vlan.native = Some((id, mode));
            }
            vlan.tags.push(id);
        }
        if vlan.tags.is_empty() {
            return Err(invalid(
                "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement",
            ));
        }
        vlan.trunk = vlan.tags.len() > 1;
        match read::filled(node, "trunk") {
            None => {}
            Some("yes") => vlan.trunk = true,
            Some("no") if vlan.tags.len() > 1 => {
                return Err(invalid(
                    "invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan tag",
                ));
            }
            Some("no") if vlan.native.is_some() => {
                return Err(invalid(
                    "invalid configuration in <vlan> - \"trunk='no'\" is not allowed with a native vlan id",
                ));
            }
            Some("no") => {}
            Some(other) => {
                return Err(invalid(format!("invalid \"trunk='{other}'\" in <vlan> - must be yes or no")));
            }
        }
        Ok(vlan)
    }

    /// Prints the element.
    pub fn format(&self, w: &mut Writer) {
        w.element("vlan").attr_if(self.trunk, "trunk", "yes").children(|w| {
            // A tag may stand there twice, but only one is the native one.
            let mut native = self.native;
            for tag in &self.tags {
                let mode = native.take_if(|(native, _)| native == tag).map(|(_, mode)| mode);
                w.element("tag").attr("id", tag).attr_opt("nativeMode", mode).empty();
            }
        });
    }
}
