//! Files: a definition as its document, a value as base64 without a line end.

use crate::secret::Held;
use crate::{Driver, FROM};
use base::{Error, Result, Uuid};
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use conf_secret::Secret;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Only the daemon's user reads it.
const MODE: u32 = 0o600;

fn failed(error: &std::io::Error, what: &str, path: &Path) -> Error {
    Error::system(FROM, error, format!("{what} '{}'", path.display()))
}

impl Driver {
    fn file(&self, uuid: Uuid, suffix: &str) -> PathBuf {
        self.folder.join(format!("{uuid}.{suffix}"))
    }

    fn write(&self, uuid: Uuid, suffix: &str, text: &str) -> Result<()> {
        let path = self.file(uuid, suffix);
        host::store::write(&path, text.as_bytes(), MODE)
            .map_err(|error| failed(&error, "failed to write secret file", &path))
    }

    pub(crate) fn write_definition(&self, secret: &Secret) -> Result<()> {
        self.write(secret.uuid, "xml", &secret.format())
    }

    pub(crate) fn write_value(&self, uuid: Uuid, value: &[u8]) -> Result<()> {
        self.write(uuid, "base64", &STANDARD.encode(value))
    }

    /// Removes both files.
    pub(crate) fn erase(&self, uuid: Uuid) -> Result<()> {
        // The value first: a definition without it says what is missing, a value without its definition is lost.
        for suffix in ["base64", "xml"] {
            let path = self.file(uuid, suffix);
            host::store::remove(&path).map_err(|error| failed(&error, "cannot unlink secret file", &path))?;
        }
        Ok(())
    }

    /// Reads what is stored; what is not understood is left aside.
    pub(crate) fn load(&self) {
        let mut found = Vec::new();
        for (name, text) in host::store::files(&self.folder, "xml") {
            match Secret::parse(&text, false, &mut host::random::bytes::<16>) {
                Ok(secret) if secret.uuid.to_string() == name => {
                    let value = std::fs::read_to_string(self.file(secret.uuid, "base64")).ok();
                    let value = value.map(|text| decode(&text));
                    found.push(Arc::new(Held::new(secret, value)));
                }
                Ok(secret) => {
                    log::error!("<uuid> {} does not match secret file name '{name}.xml'", secret.uuid);
                }
                Err(error) => log::error!("secret '{name}' is left aside: {error}"),
            }
        }
        self.secrets.extend(found);
    }
}

/// What base64 text means. Whatever is no digit of it counts for nothing, and neither does a part at the end.
fn decode(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|c| ALPHABET.as_str().contains(*c)).collect();
    let padded = text.contains('=');
    let whole = if padded { digits.len() } else { digits.len() - digits.len() % 4 };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&ALPHABET, config);
    digits.get(..whole).and_then(|digits| engine.decode(digits).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_leniently() {
        let check = |text: &str, value: &[u8]| assert_eq!(decode(text), value, "{text}");
        for value in [&b""[..], b"a", b"ab", b"abc", b"abcd"] {
            check(&STANDARD.encode(value), value);
        }
        check("a2Vl\ncA==\n", b"keep");
        check("!!notbase64", b"\x9e\x8b[j\xc7\xba");
        check("a===", b"");
    }
}
