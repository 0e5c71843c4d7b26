//! Rows of the procedure table.

/// One RPC program.
#[derive(Debug)]
pub struct Program {
    /// Short name, e.g. `remote`.
    pub name: &'static str,
    /// Number on the wire.
    pub number: u32,
    /// Version on the wire.
    pub version: u32,
    /// Procedures in number order.
    pub procedures: &'static [Procedure],
    /// Messages from the server in number order.
    pub events: &'static [EventRow],
}

/// One procedure.
#[derive(Debug)]
pub struct Procedure {
    /// Number on the wire.
    pub number: u32,
    /// Name, e.g. `domain_create`.
    pub name: &'static str,
    /// The C function that makes this call.
    pub c_name: &'static str,
    /// Object family, the driver trait it belongs to.
    pub family: &'static str,
    /// Served by reserved workers too.
    pub high: bool,
    /// Refused on read-only connections.
    pub write: bool,
    /// Answered by the server itself.
    pub server: bool,
    /// Error domain of refusals.
    pub error_domain: i32,
    /// The stream it opens.
    pub stream: Option<Stream>,
    /// What the caller must be allowed.
    pub rules: &'static [Rule],
}

/// The data stream that a procedure opens.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// Data flows from client to server.
    pub to_server: bool,
    /// Holes may be sent when the call's flags ask for it.
    pub sparse: bool,
}

/// One access rule.
#[derive(Debug)]
pub struct Rule {
    /// Kind of object.
    pub object: &'static str,
    /// Permission on it.
    pub permission: &'static str,
    /// Not a condition of the call, but a filter over the objects it lists.
    pub filter: bool,
    /// When the rule applies.
    pub condition: Condition,
}

/// When an access rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// To every call.
    Always,
    /// When any of these flags is set.
    IfFlags(u32),
    /// When none of these flags is set.
    UnlessFlags(u32),
    /// When an argument has a value, `name==number`.
    IfField(&'static str),
}

/// A message from the server.
#[derive(Debug)]
pub struct EventRow {
    /// Number on the wire.
    pub number: u32,
    /// Name, e.g. `domain_event_lifecycle`.
    pub name: &'static str,
    /// Kind of object.
    pub object: &'static str,
    /// Event number within the kind, -1 when it has none.
    pub id: i32,
}

impl Program {
    /// The row of a procedure. Numbers have few gaps, so the search starts where the row would be without them.
    pub fn procedure(&self, number: u32) -> Option<&'static Procedure> {
        let at = self.procedures.binary_search_by_key(&number, |row| row.number).ok()?;
        self.procedures.get(at)
    }

    /// The row of an event.
    pub fn event(&self, number: u32) -> Option<&'static EventRow> {
        let at = self.events.binary_search_by_key(&number, |row| row.number).ok()?;
        self.events.get(at)
    }
}

/// A wire type without its type: what tries all of them goes by this.
#[derive(Clone, Copy, Debug)]
pub struct WireType {
    /// Name in Rust.
    pub name: &'static str,
    /// What it is made of.
    pub shape: &'static xdr::Shape,
    /// Reads a value that fills the input and writes it again.
    pub again: fn(&[u8]) -> Result<Vec<u8>, xdr::XdrError>,
    /// Fewest bytes a value takes, as its decoder believes.
    pub least: usize,
}

impl WireType {
    /// The row of a type.
    pub const fn of<T: xdr::Xdr>(name: &'static str) -> WireType {
        WireType {
            name,
            shape: T::SHAPE,
            again: |bytes| xdr::from_bytes::<T>(bytes).map(|value| xdr::to_bytes(&value)),
            least: T::MIN,
        }
    }
}
