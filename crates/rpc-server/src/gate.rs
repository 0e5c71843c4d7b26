//! The access gate: decides before any work is done.
//!
//! A read-only connection may call what the table marks `read`. Some of those give away secrets under certain flags; which
//! ones stands in [`READ_ONLY_FLAGS`], because the table's access rules speak of permissions, not of connections.
//!
//! *Invariant:* the arguments of a refused call are not decoded, but for the flags word that a condition needs, and
//! that is the last word of the payload wherever such a condition exists.

use api::Call;
use base::{Error, ErrorCode, ErrorDomain, Result};
use proto::row::{Procedure, Program};

/// What a read-only connection must not ask of procedures it may call: procedure, flag bits, words of the refusal.
const READ_ONLY_FLAGS: &[(&str, u32, &str)] = &[
    ("domain_get_xml_desc", 1, "virDomainGetXMLDesc with secure flag"),
    ("domain_snapshot_get_xml_desc", 1, "virDomainSnapshotGetXMLDesc with secure flag"),
    ("domain_checkpoint_get_xml_desc", 1, "virDomainCheckpointGetXMLDesc with secure flag"),
];

/// The flags of a call: the last word of its payload.
fn flags(payload: &[u8]) -> u32 {
    payload.last_chunk::<4>().map_or(0, |word| u32::from_be_bytes(*word))
}

/// Admits the call or says why not.
///
/// # Errors
/// Code `OPERATION_DENIED` in the domain that the table names for the procedure.
pub fn admit(cx: &Call, program: &Program, row: &Procedure, payload: &[u8]) -> Result<()> {
    if !cx.read_only() {
        return Ok(());
    }
    let refuse =
        |text: String| Err(Error::new(ErrorCode::OPERATION_DENIED, ErrorDomain(row.error_domain), text));
    if row.write {
        return refuse(format!("read only access prevents {}", row.c_name));
    }
    let secret = READ_ONLY_FLAGS.iter().find(|(name, ..)| program.name == "remote" && *name == row.name);
    if let Some((_, bits, words)) = secret
        && flags(payload) & bits != 0
    {
        return refuse((*words).to_owned());
    }
    Ok(())
}
