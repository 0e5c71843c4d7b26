//! `qemustatus` and `qemumigcookie`: documents between daemons.

use super::{Verdict, qemuxmlconf, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, ParseFlags, Reader};
use qemu_caps::{Caps, Flag};
use qemu_plan::complete;
use qemu_status::{Cookie, Status, bitmaps};

/// The pretended host's folder of memory in files.
const MEMORY: &str = "/var/lib/libvirt/qemu/ram";

/// `qemustatus`.
pub(crate) fn status(case: &Case) -> Verdict {
    whole(round_trip(case))
}

/// `qemumigcookie`.
pub(crate) fn cookie(case: &Case) -> Verdict {
    whole(exchange(case))
}

/// The emulator that runs, by the capabilities that were noted when it started.
fn noted(caps: &Caps, names: &[String]) -> Caps {
    let flags = names.iter().filter_map(|name| Flag::from_name(name)).collect();
    Caps { arch: caps.arch.clone(), binary: caps.binary.clone(), flags, ..Caps::default() }
}

fn read_status(case: &Case, text: &str) -> Result<Status, String> {
    let caps = case.text("caps").map(|_| qemuxmlconf::load(case)).transpose()?;
    let site = qemuxmlconf::site(case);
    let done = |domain: &mut Domain, parse: ParseFlags, flags: &[String]| {
        let emulator = domain.all("emulator").next().map(|emulator| emulator.body().to_owned());
        match &caps {
            Some(caps) if emulator.as_ref() == Some(&caps.binary) => {
                complete::complete(domain, &noted(caps, flags), &site, parse)
            }
            None => Ok(()),
            // Any other emulator is missing.
            Some(_) => Err(base::Error::internal(base::ErrorDomain::QEMU, "no such emulator")),
        }
    };
    Status::parse(text, MEMORY, &mut qemuxmlconf::random(), &done)
        .map_err(|error| format!("refused: {error}"))
}

fn round_trip(case: &Case) -> Result<(), String> {
    let status = read_status(case, &case.read("input")?)?;
    let printed = status.format();
    compare::unwrapped(&case.read("expected")?, &printed)?;
    compare::exact(&printed, &read_status(case, &printed)?.format())
}

fn exchange(case: &Case) -> Result<(), String> {
    let file = case.text("domain_status").or_else(|| case.text("input")).unwrap_or_default();
    let status = read_status(case, &case.read_file(file)?)?;
    let uuid = |fact: &str| {
        case.text(fact).and_then(|text| text.parse().ok()).ok_or_else(|| format!("the case has no {fact}"))
    };
    if case.text("operation") == Some("populate-cookie") {
        let host = case.text("cookie_hostname").unwrap_or_default();
        let cookie = Cookie::new(&status.domain, host, uuid("cookie_host_uuid")?);
        let cookie = cookie.describing(&status.domain, Vec::new());
        return compare::unwrapped(&case.read("expected")?, &cookie.format());
    }
    let text = case.read("input")?;
    let mut random = qemuxmlconf::random();
    let mut reader = Reader { random: &mut random, complete: &|_, _| Ok(()) };
    let mut cookie =
        Cookie::parse(&text, &status.domain, &mut reader).map_err(|error| format!("refused: {error}"))?;
    // The answer is that of this host, which demands nothing.
    cookie.hostname = case.text("local_hostname").unwrap_or_default().to_owned();
    cookie.host_uuid = uuid("local_host_uuid")?;
    cookie.features.clear();
    cookie.capabilities.get_or_insert_default();
    compare::unwrapped(&case.read("expected")?, &cookie.format())?;
    if case.text("expected_migparams").is_some() {
        for (_, bitmaps) in &mut cookie.bitmaps {
            if let Some(first) = bitmaps.first_mut() {
                first.persistent = Some(true);
            }
        }
        let value = bitmaps::mapping(&cookie, &status.domain);
        let printed = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
        compare::unwrapped(&case.read("expected_migparams")?, &printed)?;
    }
    Ok(())
}
