//! `<clock>`: which time the guest starts with. A shift in seconds makes any clock a variable one.

use crate::fault::{internal, invalid, unsupported};
use base::Result;
use xml::Tree;

/// Keeps the attributes that count for the offset, in the form in which they are printed.
pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    let clock = tree.child_or_new("clock");
    clock.default_to("offset", "utc");
    let offset = clock.attr("offset").unwrap_or_default().to_owned();
    let kept: &[&str] = match offset.as_str() {
        "utc" | "localtime" => {
            let shift = clock.attr("adjustment").filter(|text| *text != "reset").map(str::to_owned);
            match shift {
                None => &["adjustment"],
                Some(text) => {
                    let seconds: i64 = text
                        .trim_start()
                        .parse()
                        .map_err(|_| invalid(format!("unknown clock adjustment '{text}'")))?;
                    clock.attrs.set("offset", "variable");
                    clock.attrs.set("adjustment", &seconds.to_string());
                    clock.attrs.set("basis", &offset);
                    &["adjustment", "basis"]
                }
            }
        }
        "variable" => {
            let seconds: i64 =
                clock.attr("adjustment").and_then(|text| text.trim_start().parse().ok()).unwrap_or(0);
            clock.attrs.set("adjustment", &seconds.to_string());
            if let Some(basis) = clock.attr("basis").filter(|basis| !matches!(*basis, "utc" | "localtime")) {
                return Err(unsupported(format!("unknown clock basis '{basis}'")));
            }
            clock.default_to("basis", "utc");
            &["adjustment", "basis"]
        }
        "timezone" if clock.attr("timezone").is_none() => {
            return Err(internal("missing 'timezone' attribute for clock with offset='timezone'"));
        }
        "timezone" => &["timezone"],
        "absolute" => {
            if clock.attr("start").and_then(|text| text.parse::<u64>().ok()).is_none() {
                return Err(internal("missing 'start' attribute for clock with offset='absolute'"));
            }
            &["start"]
        }
        other => return Err(unsupported(format!("unknown clock offset '{other}'"))),
    };
    clock.attrs.retain(|name, _| name == "offset" || kept.contains(&name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let check = |given: &[(&str, &str)], expected: &str| {
            let mut tree = Tree::new("domain").holding(Tree::new("clock"));
            tree.child_or_new("clock").attrs.set_all(given);
            let shown = match complete(&mut tree) {
                Ok(()) => {
                    let pairs = tree
                        .child("clock")
                        .unwrap()
                        .attrs
                        .iter()
                        .map(|(name, value)| format!("{name}={value}"));
                    pairs.collect::<Vec<String>>().join(" ")
                }
                Err(error) => error.message().to_owned(),
            };
            assert_eq!(shown, expected);
        };
        check(&[], "offset=utc");
        check(&[("offset", "utc"), ("adjustment", "reset"), ("basis", "x")], "offset=utc adjustment=reset");
        check(
            &[("offset", "localtime"), ("adjustment", "-5")],
            "offset=variable adjustment=-5 basis=localtime",
        );
        check(&[("offset", "variable"), ("adjustment", "x")], "offset=variable adjustment=0 basis=utc");
        check(&[("offset", "utc"), ("adjustment", "x")], "XML error: unknown clock adjustment 'x'");
        check(&[("offset", "absolute"), ("start", "5"), ("timezone", "x")], "offset=absolute start=5");
        check(
            &[("offset", "timezone")],
            "internal error: missing 'timezone' attribute for clock with offset='timezone'",
        );
    }
}
