//! A cursor on an element.

use crate::attrs::Pairs;
use crate::document::{AttrData, Document, Kind, NONE, NodeData, Space, position};
use crate::{Attrs, Key, Name};
use std::fmt;

/// An element of a [`Document`]. Copying is free.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document<'d>,
    index: u32,
}

/// What stands in an element.
#[derive(Clone, Copy, Debug)]
pub enum Content<'d> {
    /// An element.
    Element(Node<'d>),
    /// Text, with references resolved.
    Text(&'d str),
}

/// An attribute with all parts of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'d> {
    /// Prefix, when it is in a namespace.
    pub prefix: Option<&'d str>,
    /// Namespace URI.
    pub namespace: Option<&'d str>,
    /// Local name.
    pub name: &'d str,
    /// Value.
    pub value: &'d str,
}

impl<'d> Node<'d> {
    pub(crate) fn new<'t: 'd>(document: &'d Document<'t>, index: u32) -> Node<'d> {
        Node { document, index }
    }

    fn data(self) -> &'d NodeData<'d> {
        // Indexes come from the document itself, which has an outermost element at least.
        &self.document.nodes[self.index as usize]
    }

    fn space(self, index: u32) -> Option<&'d Space<'d>> {
        self.document.spaces.get(index as usize)
    }

    fn own(self) -> &'d [AttrData<'d>] {
        let (from, to) = self.data().attrs;
        self.document.attrs.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Local name.
    pub fn name(self) -> &'d str {
        self.data().name()
    }

    /// Prefix, when the element has one.
    pub fn prefix(self) -> Option<&'d str> {
        self.space(self.data().namespace).and_then(|space| space.prefix)
    }

    /// Namespace URI, when the element is in one.
    pub fn namespace(self) -> Option<&'d str> {
        self.space(self.data().namespace).map(|space| space.uri.as_ref())
    }

    /// The number of its local name.
    pub fn key(self) -> Key {
        self.data().key
    }

    /// Its local name, as trees have it.
    pub fn to_name(self) -> Name {
        Name::keyed(self.data().key, self.data().name())
    }

    /// Whether it has this local name and is in no namespace.
    fn is_own(self, key: Key, name: &str) -> bool {
        let data = self.data();
        data.key == key && data.namespace == NONE && (key.is_exact() || data.name() == name)
    }

    /// Attribute without a namespace.
    pub fn attr(self, name: &str) -> Option<&'d str> {
        let key = Key::of(name);
        let found = self
            .own()
            .iter()
            .find(|attr| attr.key == key && attr.namespace == NONE && (key.is_exact() || attr.name == name));
        found.map(|attr| attr.value.as_ref())
    }

    /// Attributes as (namespace, local name, value), in document order.
    pub fn attrs(self) -> impl Iterator<Item = (Option<&'d str>, &'d str, &'d str)> {
        self.own().iter().map(move |attr| {
            let namespace = self.space(attr.namespace).map(|space| space.uri.as_ref());
            (namespace, attr.name, attr.value.as_ref())
        })
    }

    pub(crate) fn has_attrs(self) -> bool {
        !self.own().is_empty()
    }

    /// Names, with their numbers, and values of the attributes in no namespace.
    pub(crate) fn own_pairs(self) -> impl Iterator<Item = (Key, &'d str, &'d str)> {
        let own = self.own().iter().filter(|attr| attr.namespace == NONE);
        own.map(|attr| (attr.key, attr.name, attr.value.as_ref()))
    }

    /// Bits of the names of the attributes in no namespace, and where they stand among the pairs of the document.
    pub(crate) fn pairs(self) -> Option<(u32, (u32, u32), &'d Pairs)> {
        let data = self.data();
        (data.pairs.0 < data.pairs.1).then_some((data.names, data.pairs, &self.document.pairs))
    }

    /// Attributes with all parts of their names, in document order.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'d>> {
        self.own().iter().map(move |attr| {
            let space = self.space(attr.namespace);
            Attribute {
                prefix: space.and_then(|space| space.prefix),
                namespace: space.map(|space| space.uri.as_ref()),
                name: attr.name,
                value: attr.value.as_ref(),
            }
        })
    }

    /// First child element of this name that is in no namespace.
    pub fn child(self, name: &str) -> Option<Node<'d>> {
        let key = Key::of(name);
        self.elements().find(|node| node.is_own(key, name))
    }

    /// Child elements of this name that are in no namespace.
    pub fn children<'n>(self, name: &'n str) -> impl Iterator<Item = Node<'d>> + use<'d, 'n> {
        let key = Key::of(name);
        self.elements().filter(move |node| node.is_own(key, name))
    }

    /// First child element of this name in this namespace.
    pub fn child_ns(self, namespace: &str, name: &str) -> Option<Node<'d>> {
        self.elements().find(|node| node.namespace() == Some(namespace) && node.name() == name)
    }

    fn inside(self) -> impl Iterator<Item = Node<'d>> {
        let mut next = self.data().first;
        std::iter::from_fn(move || {
            let index = next;
            next = self.document.nodes.get(index as usize)?.next;
            Some(Node { document: self.document, index })
        })
    }

    /// Child elements in no namespace, in document order.
    pub fn own_elements(self) -> impl Iterator<Item = Node<'d>> {
        self.inside().filter(|node| {
            let data = node.data();
            data.namespace == NONE && matches!(data.kind, Kind::Element(_))
        })
    }

    /// All child elements in document order.
    pub fn elements(self) -> impl Iterator<Item = Node<'d>> {
        self.inside().filter(|node| matches!(node.data().kind, Kind::Element(_)))
    }

    /// Elements and texts in document order.
    pub fn content(self) -> impl Iterator<Item = Content<'d>> {
        self.inside().map(|node| match &node.data().kind {
            Kind::Element(_) => Content::Element(node),
            Kind::Text(text) => Content::Text(text),
        })
    }

    /// The first element that a path of names separated by `/` leads to. Where a name stands several times, what the
    /// first of them lacks is taken from the next, as XPath does.
    pub fn descend(self, path: &str) -> Option<Node<'d>> {
        self.seek(path, &mut Some)
    }

    /// The first attribute of this name on an element that a path leads to, as for [`Node::descend`].
    pub fn descend_attr(self, path: &str, name: &str) -> Option<&'d str> {
        self.seek(path, &mut |node| node.attr(name))
    }

    fn seek<T>(self, path: &str, of: &mut dyn FnMut(Node<'d>) -> Option<T>) -> Option<T> {
        match path.split_once('/') {
            None => self.children(path).find_map(of),
            Some((name, rest)) => self.children(name).find_map(|node| node.seek(rest, of)),
        }
    }

    /// Text of the first child element of this name; `None` when there is no such element.
    pub fn child_text(self, name: &str) -> Option<String> {
        self.child(name).map(Node::text)
    }

    /// All text below this element, joined, unchanged.
    pub fn text(self) -> String {
        let mut text = String::new();
        // Nodes below stand behind this one, up to the first that begins behind its end.
        let end = self.data().span.1;
        let below = self.document.nodes.get(self.index as usize + 1..).unwrap_or_default();
        for (index, node) in (self.index + 1..).zip(below.iter().take_while(|node| node.span.0 < end)) {
            if let Kind::Text(part) = &node.kind
                && (!part.trim_ascii().is_empty() || self.keeps(index, node))
            {
                text.push_str(part);
            }
        }
        text
    }

    /// Whether white space counts: alone in its element, or in one that begins with text. Between elements it only sets them apart.
    fn keeps(self, index: u32, blank: &NodeData<'_>) -> bool {
        let node = |index: u32| self.document.nodes.get(index as usize);
        let Some(around) = node(blank.parent) else { return true };
        if around.first == index {
            return blank.next == NONE;
        }
        let first = node(around.first).map(|first| &first.kind);
        matches!(first, Some(Kind::Text(text)) if !text.trim_ascii().is_empty())
    }

    /// All text below this element, when there is more than white space.
    pub fn leaf_text(self) -> Option<String> {
        let first = self.document.nodes.get(self.data().first as usize)?;
        match &first.kind {
            // Nearly always there is one piece of text and nothing else.
            Kind::Text(text) if first.next == NONE => {
                Some(text).filter(|text| !text.trim().is_empty()).map(|text| text.clone().into_owned())
            }
            _ => Some(self.text()).filter(|text| !text.trim().is_empty()),
        }
    }

    /// Attributes in no namespace whose names are kept; the number of a name is given with it.
    pub fn own_attrs(self, keep: impl Fn(Key, &str) -> bool) -> Attrs {
        Attrs::of(self, keep)
    }

    /// The text that stands in this element itself, joined, unchanged.
    pub fn own_text(self) -> String {
        self.content()
            .filter_map(|part| match part {
                Content::Text(text) => Some(text),
                Content::Element(_) => None,
            })
            .collect()
    }

    /// The enclosing element.
    pub fn parent(self) -> Option<Node<'d>> {
        let parent = self.data().parent;
        (parent != NONE).then_some(Node { document: self.document, index: parent })
    }

    /// 1-based line and column, in bytes, where the element begins.
    pub fn position(self) -> (u32, u32) {
        position(self.document.text, self.data().span.0 as usize)
    }

    /// The element as it stands in the source text.
    pub fn source(self) -> &'d str {
        let (from, to) = self.data().span;
        self.document.text.get(from as usize..to as usize).unwrap_or_default()
    }

    fn scope(self) -> impl Iterator<Item = &'d Space<'d>> {
        let mut next = self.data().scope;
        std::iter::from_fn(move || {
            let space = self.space(next)?;
            next = space.outer;
            Some(space)
        })
    }

    /// Namespace declarations in force here: (prefix, URI), the outer ones first.
    pub fn namespaces(self) -> impl Iterator<Item = (Option<&'d str>, &'d str)> {
        let mut found: Vec<(Option<&'d str>, &'d str)> = Vec::new();
        for space in self.scope() {
            if !found.iter().any(|(prefix, _)| *prefix == space.prefix) {
                found.push((space.prefix, space.uri.as_ref()));
            }
        }
        found.into_iter().rev()
    }

    /// Namespace declarations of this element itself, in document order.
    pub fn declared(self) -> impl Iterator<Item = (Option<&'d str>, &'d str)> {
        let outer = self.parent().map_or(NONE, |parent| parent.data().scope);
        let mut next = self.data().scope;
        let mut found = Vec::new();
        while let Some(space) = self.space(next).filter(|_| next != outer) {
            found.push((space.prefix, space.uri.as_ref()));
            next = space.outer;
        }
        found.into_iter().rev()
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "<{}> at {line}:{column}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;

    #[test]
    fn a_path_leads_through_every_element_of_a_name() {
        let text = "<a><b><c/></b><b><c x='1'/><d>first</d></b><b><c x='2'/><d>second</d></b></a>";
        let document = Document::parse(text).unwrap();
        let root = document.root();
        assert_eq!(root.descend("b/c").and_then(|node| node.attr("x")), None);
        assert_eq!(root.descend_attr("b/c", "x"), Some("1"));
        assert_eq!(root.descend("b/d").map(super::Node::text).as_deref(), Some("first"));
        assert!(root.descend("b/e").is_none() && root.descend("c").is_none());
    }
}
