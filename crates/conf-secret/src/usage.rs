//! `<usage>`: what a secret is for, and under which name its users look for it.

use base::Result;
use conf_domain::fault;
use xml::{Node, Writer};

use crate::{internal, text};

base::text_enum! {
    /// Users of secrets, in the order of their numbers (`virSecretUsageType`).
    pub enum UsageKind {
        None = "none",
        Volume = "volume",
        Ceph = "ceph",
        Iscsi = "iscsi",
        Tls = "tls",
        Vtpm = "vtpm",
    }
}

impl UsageKind {
    /// Number on the wire.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The kind with this number.
    pub fn from_number(number: i32) -> Option<UsageKind> {
        UsageKind::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Element that holds the name, and how the reference complains of its absence.
    fn name_element(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            UsageKind::None => return None,
            UsageKind::Volume => ("volume", "volume usage specified, but volume path is missing"),
            UsageKind::Ceph => ("name", "Ceph usage specified, but name is missing"),
            UsageKind::Iscsi => ("target", "iSCSI usage specified, but target is missing"),
            UsageKind::Tls => ("name", "TLS usage specified, but name is missing"),
            UsageKind::Vtpm => ("name", "vTPM usage specified, but name is missing"),
        })
    }
}

/// What a secret is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Who uses it.
    pub kind: UsageKind,
    /// The user's name for it: a path, a client, a target; empty for a secret that is found by its identity only.
    name: String,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage { kind: UsageKind::None, name: String::new() }
    }
}

impl Usage {
    pub(crate) fn parse(node: Node<'_>) -> Result<Usage> {
        let kind = node.attr("type").ok_or_else(|| fault::missing("usage", "type"))?;
        let kind = UsageKind::parse(kind).ok_or_else(|| fault::attribute("usage", "type", kind))?;
        let Some((element, missing)) = kind.name_element() else { return Ok(Usage::default()) };
        let name = text(node, element).ok_or_else(|| internal(missing))?;
        Ok(Usage { kind, name })
    }

    /// The name under which its user looks for it; empty when there is none.
    pub fn id(&self) -> &str {
        &self.name
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        let Some((element, _)) = self.kind.name_element() else { return };
        w.element("usage").attr("type", self.kind).children(|w| w.leaf(element, &self.name));
    }
}
