//! Secrets of a guest: which a definition names, and how they are handed to the emulator.
//!
//! The emulator reads a master key from a file in the guest's folder; every secret on its command line is encrypted with
//! that key (AES-256-CBC), so that a list of processes shows nothing.

use super::Json;
use aes::Aes256;
use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt;
use xml::Tree;

/// How a definition names a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// By the secret's UUID.
    Uuid(String),
    /// By kind (`ceph`, `iscsi`, `volume`, `tls`, `vtpm`) and what it is used for.
    Usage(String, String),
}

impl Named {
    /// Reads an element with the attribute `uuid` or `usage`.
    pub fn of(secret: &Tree, kind: &str) -> Option<Named> {
        let usage = |usage: &str| Named::Usage(kind.to_owned(), usage.to_owned());
        secret
            .attr("uuid")
            .map(|uuid| Named::Uuid(uuid.to_owned()))
            .or_else(|| secret.attr("usage").map(usage))
    }
}

/// Values of secrets that were looked up for a start.
#[derive(Clone, Default)]
pub struct Secrets(pub BTreeMap<Named, Vec<u8>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Encrypts with a guest's master key.
#[derive(Clone, Copy)]
pub struct Vault {
    /// The key, as in the file the emulator reads.
    pub key: [u8; 32],
    /// Makes an initialisation vector, a new one at each call.
    pub iv: fn() -> [u8; 16],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// The object that holds a value for the emulator.
    pub(crate) fn object(&self, id: &str, value: &[u8]) -> Json {
        let iv = (self.iv)();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &iv.into());
        let data = cipher.encrypt_padded_vec_mut::<Pkcs7>(value);
        Json::object("secret", id)
            .put("data", STANDARD.encode(data))
            .put("keyid", "masterKey0")
            .put("iv", STANDARD.encode(iv))
            .put("format", "base64")
    }
}

/// The secrets that a definition names below its devices and firmware, each once.
pub fn named(root: &Tree) -> Vec<Named> {
    let mut found = Vec::new();
    collect(root, &mut found);
    found
}

fn collect(tree: &Tree, found: &mut Vec<Named>) {
    let named = match tree.name.as_str() {
        "auth" => {
            tree.child("secret").and_then(|secret| Named::of(secret, secret.attr("type").unwrap_or_default()))
        }
        _ => None,
    };
    let inner = tree.all("secret").filter_map(|secret| Named::of(secret, "volume"));
    let inner: Vec<Named> = if tree.name == "encryption" { inner.collect() } else { Vec::new() };
    for named in named.into_iter().chain(inner) {
        if !found.contains(&named) {
            found.push(named);
        }
    }
    tree.children.iter().for_each(|child| collect(child, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_sealed_with_the_master_key() {
        let vault = Vault { key: [7; 32], iv: || [1; 16] };
        let json = vault.object("s0", b"open sesame").text();
        assert!(json.starts_with(r#"{"qom-type":"secret","id":"s0","data":""#), "{json}");
        assert!(!json.contains("sesame"), "{json}");
        assert!(format!("{vault:?}").eq("Vault"));
    }

    #[test]
    fn names_are_found_at_any_depth_once() {
        let secret = || Tree::new("secret").with("type", "iscsi").with("usage", "u");
        let source = Tree::new("source").holding(Tree::new("auth").holding(secret()));
        let lock = Tree::new("encryption").holding(Tree::new("secret").with("uuid", "x"));
        let disk = Tree::new("disk").holding(source.clone()).holding(lock);
        let root = Tree::new("devices").holding(disk).holding(Tree::new("disk").holding(source));
        let expected = [Named::Usage("iscsi".into(), "u".into()), Named::Uuid("x".into())];
        assert_eq!(named(&root), expected);
    }
}
