//! Commands of the host, and their failures in the reference's words.

use base::{Error, ErrorDomain, Result};
use firewall::{Answer, Call, Runner};
use host::process::Command;
use std::time::Duration;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Finds a program where administrators keep theirs.
fn program(name: &str) -> std::path::PathBuf {
    host::program::find(name).unwrap_or_else(|| ["/usr/sbin", name].iter().collect())
}

/// Runs a command and tells what it said.
pub(crate) fn ask(call: &Call, input: &str) -> Answer {
    let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let mut command = Command::new(program(call.program), &args);
    command.input = input.as_bytes().to_vec();
    match command.run(LIMIT) {
        Ok(done) => Answer {
            success: done.status == Some(0),
            output: String::from_utf8_lossy(&done.out).into_owned(),
            complaint: String::from_utf8_lossy(&done.err).into_owned(),
        },
        Err(error) => Answer { success: false, complaint: error.to_string(), ..Answer::default() },
    }
}

/// Runs commands of the packet filter one by one.
#[derive(Debug)]
pub(crate) struct Single;

impl Runner for Single {
    fn run(&mut self, call: &Call) -> Answer {
        ask(call, "")
    }
}

/// A command with what is added to its environment.
#[derive(Debug)]
pub(crate) struct Run<'r> {
    /// Program with its folder, or its name alone.
    pub(crate) program: &'r str,
    /// Arguments.
    pub(crate) args: &'r [String],
    /// Variables it gets beside the usual ones; they are shown when it fails.
    pub(crate) env: &'r [(&'r str, &'r str)],
    /// What it reads.
    pub(crate) input: &'r str,
}

impl Run<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not succeed.
    pub(crate) fn finish(&self) -> Result<()> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let path = if self.program.contains('/') { self.program.into() } else { program(self.program) };
        let mut command = Command::new(path, &args);
        command.env.extend(self.env.iter().map(|(name, value)| (name.into(), value.into())));
        command.input = self.input.as_bytes().to_vec();
        let done = command.run(LIMIT).map_err(|error| {
            Error::system(ErrorDomain::NONE, &error, format!("Cannot run {}", self.program))
        })?;
        if done.status == Some(0) {
            return Ok(());
        }
        let mut words: Vec<String> = self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.push(self.program.to_owned());
        words.extend(self.args.iter().cloned());
        let how = match done.status {
            Some(status) => format!("unexpected exit status {status}"),
            None => "unexpected fatal signal".to_owned(),
        };
        let said = String::from_utf8_lossy(&done.err);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let text = format!("Child process ({}) {how}{said}", words.join(" "));
        Err(Error::internal(ErrorDomain::NONE, text))
    }
}

/// Runs a call of a plan.
///
/// # Errors
/// When it does not succeed.
pub(crate) fn run(call: &Call) -> Result<()> {
    Run { program: call.program, args: &call.args, env: &[], input: "" }.finish()
}
