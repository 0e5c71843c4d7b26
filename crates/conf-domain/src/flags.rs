//! How a document is read and printed.

/// How to read a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ParseFlags {
    /// The stored form: run-time parts (ids, live paths, dynamic aliases) are ignored.
    pub inactive: bool,
    /// The driver's own status document: private parts are read too.
    pub status: bool,
    /// The definition is new: defaults may differ from those of old documents.
    pub abi_update: bool,
    /// No driver completes the document: devices get places and controllers here.
    pub generic: bool,
    /// Do not validate: used for documents that were accepted once.
    pub skip_validate: bool,
    /// Ignore `<seclabel>`.
    pub skip_seclabel: bool,
    /// `<boot>` inside devices is kept although `<os>` orders the devices (snapshots, checkpoints).
    pub allow_boot: bool,
    /// Post-parse may fail and is retried later (daemon start, when the emulator may be missing).
    pub allow_post_parse_fail: bool,
    /// The document comes from another host in a migration.
    pub migratable: bool,
    /// A console is no name for a serial port: neither is made for the other.
    pub no_stub_console: bool,
}

impl ParseFlags {
    /// Nothing is asked for; what [`Default`] gives, for constants.
    pub const NONE: ParseFlags = ParseFlags {
        inactive: false,
        status: false,
        abi_update: false,
        generic: false,
        skip_validate: false,
        skip_seclabel: false,
        allow_boot: false,
        allow_post_parse_fail: false,
        migratable: false,
        no_stub_console: false,
    };

    /// A definition that a client gives, as it is to be stored.
    pub const DEFINED: ParseFlags = ParseFlags { inactive: true, abi_update: true, ..ParseFlags::NONE };
}

/// How to print a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FormatFlags {
    /// Show passwords and other secrets (`VIR_DOMAIN_XML_SECURE`, 1).
    pub secure: bool,
    /// The stored form (`VIR_DOMAIN_XML_INACTIVE`, 2).
    pub inactive: bool,
    /// Show the guest CPU as updated for the host (`VIR_DOMAIN_XML_UPDATE_CPU`, 4). Applied before formatting.
    pub update_cpu: bool,
    /// Leave out what older peers do not understand (`VIR_DOMAIN_XML_MIGRATABLE`, 8).
    pub migratable: bool,
    /// The driver's own status document: private parts are printed too.
    pub status: bool,
    /// Actual network connections (`<actual>`) are printed.
    pub actual_net: bool,
    /// Original states of PCI devices are printed.
    pub pci_orig_states: bool,
    /// The host-side CPU features are left out (clock/offset internals of the status form).
    pub clock_adjust: bool,
    /// Volume translation of `<source pool=…>` is printed.
    pub volume_translated: bool,
}

impl FormatFlags {
    /// Nothing is asked for; what [`Default`] gives, for constants.
    pub const NONE: FormatFlags = FormatFlags {
        secure: false,
        inactive: false,
        update_cpu: false,
        migratable: false,
        status: false,
        actual_net: false,
        pci_orig_states: false,
        clock_adjust: false,
        volume_translated: false,
    };

    /// A definition as it is stored: with its secrets.
    pub const STORED: FormatFlags = FormatFlags { secure: true, inactive: true, ..FormatFlags::NONE };
}
