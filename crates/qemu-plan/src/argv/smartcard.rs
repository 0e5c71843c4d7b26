//! Smart cards: those of the host, certificates that play one, or a client's.

use super::piece::Piece;
use super::{Builder, Json, alias_of, chardev};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Where certificates are kept when a definition does not say.
const DATABASE: &str = "/etc/pki/nssdb";

/// Plans smart cards.
pub(super) fn smartcards(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for card in domain.all("smartcard") {
        let alias = alias_of(card);
        let mut pieces = Vec::new();
        let json = match card.attr("mode").unwrap_or_default() {
            "host" => Json::driver("ccid-card-emulated").put("backend", "nss-emulated"),
            "host-certificates" => {
                let json = Json::driver("ccid-card-emulated").put("backend", "certificates");
                let certificates = card.all("certificate").enumerate();
                let json = certificates.fold(json, |json, (at, certificate)| {
                    json.put(&format!("cert{}", at + 1), certificate.body())
                });
                json.put("db", card.text_of("database").unwrap_or(DATABASE))
            }
            "passthrough" => {
                pieces = chardev::of_device(b, card)?;
                Json::driver("ccid-card-passthru").put("chardev", format!("char{alias}"))
            }
            other => return Err(unsupported(format!("unexpected smartcard mode '{other}'"))),
        };
        let json = json.put("id", alias).put("bus", bus(b, card));
        pieces.push(Piece::Device(json));
        b.add_all(pieces);
    }
    Ok(())
}

/// The slot of the reader a card is in.
fn bus(b: &Builder<'_>, card: &Tree) -> String {
    let index = card.attr_at("address", "controller").unwrap_or("0");
    let reader = b.domain.all("controller").find(|c| c.is("type", "ccid") && c.is("index", index));
    format!("{}.0", reader.map_or_else(|| format!("ccid{index}"), |reader| alias_of(reader).to_owned()))
}
