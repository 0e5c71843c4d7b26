//! Refusals, in the words and with the numbers of the reference.

use base::{Error, ErrorCode, ErrorDomain};

/// Which document speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Snapshot,
    Checkpoint,
    Backup,
}

impl Kind {
    fn domain(self) -> ErrorDomain {
        match self {
            Kind::Snapshot => ErrorDomain::DOMAIN_SNAPSHOT,
            Kind::Checkpoint => ErrorDomain::DOMAIN_CHECKPOINT,
            Kind::Backup => ErrorDomain::DOMAIN,
        }
    }

    /// Something is not understood.
    pub(crate) fn invalid(self, text: impl Into<String>) -> Error {
        Error::new(ErrorCode::XML_ERROR, self.domain(), text)
    }

    /// Something is understood, but not supported or contradictory.
    pub(crate) fn unsupported(self, text: impl Into<String>) -> Error {
        Error::new(ErrorCode::CONFIG_UNSUPPORTED, self.domain(), text)
    }

    /// Something that only the driver writes is not there.
    pub(crate) fn internal(self, text: impl Into<String>) -> Error {
        Error::internal(self.domain(), text)
    }
}

/// The text is no XML.
pub(crate) fn malformed(kind: Kind, text: &str, error: &xml::XmlError) -> Error {
    conf_domain::fault::malformed(text, error).in_domain(kind.domain())
}

/// The outermost element is another.
pub(crate) fn root(wanted: &str, found: &str) -> Error {
    let text = format!("expecting root element of '{wanted}', not '{found}'");
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text)
}
