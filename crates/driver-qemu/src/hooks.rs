//! Scripts of the administrator that run when something happens to a guest.

use crate::Driver;
use base::Result;
use conf_domain::{Domain, FormatFlags};
use host::hooks::Hook;

/// What happens, in the words the script gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It is about to start, nothing is done yet; the script may refuse.
    Prepare,
    /// All is ready for its emulator; the script may refuse.
    Start,
    /// It runs; the script may refuse, which ends it.
    Started,
    /// Its emulator has ended.
    Stopped,
    /// What it held was given back.
    Release,
    /// A daemon has found it again; the script may refuse, which ends it.
    Reconnect,
}

impl Moment {
    fn words(self) -> [&'static str; 2] {
        match self {
            Moment::Prepare => ["prepare", "begin"],
            Moment::Start => ["start", "begin"],
            Moment::Started => ["started", "begin"],
            Moment::Stopped => ["stopped", "end"],
            Moment::Release => ["release", "end"],
            Moment::Reconnect => ["reconnect", "begin"],
        }
    }
}

impl Driver {
    /// Whether there are scripts.
    pub(crate) fn hooked(&self) -> bool {
        let config = self.layout.config();
        let [operation, part] = Moment::Prepare.words();
        !Hook { config: &config, driver: "qemu", object: "", operation, part, extra: "-" }
            .scripts()
            .is_empty()
    }

    /// Runs the scripts, if there are any.
    ///
    /// # Errors
    /// When a script does not succeed.
    pub(crate) fn hook(&self, moment: Moment, domain: &Domain, extra: &str) -> Result<()> {
        let config = self.layout.config();
        let [operation, part] = moment.words();
        let hook = Hook { config: &config, driver: "qemu", object: &domain.name, operation, part, extra };
        let document = || match moment {
            // It has no number any more.
            Moment::Stopped | Moment::Release => {
                Domain { id: None, ..domain.clone() }.format(FormatFlags::default())
            }
            _ => domain.format(FormatFlags::default()),
        };
        hook.run(document).map(drop)
    }

    /// Runs the scripts where their refusal comes too late.
    pub(crate) fn hook_after(&self, moment: Moment, domain: &Domain, extra: &str) {
        if let Err(error) = self.hook(moment, domain, extra) {
            log::warn!("guest '{}': {error}", domain.name);
        }
    }
}
