//! URIs as the interface knows them: connections, migration targets, network disks, spice servers.
//!
//! ```text
//! scheme://user@server:port/path?name=value&name=value#fragment
//! ```
//!
//! A URI is taken apart ([`Uri::parse`]) and put together ([`Uri::format`]). The query is kept twice: as it came, and as
//! a list of parameters, from which [`Uri::format`] builds it anew; whoever consumes parameters removes them from the list.

mod escape;
mod parse;

pub use escape::{escape, unescape};

use std::fmt::Write;

/// A URI in its parts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uri {
    /// Before the colon, e.g. `qemu+ssh`.
    pub scheme: Option<String>,
    /// Host name or address; IPv6 addresses without their brackets.
    pub server: Option<String>,
    /// Port, 0 when there is none.
    pub port: u16,
    /// User, with a password behind a colon if the URI has one.
    pub user: Option<String>,
    /// Path with its leading slash; `None` when empty.
    pub path: Option<String>,
    /// Query as it came.
    pub query: Option<String>,
    /// Behind `#`.
    pub fragment: Option<String>,
    /// The query's parameters in their order.
    pub params: Vec<Param>,
}

/// One parameter of a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param {
    /// Name, unescaped.
    pub name: String,
    /// Value, unescaped; empty when the parameter has none.
    pub value: String,
    /// Consumed: [`Uri::format`] leaves it out.
    pub ignore: bool,
}

/// Why a text is no URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError;

impl Uri {
    /// Takes a text apart.
    ///
    /// # Errors
    /// When the text is no URI.
    pub fn parse(text: &str) -> Result<Uri, ParseError> {
        parse::uri(text)
    }

    /// Takes a text apart; the error is the one that clients see.
    ///
    /// # Errors
    /// Code `INTERNAL_ERROR` when the text is no URI.
    pub fn read(text: &str) -> base::Result<Uri> {
        let refuse = |_| base::Error::internal(base::ErrorDomain::URI, format!("Unable to parse URI {text}"));
        Uri::parse(text).map_err(refuse)
    }

    /// The value of the first parameter with this name, whatever its case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| p.value.as_str())
    }

    /// Driver and transport: `qemu+ssh` → (`qemu`, `ssh`).
    pub fn driver_and_transport(&self) -> (Option<&str>, Option<&str>) {
        match self.scheme.as_deref() {
            None => (None, None),
            Some(scheme) => {
                scheme.split_once('+').map_or((Some(scheme), None), |(driver, how)| (Some(driver), Some(how)))
            }
        }
    }

    /// The query built from the parameters that are not consumed; `None` when there are none.
    pub fn format_params(&self) -> Option<String> {
        let mut out = String::new();
        for param in self.params.iter().filter(|param| !param.ignore) {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&escape(&param.name, ""));
            out.push('=');
            out.push_str(&escape(&param.value, ""));
        }
        (!out.is_empty()).then_some(out)
    }

    /// The URI as text, its query built from the parameters.
    pub fn format(&self) -> String {
        let mut out = String::new();
        if let Some(scheme) = &self.scheme {
            let _ = write!(out, "{scheme}:");
        }
        if let Some(server) = &self.server {
            out.push_str("//");
            if let Some(user) = &self.user {
                let _ = write!(out, "{}@", escape(user, ";:&=+$,"));
            }
            if server.contains(':') {
                let _ = write!(out, "[{}]", escape(server, ":"));
            } else {
                out.push_str(&escape(server, "/?;:@"));
            }
            if self.port != 0 {
                let _ = write!(out, ":{}", self.port);
            }
        } else if self.scheme.is_some() && self.path.as_deref().is_some_and(|path| path.starts_with('/')) {
            out.push_str("//");
        }
        if let Some(path) = &self.path {
            out.push_str(&escape(path, "/;@&=+$,:"));
        }
        if let Some(query) = self.format_params() {
            let _ = write!(out, "?{query}");
        }
        if let Some(fragment) = &self.fragment {
            let _ = write!(out, "#{}", escape(fragment, ";/?:@&=+$,"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts that a text has, and the text that they make.
    fn check(text: &str, server: Option<&str>, params: &[(&str, &str)], formatted: &str) {
        let uri = Uri::parse(text).unwrap();
        assert_eq!(uri.server.as_deref(), server, "{text}");
        let found: Vec<_> = uri.params.iter().map(|p| (p.name.as_str(), p.value.as_str())).collect();
        assert_eq!(found, params, "{text}");
        assert_eq!(uri.format(), formatted, "{text}");
    }

    #[test]
    fn parts_and_text() {
        check("qemu:///system", Some(""), &[], "qemu:///system");
        check("qemu+ssh://u@h:22/system", Some("h"), &[], "qemu+ssh://u@h:22/system");
        check("x://[::1]:5/?a=b%20c;;d", Some("::1"), &[("a", "b c"), ("d", "")], "x://[::1]:5/?a=b%20c&d=");
        check("x://h/?=lost&k=%26", Some("h"), &[("k", "&")], "x://h/?k=%26");
    }

    #[test]
    fn refused() {
        for text in ["", "://h", "x://h:port/", "x://[::1/", "x://h/%zz", "x://h/ y", "x://h:70000/"] {
            assert_eq!(Uri::parse(text), Err(ParseError), "{text}");
        }
    }

    #[test]
    fn consumed_parameters_are_left_out() {
        let mut uri = Uri::parse("qemu+unix:///system?socket=/s&mode=x").unwrap();
        uri.params[0].ignore = true;
        assert_eq!(uri.format_params().as_deref(), Some("mode=x"));
    }
}
