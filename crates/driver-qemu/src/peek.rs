//! Looking into a guest's memory.

use crate::{Driver, FROM, check_flags, error};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use engine::JobKind;
use serde_json::json;

const VIRTUAL: u32 = 1;
const PHYSICAL: u32 = 2;

impl Driver {
    pub(crate) fn memory_peek(&self, dom: &DomainRef, offset: u64, size: u32, flags: u32) -> Result<Vec<u8>> {
        check_flags(flags, VIRTUAL | PHYSICAL, "qemuDomainMemoryPeek")?;
        let guest = self.find(dom)?;
        let command = match flags {
            VIRTUAL => "memsave",
            PHYSICAL => "pmemsave",
            0 => {
                let text = "flags parameter must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL";
                return Err(error(ErrorCode::INVALID_ARG, text));
            }
            _ => {
                return Err(Error::invalid_arg(
                    ErrorDomain::DOMAIN,
                    "virDomainMemoryPeek",
                    "flags",
                    "Flags 'VIR_MEMORY_VIRTUAL' and 'VIR_MEMORY_PHYSICAL' are mutually exclusive",
                ));
            }
        };
        let _job = guest.begin(JobKind::Query, "memory peek")?;
        let live = guest.live()?;
        // The emulator writes to a file of the guest's own folder.
        let path = live.private_dir.join(format!("mem-{:016x}", u64::from_ne_bytes(host::random::bytes())));
        let name = path.display().to_string();
        let saved = live.command(command, json!({"val": offset, "size": size, "filename": name}));
        let read = saved.and_then(|_| {
            host::image::peek(&path, 0, size.into()).map_err(|cause| {
                Error::system(FROM, &cause, format!("failed to read temporary file '{name}'"))
            })
        });
        let _ = host::store::remove(&path);
        let bytes = read?;
        if bytes.len() < size as usize {
            return Err(Error::internal(FROM, "the emulator did not save what was asked for"));
        }
        Ok(bytes)
    }
}
