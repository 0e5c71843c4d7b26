//! The notation of filters and outputs.

/// Modules that contain `module` are logged from `level` on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// 1 debug … 4 error.
    pub level: u8,
    /// Part of a module's name.
    pub module: String,
}

/// Where lines go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(String),
    /// The system log, under a name.
    Syslog(String),
    /// The journal.
    Journald,
}

/// Lines from `level` on go to `target`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// 1 debug … 4 error.
    pub level: u8,
    /// Where to.
    pub target: Target,
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.level, self.module)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.level)?;
        match &self.target {
            Target::Stderr => f.write_str("stderr"),
            Target::Journald => f.write_str("journald"),
            Target::File(path) => write!(f, "file:{path}"),
            Target::Syslog(name) => write!(f, "syslog:{name}"),
        }
    }
}

/// A word that is no filter or output.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// Not a filter.
    #[error("Malformed format for filter '{0}'")]
    Filter(String),
    /// Not an output.
    #[error("Malformed format for log output '{0}'")]
    Output(String),
    /// A level outside 1 to 4.
    #[error("Invalid priority '{0}' for log filter or output")]
    Level(String),
}

fn level(text: &str) -> Result<u8, SpecError> {
    text.parse().ok().filter(|level| (1..=4).contains(level)).ok_or_else(|| SpecError::Level(text.to_owned()))
}

impl Filter {
    /// Reads filters separated by blanks.
    ///
    /// # Errors
    /// Naming the word that is none.
    pub fn parse_all(text: &str) -> Result<Vec<Filter>, SpecError> {
        text.split_whitespace()
            .map(|word| match word.split_once(':') {
                Some((number, module)) if !module.is_empty() => {
                    // A leading plus once asked for stack traces and means nothing any more.
                    let module = module.strip_prefix('+').unwrap_or(module).to_owned();
                    Ok(Filter { level: level(number)?, module })
                }
                _ => Err(SpecError::Filter(word.to_owned())),
            })
            .collect()
    }
}

impl Output {
    /// Reads outputs separated by blanks.
    ///
    /// # Errors
    /// Naming the word that is none.
    pub fn parse_all(text: &str) -> Result<Vec<Output>, SpecError> {
        text.split_whitespace()
            .map(|word| {
                let mut parts = word.splitn(3, ':');
                let number = parts.next().unwrap_or_default();
                let target = match (parts.next(), parts.next()) {
                    (Some("stderr"), None) => Target::Stderr,
                    (Some("journald"), None) => Target::Journald,
                    (Some("file"), Some(path)) if path.starts_with('/') => Target::File(path.to_owned()),
                    (Some("syslog"), Some(name)) if !name.is_empty() => Target::Syslog(name.to_owned()),
                    _ => return Err(SpecError::Output(word.to_owned())),
                };
                Ok(Output { level: level(number)?, target })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation() {
        assert_eq!(
            Output::parse_all("1:file:/x 3:journald").unwrap()[0],
            Output { level: 1, target: Target::File("/x".to_owned()) }
        );
        assert_eq!(Filter::parse_all("1:qemu").unwrap(), [Filter { level: 1, module: "qemu".to_owned() }]);
        assert_eq!(Filter::parse_all("qemu"), Err(SpecError::Filter("qemu".to_owned())));
        assert_eq!(Output::parse_all("1:file:x"), Err(SpecError::Output("1:file:x".to_owned())));
        assert_eq!(Output::parse_all("5:stderr"), Err(SpecError::Level("5".to_owned())));
    }
}
