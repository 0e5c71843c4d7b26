//! A cursor on an element.

use std::fmt;

/// An element of a [`Document`](crate::Document). Copying is free.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    inner: roxmltree::Node<'d, 'd>,
}

impl<'d> Node<'d> {
    pub(crate) fn new(inner: roxmltree::Node<'d, 'd>) -> Node<'d> {
        Node { inner }
    }

    /// Local name.
    pub fn name(self) -> &'d str {
        self.inner.tag_name().name()
    }

    /// Namespace URI, when the element is in one.
    pub fn namespace(self) -> Option<&'d str> {
        self.inner.tag_name().namespace()
    }

    /// Attribute without a namespace.
    pub fn attr(self, name: &str) -> Option<&'d str> {
        self.inner.attributes().find(|a| a.namespace().is_none() && a.name() == name).map(|a| a.value())
    }

    /// Attributes as (namespace, local name, value), in document order.
    pub fn attrs(self) -> impl Iterator<Item = (Option<&'d str>, &'d str, &'d str)> {
        self.inner.attributes().map(|a| (a.namespace(), a.name(), a.value()))
    }

    /// First child element of this name that is in no namespace.
    pub fn child(self, name: &str) -> Option<Node<'d>> {
        self.elements().find(|node| node.namespace().is_none() && node.name() == name)
    }

    /// Child elements of this name that are in no namespace.
    pub fn children<'n>(self, name: &'n str) -> impl Iterator<Item = Node<'d>> + use<'d, 'n> {
        self.elements().filter(move |node| node.namespace().is_none() && node.name() == name)
    }

    /// First child element of this name in this namespace.
    pub fn child_ns(self, namespace: &str, name: &str) -> Option<Node<'d>> {
        self.elements().find(|node| node.namespace() == Some(namespace) && node.name() == name)
    }

    /// All child elements in document order.
    pub fn elements(self) -> impl Iterator<Item = Node<'d>> {
        self.inner.children().filter(roxmltree::Node::is_element).map(Node::new)
    }

    /// Walks down a path of element names separated by `/`, first match at each step.
    pub fn descend(self, path: &str) -> Option<Node<'d>> {
        path.split('/').try_fold(self, |node, name| node.child(name))
    }

    /// Text of the first child element of this name; `None` when there is no such element.
    pub fn child_text(self, name: &str) -> Option<String> {
        self.child(name).map(Node::text)
    }

    /// All text below this element, joined, unchanged.
    pub fn text(self) -> String {
        self.inner.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
    }

    /// All text below this element, when there is more than white space.
    pub fn leaf_text(self) -> Option<String> {
        let first = self.inner.first_child()?;
        // Nearly always there is one piece of text and nothing else.
        if first.is_text() && first.next_sibling().is_none() {
            return first.text().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        }
        Some(self.text()).filter(|text| !text.trim().is_empty())
    }

    /// The text that stands in this element itself, joined, unchanged.
    pub fn own_text(self) -> String {
        self.inner.children().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
    }

    /// The enclosing element.
    pub fn parent(self) -> Option<Node<'d>> {
        self.inner.parent_element().map(Node::new)
    }

    /// 1-based line and column where the element begins.
    pub fn position(self) -> (u32, u32) {
        let at = self.inner.document().text_pos_at(self.inner.range().start);
        (at.row, at.col)
    }

    /// The element as it stands in the source text.
    pub fn source(self) -> &'d str {
        &self.inner.document().input_text()[self.inner.range()]
    }

    /// Namespace declarations in force here: (prefix, URI).
    pub fn namespaces(self) -> impl Iterator<Item = (Option<&'d str>, &'d str)> {
        self.inner.namespaces().map(|ns| (ns.name(), ns.uri()))
    }

    /// The parser's own node, for the few places that copy foreign content.
    pub fn raw(self) -> roxmltree::Node<'d, 'd> {
        self.inner
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "<{}> at {line}:{column}", self.name())
    }
}
