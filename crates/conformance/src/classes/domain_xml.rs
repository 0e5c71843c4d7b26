//! Classes that read a domain document and print it.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, FormatFlags, ParseFlags};

/// `genericxml2xml`: parse and print without any driver.
pub(crate) fn generic(case: &Case) -> Verdict {
    whole(round_trip(case))
}

fn round_trip(case: &Case) -> Result<(), String> {
    let text = case.read("input")?;
    let mut random = || std::array::from_fn(|index| index as u8);
    let parsed = Domain::parse(&text, parse_flags(case), &mut random);
    match (case.expect(), parsed) {
        ("parse-fail", Err(_)) => Ok(()),
        ("parse-fail", Ok(_)) => Err("must be refused".to_owned()),
        (_, Err(error)) => Err(format!("refused: {error}")),
        (_, Ok(domain)) => {
            let expected = match case.text("expected") {
                Some(_) => case.read("expected")?,
                None => text,
            };
            compare::unwrapped(&expected, &domain.format(format_flags(case)))
        }
    }
}

fn parse_flags(case: &Case) -> ParseFlags {
    let words = case.words("parse_flags");
    ParseFlags {
        inactive: words.contains(&"inactive"),
        abi_update: words.contains(&"abi-update"),
        generic: true,
        ..ParseFlags::default()
    }
}

fn format_flags(case: &Case) -> FormatFlags {
    let words = case.words("format_flags");
    FormatFlags {
        secure: words.contains(&"secure"),
        inactive: words.contains(&"inactive"),
        ..FormatFlags::default()
    }
}

/// `domainconf`: the file system mounted at a target of a container.
pub(crate) fn filesystem(case: &Case) -> Verdict {
    whole(filesystem_at(case))
}

fn filesystem_at(case: &Case) -> Result<(), String> {
    let text = case.read("input")?;
    let mut random = || std::array::from_fn(|index| index as u8);
    let flags = ParseFlags { inactive: true, ..ParseFlags::default() };
    let domain = Domain::parse(&text, flags, &mut random).map_err(|error| format!("refused: {error}"))?;
    let target = case.text("target").unwrap_or_default();
    match domain.filesystem_at(target).is_some() == case.is("result") {
        true => Ok(()),
        false => Err(format!("a file system at {target}")),
    }
}
