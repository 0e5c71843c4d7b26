//! Devices whose documents come alone, as they are attached to a guest or taken from it.
//!
//! Cases stand in `tests/alone.cases`: a line with the document, then the refusals as they were observed of the
//! reference. `attach` holds the device against the guest, `detach` only reads it.

use super::refusals::caps;
use base::Result;
use conf_domain::domain::read_device;
use conf_domain::{Domain, ParseFlags};
use qemu_plan::complete::{self, Site};
use std::path::Path;

const GUEST: &str = "<domain type='qemu'><name>t</name><uuid>11111111-2222-3333-4444-555555555555</uuid>\
    <memory>131072</memory><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>\
    <serial type='pty'/><graphics type='vnc'/><video><model type='cirrus'/></video></devices></domain>";

const FLAGS: ParseFlags = ParseFlags::DEFINED;

fn read(text: &str, attach: bool) -> Result<()> {
    let caps = caps("x86_64");
    let mut domain = Domain::parse(GUEST, FLAGS, &mut || [7; 16])?;
    complete::complete(&mut domain, &caps, &Site::default(), FLAGS)?;
    let flags = ParseFlags { skip_validate: !attach, ..FLAGS };
    complete::alone::device(&domain, &read_device(text)?, &caps, &Site::default(), flags, &mut || [7; 16])
}

#[test]
fn cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alone.cases");
    let (mut document, mut total, mut wrong) = (String::new(), 0, Vec::new());
    for line in std::fs::read_to_string(path).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let Some(expected) = line.strip_prefix("  ") else {
            document = line.to_owned();
            continue;
        };
        total += 1;
        let (verb, expected) = expected.split_once(' ').unwrap();
        let said = match read(&document, verb == "attach") {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{} {} {}", error.code().0, error.domain().0, error.message()),
        };
        if said != expected {
            wrong.push(format!("{document}\n  {verb} {expected}\nbut\n  {said}"));
        }
    }
    assert!(total > 10, "no cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
