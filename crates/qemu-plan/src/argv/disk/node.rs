//! Block nodes of an image and the objects they need.
//!
//! ```text
//! secrets, certificates ─▶ storage (where) ─▶ slice (which part) ─▶ format (what it means) ─▶ filters ─▶ device
//! ```

use super::super::piece::Piece;
use super::super::secret::{Named, Secrets};
use super::super::settings::{Settings, Tls, sealed};
use super::super::{Json, Start, on_off};
use super::image::{Behind, Image};
use super::protocol::{self, Reach};
use crate::complete::unsupported;
use base::Result;
use serde_json::Value;

/// The pieces of an image with everything behind it, the furthest first.
pub(crate) fn chain(image: &Image<'_>, start: &Start) -> Result<Vec<Piece>> {
    let mut pieces = match &image.backing {
        Some(backing) => chain(backing, start)?,
        None => Vec::new(),
    };
    if let Some(data) = &image.data {
        pieces.extend(chain(data, start)?);
    }
    pieces.extend(one(image, start)?);
    Ok(pieces)
}

/// The pieces of one image.
fn one(image: &Image<'_>, start: &Start) -> Result<Vec<Piece>> {
    let (mut pieces, reach, locks) = objects(image, start)?;
    pieces.extend(image.passed.iter().cloned());
    pieces.extend(nodes(image, &reach, &locks)?.into_iter().map(Piece::Blockdev));
    Ok(pieces)
}

/// The nodes of one image, the one that reads its contents first; `locks` are the objects with the keys to its format.
pub(crate) fn nodes(image: &Image<'_>, reach: &Reach<'_>, locks: &[String]) -> Result<Vec<Json>> {
    let storage = protocol::node(image, reach)?.put("node-name", image.storage());
    let (layered, part) = (image.needs_layer(), image.part());
    let own = |json: Json| with_manner(json, image);
    let below = |json: Json| with_cache(below(json, image), image);
    let storage = if layered || part.is_some() { below(storage) } else { own(storage) };
    let mut nodes = vec![storage];
    let mut file = image.storage();
    if let Some((offset, size)) = part {
        let slice = Json::driver("raw").put("file", file).put("offset", offset).put("size", size);
        let slice = slice.put("node-name", image.slice());
        // Only the whole of the contents is opened by descriptors.
        let slice = if layered { with_cache(reopened(slice), image) } else { own(slice) };
        nodes.push(slice);
        file = image.slice();
    }
    if layered {
        nodes.push(layer(image, file, locks)?);
    }
    Ok(nodes)
}

/// Objects an image needs, what its storage is told of them, and the names of the keys to its format.
fn objects<'s>(image: &Image<'_>, start: &'s Start) -> Result<(Vec<Piece>, Reach<'s>, Vec<String>)> {
    let settings: &Settings = &start.settings;
    let location = &image.location;
    let storage = image.storage();
    let mut reach = Reach::of(start);
    let mut pieces = Vec::new();
    let seal = |id: &str, named: &Named| sealed(id, named, start.vault.as_ref(), &start.secrets);
    if let Some(helper) = reservations(image, start) {
        pieces.push(helper);
    }
    // The host's own server asks for itself.
    let served = protocol::served(location, settings);
    if !served && let Some(secret) = location.auth.and_then(|auth| auth.child("secret")) {
        let kind = secret.attr("type").unwrap_or_default();
        if let Some(named) = Named::of(secret, kind) {
            let id = format!("{storage}-auth-secret0");
            pieces.push(Piece::Object(seal(&id, &named)?));
            reach.password = Some(id);
        }
    }
    let mut locks = Vec::new();
    if let Some(encryption) = location.encryption {
        let holder = if image.locked() { image.layer() } else { storage.clone() };
        let secrets = encryption.all("secret").filter_map(|secret| Named::of(secret, "volume"));
        for (at, named) in secrets.enumerate() {
            let id = format!("{holder}-encryption-secret{at}");
            pieces.push(Piece::Object(seal(&id, &named)?));
            locks.push(id);
        }
        if !image.locked() {
            reach.keys = std::mem::take(&mut locks);
        }
    }
    if !served && let Some(cookies) = location.source.child("cookies") {
        let id = format!("{storage}-httpcookie-secret0");
        let text = protocol::cookies(cookies);
        let vault = start.vault.as_ref().ok_or_else(|| unsupported("encrypted secrets are not supported"))?;
        pieces.push(Piece::Object(vault.object(&id, text.as_bytes())));
        reach.cookies = Some(id);
    }
    if let Some(tls) = certificates(image, settings) {
        let id = format!("obj{storage}_tls0");
        let password = format!("{id}-secret0");
        let secrets: &Secrets = &start.secrets;
        pieces.extend(tls.objects(&id, &password, false, start.vault.as_ref(), secrets)?);
        reach.tls = Some(id);
    }
    Ok((pieces, reach, locks))
}

/// The certificates an image's server is met with.
fn certificates<'s>(image: &Image<'_>, settings: &'s Settings) -> Option<&'s Tls> {
    let location = &image.location;
    let tls = match (location.kind, location.protocol()) {
        ("network", "nbd") => &settings.nbd_tls,
        ("network", "vxhs") => &settings.vxhs_tls,
        _ => return None,
    };
    on_off(location.source.attr("tls")).unwrap_or(tls.on).then_some(tls)
}

/// The helper that makes reservations for one disk; the one all disks share is made at the start.
fn reservations(image: &Image<'_>, _start: &Start) -> Option<Piece> {
    let reservations = image.location.source.child("reservations")?;
    if reservations.is("managed", "yes") {
        return None;
    }
    let path = reservations.attr_at("source", "path").unwrap_or_default();
    let id = image.reservations.clone()?;
    Some(Piece::Object(Json::object("pr-manager-helper", id).put("path", path)))
}

/// A node below the one that others see opens its file for writing only when it must.
fn below(json: Json, image: &Image<'_>) -> Json {
    match image.opened {
        // A single descriptor has one mode.
        Some(opened) if opened.single => {
            json.put("read-only", image.read_only && !opened.writable).put("discard", "unmap")
        }
        _ => reopened(json),
    }
}

fn reopened(json: Json) -> Json {
    json.put("auto-read-only", true).put("discard", "unmap")
}

fn with_cache(json: Json, image: &Image<'_>) -> Json {
    let Some(cache) = image.manner.cache else { return json };
    json.put("cache", Json::new().put("direct", cache.direct).put("no-flush", cache.no_flush).value())
}

/// The node that others see is told how it is used.
fn with_manner(json: Json, image: &Image<'_>) -> Json {
    let json = json
        .put("read-only", image.read_only)
        .put_opt("discard", image.manner.discard)
        .put_opt("detect-zeroes", image.detect_zeroes);
    with_cache(json, image)
}

/// Name of the driver of a format.
pub(crate) fn driver(format: &str) -> Result<&str> {
    Ok(match format {
        "raw" | "fat" => "raw",
        "vhd" => "vhdx",
        "ploop" => "parallels",
        "bochs" | "cloop" | "dmg" | "vpc" | "vdi" | "qcow" | "qcow2" | "qed" | "vmdk" => format,
        other => return Err(unsupported(format!("mishandled storage format '{other}'"))),
    })
}

/// Formats that may have an image behind them.
pub(crate) fn may_have_backing(format: &str) -> bool {
    matches!(format, "qcow" | "qcow2" | "qed" | "vmdk")
}

fn layer(image: &Image<'_>, file: String, locks: &[String]) -> Result<Json> {
    let json = with_manner(Json::new().put("node-name", image.layer()), image);
    let key = locks.first().cloned();
    let json = match image.format {
        "raw" if image.locked() => json.put("driver", "luks").put_opt("key-secret", key),
        "qcow2" => {
            let json = json
                .put("driver", "qcow2")
                .put_opt("discard-no-unref", image.manner.discard_no_unref)
                .put_opt("cache-size", image.table_cache);
            let kind = match image.location.encryption.and_then(|encryption| encryption.attr("format")) {
                Some("qcow") => "aes",
                _ => "luks",
            };
            json.put_opt("encrypt", image.locked().then(|| lock(kind, key)))
        }
        "qcow" => json.put("driver", "qcow").put_opt("encrypt", image.locked().then(|| lock("aes", key))),
        other => json.put("driver", driver(other)?),
    };
    let json = json.put_opt("data-file", image.data.as_ref().map(|data| data.top())).put("file", file);
    Ok(match image.behind() {
        Behind::Node(name) if may_have_backing(image.format) => json.put("backing", name),
        Behind::Nothing if may_have_backing(image.format) => json.put("backing", Value::Null),
        _ => json,
    })
}

fn lock(format: &str, key: Option<String>) -> Value {
    Json::new().put("format", format).put_opt("key-secret", key).value()
}

/// The members that say where a raw image is, for a node that is made by hand; its password goes by `password`.
pub(crate) fn raw(image: &Image<'_>, start: &Start, password: &str) -> Result<(Vec<Piece>, Json)> {
    let mut pieces = Vec::new();
    let secret = image.location.auth.and_then(|auth| auth.child("secret"));
    let named = secret.and_then(|secret| Named::of(secret, secret.attr("type").unwrap_or_default()));
    if let Some(named) = &named {
        pieces.push(Piece::Object(sealed(password, named, start.vault.as_ref(), &start.secrets)?));
    }
    let password = named.map(|_| password.to_owned());
    let reach = Reach { password, ..Reach::of(start) };
    Ok((pieces, protocol::node(image, &reach)?))
}
