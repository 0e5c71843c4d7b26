//! Questions that all parsers of capabilities ask, with the complaints of the reference.

use base::{Error, ErrorDomain, Result};
use xml::Node;

/// A broken expectation of the document.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::internal(ErrorDomain::NODEDEV, text)
}

/// Something that the document must say in another way.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::xml(ErrorDomain::NODEDEV, text)
}

/// Something that is understood, but not supported.
pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::unsupported(ErrorDomain::NODEDEV, text)
}

/// An element of a device's document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'p> {
    pub(crate) node: Node<'p>,
    /// Name of the device, which complaints show.
    pub(crate) device: &'p str,
}

impl<'p> Part<'p> {
    /// Another element of the same device.
    pub(crate) fn of(self, node: Node<'p>) -> Part<'p> {
        Part { node, ..self }
    }

    /// `text for 'DEVICE'`
    pub(crate) fn complaint(self, text: &str) -> Error {
        internal(format!("{text} for '{}'", self.device))
    }

    /// The text of a child, unless it is empty.
    pub(crate) fn text(self, child: &str) -> Option<String> {
        self.node.child_text(child).filter(|text| !text.is_empty())
    }

    /// The text of a child that must be there.
    pub(crate) fn needed(self, child: &str, what: &str) -> Result<String> {
        self.text(child).ok_or_else(|| self.complaint(&format!("no {what} supplied")))
    }

    /// The number in a child, if it is there.
    pub(crate) fn number(self, child: &str, what: &str) -> Result<Option<u64>> {
        let Some(text) = self.text(child) else { return Ok(None) };
        let number = text.trim_ascii_start().parse();
        number.map(Some).map_err(|_| self.complaint(&format!("invalid {what} supplied")))
    }

    /// The number in a child of which nothing is told when it is none.
    pub(crate) fn loose_number(self, child: &str) -> Option<u64> {
        self.text(child)?.trim_ascii_start().parse().ok()
    }

    /// The number in a child that must be there.
    pub(crate) fn needed_number(self, child: &str, what: &str) -> Result<u64> {
        self.number(child, what)?.ok_or_else(|| self.complaint(&format!("no {what} supplied")))
    }

    /// The same, of 32 bits.
    pub(crate) fn needed_u32(self, child: &str, what: &str) -> Result<u32> {
        let number = self.needed_number(child, what)?;
        u32::try_from(number).map_err(|_| self.complaint(&format!("invalid {what} supplied")))
    }

    /// The hexadecimal number in a child, `0x` in front or not.
    pub(crate) fn hexadecimal(self, child: &str, what: &str) -> Result<u32> {
        let missing = || unsupported(format!("missing {what} value for '{}'", self.device));
        let text = self.text(child).ok_or_else(missing)?;
        hexadecimal(&text)
            .ok_or_else(|| unsupported(format!("invalid {what} value '{text}' for '{}'", self.device)))
    }

    /// Number and name of a vendor or product: `<vendor id='0x8086'>Intel</vendor>`.
    pub(crate) fn identifier(self, child: &str, what: &str) -> Result<Identifier> {
        let node = self.node.child(child);
        let number = node.and_then(|node| node.attr("id")).filter(|text| !text.is_empty());
        let number = number.ok_or_else(|| self.complaint(&format!("no {what} supplied")))?;
        let number =
            hexadecimal(number).ok_or_else(|| self.complaint(&format!("invalid {what} supplied")))?;
        Ok(Identifier { number, name: self.text(child) })
    }

    /// Capabilities within this one by type, each of which must have one.
    pub(crate) fn typed(self) -> Result<Vec<(&'p str, Part<'p>)>> {
        self.node
            .children("capability")
            .map(|node| match node.attr("type") {
                Some(word) => Ok((word, self.of(node))),
                None => Err(invalid("Missing capability type")),
            })
            .collect()
    }

    /// Capabilities within this one, by type.
    pub(crate) fn inner(self) -> impl Iterator<Item = (&'p str, Part<'p>)> {
        self.node
            .children("capability")
            .map(move |node| (node.attr("type").unwrap_or_default(), self.of(node)))
    }
}

/// A vendor or a product.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identifier {
    /// Number, unique among its kind.
    pub number: u32,
    /// What people call it.
    pub name: Option<String>,
}

impl Identifier {
    pub(crate) fn format(&self, element: &str, w: &mut xml::Writer) {
        let element = w.element(element).attr("id", format_args!("0x{:04x}", self.number));
        match &self.name {
            Some(name) => element.text(name),
            None => element.empty(),
        }
    }
}

/// A decimal number, or one with `0x` in front.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let text = text.trim_ascii_start();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A hexadecimal number, `0x` in front or not.
pub(crate) fn hexadecimal(text: &str) -> Option<u32> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, 16).ok() }
}
