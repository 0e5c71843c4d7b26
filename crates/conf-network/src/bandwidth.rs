//! `<bandwidth>`: how fast traffic may go.

use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::fault;
use xml::{Node, Writer};

use crate::read;

/// Highest rate, in KiB per second: what fits 64 bits as bytes.
const RATE_MAX: u64 = 18_014_398_509_481_984;
/// Largest burst, in KiB: what traffic control can be told.
const BURST_MAX: u64 = 4_194_303;

/// Limits of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rate {
    /// KiB per second on average.
    pub average: u64,
    /// KiB per second at most, 0 for no limit.
    pub peak: u64,
    /// KiB per second that are guaranteed, 0 for none; incoming only.
    pub floor: u64,
    /// KiB that may go at peak speed, 0 for the default.
    pub burst: u64,
}

/// Limits of both directions, as the guest or network sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bandwidth {
    /// Towards the guest or network.
    pub inbound: Option<Rate>,
    /// From the guest or network.
    pub outbound: Option<Rate>,
}

fn none(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::NONE, text)
}

impl Rate {
    fn parse(node: Node<'_>, floor_allowed: bool) -> Result<Rate> {
        let number = |name: &str, limit: u64| -> Result<Option<u64>> {
            let value = read::unsigned(node, name, false)?;
            if value.is_some_and(|value| value > limit) {
                let value = value.unwrap_or_default();
                let text = format!("value '{value}' is too big for '{name}' parameter, maximum is '{limit}'");
                return Err(none(ErrorCode::OVERFLOW, text));
            }
            Ok(value)
        };
        let average = number("average", RATE_MAX)?;
        let peak = number("peak", RATE_MAX)?;
        let burst = number("burst", BURST_MAX)?;
        let floor = number("floor", RATE_MAX)?;
        if average.is_none() && floor.is_none() {
            return Err(none(ErrorCode::XML_DETAIL, "Missing mandatory average or floor attributes"));
        }
        if average.is_none() && (peak.is_some() || burst.is_some()) {
            return Err(none(
                ErrorCode::CONFIG_UNSUPPORTED,
                "'peak' and 'burst' require 'average' attribute",
            ));
        }
        if floor.is_some() && !floor_allowed {
            return Err(none(
                ErrorCode::CONFIG_UNSUPPORTED,
                "floor attribute is not supported for this config",
            ));
        }
        Ok(Rate {
            average: average.unwrap_or(0),
            peak: peak.unwrap_or(0),
            floor: floor.unwrap_or(0),
            burst: burst.unwrap_or(0),
        })
    }

    fn format(&self, name: &str, w: &mut Writer) {
        // A direction without any limit is not worth an element.
        if self.average == 0 && self.floor == 0 {
            return;
        }
        let shown = |value: u64| (value != 0).then_some(value);
        w.element(name)
            .attr_opt("average", shown(self.average))
            .attr_opt("peak", shown(self.peak))
            .attr_opt("floor", shown(self.floor))
            .attr_opt("burst", shown(self.burst))
            .empty();
    }
}

impl Bandwidth {
    /// Reads the element. `floor_allowed`: guaranteed rates may be asked for. With `class`, the number of a
    /// traffic class may be stated and is stored there.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(
        node: Node<'_>,
        floor_allowed: bool,
        class: Option<&mut Option<u32>>,
    ) -> Result<Option<Bandwidth>> {
        if let Some(number) = read::unsigned32(node, "classID", false)? {
            match class {
                Some(class) => *class = Some(number),
                None => {
                    let text = "classID attribute not supported on <bandwidth> in this usage context";
                    return Err(none(ErrorCode::XML_DETAIL, text));
                }
            }
        }
        let direction = |name| node.child(name).map(|node| Rate::parse(node, floor_allowed)).transpose();
        let inbound = direction("inbound")?;
        let outbound = node.child("outbound").map(|node| {
            let rate = Rate::parse(node, floor_allowed)?;
            if node.attr("floor").is_some() {
                let text = "'floor' attribute allowed only in <inbound> element";
                return Err(none(ErrorCode::CONFIG_UNSUPPORTED, text));
            }
            Ok(rate)
        });
        let outbound = outbound.transpose()?;
        Ok((inbound.is_some() || outbound.is_some()).then_some(Bandwidth { inbound, outbound }))
    }

    /// Prints the element.
    pub fn format(&self, class: Option<u32>, w: &mut Writer) {
        w.element("bandwidth").attr_opt("classID", class).children_always(|w| {
            if let Some(rate) = &self.inbound {
                rate.format("inbound", w);
            }
            if let Some(rate) = &self.outbound {
                rate.format("outbound", w);
            }
        });
    }

    /// Guaranteed rate towards the guest, 0 for none.
    pub fn floor(&self) -> u64 {
        self.inbound.map_or(0, |rate| rate.floor)
    }
}

/// A rate that is no number, as typed parameters of the interface may carry.
pub fn number_fault(element: &str, name: &str, text: &str) -> Error {
    fault::number(element, name, text, "non-negative integer")
}
