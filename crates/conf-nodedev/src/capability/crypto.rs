//! `ap_card`, `ap_queue`, `ap_matrix`: adjunct processors.

use base::Result;
use xml::Writer;

use super::mdev::{self, MdevType};
use crate::read::Part;

/// An adjunct processor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Card {
    /// Number of the adapter.
    pub adapter: u32,
}

impl Card {
    pub(crate) fn parse(part: Part<'_>) -> Result<Card> {
        Ok(Card { adapter: part.hexadecimal("ap-adapter", "ap-adapter")? })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("ap-adapter", format_args!("0x{:02x}", self.adapter));
    }
}

/// A queue of an adjunct processor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Queue {
    /// Number of the adapter.
    pub adapter: u32,
    /// Number of the domain.
    pub domain: u32,
}

impl Queue {
    pub(crate) fn parse(part: Part<'_>) -> Result<Queue> {
        Ok(Queue {
            adapter: part.hexadecimal("ap-adapter", "ap-adapter")?,
            domain: part.hexadecimal("ap-domain", "ap-domain")?,
        })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("ap-adapter", format_args!("0x{:02x}", self.adapter));
        w.leaf("ap-domain", format_args!("0x{:04x}", self.domain));
    }
}

/// All queues that guests may get.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Matrix {
    /// What mediated devices it can have.
    pub mdev_types: Vec<MdevType>,
}

impl Matrix {
    pub(crate) fn parse(part: Part<'_>) -> Result<Matrix> {
        let mut matrix = Matrix::default();
        for (word, inner) in part.typed()? {
            if word == "mdev_types" {
                matrix.mdev_types.extend(mdev::types(inner)?);
            }
        }
        Ok(matrix)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        mdev::format_types(&self.mdev_types, w);
    }
}
