//! Scripts of the administrator that run when something happens to a network.

use crate::Driver;
use base::Result;
use conf_network::{FormatFlags, Network, NetworkPort};
use host::hooks::Hook;
use xml::Writer;

/// What happens, in the words the script gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// The network is about to start; the script may refuse.
    Start,
    /// It has started; the script may refuse.
    Started,
    /// It has stopped.
    Stopped,
    /// A guest was connected; the script may refuse.
    PortCreated,
    /// A guest was disconnected.
    PortDeleted,
    /// Its definition has changed while it runs.
    Updated,
}

impl Moment {
    fn words(self) -> [&'static str; 2] {
        match self {
            Moment::Start => ["start", "begin"],
            Moment::Started => ["started", "begin"],
            Moment::Stopped => ["stopped", "end"],
            Moment::PortCreated => ["port-created", "begin"],
            Moment::PortDeleted => ["port-deleted", "begin"],
            Moment::Updated => ["updated", "begin"],
        }
    }
}

impl Driver {
    /// Runs the scripts, if there are any.
    ///
    /// # Errors
    /// When a script does not succeed.
    pub(crate) fn hook(&self, moment: Moment, network: &Network, port: Option<&NetworkPort>) -> Result<()> {
        let config = self.layout.config();
        let [operation, part] = moment.words();
        let hook =
            Hook { config: &config, driver: "network", object: &network.name, operation, part, extra: "-" };
        let document = || {
            let mut w = Writer::new();
            w.element("hookData").children(|w| {
                network.write(FormatFlags::default(), w);
                if let Some(port) = port {
                    w.block(&port.format());
                }
            });
            w.finish()
        };
        hook.run(document).map(drop)
    }

    /// Runs the scripts where their refusal comes too late.
    pub(crate) fn hook_after(&self, moment: Moment, network: &Network, port: Option<&NetworkPort>) {
        if let Err(error) = self.hook(moment, network, port) {
            log::warn!("network '{}': {error}", network.name);
        }
    }
}
