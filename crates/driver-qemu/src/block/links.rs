//! Links between the images of a disk: finding one, cutting some out, making another the top.

use super::disk::{has_image, images, target};
use crate::{chain, error};
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Tree;

fn invalid(text: String) -> Error {
    Error::new(ErrorCode::INVALID_ARG, ErrorDomain::STORAGE, text)
}

/// The number of the image that `name` means, a path or `vda[N]`, somewhere below the image `above` of a disk, or
/// anywhere in its chain.
///
/// # Errors
/// When there is none.
pub(crate) fn find(disk: &Tree, above: Option<u32>, name: &str) -> Result<u32> {
    let all = images(disk);
    let top = above.and_then(|above| all.iter().position(|(_, index)| *index == above));
    let candidates = all.get(top.map_or(0, |top| top + 1)..).unwrap_or_default();
    let under = top.and_then(|top| chain::local(all.get(top)?.0));
    let own = target(disk);
    let index = match super::disk::split_index(name) {
        (other, Some(index)) => {
            if other != own {
                let text = format!("requested target '{other}' does not match target '{own}'");
                return Err(error(ErrorCode::INVALID_ARG, text));
            }
            Some(index)
        }
        _ => None,
    };
    let found = candidates.iter().find(|(element, number)| match index {
        Some(index) => *number == index,
        None => chain::local(element) == Some(name),
    });
    found.map(|(_, number)| *number).ok_or_else(|| {
        let what = match index {
            Some(index) => format!("could not find backing store index '{index}'"),
            None => format!("could not find image '{name}'"),
        };
        invalid(match under {
            Some(under) => format!("{what} beneath '{under}' in chain for '{own}'"),
            None => format!("{what} in chain for '{own}'"),
        })
    })
}

/// The last image below the image `above`.
pub(crate) fn last(disk: &Tree, above: u32) -> Result<u32> {
    let all = images(disk);
    let top = all.iter().position(|(_, index)| *index == above);
    let below = top.and_then(|top| all.get(top + 1..)).unwrap_or_default();
    let none = || invalid(format!("could not find base image in chain for '{}'", target(disk)));
    below.last().map(|(_, index)| *index).ok_or_else(none)
}

/// The image that is based on the image `index`.
pub(crate) fn parent(disk: &Tree, index: u32) -> Option<u32> {
    let all = images(disk);
    let at = all.iter().position(|(_, number)| *number == index)?;
    all.get(at.checked_sub(1)?).map(|(_, number)| *number)
}

/// The image that the image `index` is based on.
pub(crate) fn below(disk: &Tree, index: u32) -> Option<u32> {
    let all = images(disk);
    let at = all.iter().position(|(_, number)| *number == index)?;
    all.get(at + 1).map(|(_, number)| *number)
}

/// The element of an image.
pub(crate) fn element(disk: &Tree, index: u32) -> Option<&Tree> {
    images(disk).into_iter().find(|(_, number)| *number == index).map(|(element, _)| element)
}

/// Images between two, without the lower one; with the upper one if `inclusive`. Down to the end without a lower one.
pub(crate) fn between(disk: &Tree, upper: u32, lower: Option<u32>, inclusive: bool) -> Vec<u32> {
    let numbers: Vec<u32> = images(disk).into_iter().map(|(_, number)| number).collect();
    let from = numbers
        .iter()
        .position(|number| *number == upper)
        .map_or(numbers.len(), |at| at + usize::from(!inclusive));
    numbers
        .get(from..)
        .unwrap_or_default()
        .iter()
        .copied()
        .take_while(|number| Some(*number) != lower)
        .collect()
}

fn element_mut(disk: &mut Tree, index: u32) -> Option<&mut Tree> {
    let text = index.to_string();
    if has_image(disk) && disk.attr_at("source", "index") == Some(&text) {
        return Some(disk);
    }
    let mut element = disk.child_mut("backingStore")?;
    loop {
        if element.attr("index") == Some(&text) {
            return Some(element);
        }
        element = element.child_mut("backingStore")?;
    }
}

/// Makes an image be based on another one below it, or on nothing.
pub(crate) fn rebase(disk: &mut Tree, upper: u32, lower: Option<u32>) {
    let new = match lower {
        Some(lower) => match element(disk, lower) {
            Some(found) => found.clone(),
            None => return,
        },
        None => Tree::new("backingStore"),
    };
    if let Some(element) = element_mut(disk, upper) {
        element.remove("backingStore");
        element.children.push(new);
    }
}

/// What a disk would be with another image as its top: the image's element, which has its source, its format and what it
/// is based on.
pub(crate) fn with_top(disk: &Tree, image: &Tree) -> Tree {
    let mut next = disk.clone();
    for name in ["source", "backingStore", "mirror", "auth"] {
        next.remove(name);
    }
    next.set("type", image.attr("type").unwrap_or("file"));
    if let Some(format) = chain::format_of(image) {
        next.child_or_new("driver").set("type", format);
    }
    if let Some(mut source) = image.child("source").cloned() {
        if let Some(index) = image.attr("index") {
            source.set("index", index);
        }
        next.children.push(source);
    }
    next.children.extend(image.child("backingStore").cloned());
    next
}

/// A disk's top as an element that another image can be based on.
pub(crate) fn as_base(disk: &Tree) -> Tree {
    let kind = disk.attr("type").unwrap_or("file");
    let mut base = Tree::new("backingStore").with("type", kind);
    let format = chain::format_of(disk).unwrap_or("raw").to_owned();
    base.children.push(Tree::new("format").with("type", format));
    if let Some(mut source) = disk.child("source").cloned() {
        if let Some(index) = source.attr("index").map(str::to_owned) {
            base.set("index", index);
        }
        source.unset("index");
        base.children.push(source);
    }
    base.children.push(disk.child("backingStore").cloned().unwrap_or_else(|| Tree::new("backingStore")));
    base
}

/// A chain as a stored definition has it: without numbers.
pub(crate) fn without_numbers(element: &Tree) -> Tree {
    let mut plain = element.clone();
    if plain.name != "disk" {
        plain.unset("index");
    }
    if let Some(source) = plain.child_mut("source") {
        source.unset("index");
    }
    if let Some(below) = plain.child("backingStore").map(without_numbers) {
        plain.remove("backingStore");
        plain.children.push(below);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(index: u32, below: Tree) -> Tree {
        Tree::new("backingStore")
            .with("type", "file")
            .with("index", index.to_string())
            .holding(Tree::new("format").with("type", "qcow2"))
            .holding(Tree::new("source").with("file", format!("/{index}")))
            .holding(below)
    }

    fn disk() -> Tree {
        Tree::new("disk")
            .with("type", "file")
            .holding(Tree::new("driver").with("type", "qcow2"))
            .holding(Tree::new("source").with("file", "/1").with("index", "1"))
            .holding(image(2, image(3, Tree::new("backingStore"))))
            .holding(Tree::new("target").with("dev", "vda"))
    }

    #[test]
    fn finds() {
        let disk = disk();
        assert_eq!(find(&disk, None, "/1").unwrap(), 1);
        assert_eq!(find(&disk, Some(1), "vda[3]").unwrap(), 3);
        let refused = find(&disk, Some(2), "/2").unwrap_err().to_string();
        assert!(refused.ends_with("could not find image '/2' beneath '/2' in chain for 'vda'"), "{refused}");
        assert_eq!((last(&disk, 1).unwrap(), parent(&disk, 3), below(&disk, 3)), (3, Some(2), None));
        assert!(last(&disk, 3).is_err());
        assert_eq!(between(&disk, 1, Some(3), true), [1, 2]);
        assert_eq!(between(&disk, 1, None, false), [2, 3]);
    }

    #[test]
    fn cuts() {
        let mut cut = disk();
        rebase(&mut cut, 1, Some(3));
        assert_eq!(images(&cut).len(), 2);
        assert_eq!(below(&cut, 1), Some(3));
        rebase(&mut cut, 1, None);
        assert_eq!(cut.at("backingStore").map(|store| store.children.len()), Some(0));
    }

    #[test]
    fn changes_tops() {
        let disk = disk();
        let base = with_top(&disk, element(&disk, 3).unwrap());
        assert_eq!(
            (base.attr_at("source", "file"), base.attr_at("source", "index")),
            (Some("/3"), Some("3"))
        );
        let overlay = as_base(&disk);
        assert_eq!((overlay.attr("index"), overlay.attr_at("source", "index")), (Some("1"), None));
        assert!(without_numbers(&overlay).attr("index").is_none());
    }
}
