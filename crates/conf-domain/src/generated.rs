//! Documents made by chance out of the tables of elements and values: what is accepted of them must read and print as itself.
//!
//! ```text
//! elements + values ──▶ a few elements with some of their attributes ──parse──▶ format ──parse──▶ format
//! ```
//!
//! Values are mostly such as the table accepts where the element stands; the rest is any short text. Most documents are
//! refused for some contradiction; the others are the interesting ones.
//!
//! `ROUNDS` and `SEED` choose how many and which; `DUMP=FOLDER` writes each document with what became of it, so that
//! it can be compared with what others make of it.

use crate::elements::{self, Elements, Place};
use crate::{Domain, FormatFlags, ParseFlags};
use xml::{Tree, Writer};

/// Chance that repeats: a linear congruential generator (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }
}

const TEXTS: &[&str] =
    &["a", "vda", "/dir/file", "1", "0", "2", "yes", "on", "default", "52:54:00:11:22:33", "1-2", "0x10"];

/// An element with some of its attributes and children.
fn element(place: Place, name: &str, depth: usize, dice: &mut Dice) -> Tree {
    let mut tree = Tree::new(name);
    let all = dice.below(3) == 0;
    for attr in place.attrs() {
        if !all && dice.below(2) == 0 {
            continue;
        }
        let examples: Vec<String> = place.blocks().iter().flat_map(|block| block.examples(attr)).collect();
        let value = match examples.is_empty() || dice.below(12) == 0 {
            true => dice.of(TEXTS).to_owned(),
            false => examples[dice.below(examples.len())].clone(),
        };
        tree.set(attr, value);
    }
    if depth > 0 {
        for child in place.names() {
            if dice.below(3) == 0
                && let Some(below) = place.child(child)
            {
                tree.children.push(element(below, child, depth - 1, dice));
            }
        }
    }
    if tree.children.is_empty() && place.names().next().is_none() && dice.below(2) == 0 {
        let examples: Vec<String> = place.blocks().iter().flat_map(|block| block.examples(".")).collect();
        let text = if examples.is_empty() {
            dice.of(TEXTS).to_owned()
        } else {
            examples[dice.below(examples.len())].clone()
        };
        tree.text = Some(text);
    }
    tree
}

/// A small document with one to three elements made by chance, devices mostly.
fn document(dice: &mut Dice) -> String {
    let table = Elements::domain();
    let (root, devices) = (table.place("domain").unwrap(), table.place("domain/devices").unwrap());
    let kind = match std::env::var_os("DUMP") {
        Some(_) => "test",
        None => dice.of(&["qemu", "kvm", "test", "xen", "lxc", "bhyve"]),
    };
    let mut tree = Tree::new("domain").with("type", kind);
    let os = Tree::new("os").holding(Tree::leaf("type", "hvm").with("arch", "x86_64"));
    tree.children.extend([
        Tree::leaf("name", "n"),
        Tree::leaf("memory", "65536"),
        Tree::leaf("vcpu", "4"),
        os,
    ]);
    let names: Vec<&str> = devices.names().collect();
    let others: Vec<&str> = root
        .names()
        .filter(|name| !["name", "uuid", "metadata", "memory", "os", "vcpu"].contains(name))
        .collect();
    let mut list = Tree::new("devices");
    for _ in 0..1 + dice.below(3) {
        if dice.below(3) > 0 {
            let name = dice.of(&names);
            list.children.push(element(devices.child(name).unwrap(), name, 3, dice));
        } else {
            let name = dice.of(&others);
            if name != "devices" {
                tree.children.push(element(root.child(name).unwrap(), name, 3, dice));
            }
        }
    }
    tree.children.push(list);
    let mut w = Writer::new();
    elements::write(&tree, &mut w);
    w.finish()
}

fn pass(text: &str, generic: bool, inactive: bool) -> base::Result<String> {
    let read = ParseFlags { generic, inactive, ..ParseFlags::default() };
    let print = FormatFlags { secure: true, inactive, ..FormatFlags::default() };
    Ok(Domain::parse(text, read, &mut || [7; 16])?.format(print))
}

#[test]
fn generated_documents_are_fixed_points() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1500);
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut dice = Dice(seed);
    let dump = std::env::var_os("DUMP").map(std::path::PathBuf::from);
    let (mut accepted, mut moved) = (0, 0);
    for round in 0..rounds {
        let text = document(&mut dice);
        if let Some(folder) = &dump {
            let text = text.replace("<name>n<", &format!("<name>n{round}<"));
            let became = pass(&text, true, true).unwrap_or_else(|error| format!("error: {error}\n"));
            std::fs::write(folder.join(format!("{round}.xml")), &text).unwrap();
            std::fs::write(folder.join(format!("{round}.out")), became).unwrap();
            continue;
        }
        for (generic, inactive) in [(false, true), (true, true), (false, false)] {
            let Ok(first) = pass(&text, generic, inactive) else { continue };
            accepted += 1;
            let second = pass(&first, generic, inactive).ok();
            let disks = text.matches("<disk").count() > 1;
            let again =
                || second.as_deref().and_then(|second| pass(second, generic, inactive).ok()) == second;
            if second.as_ref() == Some(&first) || disks && second.is_some() && again() {
                continue;
            }
            moved += 1;
            let second = second.unwrap_or_default();
            let pair = first.lines().zip(second.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
            println!("--- {round} generic={generic} inactive={inactive} {pair:?}\n{text}");
        }
    }
    if dump.is_some() {
        return;
    }
    println!("{accepted} documents were accepted");
    assert!(accepted > rounds / 20, "{accepted}");
    assert_eq!(moved, 0);
}
