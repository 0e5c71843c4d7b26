//! `domainschema`: documents that must fit their schema.

use super::{Verdict, whole};
use crate::manifest::Case;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(fits(case))
}

fn fits(case: &Case) -> Result<(), String> {
    let file = case.text("schema").unwrap_or_default();
    let kind = schema::Kind::ALL.iter().find(|kind| kind.file() == file);
    let kind = kind.ok_or_else(|| format!("no schema {file}"))?;
    let text = case.read("input")?;
    let document = xml::Document::parse(&text).map_err(|error| error.to_string())?;
    match (case.expect(), schema::check(*kind, document.root())) {
        ("success", Err(violation)) => Err(violation.to_string()),
        ("success", Ok(())) | (_, Err(_)) => Ok(()),
        (_, Ok(())) => Err("must be refused".to_owned()),
    }
}
