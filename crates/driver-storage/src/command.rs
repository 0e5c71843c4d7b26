//! Commands of the host, and their failures in the reference's words.

use base::{Error, ErrorDomain, Result};
use host::process::Command;
use std::time::Duration;

/// Copying an image may take long; a program that is stuck does not stay forever.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Number of the system's error "No such file or directory".
const NOT_THERE: i32 = 2;

/// Whether the host has a program.
pub(crate) fn there(name: &str) -> bool {
    host::program::find(name).is_some()
}

/// Runs a command of program and arguments; its output.
///
/// # Errors
/// When it is not there, cannot be started or does not succeed.
pub(crate) fn run(words: &[String]) -> Result<String> {
    let Some((name, args)) = words.split_first() else { return Ok(String::new()) };
    let Some(program) = host::program::find(name) else {
        let missing = std::io::Error::from_raw_os_error(NOT_THERE);
        return Err(Error::system(ErrorDomain::NONE, &missing, format!("Cannot find '{name}' in path")));
    };
    let shown = program.display().to_string();
    let arguments: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = Command::new(program, &arguments)
        .run(LIMIT)
        .map_err(|cause| Error::system(ErrorDomain::NONE, &cause, format!("Cannot run {shown}")))?;
    if done.status == Some(0) {
        return Ok(String::from_utf8_lossy(&done.out).into_owned());
    }
    let how = match done.status {
        Some(status) => format!("unexpected exit status {status}"),
        None => "unexpected fatal signal".to_owned(),
    };
    let said = String::from_utf8_lossy(&done.err);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let line: Vec<String> = std::iter::once(&shown).chain(args).map(|word| quoted(word)).collect();
    Err(Error::internal(ErrorDomain::NONE, format!("Child process ({}) {how}{said}", line.join(" "))))
}

/// Runs a command given as words.
pub(crate) fn run_words(words: &[&str]) -> Result<String> {
    run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

/// A word as it is shown: quoted when a shell would need that.
fn quoted(text: &str) -> String {
    const SPECIAL: &str = "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~";
    if text.is_empty() {
        "''".to_owned()
    } else if text.contains(|c| SPECIAL.contains(c)) {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_show_the_command() {
        let error = run_words(&["sh", "-c", "echo no >&2; exit 3"]).unwrap_err();
        let text = "sh -c 'echo no >&2; exit 3') unexpected exit status 3: no\n";
        assert!(error.message().ends_with(text), "{error}");
        let error = run_words(&["no-such-program-here"]).unwrap_err();
        assert_eq!(error.message(), "Cannot find 'no-such-program-here' in path: No such file or directory");
    }
}
