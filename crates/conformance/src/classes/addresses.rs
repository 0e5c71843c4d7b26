//! `sockettest`: addresses read, printed and compared.

use super::{Verdict, whole};
use crate::manifest::Case;
use netaddr::{Family, ip, range, subnet};
use serde_json::Value;
use std::net::IpAddr;

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(check(case))
}

fn check(case: &Case) -> Result<(), String> {
    let input = case.value("input").ok_or("no input")?;
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let address = |name: &str| text(name).and_then(ip::parse);
    let parsed = |name: &str| address(name).ok_or_else(|| format!("{name} is not understood"));
    let expected = |name: &str| case.value("expected").and_then(|expected| expected.get(name)).cloned();
    let same = |name: &str, got: Value| match expected(name) {
        Some(expected) if expected == got => Ok(()),
        Some(expected) => Err(format!("{name}: expected {expected}, got {got}")),
        None => Err(format!("no {name} is expected, got {got}")),
    };
    match case.text("kind").unwrap_or_default() {
        "parse" => {
            let family = match text("family") {
                Some("inet") => Some(Family::Ipv4),
                Some("inet6") => Some(Family::Ipv6),
                Some("unspec") | None => None,
                // Addresses of other families are no IP addresses.
                Some(_) => return refused(case, None::<IpAddr>),
            };
            let got =
                address("addr").filter(|address| family.is_none_or(|family| Family::of(*address) == family));
            let Some(got) = got.filter(|_| case.expect() == "success") else { return refused(case, got) };
            match expected("formatted_is_not") {
                Some(other) if other == ip::text(got) => Err(format!("must not be {other}")),
                Some(_) => Ok(()),
                None => same("formatted", ip::text(got).into()),
            }
        }
        "range" => {
            let prefix =
                input.get("prefix").and_then(Value::as_u64).and_then(|prefix| u32::try_from(prefix).ok());
            let network = address("network").map(|network| (network, prefix));
            match range::size(parsed("start")?, parsed("end")?, network) {
                Ok(size) if case.expect() == "success" => same("size", size.into()),
                Ok(size) => Err(format!("must be refused, got {size}")),
                Err(fault) if case.expect() == "success" => Err(fault.to_string()),
                Err(_) => Ok(()),
            }
        }
        "netmask" => {
            let got = subnet::same_network(parsed("addr1")?, parsed("addr2")?, parsed("netmask")?);
            same("same_network", got.into())
        }
        "mask-network" => {
            let prefix =
                input.get("prefix").and_then(Value::as_u64).and_then(|prefix| u32::try_from(prefix).ok());
            let got =
                subnet::mask(parsed("addr")?, prefix.ok_or("no prefix")?).ok_or("prefix is too long")?;
            same("network", ip::text(got).into())
        }
        "wildcard" => same("wildcard", parsed("addr").is_ok_and(ip::is_wildcard).into()),
        "localhost" => same("localhost", parsed("addr").is_ok_and(ip::is_localhost).into()),
        "numeric-family" => {
            let got = match address("addr") {
                Some(address) if address.is_ipv4() => "inet".into(),
                Some(_) => "inet6".into(),
                None => (-1).into(),
            };
            same("family", got)
        }
        other => Err(format!("kind {other} is not known")),
    }
}

fn refused<T>(case: &Case, got: Option<T>) -> Result<(), String> {
    match (case.expect(), got) {
        ("success", None) => Err("refused".to_owned()),
        ("success", Some(_)) | (_, None) => Ok(()),
        (_, Some(_)) => Err("must be refused".to_owned()),
    }
}
