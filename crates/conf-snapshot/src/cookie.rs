//! `<cookie>`: what QEMU's driver notes beside a saved state, in snapshots and in files of saved guests.

use conf_domain::elements::{self, Elements};
use xml::{Document, Node, Tree, Writer};

/// The driver's notes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SaveCookie {
    /// The processor the guest saw, with all its features.
    pub cpu: Option<Tree>,
    /// User-mode networking ran in a process of its own.
    pub slirp_helper: bool,
}

impl SaveCookie {
    /// Reads a `<cookie>`; one with nothing that is known is none.
    pub fn read(node: Node<'_>) -> Option<SaveCookie> {
        let place = Elements::domain().place("domain/cpu")?;
        let cpu = node.child("cpu").map(|cpu| {
            let mut tree = place.read(cpu);
            place.sort(&mut tree);
            tree
        });
        let cookie = SaveCookie { cpu, slirp_helper: node.child("slirpHelper").is_some() };
        (cookie != SaveCookie::default()).then_some(cookie)
    }

    /// Reads a cookie that stands alone.
    pub fn parse(text: &str) -> Option<SaveCookie> {
        let document = Document::parse(text).ok()?;
        SaveCookie::read(document.root())
    }

    /// Prints it.
    pub fn write(&self, w: &mut Writer) {
        w.element("cookie").children(|w| {
            if let Some(cpu) = &self.cpu {
                elements::write(cpu, w);
            }
            if self.slirp_helper {
                w.element("slirpHelper").empty();
            }
        });
    }

    /// The text of a cookie that stands alone.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }
}
