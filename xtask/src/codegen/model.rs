//! The procedure table as values.

/// Everything that `protocol/*.idl` says.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) programs: Vec<Program>,
    pub(crate) constants: Vec<Group>,
    pub(crate) names: Vec<(String, String)>,
}

/// One RPC program.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) version: u32,
    pub(crate) limits: Vec<(String, u64)>,
    pub(crate) structs: Vec<Struct>,
    pub(crate) families: Vec<Family>,
}

/// A structure that others contain.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// The procedures of one object family.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) procs: Vec<Proc>,
    pub(crate) events: Vec<Event>,
}

/// One procedure.
#[derive(Debug)]
pub(crate) struct Proc {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) high: bool,
    pub(crate) write: bool,
    pub(crate) server: bool,
    pub(crate) c_name: String,
    pub(crate) error_domain: i32,
    pub(crate) args: Vec<Field>,
    pub(crate) ret: Vec<Field>,
    pub(crate) stream: Option<Stream>,
    pub(crate) acl: Vec<Rule>,
}

/// The data stream that a procedure opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) to_server: bool,
    pub(crate) sparse: bool,
}

/// What a caller must be allowed.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) filter: bool,
    pub(crate) object: String,
    pub(crate) permission: String,
    pub(crate) condition: Option<String>,
}

/// A message from the server.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) object: String,
    pub(crate) id: i32,
    pub(crate) msg: Vec<Field>,
}

/// A field of a structure.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The type of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Plain(String),
    Optional(String),
    List(String, u64),
    Bytes(u64),
    Array(String, u64),
}

/// An enumeration or a set of flags.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) flags: bool,
    pub(crate) members: Vec<(String, i64)>,
}

impl Model {
    /// A shared structure of any program.
    pub(crate) fn is_struct(&self, name: &str) -> bool {
        self.programs.iter().any(|program| program.structs.iter().any(|s| s.name == name))
    }
}
