//! What reading a definition inside a larger document needs from outside.

use crate::{Domain, ParseFlags};
use base::Result;
use xml::Node;

/// Completes a definition as a driver does.
pub type Complete<'r> = dyn Fn(&mut Domain, ParseFlags) -> Result<()> + 'r;

/// Sources of what a document leaves out.
pub struct Reader<'r> {
    /// Gives UUIDs and addresses.
    pub random: &'r mut dyn FnMut() -> [u8; 16],
    /// The driver's completion.
    pub complete: &'r Complete<'r>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// Reads and completes a definition.
    ///
    /// # Errors
    /// As [`Domain::parse`] and the driver's completion; where the flags allow that to fail, the definition stays as it
    /// was read.
    pub fn definition(&mut self, node: Node<'_>, flags: ParseFlags) -> Result<Domain> {
        let mut domain = Domain::parse_node(node, flags, self.random)?;
        let read = flags.allow_post_parse_fail.then(|| domain.clone());
        match ((self.complete)(&mut domain, flags), read) {
            (Ok(()), _) => Ok(domain),
            (Err(_), Some(read)) => Ok(read),
            (Err(error), None) => Err(error),
        }
    }
}
