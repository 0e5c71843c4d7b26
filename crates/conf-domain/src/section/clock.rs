//! `<clock>`: what time it is in the guest, and its timers.

use crate::fault::{internal, invalid, unsupported};
use crate::{Domain, domain, values};
use base::Result;
use xml::Tree;

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    tree.child_or_new("clock");
    values::read(domain::place("domain"), tree, "clock")?;
    let clock = tree.child_or_new("clock");
    let given = |name: &str| clock.attr(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let offset = given("offset").unwrap_or_else(|| "utc".to_owned());
    let adjustment = given("adjustment");
    let mut attrs: Vec<(&str, String)> = Vec::new();
    let mut shifted = |seconds: i64, basis: String| {
        attrs.push(("adjustment", seconds.to_string()));
        attrs.push(("basis", basis));
    };
    let offset = match (offset.as_str(), adjustment.as_deref()) {
        ("utc" | "localtime", None) => offset,
        ("utc" | "localtime", Some("reset")) => {
            attrs.push(("adjustment", "reset".to_owned()));
            offset
        }
        ("utc" | "localtime", Some(text)) => {
            let seconds =
                values::signed(text).ok_or_else(|| invalid(format!("unknown clock adjustment '{text}'")))?;
            shifted(seconds, offset);
            "variable".to_owned()
        }
        ("variable", text) => {
            let basis = given("basis").unwrap_or_else(|| "utc".to_owned());
            if !matches!(basis.as_str(), "utc" | "localtime") {
                return Err(unsupported(format!("unknown clock basis '{basis}'")));
            }
            shifted(text.and_then(values::signed).unwrap_or(0), basis);
            offset
        }
        ("timezone", _) => {
            let zone = given("timezone")
                .ok_or_else(|| internal("missing 'timezone' attribute for clock with offset='timezone'"))?;
            attrs.push(("timezone", zone));
            offset
        }
        ("absolute", _) => {
            let start = clock
                .attr("start")
                .and_then(values::decimal)
                .ok_or_else(|| internal("missing 'start' attribute for clock with offset='absolute'"))?;
            attrs.push(("start", start.to_string()));
            offset
        }
        _ => return Err(unsupported(format!("unknown clock offset '{offset}'"))),
    };
    clock.attrs.retain(|_, _| false);
    clock.set("offset", offset);
    for (name, value) in attrs {
        clock.set(name, value);
    }
    Ok(())
}

/// What may be said of a timer, and of which it may be said.
const OPTIONS: &[(&str, &[&str])] = &[
    ("tickpolicy", &["platform", "pit", "rtc", "hpet", "tsc", "armvtimer"]),
    ("frequency", &["tsc"]),
    ("mode", &["tsc"]),
    ("track", &["platform", "rtc"]),
];

/// Checks what is said of timers.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    for timer in domain.tree.child("clock").into_iter().flat_map(|clock| clock.all("timer")) {
        let name = timer.attr("name").unwrap_or_default();
        for (option, timers) in OPTIONS {
            if timer.attr(option).is_some() && !timers.contains(&name) {
                return Err(unsupported(format!("timer {name} doesn't support setting of timer {option}")));
            }
        }
        if timer.child("catchup").is_some() && !timer.is("tickpolicy", "catchup") {
            return Err(invalid(
                "setting of timer catchup policies is only supported with tickpolicy='catchup'",
            ));
        }
    }
    Ok(())
}
