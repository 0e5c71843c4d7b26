//! Capability flags.
//!
//! Each row of the table in `table.rs` names a flag and tells where it is seen in the answers of an emulator, as
//! data, so that nothing but the table has to change for a further flag.

mod retired;
mod set;
mod table;

pub use retired::retired;
pub use set::Flags;
pub use table::Flag;

/// Where a flag is seen.
///
/// Where several types are given, one of them is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The kernel accelerates: `query-kvm`.
    Kvm,
    /// macOS's hypervisor accelerates: known by the host.
    Hvf,
    /// The emulator is for this architecture.
    Arch(&'static str),
    /// A type of object or device exists.
    Type(&'static [&'static str]),
    /// A property of a type exists.
    Property(&'static [&'static str], &'static str),
    /// A property of a type has this default value.
    Default(&'static [&'static str], &'static str, &'static str),
    /// A property of a machine exists. The name is that of the type without `-machine`, and without version.
    Machine(&'static str, &'static str),
    /// The protocol's schema has something, see [`qapi::path`].
    Schema(&'static str),
    /// A command line option has a parameter; an empty one stands for the option itself.
    Option(&'static str, &'static str),
    /// Migration has a capability.
    Migration(&'static str),
    /// There is a model of TPM.
    TpmModel(&'static str),
    /// There is a back end for TPM.
    TpmType(&'static str),
    /// There is a processor model.
    CpuModel(&'static str),
    /// No answer shows it.
    Nowhere,
}

impl Flag {
    /// The flag of a name.
    pub fn from_name(name: &str) -> Option<Flag> {
        Flag::ALL.iter().copied().find(|flag| flag.name() == name)
    }
}
