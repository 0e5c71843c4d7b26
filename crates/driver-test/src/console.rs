//! Screens and keyboards.

use crate::{Test, fail, known};
use api::{Call, DomainConsole, Stream};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::io::{Seek, Write};

/// A picture of one grey pixel in the format PNG.
const PICTURE: [u8; 67] = [
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0,
    1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x68, 0,
    0, 0, 0x82, 0, 0x81, 0x4c, 0x17, 0xd7, 0xdf, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

impl DomainConsole for Test {
    fn domain_screenshot(
        &self,
        _: &Call,
        dom: &DomainRef,
        _: u32,
        flags: u32,
    ) -> Result<(Option<String>, Stream)> {
        known(flags, 0, "testDomainScreenshot")?;
        self.world().running(dom)?;
        let broken =
            |error: std::io::Error| Error::system(ErrorDomain::TEST, &error, "cannot make a picture");
        let mut file = host::store::unnamed().map_err(broken)?;
        file.write_all(&PICTURE).map_err(broken)?;
        file.rewind().map_err(broken)?;
        Ok((Some("image/png".to_owned()), Stream::file(file.into(), None, false)))
    }

    fn domain_send_key(
        &self,
        _: &Call,
        dom: &DomainRef,
        codeset: u32,
        _: u32,
        keycodes: &[u32],
        flags: u32,
    ) -> Result<()> {
        known(flags, 0, "testDomainSendKey")?;
        self.world().running(dom)?;
        // Every set has its numbers in a byte or two.
        match keycodes.iter().find(|code| **code > 0xffff) {
            Some(code) => {
                let text = format!("cannot translate keycode {code} of {codeset} codeset to rfb keycode");
                fail(ErrorCode::OPERATION_FAILED, text)
            }
            None => Ok(()),
        }
    }
}
