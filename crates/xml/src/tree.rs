//! An element that owns its content and can be changed.

use crate::attrs::{same, same_name};
use crate::{Attrs, Name, Node, Trees};

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
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Tree {
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
        let attrs = Attrs::of(node, |_| true);
        let children: Trees =
            node.elements().filter(|child| child.namespace().is_none()).map(Tree::of).collect();
        let text = if children.is_empty() { Some(node.text()).filter(|text| !text.is_empty()) } else { None };
        Tree { name: node.name().into(), attrs, children, text }
    }

    /// An attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.get(name)
    }

    /// Whether an attribute has this value.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.attr(name) == Some(value)
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.attrs.set(name, &value.into());
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
    pub fn child(&self, name: &str) -> Option<&Tree> {
        self.children.iter().find(|child| same_name(&child.name, name))
    }

    /// First child of this name, to be changed.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Tree> {
        self.children.iter_mut().find(|child| same_name(&child.name, name))
    }

    /// First child of this name, made when there is none.
    pub fn child_or_new(&mut self, name: &str) -> &mut Tree {
        let at = self.children.iter().position(|child| same_name(&child.name, name)).unwrap_or_else(|| {
            self.children.push(Tree::new(name));
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    /// Children of this name.
    pub fn all<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Tree> {
        self.children.iter().filter(move |child| same_name(&child.name, name))
    }

    /// Children of this name, to be changed.
    pub fn all_mut<'t>(&'t mut self, name: &'t str) -> impl Iterator<Item = &'t mut Tree> {
        self.children.iter_mut().filter(move |child| same_name(&child.name, name))
    }

    /// Walks down a path of names separated by `/`, first match at each step.
    pub fn at(&self, path: &str) -> Option<&Tree> {
        let bytes = path.as_bytes();
        for child in &self.children {
            let name = child.name.as_bytes();
            if !bytes.get(..name.len()).is_some_and(|own| same(own, name)) {
                continue;
            }
            match bytes.get(name.len()..) {
                None | Some([]) => return Some(child),
                Some([b'/', ..]) => return child.at(path.get(name.len() + 1..)?),
                Some(_) => {}
            }
        }
        None
    }

    /// An attribute of the element at a path.
    pub fn attr_at(&self, path: &str, name: &str) -> Option<&str> {
        self.at(path)?.attr(name)
    }

    /// Text of the child of this name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)?.text.as_deref()
    }

    /// Text, empty when there is none.
    pub fn body(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Removes all children of this name.
    pub fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    /// Gives back memory that was set aside for growing.
    pub fn shrink(&mut self) {
        self.children.shrink_to_fit();
        self.children.iter_mut().for_each(Tree::shrink);
    }
}
