//! Groups of actions that succeed together, and what undoes them.
//!
//! ```text
//! group 0: actions | rollback     an action of group i fails: nothing further is done; rollbacks run in order from
//! group 1: actions | rollback     group `first` to i, where `first` is i, or lower when rollbacks inherit from the
//! group 2: actions | rollback     group before them
//! ```

use crate::{Backend, Call};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::fmt;

/// Which tool, and for which kind of packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Layer {
    /// Frames: ebtables.
    Ethernet,
    /// IPv4: iptables or nft.
    Ipv4,
    /// IPv6: ip6tables or nft.
    Ipv6,
    /// Traffic control.
    Tc,
}

impl Layer {
    /// The layer's name in status documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Ethernet => "ethernet",
            Layer::Ipv4 => "ipv4",
            Layer::Ipv6 => "ipv6",
            Layer::Tc => "tc",
        }
    }

    /// The layer with this name.
    pub fn parse(text: &str) -> Option<Layer> {
        [Layer::Ethernet, Layer::Ipv4, Layer::Ipv6, Layer::Tc]
            .into_iter()
            .find(|layer| layer.as_str() == text)
    }
}

/// Actions that follow from the lines an action prints.
pub type Query = Box<dyn FnMut(&[&str]) -> Vec<Action> + Send + Sync>;

/// One change, or a question.
#[derive(Default)]
pub struct Action {
    /// Tool and family.
    pub layer: Option<Layer>,
    /// Arguments without those that every call gets.
    pub args: Vec<String>,
    /// A failure does not matter.
    pub ignore_errors: bool,
    /// What to do with the output; what it gives is done at the end of the group.
    pub query: Option<Query>,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action").field("layer", &self.layer).field("args", &self.args).finish_non_exhaustive()
    }
}

impl Action {
    /// A change of a layer.
    pub fn new<S: AsRef<str>>(layer: Layer, args: impl IntoIterator<Item = S>) -> Action {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Action { layer: Some(layer), args, ..Action::default() }
    }

    /// A copy without its query.
    pub fn plain(&self) -> Action {
        Action { layer: self.layer, args: self.args.clone(), ignore_errors: self.ignore_errors, query: None }
    }

    /// The command line. Tools that change common tables wait for each other.
    pub fn call(&self, backend: Backend) -> Call {
        let (program, first): (_, Option<&str>) = match (self.layer.unwrap_or(Layer::Ipv4), backend) {
            (Layer::Tc, _) => ("tc", None),
            (_, Backend::Nftables) => ("nft", None),
            (Layer::Ethernet, _) => ("ebtables", Some("--concurrent")),
            (Layer::Ipv4, _) => ("iptables", Some("-w")),
            (Layer::Ipv6, _) => ("ip6tables", Some("-w")),
        };
        let args = first.map(str::to_owned).into_iter().chain(self.args.iter().cloned());
        Call { program, args: args.collect() }
    }
}

/// Actions and what undoes them.
#[derive(Debug, Default)]
pub struct Group {
    /// Done in order.
    pub actions: Vec<Action>,
    /// Done in order when an action failed.
    pub rollback: Vec<Action>,
    /// Failures of actions do not matter.
    pub ignore_errors: bool,
    /// The rollback of the group before belongs to this one.
    pub inherit_previous: bool,
}

/// Groups in order.
#[derive(Debug)]
pub struct Transaction {
    /// Who keeps the rules.
    pub backend: Backend,
    /// Groups.
    pub groups: Vec<Group>,
}

/// What a command did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// It succeeded.
    pub success: bool,
    /// What it printed.
    pub output: String,
    /// What it complained of.
    pub complaint: String,
}

/// Runs commands.
pub trait Runner {
    /// Runs a command to its end.
    fn run(&mut self, call: &Call) -> Answer;
}

impl Transaction {
    /// A transaction without groups.
    pub fn new(backend: Backend) -> Transaction {
        Transaction { backend, groups: Vec::new() }
    }

    /// Begins a group.
    pub fn group(&mut self, ignore_errors: bool) -> &mut Group {
        self.groups.push(Group { ignore_errors, ..Group::default() });
        // The group was pushed just now.
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    /// Does everything, or undoes what was done.
    ///
    /// # Errors
    /// The first failure that matters.
    pub fn apply(&mut self, runner: &mut dyn Runner) -> Result<()> {
        let backend = self.backend;
        for at in 0..self.groups.len() {
            let outcome = self.groups.get_mut(at).map_or(Ok(()), |group| group.apply(backend, runner));
            if let Err(error) = outcome {
                self.roll_back(at, runner);
                return Err(error);
            }
        }
        Ok(())
    }

    fn roll_back(&self, failed: usize, runner: &mut dyn Runner) {
        let mut first = failed;
        for at in (1..=failed).rev() {
            if self.groups.get(at).is_some_and(|group| group.inherit_previous) {
                first = at - 1;
            }
        }
        for group in self.groups.iter().take(failed + 1).skip(first) {
            for action in &group.rollback {
                // What cannot be undone is not there.
                runner.run(&action.call(self.backend));
            }
        }
    }
}

impl Group {
    fn apply(&mut self, backend: Backend, runner: &mut dyn Runner) -> Result<()> {
        let mut at = 0;
        // Queries append to the list that is being worked on.
        while let Some(action) = self.actions.get_mut(at) {
            let call = action.call(backend);
            let answer = runner.run(&call);
            if !answer.success && !self.ignore_errors && !action.ignore_errors {
                return Err(failed(&call, &answer.complaint));
            }
            if answer.success
                && let Some(query) = &mut action.query
            {
                let lines: Vec<&str> = answer.output.lines().collect();
                let more = query(&lines);
                self.actions.extend(more);
            }
            at += 1;
        }
        Ok(())
    }
}

/// The error of a command that matters.
pub fn failed(call: &Call, complaint: &str) -> Error {
    let text = format!("Failed to apply firewall command '{call}': {complaint}");
    Error::new(ErrorCode::INTERNAL_ERROR, ErrorDomain::FIREWALL, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails for calls that contain a word.
    struct Recorder {
        calls: Vec<String>,
        fails: &'static str,
    }

    impl Runner for Recorder {
        fn run(&mut self, call: &Call) -> Answer {
            self.calls.push(call.to_string());
            let success = !call.words().any(|word| word == self.fails);
            Answer { success, output: "one\ntwo\n".to_owned(), complaint: "no".to_owned() }
        }
    }

    fn check(groups: Vec<Group>, fails: &'static str, expected: &[&str], good: bool) {
        let mut runner = Recorder { calls: Vec::new(), fails };
        let mut transaction = Transaction { backend: Backend::Iptables, groups };
        assert_eq!(transaction.apply(&mut runner).is_ok(), good);
        assert_eq!(runner.calls, expected);
    }

    fn group(add: &[&str], undo: &str) -> Group {
        let actions = add.iter().map(|word| Action::new(Layer::Ipv4, [*word])).collect();
        Group { actions, rollback: vec![Action::new(Layer::Ipv6, [undo])], ..Group::default() }
    }

    #[test]
    fn rollbacks_run_from_the_group_that_is_inherited() {
        let plain = || vec![group(&["a"], "undo a"), group(&["b", "c"], "undo b")];
        check(plain(), "x", &["iptables -w a", "iptables -w b", "iptables -w c"], true);
        check(plain(), "b", &["iptables -w a", "iptables -w b", "ip6tables -w undo b"], false);
        let mut groups = plain();
        groups[1].inherit_previous = true;
        check(
            groups,
            "b",
            &["iptables -w a", "iptables -w b", "ip6tables -w undo a", "ip6tables -w undo b"],
            false,
        );
        let mut groups = plain();
        groups[0].ignore_errors = true;
        check(groups, "a", &["iptables -w a", "iptables -w b", "iptables -w c"], true);
    }

    #[test]
    fn queries_add_to_the_end_of_their_group() {
        let mut groups = vec![group(&["ask", "then"], ""), group(&["last"], "")];
        groups[0].actions[0].query = Some(Box::new(|lines| vec![Action::new(Layer::Tc, lines)]));
        check(groups, "x", &["iptables -w ask", "iptables -w then", "tc one two", "iptables -w last"], true);
    }
}
