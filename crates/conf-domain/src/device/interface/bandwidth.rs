//! `<bandwidth>`: limits of traffic.

use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

/// The highest rate in KiB per second.
const RATE: u64 = 18_014_398_509_481_984;

/// The most KiB that may go at peak speed.
const BURST: u64 = 4_194_303;

fn refused(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::NONE, text)
}

/// Reads the element of an interface of type `kind`.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(interface: &mut Tree, kind: &str) -> Result<()> {
    let Some(bandwidth) = interface.child_mut("bandwidth") else { return Ok(()) };
    if bandwidth.attr("classID").is_some() {
        let text = "classID attribute not supported on <bandwidth> in this usage context";
        return Err(refused(ErrorCode::XML_DETAIL, text));
    }
    for name in ["inbound", "outbound"] {
        let Some(rate) = bandwidth.child_mut(name) else { continue };
        self::rate(rate, kind == "network")?;
        if name == "outbound" && rate.attr("floor").is_some() {
            let text = "'floor' attribute allowed only in <inbound> element";
            return Err(refused(ErrorCode::CONFIG_UNSUPPORTED, text));
        }
        // No limit is nothing to say.
        rate.attrs.retain(|_, value| value != "0");
        if rate.attr("average").is_none() && rate.attr("floor").is_none() {
            rate.attrs.retain(|_, _| false);
        }
    }
    Ok(())
}

fn rate(rate: &Tree, floor_allowed: bool) -> Result<()> {
    let number = |name: &str| rate.attr(name).and_then(|text| text.parse::<u64>().ok());
    for (name, limit) in [("average", RATE), ("peak", RATE), ("burst", BURST), ("floor", RATE)] {
        if let Some(value) = number(name).filter(|value| *value > limit) {
            let text = format!("value '{value}' is too big for '{name}' parameter, maximum is '{limit}'");
            return Err(refused(ErrorCode::OVERFLOW, text));
        }
    }
    let average = rate.attr("average").is_some();
    if !average && rate.attr("floor").is_none() {
        return Err(refused(ErrorCode::XML_DETAIL, "Missing mandatory average or floor attributes"));
    }
    if !average && (rate.attr("peak").is_some() || rate.attr("burst").is_some()) {
        let text = "'peak' and 'burst' require 'average' attribute";
        return Err(refused(ErrorCode::CONFIG_UNSUPPORTED, text));
    }
    if rate.attr("floor").is_some() && !floor_allowed {
        let text = "floor attribute is not supported for this config";
        return Err(refused(ErrorCode::CONFIG_UNSUPPORTED, text));
    }
    Ok(())
}
