//! What snapshots and checkpoints share: a name, a time, a parent, the guest's definition.

use crate::fault::Kind;
use base::{Result, Uuid};
use conf_domain::{Domain, FormatFlags, ParseFlags};
use xml::{Node, Writer};

/// Name, time and place in the tree of moments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Name, empty until the moment has one.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Name of the moment before.
    pub parent: Option<String>,
    /// Seconds since 1970; 0 until it is made.
    pub created: i64,
}

/// The guest a moment belongs to.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Guest {
    /// Not told.
    #[default]
    None,
    /// By its UUID alone, as old documents do.
    Uuid(Uuid),
    /// With its definition at that time.
    Full(Box<Domain>),
}

impl Guest {
    /// The definition.
    pub fn domain(&self) -> Option<&Domain> {
        match self {
            Guest::Full(domain) => Some(domain),
            _ => None,
        }
    }
}

/// Reads name and description, and with `redefine` the time and the parent.
pub(crate) fn read(root: Node<'_>, kind: Kind, redefine: bool, now: i64) -> Result<Moment> {
    let what = if kind == Kind::Checkpoint { "checkpoint" } else { "snapshot" };
    let mut moment = Moment {
        name: root.child_text("name").unwrap_or_default(),
        description: root.child_text("description"),
        ..Moment::default()
    };
    if redefine {
        if moment.name.is_empty() {
            return Err(kind.invalid(format!("a redefined {what} must have a name")));
        }
        moment.created = root
            .child_text("creationTime")
            .and_then(|text| text.trim_ascii_start().parse().ok())
            .ok_or_else(|| kind.internal(format!("missing creationTime from existing {what}")))?;
        moment.parent = root.descend("parent/name").map(Node::text);
    } else {
        moment.made(now);
    }
    Ok(moment)
}

impl Moment {
    /// Gives a moment that is made now its time, and its name when it has none. At 0 there is no time yet.
    pub fn made(&mut self, now: i64) {
        self.created = now;
        if self.name.is_empty() && now != 0 {
            self.name = now.to_string();
        }
    }
}

/// Flags for definitions inside these documents: accepted once, and kept as they are stored.
pub(crate) const STORED: ParseFlags =
    ParseFlags { inactive: true, skip_validate: true, allow_boot: true, ..ParseFlags::NONE };

/// Prints `<name>` and `<description>`.
pub(crate) fn write_names(moment: &Moment, w: &mut Writer) {
    if !moment.name.is_empty() {
        w.leaf("name", &moment.name);
    }
    w.leaf_opt("description", moment.description.as_deref().filter(|text| !text.is_empty()));
}

/// Prints `<parent>` and `<creationTime>`.
pub(crate) fn write_place(moment: &Moment, w: &mut Writer) {
    if let Some(parent) = &moment.parent {
        w.element("parent").children(|w| w.leaf("name", parent));
    }
    if moment.created != 0 {
        w.leaf("creationTime", moment.created);
    }
}

/// How definitions inside these documents are printed.
pub(crate) fn stored(secure: bool) -> FormatFlags {
    FormatFlags { secure, inactive: true, ..FormatFlags::default() }
}

/// Prints the guest, by its UUID when its definition is not known.
pub(crate) fn write_guest(guest: &Guest, secure: bool, w: &mut Writer) {
    match guest {
        Guest::None => {}
        Guest::Uuid(uuid) => w.element("domain").children(|w| w.leaf("uuid", uuid)),
        Guest::Full(domain) => domain.format_into(w, stored(secure)),
    }
}
