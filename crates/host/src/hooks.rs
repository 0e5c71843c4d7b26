//! Scripts of the administrator that run when something happens to an object.
//!
//! For a driver `qemu` these are `hooks/qemu` and, in the order of their names, the files of `hooks/qemu.d` below the
//! folder of the configuration. Each is called with the name of the object, an operation, a part of it and one more word,
//! and reads the object's document.

use crate::process::Command;
use crate::program;
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What scripts are told.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'h> {
    /// The folder of the configuration.
    pub config: &'h Path,
    /// Whose scripts: `qemu`, `network`, `daemon`, …
    pub driver: &'h str,
    /// The name of the object.
    pub object: &'h str,
    /// What happens to it.
    pub operation: &'h str,
    /// `begin` or `end`.
    pub part: &'h str,
    /// More about it; `-` when there is none.
    pub extra: &'h str,
}

impl Hook<'_> {
    /// The scripts that would run.
    pub fn scripts(&self) -> Vec<PathBuf> {
        let hooks = self.config.join("hooks");
        let mut more: Vec<PathBuf> = std::fs::read_dir(hooks.join(format!("{}.d", self.driver)))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        more.sort();
        let scripts = std::iter::once(hooks.join(self.driver)).chain(more);
        scripts.filter(|script| program::executable(script)).collect()
    }

    /// Runs the scripts. What one writes is read by the next, which matters to operations that may change the document;
    /// gives what the last one wrote.
    ///
    /// # Errors
    /// When a script does not succeed; those after it do not run.
    pub fn run(&self, document: impl FnOnce() -> String) -> Result<Option<String>> {
        let scripts = self.scripts();
        if scripts.is_empty() {
            return Ok(None);
        }
        let mut input = document();
        let mut changed = false;
        for script in scripts {
            let said = self.one(&script, &input)?;
            if !said.trim().is_empty() {
                (input, changed) = (said, true);
            }
        }
        Ok(changed.then_some(input))
    }

    fn one(&self, script: &Path, input: &str) -> Result<String> {
        let args = [self.object, self.operation, self.part, self.extra];
        let mut command = Command::new(script, &args);
        // The variables that programs of others usually get.
        for name in ["HOME", "USER", "LOGNAME", "TMPDIR"] {
            command.env.extend(std::env::var_os(name).map(|value| (name.into(), value)));
        }
        command.input = input.as_bytes().to_vec();
        let env = command.env.iter().map(|(name, value)| format!("{}={}", name.display(), value.display()));
        let words = env.chain([script.display().to_string()]).chain(args.map(str::to_owned));
        let shown = words.collect::<Vec<_>>().join(" ");
        let refused = |text: String| {
            let cause = Error::internal(ErrorDomain::NONE, text);
            Error::new(ErrorCode::HOOK_SCRIPT_FAILED, ErrorDomain::HOOK, cause.message())
        };
        let done = command.run(LIMIT).map_err(|error| refused(format!("Cannot run {shown}: {error}")))?;
        if done.status == Some(0) {
            return Ok(String::from_utf8_lossy(&done.out).into_owned());
        }
        let how = match done.status {
            Some(status) => format!("unexpected exit status {status}"),
            None => "unexpected fatal signal".to_owned(),
        };
        let said = String::from_utf8_lossy(&done.err);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Err(refused(format!("Child process ({shown}) {how}{said}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn scripts_run_in_order_and_may_refuse() {
        let config = std::env::temp_dir().join(format!("hooks-{}", std::process::id()));
        let hook = Hook {
            config: &config,
            driver: "qemu",
            object: "guest",
            operation: "prepare",
            part: "begin",
            extra: "-",
        };
        assert_eq!(hook.run(|| unreachable!("nobody reads it")).unwrap(), None);
        script(&config.join("hooks/qemu"), "cat; echo \"first $*\"");
        script(&config.join("hooks/qemu.d/b"), "cat; echo third");
        script(&config.join("hooks/qemu.d/a"), "cat; echo second");
        std::fs::write(config.join("hooks/qemu.d/c"), "not to be run").unwrap();
        let said = hook.run(|| "document\n".to_owned()).unwrap().unwrap();
        assert_eq!(said, "document\nfirst guest prepare begin -\nsecond\nthird\n");
        script(&config.join("hooks/qemu.d/a"), "echo no >&2; exit 3");
        let error = hook.run(String::new).unwrap_err();
        let text = error.message();
        assert!(text.starts_with("Hook script execution failed: internal error: Child process ("), "{text}");
        assert!(
            text.ends_with("hooks/qemu.d/a guest prepare begin -) unexpected exit status 3: no\n"),
            "{text}"
        );
        std::fs::remove_dir_all(config).unwrap();
    }
}
