//! Kinds of documents and their tables.

use crate::table::Table;
use crate::types::Types;
use std::sync::OnceLock;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $root:literal, $file:literal;)*) => {
        /// A kind of document.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// Name of the outermost element.
            pub fn root(self) -> &'static str {
                match self {
                    $(Kind::$kind => $root,)*
                }
            }

            /// Name of the published schema of the kind.
            pub fn file(self) -> &'static str {
                match self {
                    $(Kind::$kind => concat!($file, ".rng"),)*
                }
            }

            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Kind::$kind => include_str!(concat!("../data/", $file, ".schema")),)*
                }
            }
        }
    };
}

kinds! {
    /// A guest.
    Domain: "domain", "domain";
    /// A snapshot of a guest.
    DomainSnapshot: "domainsnapshot", "domainsnapshot";
    /// A checkpoint of a guest.
    DomainCheckpoint: "domaincheckpoint", "domaincheckpoint";
    /// A backup of a guest.
    DomainBackup: "domainbackup", "domainbackup";
    /// What guests an emulator can run.
    DomainCaps: "domainCapabilities", "domaincaps";
    /// What a host is and can run.
    Capabilities: "capabilities", "capability";
    /// A processor.
    Cpu: "cpu", "cpu";
    /// A network.
    Network: "network", "network";
    /// A guest's port on a network.
    NetworkPort: "networkport", "networkport";
    /// A network interface of the host.
    Interface: "interface", "interface";
    /// A filter of network traffic.
    NwFilter: "filter", "nwfilter";
    /// A filter on a guest's interface.
    NwFilterBinding: "filterbinding", "nwfilterbinding";
    /// A device of the host.
    NodeDevice: "device", "nodedev";
    /// A pool of storage.
    StoragePool: "pool", "storagepool";
    /// What pools a host can have.
    StoragePoolCaps: "storagepoolCapabilities", "storagepoolcaps";
    /// A volume in a pool.
    StorageVolume: "volume", "storagevol";
    /// A secret.
    Secret: "secret", "secret";
}

impl Kind {
    /// The kind whose documents have this outermost element.
    pub fn of_root(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.root() == name)
    }

    /// What depends on more than one attribute or child; it would crowd the table of large documents.
    pub(crate) fn rules(self) -> &'static str {
        match self {
            Kind::Domain => include_str!("../data/domain.rules"),
            Kind::DomainSnapshot => include_str!("../data/domainsnapshot.rules"),
            _ => "",
        }
    }

    /// The table. It is constant: built on first use from text that is part of the program.
    pub(crate) fn table(self) -> &'static Table {
        static TABLES: [OnceLock<Table>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
        // Documents of guests stand inside others.
        let within: &[&str] = match self {
            Kind::DomainSnapshot | Kind::DomainCheckpoint => &[Kind::Domain.text(), Kind::Domain.rules()],
            _ => &[],
        };
        let slot = &TABLES[self as usize];
        slot.get_or_init(|| {
            let parts: Vec<&'static str> =
                [self.text(), self.rules()].into_iter().chain(within.iter().copied()).collect();
            Table::read(&parts)
        })
    }
}

/// The types of attributes and texts, shared by all kinds.
pub(crate) fn types() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| Types::read(include_str!("../data/types.table")))
}
