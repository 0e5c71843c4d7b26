//! Names and passwords from the user's `auth.conf`.
//!
//! ```text
//! [credentials-NAME]        what is known: authname, username, password, realm
//! [auth-SERVICE-HOST]       which of them is for whom: credentials=NAME
//! [auth-SERVICE-default]    the same for every other host
//! ```
//!
//! The file is the one that the URI names (`authfile`), else that of `LIBVIRT_AUTH_FILE`, the user's, the machine's. What
//! it does not say is asked of the program.

use crate::target::Surroundings;
use api::credential::{Answerer, Kind, Question};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::path::{Path, PathBuf};
use uri::Uri;

/// A file of credentials is small.
const FILE_MAX: u64 = 1 << 20;

/// Groups of settings, in the order of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Groups(Vec<(String, Vec<(String, String)>)>);

impl Groups {
    fn parse(text: &str) -> std::result::Result<Groups, usize> {
        let mut groups = Groups::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                groups.0.push((name.to_owned(), Vec::new()));
                continue;
            }
            let setting = line.split_once('=').ok_or(at + 1)?;
            let (_, settings) = groups.0.last_mut().ok_or(at + 1)?;
            settings.push((setting.0.trim().to_owned(), setting.1.trim().to_owned()));
        }
        Ok(groups)
    }

    fn get(&self, group: &str, name: &str) -> Option<&str> {
        let (_, settings) = self.0.iter().rev().find(|(own, _)| own == group)?;
        settings.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The file and what it is asked about.
#[derive(Debug)]
pub(crate) struct AuthFile {
    path: PathBuf,
    groups: Groups,
    service: &'static str,
    host: String,
}

/// Where the file is, when there is one.
fn path(uri: &Uri, around: &Surroundings) -> Option<PathBuf> {
    if let Some(path) = uri.param("authfile") {
        return Some(PathBuf::from(path));
    }
    if let Some(path) = around.variable("LIBVIRT_AUTH_FILE") {
        return Some(PathBuf::from(path));
    }
    [around.config().join("auth.conf"), PathBuf::from("/etc/libvirt/auth.conf")]
        .into_iter()
        .find(|path| path.exists())
}

fn read(path: &Path) -> Result<Groups> {
    let system = |error: &std::io::Error| {
        Error::system(ErrorDomain::AUTH, error, format!("Failed to open file '{}'", path.display()))
    };
    let length = std::fs::metadata(path).map_err(|error| system(&error))?.len();
    if length > FILE_MAX {
        let text = format!("file '{}' is larger than {FILE_MAX} bytes", path.display());
        return Err(Error::new(ErrorCode::CONF_SYNTAX, ErrorDomain::AUTH, text));
    }
    let text = std::fs::read_to_string(path).map_err(|error| system(&error))?;
    Groups::parse(&text).map_err(|line| {
        let text = format!("{}:{line}: expecting a group or an assignment", path.display());
        Error::new(ErrorCode::CONF_SYNTAX, ErrorDomain::AUTH, text)
    })
}

impl AuthFile {
    /// The file for a service of a host; `None` when the user has none.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub(crate) fn find(uri: &Uri, around: &Surroundings, service: &'static str) -> Result<Option<AuthFile>> {
        let Some(path) = path(uri, around) else { return Ok(None) };
        let groups = read(&path)?;
        let host = uri.server.as_deref().filter(|host| !host.is_empty()).unwrap_or("localhost");
        Ok(Some(AuthFile { path, groups, service, host: host.to_owned() }))
    }

    /// A setting of the credentials that are for the host.
    fn lookup(&self, name: &str) -> Result<Option<&str>> {
        let of = |host: &str| format!("auth-{}-{host}", self.service);
        let groups = &self.groups;
        let own = of(&self.host);
        let (group, credentials) = match groups.get(&own, "credentials") {
            Some(credentials) => (own, credentials),
            None => {
                let any = of("default");
                match groups.get(&any, "credentials") {
                    Some(credentials) => (any, credentials),
                    None => return Ok(None),
                }
            }
        };
        let named = format!("credentials-{credentials}");
        if !groups.0.iter().any(|(group, _)| *group == named) {
            let text = format!(
                "Missing item 'credentials-{credentials}' referenced from group '{group}' in '{}'",
                self.path.display()
            );
            return Err(Error::new(ErrorCode::CONF_SYNTAX, ErrorDomain::AUTH, text));
        }
        Ok(groups.get(&named, name))
    }
}

/// The file first, then the program.
pub(crate) struct Answers<'a> {
    /// What the file knows.
    pub(crate) file: Option<AuthFile>,
    /// The program.
    pub(crate) program: Option<&'a dyn Answerer>,
}

impl Answers<'_> {
    fn known(&self, kind: Kind) -> Result<Option<String>> {
        let names: &[&str] = match kind {
            Kind::UserName => &["username"],
            Kind::AuthName => &["authname", "username"],
            Kind::PassPhrase | Kind::NoEchoPrompt => &["password"],
            Kind::Realm => &["realm"],
            Kind::EchoPrompt => &[],
        };
        let Some(file) = &self.file else { return Ok(None) };
        for name in names {
            if let Some(value) = file.lookup(name)? {
                return Ok(Some(value.to_owned()));
            }
        }
        Ok(None)
    }
}

impl Answerer for Answers<'_> {
    fn knows(&self, kind: Kind) -> bool {
        // A file that contradicts itself is told when it is asked.
        self.known(kind).map_or(true, |found| found.is_some())
            || self.program.is_some_and(|program| program.knows(kind))
    }

    fn answer(&self, question: &Question) -> Result<String> {
        if let Some(found) = self.known(question.kind)? {
            return Ok(found);
        }
        let refuse = || Error::new(ErrorCode::AUTH_FAILED, ErrorDomain::AUTH, "no answer is known");
        self.program.ok_or_else(refuse)?.answer(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
# who we are
[credentials-test]
authname = fred
password=a = b

[auth-libvirt-one.example]
credentials=test
[auth-libvirt-default]
credentials=nobody
";

    fn file(host: &str) -> AuthFile {
        let groups = Groups::parse(FILE).unwrap();
        AuthFile { path: PathBuf::from("f"), groups, service: "libvirt", host: host.to_owned() }
    }

    fn question(kind: Kind) -> Question {
        Question { kind, prompt: String::new(), challenge: None, default: None }
    }

    #[test]
    fn answers() {
        let answers = Answers { file: Some(file("one.example")), program: None };
        assert_eq!(answers.answer(&question(Kind::AuthName)).unwrap(), "fred");
        assert_eq!(answers.answer(&question(Kind::PassPhrase)).unwrap(), "a = b");
        assert!(!answers.knows(Kind::Realm));
        assert!(answers.answer(&question(Kind::Realm)).is_err());
    }

    #[test]
    fn mistakes() {
        let error = file("two.example").lookup("password").unwrap_err();
        let wanted = "Missing item 'credentials-nobody' referenced from group 'auth-libvirt-default' in 'f'";
        assert!(error.message().contains(wanted), "{}", error.message());
        assert_eq!(Groups::parse("a=b").unwrap_err(), 1);
        assert_eq!(Groups::parse("[a]\n\nb\n").unwrap_err(), 3);
    }
}
