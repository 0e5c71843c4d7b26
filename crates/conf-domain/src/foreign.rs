//! Content in namespaces that are not ours: `<metadata>` and the extensions of drivers. It is kept as it came.

use xml::{Content, Node, escape};

/// A foreign element as text at the left margin.
pub fn text(node: Node<'_>) -> String {
    let mut text = String::new();
    print(node, 0, &mut text);
    text
}

/// Namespaces that an element declares for what stands in it, those that are declared further out included.
#[derive(Debug, Default)]
pub struct Spaces {
    /// Prefix (empty for what has none) and URI.
    pub found: Vec<(String, String)>,
}

impl Spaces {
    /// Those that the element declares itself.
    pub fn of(node: Option<Node<'_>>) -> Spaces {
        let own = node.into_iter().flat_map(Node::declared);
        let own = own.map(|(prefix, uri)| (prefix.unwrap_or_default().to_owned(), uri.to_owned()));
        Spaces { found: own.collect() }
    }

    /// Adds what a child and all below it use without saying where it comes from.
    pub fn need(&mut self, child: Node<'_>) {
        self.missing(child, &mut Vec::new());
    }

    fn missing<'d>(&mut self, node: Node<'d>, inside: &mut Vec<Option<&'d str>>) {
        let outside = inside.len();
        inside.extend(node.declared().map(|(prefix, _)| prefix));
        let own = node.namespace().map(|uri| (node.prefix(), uri));
        let others = node.attributes().filter_map(|attribute| Some((attribute.prefix, attribute.namespace?)));
        for (prefix, uri) in own.into_iter().chain(others) {
            let name = prefix.unwrap_or_default();
            let there = inside.contains(&prefix) || self.found.iter().any(|(known, _)| known == name);
            // The prefix of all documents is declared by nobody.
            if !there && name != "xml" {
                self.found.push((name.to_owned(), uri.to_owned()));
            }
        }
        for child in node.elements() {
            self.missing(child, inside);
        }
        inside.truncate(outside);
    }
}

/// The start of an element that declares namespaces.
pub fn opening(name: &str, spaces: &[(String, String)]) -> String {
    let mut text = format!("<{name}");
    for (prefix, uri) in spaces {
        namespace(Some(prefix.as_str()).filter(|prefix| !prefix.is_empty()), uri, &mut text);
    }
    text.push('>');
    text
}

/// How names of elements are printed.
#[derive(Clone, Copy)]
pub(crate) enum Names<'n> {
    /// As they came.
    Kept,
    /// Those without a namespace under a prefix.
    Under(&'n str),
    /// Those of a namespace without their prefix, and the namespace not declared.
    Without(&'n str),
}

impl<'n> Names<'n> {
    /// The prefix of an element.
    fn prefix(self, node: Node<'n>) -> Option<&'n str> {
        match self {
            Names::Under(key) if node.namespace().is_none() => Some(key),
            Names::Without(uri) if node.namespace() == Some(uri) => None,
            _ => node.prefix(),
        }
    }
}

/// Prints a foreign element with its namespaces as declared in the document, two spaces a level.
pub(crate) fn print(node: Node<'_>, level: usize, out: &mut String) {
    print_named(node, Names::Kept, level, out);
}

/// The same with other names.
pub(crate) fn print_named(node: Node<'_>, names: Names<'_>, level: usize, out: &mut String) {
    indent(level, out);
    out.push('<');
    let prefix = names.prefix(node);
    qualified(prefix, node.name(), out);
    for (prefix, uri) in node.declared() {
        if matches!(names, Names::Without(gone) if gone == uri) {
            continue;
        }
        namespace(prefix, uri, out);
    }
    for a in node.attributes() {
        attribute(a.prefix, a.name, a.value, out);
    }
    let mixed = node.content().any(|part| matches!(part, Content::Text(text) if !text.trim().is_empty()));
    if mixed {
        out.push('>');
        for part in node.content() {
            match part {
                Content::Element(node) => {
                    let mut inner = String::new();
                    print_named(node, names, 0, &mut inner);
                    out.push_str(inner.trim_end_matches('\n'));
                }
                Content::Text(text) => escaped(text, false, out),
            }
        }
        end_tag(prefix, node.name(), out);
    } else if node.elements().next().is_some() {
        out.push_str(">\n");
        for child in node.elements() {
            print_named(child, names, level + 1, out);
        }
        indent(level, out);
        end_tag(prefix, node.name(), out);
    } else {
        out.push_str("/>\n");
    }
}

fn indent(level: usize, out: &mut String) {
    (0..level).for_each(|_| out.push_str("  "));
}

fn qualified(prefix: Option<&str>, name: &str, out: &mut String) {
    if let Some(prefix) = prefix {
        out.push_str(prefix);
        out.push(':');
    }
    out.push_str(name);
}

/// The declaration of a namespace.
fn namespace(prefix: Option<&str>, uri: &str, out: &mut String) {
    match prefix {
        Some(prefix) => attribute(Some("xmlns"), prefix, uri, out),
        None => attribute(None, "xmlns", uri, out),
    }
}

fn attribute(prefix: Option<&str>, name: &str, value: &str, out: &mut String) {
    out.push(' ');
    qualified(prefix, name, out);
    out.push_str("=\"");
    escaped(value, true, out);
    out.push('"');
}

fn end_tag(prefix: Option<&str>, name: &str, out: &mut String) {
    out.push_str("</");
    qualified(prefix, name, out);
    out.push_str(">\n");
}

/// A text without what would be read as something else; double quotes count in attributes only.
fn escaped(text: &str, quotes: bool, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(|c| matches!(c, '&' | '<' | '>') || quotes && c == '"') {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        let mut behind = behind.chars();
        out.push_str(match behind.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            _ => "&quot;",
        });
        rest = behind.as_str();
    }
    out.push_str(rest);
}

/// Prints an element of a driver's extension under the driver's prefix: single quotes, as the rest of the document.
pub(crate) fn print_extension(node: Node<'_>, prefix: &str, level: usize, out: &mut String) {
    out.push_str(&"  ".repeat(level));
    let name = format!("{prefix}:{}", node.name());
    out.push_str(&format!("<{name}"));
    for (_, attr, value) in node.attrs() {
        out.push_str(&format!(" {attr}='{}'", escape(value)));
    }
    if node.elements().next().is_none() {
        let text = node.text();
        if text.trim().is_empty() {
            out.push_str("/>\n");
        } else {
            out.push_str(&format!(">{}</{name}>\n", escape(&text)));
        }
        return;
    }
    out.push_str(">\n");
    for child in node.elements() {
        print_extension(child, prefix, level + 1, out);
    }
    out.push_str(&"  ".repeat(level));
    out.push_str(&format!("</{name}>\n"));
}
