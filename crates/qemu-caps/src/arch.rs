//! Architectures: the names of documents, the emulators' names, the size of a word.

/// An architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arch {
    /// Name in documents.
    pub name: &'static str,
    /// Name in that of the emulator, `qemu-system-NAME`.
    pub emulator: &'static str,
    /// Bits of a word.
    pub word_size: u32,
}

const fn arch(name: &'static str, emulator: &'static str, word_size: u32) -> Arch {
    Arch { name, emulator, word_size }
}

/// All architectures, in the order of host capabilities.
pub const ALL: &[Arch] = &[
    arch("alpha", "alpha", 64),
    arch("armv6l", "arm", 32),
    arch("armv7l", "arm", 32),
    arch("armv7b", "arm", 32),
    arch("aarch64", "aarch64", 64),
    arch("cris", "cris", 32),
    arch("i686", "i386", 32),
    arch("itanium", "itanium", 64),
    arch("lm32", "lm32", 32),
    arch("loongarch64", "loongarch64", 64),
    arch("m68k", "m68k", 32),
    arch("microblaze", "microblaze", 32),
    arch("microblazeel", "microblazeel", 32),
    arch("mips", "mips", 32),
    arch("mipsel", "mipsel", 32),
    arch("mips64", "mips64", 64),
    arch("mips64el", "mips64el", 64),
    arch("or32", "or1k", 32),
    arch("parisc", "hppa", 32),
    arch("parisc64", "parisc64", 64),
    arch("ppc", "ppc", 32),
    arch("ppcle", "ppcle", 32),
    arch("ppc64", "ppc64", 64),
    arch("ppc64le", "ppc64", 64),
    arch("ppcemb", "ppcemb", 32),
    arch("riscv32", "riscv32", 32),
    arch("riscv64", "riscv64", 64),
    arch("s390", "s390", 32),
    arch("s390x", "s390x", 64),
    arch("sh4", "sh4", 32),
    arch("sh4eb", "sh4eb", 64),
    arch("sparc", "sparc", 32),
    arch("sparc64", "sparc64", 64),
    arch("unicore32", "unicore32", 32),
    arch("x86_64", "x86_64", 64),
    arch("xtensa", "xtensa", 32),
    arch("xtensaeb", "xtensaeb", 32),
];

impl Arch {
    /// The architecture of a name in documents.
    pub fn of(name: &str) -> Option<&'static Arch> {
        ALL.iter().find(|arch| arch.name == name)
    }

    /// The architecture of an emulator's name. Of several the one that new guests are given.
    pub fn of_emulator(name: &str) -> Option<&'static Arch> {
        match name {
            "arm" => Arch::of("armv7l"),
            _ => ALL.iter().find(|arch| arch.emulator == name),
        }
    }

    /// Whether the processors of guests can be this host's: they are of the same kind, or one that it can also be.
    pub fn runs_on(self, host: &str) -> bool {
        self.name == host
            || matches!(
                (self.name, host),
                ("i686", "x86_64")
                    | ("armv6l" | "armv7l", "aarch64")
                    | ("ppc64le", "ppc64")
                    | ("ppc64", "ppc64le")
                    | ("s390", "s390x")
            )
    }
}

/// Guests are PCs.
pub(crate) fn is_x86(arch: &str) -> bool {
    matches!(arch, "x86_64" | "i686")
}

/// Guests are ARM machines.
pub(crate) fn is_arm(arch: &str) -> bool {
    matches!(arch, "aarch64" | "armv7l" | "armv6l")
}
