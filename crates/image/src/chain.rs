//! Images that lie on each other: following them, finding one among them, the way from one to another.
//!
//! ```text
//! top ──base──▶ image ──base──▶ image ──base──▶ bottom
//!  │ header says where and, if it is well made, of which format
//!  └─▶ a format that is not said is looked for, but an image found like that has no base: what a guest wrote
//!      there could be anything
//! ```

use crate::{Header, Place, probe};
use std::collections::BTreeSet;

/// Longest chain that is followed.
pub const DEPTH: usize = 200;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A folder.
    Folder,
    /// A file with this beginning.
    File(Vec<u8>),
    /// A device with this beginning.
    Device(Vec<u8>),
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq)]
pub enum Spot {
    /// A file.
    File,
    /// A block device.
    Device,
    /// A folder.
    Folder,
    /// Elsewhere.
    Elsewhere(Box<Place>),
}

/// An image of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Path, or the name in the place elsewhere.
    pub path: String,
    /// The name by which the image above has it, when that is relative to itself.
    pub relative: Option<String>,
    /// Where it is.
    pub spot: Spot,
    /// Format.
    pub format: String,
    /// What its header says.
    pub header: Header,
    /// Path of the file with the data, when it is another one.
    pub data_file: Option<String>,
}

/// Why a chain cannot be followed to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// There is nothing.
    #[error("Cannot access storage file '{0}'")]
    Missing(String),
    /// An image lies on itself.
    #[error("backing store for {0} is self-referential")]
    Loop(String),
    /// More images than anybody has.
    #[error("backing chain of {0} is too long")]
    Long(String),
    /// The format was not said, and what was found has a base or data elsewhere.
    #[error("format of backing image '{0}' must be specified in the image metadata")]
    Guess(String),
    /// The header does not tell where the data are.
    #[error("image '{0}' has data in a file without a name")]
    Nameless(String),
    /// The name is none that is understood.
    #[error("{0}")]
    Name(String),
}

/// A path as an image in another folder spells it.
fn join(image: &str, name: &str) -> String {
    match image.rfind('/') {
        Some(at) if !name.starts_with('/') => format!("{}/{name}", &image[..at]),
        _ => name.to_owned(),
    }
}

/// Formats that images have.
const FORMATS: [&str; 18] = [
    "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "vhdx", "fat", "vhd", "ploop", "luks", "cow",
    "qcow", "qcow2", "qed", "vmdk",
];

/// The format that a header names; names of protocols, which old programs wrote there, say that there is none.
pub fn format_named(name: &str) -> &str {
    if FORMATS.contains(&name) { name } else { "raw" }
}

/// A name without the word that says it is one of a file.
fn plain(name: &str) -> &str {
    name.strip_prefix("file:").unwrap_or(name)
}

/// Whether a name is one of a file on this host.
fn local(name: &str) -> bool {
    let front = name.split('/').next().unwrap_or_default();
    name.starts_with('/') || !front.contains(':')
}

/// Follows a chain from its top, whose format is said, or is `None` for what it is: a folder, else raw.
///
/// # Errors
/// When the chain does not come to an end that can be trusted.
pub fn follow(
    path: &str,
    format: Option<&str>,
    look: &mut dyn FnMut(&str) -> Option<Seen>,
) -> Result<Vec<Link>, Broken> {
    let mut chain: Vec<Link> = Vec::new();
    let mut known = BTreeSet::new();
    let mut next = Some((path.to_owned(), None, Some(format.unwrap_or("raw").to_owned())));
    while let Some((path, relative, told)) = next.take() {
        if !known.insert(path.clone()) {
            return Err(Broken::Loop(path));
        }
        if chain.len() >= DEPTH {
            return Err(Broken::Long(path));
        }
        let seen = look(&path).ok_or_else(|| Broken::Missing(path.clone()))?;
        let (spot, head) = match seen {
            Seen::Folder => {
                let top = chain.is_empty() && format.is_none();
                let format = told.filter(|_| !top).unwrap_or_else(|| "dir".to_owned());
                chain.push(Link {
                    path,
                    relative,
                    spot: Spot::Folder,
                    format,
                    header: Header::default(),
                    data_file: None,
                });
                break;
            }
            Seen::File(head) => (Spot::File, head),
            Seen::Device(head) => (Spot::Device, head),
        };
        let guessed = told.is_none();
        let format = told.unwrap_or_else(|| probe(&head).to_owned());
        let header = Header::read(&format, &head);
        if guessed && (header.base.is_some() || header.data_file.is_some()) {
            return Err(Broken::Guess(path));
        }
        if header.external_data && header.data_file.is_none() {
            return Err(Broken::Nameless(path));
        }
        let data_file = header.data_file.as_deref().map(|name| join(&path, plain(name)));
        let base = header.base.clone();
        let base_format = header.base_format.as_deref().map(|name| format_named(name).to_owned());
        chain.push(Link { path: path.clone(), relative, spot, format, header, data_file });
        let Some(name) = base else { break };
        let name = plain(&name);
        if local(name) {
            let relative = (!name.starts_with('/')).then(|| name.to_owned());
            next = Some((join(&path, name), relative, base_format));
            continue;
        }
        let place = Place::parse(name).map_err(|error| Broken::Name(error.message().to_owned()))?;
        if let Some(file) = place.source.attr("file").or_else(|| place.source.attr("dev")) {
            next = Some((join(&path, file), None, base_format));
            continue;
        }
        chain.push(Link {
            path: place.source.attr("name").unwrap_or_default().to_owned(),
            relative: None,
            spot: Spot::Elsewhere(Box::new(place)),
            // Elsewhere is not looked.
            format: base_format.unwrap_or_else(|| "raw".to_owned()),
            header: Header::default(),
            data_file: None,
        });
    }
    Ok(chain)
}

/// What is known of an image when one is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'m> {
    /// Path.
    pub path: &'m str,
    /// The name the image above has for it, when that is relative.
    pub relative: Option<&'m str>,
    /// Number in a running guest.
    pub id: Option<u32>,
}

/// The target of a disk and the number of one of its images: `vda[1]`.
pub fn numbered(name: &str) -> Option<(&str, u32)> {
    let (target, number) = name.strip_suffix(']')?.split_once('[')?;
    Some((target, number.parse().ok()?))
}

/// Finds an image below `from` (among all without it): the one of this name or number, the last without a name.
/// `same` tells whether two paths lead to the same file; relative ones are relative to the working directory.
pub fn find(
    chain: &[Member<'_>],
    from: Option<usize>,
    name: Option<&str>,
    target: Option<&str>,
    same: &dyn Fn(&str, &str) -> bool,
) -> Option<usize> {
    let first = from.map_or(0, |from| from + 1);
    let below = chain.get(first..).filter(|below| !below.is_empty())?;
    let Some(name) = name else { return Some(chain.len() - 1) };
    if let (Some(target), Some((named, number))) = (target, numbered(name)) {
        let fits = |(at, member): (usize, &Member<'_>)| member.id.unwrap_or(at as u32) == number;
        return (first..chain.len()).find(|at| named == target && fits((*at, &chain[*at])));
    }
    below.iter().enumerate().map(|(at, member)| (first + at, member)).find_map(|(at, member)| {
        let above = at.checked_sub(1).and_then(|above| chain.get(above));
        let place = above.map_or_else(|| name.to_owned(), |above| join(above.path, name));
        let found = member.path == name || member.relative == Some(name) || same(&place, member.path);
        found.then_some(at)
    })
}

/// The way from the image above `top` to `base`, when every step between them is a relative name.
pub fn way(relative: &[Option<&str>], top: usize, base: usize) -> Option<String> {
    let steps = relative.get(top..=base).filter(|steps| !steps.is_empty())?;
    let mut way = String::new();
    for step in steps {
        let step = (*step)?;
        let folder = way.rfind('/').map_or(0, |at| at + 1);
        way.truncate(folder);
        way.push_str(step);
    }
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        let names = [None, Some("a/b"), Some("../c"), Some("d")];
        assert_eq!(way(&names, 1, 3).as_deref(), Some("a/../d"));
        assert_eq!(way(&names, 0, 1), None);
        assert_eq!(way(&names, 2, 1), None);
        assert_eq!(way(&names, 2, 9), None);
    }

    #[test]
    fn names_and_numbers() {
        let member = |path, id| Member { path, relative: None, id: Some(id) };
        let chain = [member("/x/a", 0), member("/x/b", 7)];
        let find = |from, name| find(&chain, from, Some(name), Some("vda"), &|one, other| one == other);
        assert_eq!(find(None, "vda[7]"), Some(1));
        assert_eq!(find(Some(1), "vda[7]"), None);
        assert_eq!(find(None, "vdb[7]"), None);
        assert_eq!(find(None, "b"), Some(1));
        assert_eq!(find(None, "a"), None);
        assert_eq!(numbered("vda[1][1]"), None);
    }

    #[test]
    fn chains_that_are_not_followed() {
        let mut head = vec![0u8; 512];
        head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x02");
        head[8..16].copy_from_slice(&100u64.to_be_bytes());
        head[16..20].copy_from_slice(&4u32.to_be_bytes());
        head[100..104].copy_from_slice(b"self");
        let mut look = |path: &str| (path != "/gone").then(|| Seen::File(head.clone()));
        assert_eq!(follow("/gone", None, &mut look).unwrap_err(), Broken::Missing("/gone".to_owned()));
        assert_eq!(
            follow("/a/self", Some("qcow2"), &mut look).unwrap_err(),
            Broken::Loop("/a/self".to_owned())
        );
        assert_eq!(
            follow("/a/top", Some("qcow2"), &mut look).unwrap_err(),
            Broken::Guess("/a/self".to_owned())
        );
        assert_eq!(follow("/a/top", None, &mut look).unwrap().len(), 1);
    }
}
