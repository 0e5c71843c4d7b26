//! Scripts of the administrator that run when something happens to a network.

use crate::Driver;
use crate::command::Run;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_network::{FormatFlags, Network, NetworkPort};
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
        let hooks = self.layout.config().join("hooks");
        let mut scripts = vec![hooks.join("network")];
        let more = std::fs::read_dir(hooks.join("network.d")).into_iter().flatten().flatten();
        let mut more: Vec<_> = more.map(|entry| entry.path()).collect();
        more.sort();
        scripts.extend(more);
        scripts.retain(|script| host::process::executable(script));
        if scripts.is_empty() {
            return Ok(());
        }
        let mut w = Writer::new();
        w.element("hookData").children(|w| {
            network.write(FormatFlags::default(), w);
            if let Some(port) = port {
                w.block(&port.format());
            }
        });
        let input = w.finish();
        let [operation, sub] = moment.words();
        let args: Vec<String> = [network.name.as_str(), operation, sub, "-"].map(str::to_owned).to_vec();
        let path = host::process::path().to_string_lossy().into_owned();
        // The variables that programs of others usually get.
        let common: Vec<(&str, String)> = ["HOME", "USER", "LOGNAME", "TMPDIR"]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var(name).ok()?)))
            .collect();
        let mut env = vec![("LC_ALL", "C"), ("PATH", path.as_str())];
        env.extend(common.iter().map(|(name, value)| (*name, value.as_str())));
        for script in scripts {
            let program = script.display().to_string();
            let run = Run { program: &program, args: &args, env: &env, input: &input };
            run.finish().map_err(|cause| {
                Error::new(ErrorCode::HOOK_SCRIPT_FAILED, ErrorDomain::HOOK, cause.message())
            })?;
        }
        Ok(())
    }

    /// Runs the scripts where their refusal comes too late.
    pub(crate) fn hook_after(&self, moment: Moment, network: &Network, port: Option<&NetworkPort>) {
        if let Err(error) = self.hook(moment, network, port) {
            log::warn!("network '{}': {error}", network.name);
        }
    }
}
