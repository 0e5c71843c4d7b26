//! Sources of randomness.

use super::piece::Piece;
use super::{Builder, Json, alias_of, chardev, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Plans sources of randomness.
pub(super) fn rngs(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for rng in domain.all("rng") {
        let alias = alias_of(rng);
        let id = format!("obj{alias}");
        let mut pieces = Vec::new();
        let backend = rng.child("backend");
        let object = match backend.and_then(|backend| backend.attr("model")).unwrap_or_default() {
            "random" => {
                let file = backend.map(Tree::body).filter(|file| !file.is_empty()).unwrap_or("/dev/random");
                Json::object("rng-random", id.clone()).put("filename", file)
            }
            "builtin" => Json::object("rng-builtin", id.clone()),
            "egd" => {
                let name = format!("char{alias}");
                if let Some(backend) = backend {
                    pieces = chardev::pieces(b, backend, &name, alias)?;
                }
                Json::object("rng-egd", id.clone()).put("chardev", name)
            }
            other => return Err(unsupported(format!("random numbers from '{other}' are not supported"))),
        };
        pieces.push(Piece::Object(object));
        let rate = |name: &str| rng.attr_at("rate", name).and_then(|text| text.parse::<u64>().ok());
        let bytes = rate("bytes").filter(|bytes| *bytes > 0);
        let json = virtio::device(rng, "virtio-rng")
            .put("rng", id)
            .put("id", alias)
            .put_opt("max-bytes", bytes)
            // Milliseconds; a second unless it is said otherwise.
            .put_opt("period", bytes.map(|_| rate("period").unwrap_or(1000)));
        pieces.push(Piece::Device(b.place(json, rng)));
        b.add_all(pieces);
    }
    Ok(())
}
