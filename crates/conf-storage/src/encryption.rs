//! `<encryption>` of volumes.

use crate::auth::format_secret;
use crate::fault::{self, invalid, unsupported};
use crate::read::{self, SecretKey};
use base::Result;
use xml::{Node, Writer};

base::text_enum! {
    /// Formats of encrypted images.
    pub enum EncryptionFormat {
        Default = "default",
        Qcow = "qcow",
        Luks = "luks",
        Luks2 = "luks2",
        LuksAny = "luks-any",
    }
}

base::text_enum! {
    /// Who encrypts.
    pub enum Engine {
        Qemu = "qemu",
        Librbd = "librbd",
    }
}

/// How data is encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cipher {
    /// Algorithm.
    pub name: String,
    /// Bits of its key.
    pub size: u32,
    /// Mode of operation.
    pub mode: Option<String>,
    /// Hash of the key.
    pub hash: Option<String>,
}

/// How initialization vectors are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ivgen {
    /// Algorithm.
    pub name: String,
    /// Its hash.
    pub hash: Option<String>,
}

/// How a volume is encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encryption {
    /// Format.
    pub format: EncryptionFormat,
    /// Who encrypts.
    pub engine: Option<Engine>,
    /// Passphrases.
    pub secrets: Vec<SecretKey>,
    /// How data is encrypted.
    pub cipher: Option<Cipher>,
    /// How initialization vectors are made.
    pub ivgen: Option<Ivgen>,
}

fn passphrase(node: Node<'_>) -> Result<SecretKey> {
    match node.attr("type") {
        None => Err(invalid("unknown volume encryption secret type")),
        Some("passphrase") => read::secret(node),
        Some(kind) => Err(unsupported(format!("unknown volume encryption secret type {kind}"))),
    }
}

impl Cipher {
    fn parse(node: Node<'_>) -> Result<Cipher> {
        let text = |name: &str| node.attr(name).map(str::to_owned);
        let name = text("name").ok_or_else(|| invalid("cipher info missing 'name' attribute"))?;
        let size = node.attr("size").ok_or_else(|| fault::missing("cipher", "size"))?;
        let number = read::decimal(size).and_then(|size| u32::try_from(size).ok());
        let size = number.ok_or_else(|| fault::number("cipher", "size", size, "non-negative integer"))?;
        Ok(Cipher { name, size, mode: text("mode"), hash: text("hash") })
    }
}

impl Encryption {
    /// Reads the element.
    ///
    /// # Errors
    /// When a part is missing or unknown.
    pub fn parse(node: Node<'_>) -> Result<Encryption> {
        let format = node.attr("format").ok_or_else(|| invalid("unknown volume encryption format"))?;
        let unknown = || unsupported(format!("unknown volume encryption format type {format}"));
        let format = EncryptionFormat::parse(format).ok_or_else(unknown)?;
        let engine = read::member(node, "engine")?;
        let secrets = node.children("secret").map(passphrase).collect::<Result<_>>()?;
        let mut encryption = Encryption { format, engine, secrets, cipher: None, ivgen: None };
        if !encryption.is_luks() {
            return Ok(encryption);
        }
        encryption.cipher = node.child("cipher").map(Cipher::parse).transpose()?;
        if let Some(ivgen) = node.child("ivgen") {
            if encryption.cipher.is_none() {
                return Err(invalid("ivgen element found, but cipher is missing"));
            }
            let name = ivgen.attr("name").ok_or_else(|| invalid("missing ivgen info name string"))?;
            let hash = ivgen.attr("hash").map(str::to_owned);
            encryption.ivgen = Some(Ivgen { name: name.to_owned(), hash });
        }
        Ok(encryption)
    }

    fn is_luks(&self) -> bool {
        matches!(self.format, EncryptionFormat::Luks | EncryptionFormat::Luks2 | EncryptionFormat::LuksAny)
    }

    /// Prints the element.
    pub fn format(&self, w: &mut Writer) {
        let element = w.element("encryption").attr("format", self.format).attr_opt("engine", self.engine);
        element.children_always(|w| {
            for secret in &self.secrets {
                format_secret(w.element("secret").attr("type", "passphrase"), secret);
            }
            if let Some(cipher) = &self.cipher {
                let element = w.element("cipher").attr("name", &cipher.name).attr("size", cipher.size);
                let element = element.attr_opt("mode", cipher.mode.as_ref());
                element.attr_opt("hash", cipher.hash.as_ref()).empty();
            }
            if let Some(ivgen) = &self.ivgen {
                w.element("ivgen").attr("name", &ivgen.name).attr_opt("hash", ivgen.hash.as_ref()).empty();
            }
        });
    }
}
