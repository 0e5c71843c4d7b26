//! `<poolstate>`: what is kept about a running pool, for the next daemon.

use crate::permissions::Origin;
use crate::pool::Pool;
use crate::read;
use base::{Error, ErrorDomain, Result};
use xml::Writer;

/// Prints the document of a running pool.
pub fn format(pool: &Pool) -> String {
    let mut w = Writer::new();
    w.element("poolstate").children(|w| pool.write(w));
    w.finish()
}

/// Reads it again.
///
/// # Errors
/// When it is none.
pub fn parse(text: &str) -> Result<Pool> {
    read::with_root(text, "poolstate", |root| {
        let missing = || Error::internal(ErrorDomain::STORAGE, "pool state without a pool");
        Pool::parse_node(root.child("pool").ok_or_else(missing)?, Origin::Stored, &mut || [0; 16])
    })
}
