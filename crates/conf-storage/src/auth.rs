//! `<auth>`: who a remote source is told we are.

use crate::fault::{invalid, unsupported};
use crate::read::{self, SecretKey};
use base::Result;
use xml::{Node, Writer};

base::text_enum! {
    /// How the secret is proved.
    pub enum AuthType {
        Chap = "chap",
        Ceph = "ceph",
    }
}

/// Name and secret for a remote source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Auth {
    /// How.
    pub kind: Option<AuthType>,
    /// Name.
    pub username: String,
    /// Usage type of the secret, when the document has it.
    pub secret_type: Option<String>,
    /// The secret.
    pub secret: SecretKey,
}

impl Auth {
    /// Reads the element.
    ///
    /// # Errors
    /// When a part is missing or unknown.
    pub fn parse(node: Node<'_>) -> Result<Auth> {
        let username = node.attr("username").ok_or_else(|| invalid("missing username for auth"))?.to_owned();
        let kind = match node.attr("type") {
            None => None,
            Some(text) => {
                let unknown = || unsupported(format!("unknown auth type '{text}'"));
                Some(AuthType::parse(text).ok_or_else(unknown)?)
            }
        };
        let secret = node.child("secret").ok_or_else(|| invalid("Missing <secret> element in auth"))?;
        let secret_type = secret.attr("type").map(str::to_owned);
        Ok(Auth { kind, username, secret_type, secret: read::secret(secret)? })
    }

    /// Prints the element.
    pub fn format(&self, w: &mut Writer) {
        let element = w.element("auth").attr_opt("type", self.kind).attr("username", &self.username);
        element.children(|w| {
            let secret = w.element("secret").attr_opt("type", self.secret_type.as_ref());
            format_secret(secret, &self.secret);
        });
    }
}

/// Ends an element with the attribute that names a secret.
pub(crate) fn format_secret(element: xml::Element<'_, '_>, secret: &SecretKey) {
    match secret {
        SecretKey::Uuid(uuid) => element.attr("uuid", uuid).empty(),
        SecretKey::Usage(usage) => element.attr("usage", usage).empty(),
    }
}
