//! What becomes of dirty bitmaps when images are copied, merged, backed up, or checkpoints deleted.
//!
//! A checkpoint is a bitmap of the same name in the image that is written to, and in every image that was written to
//! since then; together these tell what has changed. Each plan is a list of actions of one transaction.
//!
//! ```text
//! image 1 (top)   a b c      bitmaps a: 1 ∪ 2 ∪ 3
//! image 2         a b                b: 1 ∪ 2
//! image 3         a                  c: 1
//! ```

mod action;
mod plan;

pub use action::Action;
pub use plan::{Deletion, Transfer, backup, delete, record, sound, transfer};

/// Name of the bitmap that records what is written while a job moves bitmaps to another image.
pub const RECORDER: &str = "libvirt-tmp-activewrite";

/// An image of a chain, the chain beginning with the image that is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Name of the node that understands the image's format.
    pub node: String,
    /// The image is not written to, so it must be opened again before its bitmaps can be changed.
    pub read_only: bool,
}

#[cfg(test)]
mod tests;
