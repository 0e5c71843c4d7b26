//! The one error type that crosses a driver boundary.
//!
//! It carries exactly what the wire and the C interface carry: code, domain, level, message, three strings and
//! two integers. Modules inside a room use small precise enums and turn them into this type where they meet a
//! driver trait. The layout rules of the fields follow what clients see from the reference:
//!
//! | kind | message | str1 | str2 | int1 | int2 |
//! |---|---|---|---|---|---|
//! | [`Error::new`] | template filled with the detail | template | detail | -1 | -1 |
//! | [`Error::bare`] | template without detail | template | none | -1 | -1 |
//! | [`Error::system`] | detail ends in `: <strerror>` | template | detail | errno | -1 |
//! | [`Error::invalid_arg`] | the text alone | function | argument | 0 | 0 |

mod code;
mod table;

pub use code::{ErrorCode, ErrorDomain};
use std::fmt;

/// How severe an error is; the `virErrorLevel` of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum ErrorLevel {
    /// No error at all.
    None = 0,
    /// Something worth telling that did not stop the call.
    Warning = 1,
    /// The call failed.
    Error = 2,
}

/// An error as a client sees it. One pointer wide, so that `Result<(), Error>` stays small.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Fields>);

/// The fields of an [`Error`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fields {
    /// What went wrong.
    pub code: ErrorCode,
    /// Who says so.
    pub domain: ErrorDomain,
    /// How bad it is.
    pub level: ErrorLevel,
    /// Text for people, in English; clients match on it.
    pub message: String,
    /// Usually the untranslated template, placeholders kept in C form.
    pub str1: Option<String>,
    /// Usually the detail.
    pub str2: Option<String>,
    /// Rarely used third string.
    pub str3: Option<String>,
    /// errno for system errors, else -1 (0 for invalid arguments).
    pub int1: i32,
    /// -1, or 0 for invalid arguments.
    pub int2: i32,
}

/// Result with the boundary error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a detail, e.g. code `INTERNAL_ERROR` and detail `no room` → `internal error: no room`.
    pub fn new(code: ErrorCode, domain: ErrorDomain, detail: impl Into<String>) -> Error {
        let detail = detail.into();
        let template = code.with_detail();
        let message = template.replacen("{}", &detail, 1);
        Error::from_fields(Fields {
            code,
            domain,
            level: ErrorLevel::Error,
            message,
            // The templates that are nothing but the detail carry no translation, hence the plain form.
            str1: Some(template.replacen("{}", if template == "{}" { "%s" } else { "%1$s" }, 1)),
            str2: Some(detail),
            str3: None,
            int1: -1,
            int2: -1,
        })
    }

    /// An error without a detail; the message is the bare template of the code.
    pub fn bare(code: ErrorCode, domain: ErrorDomain) -> Error {
        let template = code.without_detail();
        Error::from_fields(Fields {
            code,
            domain,
            level: ErrorLevel::Error,
            message: template.to_owned(),
            str1: Some(template.to_owned()),
            str2: None,
            str3: None,
            int1: -1,
            int2: -1,
        })
    }

    /// A failed system call: `text: strerror(errno)`, code `SYSTEM_ERROR`, int1 = errno.
    pub fn system(domain: ErrorDomain, source: &std::io::Error, text: impl fmt::Display) -> Error {
        let errno = source.raw_os_error().unwrap_or(0);
        let mut error = Error::new(ErrorCode::SYSTEM_ERROR, domain, format!("{text}: {}", strerror(source)));
        error.0.int1 = errno;
        error
    }

    /// A bad argument of function `function`: the message is `text` alone, without a prefix.
    pub fn invalid_arg(
        domain: ErrorDomain,
        function: &str,
        argument: &str,
        text: impl Into<String>,
    ) -> Error {
        Error::from_fields(Fields {
            code: ErrorCode::INVALID_ARG,
            domain,
            level: ErrorLevel::Error,
            message: text.into(),
            str1: Some(function.to_owned()),
            str2: Some(argument.to_owned()),
            str3: None,
            int1: 0,
            int2: 0,
        })
    }

    /// `unsupported flags (0x..) in function NAME`: some bits of `flags` are not in the supported set.
    /// `bad` holds the offending bits only.
    pub fn unsupported_flags(domain: ErrorDomain, function: &str, bad: u32) -> Error {
        Error::invalid_arg(
            domain,
            function,
            "flags",
            format!("unsupported flags (0x{bad:x}) in function {function}"),
        )
    }

    /// "this function is not supported by the connection driver: NAME", NAME being the C function.
    pub fn no_support(function: &str) -> Error {
        Error::new(ErrorCode::NO_SUPPORT, ErrorDomain::NONE, function)
    }

    /// Code `INTERNAL_ERROR` with a detail.
    pub fn internal(domain: ErrorDomain, detail: impl Into<String>) -> Error {
        Error::new(ErrorCode::INTERNAL_ERROR, domain, detail)
    }

    /// Code `OPERATION_INVALID` with a detail, e.g. "domain is not running".
    pub fn operation_invalid(domain: ErrorDomain, detail: impl Into<String>) -> Error {
        Error::new(ErrorCode::OPERATION_INVALID, domain, detail)
    }

    /// Code `OPERATION_FAILED` with a detail.
    pub fn operation_failed(domain: ErrorDomain, detail: impl Into<String>) -> Error {
        Error::new(ErrorCode::OPERATION_FAILED, domain, detail)
    }

    /// Code `CONFIG_UNSUPPORTED` with a detail.
    pub fn unsupported(domain: ErrorDomain, detail: impl Into<String>) -> Error {
        Error::new(ErrorCode::CONFIG_UNSUPPORTED, domain, detail)
    }

    /// Code `XML_ERROR` with a detail.
    pub fn xml(domain: ErrorDomain, detail: impl Into<String>) -> Error {
        Error::new(ErrorCode::XML_ERROR, domain, detail)
    }

    /// An error received or loaded as its fields.
    pub fn from_fields(fields: Fields) -> Error {
        Error(Box::new(fields))
    }

    /// All fields.
    pub fn fields(&self) -> &Fields {
        &self.0
    }

    /// All fields, by value.
    pub fn into_fields(self) -> Fields {
        *self.0
    }

    /// What went wrong.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Who says so.
    pub fn domain(&self) -> ErrorDomain {
        self.0.domain
    }

    /// Text for people; clients match on it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The same error, said by another part of the system.
    pub fn in_domain(mut self, domain: ErrorDomain) -> Error {
        self.0.domain = domain;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

/// The C library's text for an errno, without the ` (os error N)` that `std` appends.
pub fn strerror(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl ErrorCode {
    fn row(self) -> Option<&'static table::CodeRow> {
        // The table is in number order without gaps; the search keeps this true even if that changes.
        table::CODES.iter().find(|row| row.0 == self)
    }

    /// The C name, e.g. `VIR_ERR_NO_DOMAIN`; `None` for a number that is not known here.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.1)
    }

    /// Message template without detail.
    pub fn without_detail(self) -> &'static str {
        self.row().and_then(|row| row.2).unwrap_or("An error occurred, but the cause is unknown")
    }

    /// Message template with one `{}`; some codes have none and show their fixed text.
    pub fn with_detail(self) -> &'static str {
        self.row().and_then(|row| row.3).unwrap_or_else(|| self.without_detail())
    }
}

impl ErrorDomain {
    /// Text for people, e.g. `QEMU Driver`; empty for a number that is not known here.
    pub fn text(self) -> &'static str {
        table::DOMAINS.iter().find(|row| row.0 == self).map_or("", |row| row.2)
    }

    /// The C name, e.g. `VIR_FROM_QEMU`; `None` for a number that is not known here.
    pub fn name(self) -> Option<&'static str> {
        table::DOMAINS.iter().find(|row| row.0 == self).map(|row| row.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_the_table_of_kinds() {
        let error = Error::new(ErrorCode::NO_DOMAIN, ErrorDomain::QEMU, "no domain with matching name 'x'");
        assert_eq!(error.message(), "Domain not found: no domain with matching name 'x'");
        assert_eq!(error.fields().str1.as_deref(), Some("Domain not found: %1$s"));
        assert_eq!(error.fields().str2.as_deref(), Some("no domain with matching name 'x'"));
        assert_eq!((error.fields().int1, error.fields().int2), (-1, -1));

        let error =
            Error::system(ErrorDomain::NONE, &std::io::Error::from_raw_os_error(2), "cannot open 'f'");
        assert_eq!(error.message(), "cannot open 'f': No such file or directory");
        assert_eq!(error.fields().int1, 2);

        let error = Error::unsupported_flags(ErrorDomain::QEMU, "qemuDomainCreateWithFlags", 0x100);
        assert_eq!(error.message(), "unsupported flags (0x100) in function qemuDomainCreateWithFlags");
        assert_eq!(error.fields().str2.as_deref(), Some("flags"));
    }

    #[test]
    fn tables_are_in_number_order() {
        assert!(table::CODES.windows(2).all(|pair| pair[0].0.0 + 1 == pair[1].0.0));
        assert!(table::DOMAINS.windows(2).all(|pair| pair[0].0.0 + 1 == pair[1].0.0));
    }
}
