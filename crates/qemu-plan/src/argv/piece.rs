//! What a line is made of: pieces that are decided first and written afterwards.
//!
//! A running emulator takes the same pieces over its monitor: a device is the argument of `device_add`, a block node of
//! `blockdev-add`, a network back end of `netdev_add`, an object of `object-add`, a character device of `chardev-add`.

use super::ability;
use super::chardev::Chardev;
use super::{Builder, Json};

/// A descriptor handed to the emulator as a member of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Number of the set; the emulator finds it as `/dev/fdset/NUMBER`.
    pub set: u32,
    /// Descriptor in the emulator's process.
    pub fd: i32,
    /// What it is, for those who look at the sets.
    pub opaque: String,
}

/// One part of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// A descriptor.
    Passed(Passed),
    /// An object.
    Object(Json),
    /// A block node.
    Blockdev(Json),
    /// A network back end.
    Netdev(Json),
    /// A character device.
    Chardev(Chardev),
    /// A device.
    Device(Json),
    /// An option that only a line has.
    Plain(&'static str, String),
}

impl Builder<'_> {
    /// Appends a piece.
    pub(crate) fn add(&mut self, piece: Piece) {
        if let Some(pieces) = &mut self.pieces
            && !matches!(piece, Piece::Device(_))
        {
            pieces.push(piece);
            return;
        }
        match piece {
            Piece::Passed(Passed { set, fd, opaque }) => {
                self.option("-add-fd", format!("set={set},fd={fd},opaque={opaque}"));
            }
            Piece::Object(json) => self.object(json),
            Piece::Blockdev(json) => self.option("-blockdev", json.text()),
            Piece::Netdev(json) => {
                let text = if ability::netdev_json(self.caps) { json.text() } else { json.plain("type") };
                self.option("-netdev", text);
            }
            Piece::Chardev(chardev) => {
                let text = chardev.text(self.caps);
                self.option("-chardev", text);
            }
            Piece::Device(json) => self.device(json),
            Piece::Plain(option, value) => self.option(option, value),
        }
    }

    /// Appends pieces in their order.
    pub(crate) fn add_all(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        pieces.into_iter().for_each(|piece| self.add(piece));
    }

    /// Hands over a descriptor, when the start has one of this name: the piece, and the path by which the emulator opens
    /// it.
    pub(crate) fn pass(&mut self, opaque: &str) -> Option<(Piece, String)> {
        self.pass_as(opaque, opaque.to_owned())
    }

    /// The same for a descriptor that the start knows by another name.
    pub(crate) fn pass_as(&mut self, name: &str, opaque: String) -> Option<(Piece, String)> {
        let fd = *self.start.passed_fds.get(name)?;
        let set = self.next_fdset;
        self.next_fdset += 1;
        Some((Piece::Passed(Passed { set, fd, opaque }), format!("/dev/fdset/{set}")))
    }
}
