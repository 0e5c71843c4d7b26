//! An element that owns its content and can be changed.

use crate::{Attrs, Key, Known, Name, Node, Trees, Word};

/// An element without namespaces: name, attributes in order, child elements, text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    /// Local name.
    pub name: Name,
    /// Attributes in order.
    pub attrs: Attrs,
    /// Child elements in order.
    pub children: Trees,
    /// Text, when there are no child elements.
    pub text: Option<String>,
}

/// Whether a path is a single name for sure; of one that is part of the program this is known before it runs.
#[inline(always)]
fn is_one_name(path: &str) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let slash = |word: [u8; 8]| {
        let word = u64::from_le_bytes(word) ^ (ONES * b'/' as u64);
        word.wrapping_sub(ONES) & !word & (ONES << 7) != 0
    };
    match (path.as_bytes().first_chunk::<8>(), path.as_bytes().last_chunk::<8>()) {
        (Some(first), Some(last)) => path.len() <= 16 && !slash(*first) && !slash(*last),
        _ => !slash(Key::of(path).to_bytes()),
    }
}

impl Tree {
    /// An element with nothing in it.
    pub fn new(name: &str) -> Tree {
        Tree { name: name.into(), ..Tree::default() }
    }

    /// An element with text.
    pub fn leaf(name: &str, text: impl Into<String>) -> Tree {
        Tree { text: Some(text.into()), ..Tree::new(name) }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Tree {
        self.set(name, value);
        self
    }

    /// The same with one more child.
    #[must_use]
    pub fn holding(mut self, child: Tree) -> Tree {
        self.children.push(child);
        self
    }

    /// Copies a parsed element with all that is below it and in no namespace.
    pub fn of(node: Node<'_>) -> Tree {
        let attrs = Attrs::of(node, |_, _| true);
        let children: Trees = node.own_elements().map(Tree::of).collect();
        let text = if children.is_empty() { Some(node.text()).filter(|text| !text.is_empty()) } else { None };
        Tree { name: node.to_name(), attrs, children, text }
    }

    /// An attribute.
    #[inline]
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.get(name)
    }

    /// A copy of an attribute, empty when there is none. A short one takes no memory of its own.
    #[inline]
    pub fn word(&self, name: &str) -> Word {
        self.attr(name).unwrap_or_default().into()
    }

    /// An attribute whose name is one of a table.
    #[inline]
    pub fn known(&self, name: Known) -> Option<&str> {
        self.attrs.known(name)
    }

    /// Whether an attribute has this value.
    #[inline]
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.attr(name) == Some(value)
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &str, value: impl AsRef<str>) {
        self.attrs.set(name, value.as_ref());
    }

    /// Sets an attribute that is not there yet.
    pub fn default_to(&mut self, name: &str, value: &str) {
        if self.attr(name).is_none() {
            self.attrs.set(name, value);
        }
    }

    /// Removes an attribute.
    pub fn unset(&mut self, name: &str) {
        self.attrs.unset(name);
    }

    /// First child of this name.
    #[inline]
    pub fn child(&self, name: &str) -> Option<&Tree> {
        self.find(Key::of(name), name)
    }

    fn find(&self, key: Key, name: &str) -> Option<&Tree> {
        self.children.iter().find(|child| child.name.is(key, name))
    }

    /// First child of this name, to be changed.
    #[inline]
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Tree> {
        self.find_mut(Key::of(name), name)
    }

    fn find_mut(&mut self, key: Key, name: &str) -> Option<&mut Tree> {
        self.children.iter_mut().find(|child| child.name.is(key, name))
    }

    /// First child of this name, made when there is none.
    #[inline]
    pub fn child_or_new(&mut self, name: &str) -> &mut Tree {
        self.find_or_new(Key::of(name), name)
    }

    fn find_or_new(&mut self, key: Key, name: &str) -> &mut Tree {
        let at = self.children.iter().position(|child| child.name.is(key, name)).unwrap_or_else(|| {
            // Nearly always it stays the only one.
            if self.children.is_empty() {
                self.children.reserve_exact(1);
            }
            self.children.push(Tree { name: Name::keyed(key, name), ..Tree::default() });
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    /// Children of this name.
    #[inline]
    pub fn all<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Tree> {
        let key = Key::of(name);
        self.children.iter().filter(move |child| child.name.is(key, name))
    }

    /// Children of this name, to be changed.
    #[inline]
    pub fn all_mut<'t>(&'t mut self, name: &'t str) -> impl Iterator<Item = &'t mut Tree> {
        let key = Key::of(name);
        self.children.iter_mut().filter(move |child| child.name.is(key, name))
    }

    /// Walks down a path of names separated by `/`, first match at each step.
    #[inline]
    pub fn at(&self, path: &str) -> Option<&Tree> {
        if is_one_name(path) { self.child(path) } else { self.walk(path) }
    }

    fn walk(&self, path: &str) -> Option<&Tree> {
        let (mut step, mut rest) = (self, path);
        // Paths are short, so that looking at each byte is faster than a search.
        while let Some(end) = rest.bytes().position(|byte| byte == b'/') {
            step = step.child(rest.get(..end)?)?;
            rest = rest.get(end + 1..)?;
        }
        step.child(rest)
    }

    /// An attribute of the element at a path.
    #[inline(always)]
    pub fn attr_at(&self, path: &str, name: &str) -> Option<&str> {
        self.at(path)?.attr(name)
    }

    /// Text of the child of this name.
    #[inline]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)?.text.as_deref()
    }

    /// Text, empty when there is none.
    pub fn body(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Removes all children of this name.
    pub fn remove(&mut self, name: &str) {
        let key = Key::of(name);
        if self.find(key, name).is_some() {
            self.children.retain(|child| !child.name.is(key, name));
        }
    }

    /// Gives back memory that was set aside for growing.
    pub fn shrink(&mut self) {
        self.children.shrink_to_fit();
        self.children.iter_mut().for_each(Tree::shrink);
    }
}
