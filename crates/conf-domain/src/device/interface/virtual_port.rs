//! `<virtualport>`: what a switch is told of a port.

use crate::values;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::Tree;

/// Types of interfaces whose ports a switch may be told of.
const TYPES: &[&str] = &["network", "bridge", "direct", "hostdev"];

/// Kinds of switches: name, parameters they know, parameters they need.
const KINDS: &[(&str, &[&str], &[&str])] = &[
    (
        "802.1Qbg",
        &["managerid", "typeid", "typeidversion", "instanceid"],
        &["managerid", "typeid", "typeidversion", "instanceid"],
    ),
    ("802.1Qbh", &["profileid"], &["profileid"]),
    ("openvswitch", &["profileid", "interfaceid"], &["interfaceid"]),
    ("midonet", &[], &["interfaceid"]),
];

/// Letters of the name of a profile at most.
const PROFILE: usize = 39;

fn invalid(text: String) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text)
}

fn network(text: String) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NET, text)
}

/// Reads the element of an interface of type `kind`; ids that a switch needs are made up.
///
/// # Errors
/// In the reference's words.
pub(super) fn read(interface: &mut Tree, kind: &str, random: &mut dyn FnMut() -> [u8; 16]) -> Result<()> {
    let Some(port) = interface.child_mut("virtualport") else { return Ok(()) };
    if !TYPES.contains(&kind) {
        return Err(crate::fault::unsupported(format!(
            "<virtualport> element unsupported for <interface type='{kind}'>"
        )));
    }
    let loose = kind == "network";
    let switch = port.attr("type").map(str::to_owned);
    let rules = match &switch {
        None if loose => None,
        None => return Err(invalid("missing required virtualport type".to_owned())),
        Some(name) => Some(KINDS.iter().find(|(known, ..)| known == name).ok_or_else(|| {
            let text = format!("unknown virtualport type {name}");
            Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::NONE, text)
        })?),
    };
    if let Some(parameters) = port.child_mut("parameters") {
        self::parameters(parameters)?;
    }
    let parameters = port.child_or_new("parameters");
    for (name, wanted) in [
        ("instanceid", rules.is_none_or(|(name, ..)| *name == "802.1Qbg")),
        ("interfaceid", rules.is_none_or(|(name, ..)| *name == "openvswitch")),
    ] {
        if wanted && parameters.attr(name).is_none() {
            parameters.set(name, Uuid::from_random(random()).to_string());
        }
    }
    if let Some((name, known, needed)) = rules {
        let midonet = *name == "midonet";
        let given: Vec<String> = parameters.attrs.iter().map(|(name, _)| name.to_owned()).collect();
        if let Some(extra) = given.iter().find(|given| !midonet && !known.contains(&given.as_str())) {
            return Err(network(format!("extra {extra} unsupported in <virtualport type='{name}'>")));
        }
        if let Some(missing) = needed.iter().find(|needed| !loose && parameters.attr(needed).is_none()) {
            return Err(network(format!("missing {missing} in <virtualport type='{name}'>")));
        }
        // Ports of midonet take any parameter, but only their name means something.
        parameters.attrs.retain(|name, _| !midonet || name == "interfaceid");
    }
    if parameters.is("profileid", "") {
        parameters.unset("profileid");
    }
    Ok(())
}

fn parameters(parameters: &mut Tree) -> Result<()> {
    for (name, most) in [("managerid", 0xff), ("typeid", 0xff_ffff), ("typeidversion", 0xff)] {
        let Some(text) = parameters.attr(name) else { continue };
        // Numbers below zero count from the other end.
        let number = values::number(text)
            .or_else(|| values::signed(text).map(|value| u64::from(value as u32)))
            .filter(|number| *number <= u64::from(u32::MAX))
            .ok_or_else(|| invalid(format!("cannot parse value of {name} parameter")))?;
        if number > most {
            let of = if name == "typeid" { "for" } else { "of" };
            return Err(invalid(format!("value {of} {name} out of range")));
        }
        parameters.set(name, number.to_string());
    }
    for name in ["instanceid", "interfaceid"] {
        let Some(text) = parameters.attr(name) else { continue };
        let uuid: Uuid =
            text.parse().map_err(|_| invalid(format!("cannot parse {name} parameter as a uuid")))?;
        parameters.set(name, uuid.to_string());
    }
    if parameters.attr("profileid").is_some_and(|name| name.len() > PROFILE) {
        return Err(invalid("profileid parameter too long".to_owned()));
    }
    Ok(())
}
