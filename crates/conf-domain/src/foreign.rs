//! Content in namespaces that are not ours: `<metadata>` and the extensions of drivers. It is kept as it came.

use xml::{Node, escape};

/// A foreign element as text at the left margin.
pub fn text(node: Node<'_>) -> String {
    let mut text = String::new();
    print(node, 0, &mut text);
    text
}

/// Prints a foreign element with its namespaces as declared in the document, two spaces a level.
pub(crate) fn print(node: Node<'_>, level: usize, out: &mut String) {
    let raw = node.raw();
    let inherited: Vec<(Option<&str>, &str)> =
        node.parent().map(|parent| parent.namespaces().collect()).unwrap_or_default();
    out.push_str(&"  ".repeat(level));
    out.push('<');
    let name = qualified(node);
    out.push_str(&name);
    for (prefix, uri) in node.namespaces().filter(|ns| !inherited.contains(ns)) {
        match prefix {
            Some(prefix) => out.push_str(&format!(" xmlns:{prefix}=\"{}\"", attribute(uri))),
            None => out.push_str(&format!(" xmlns=\"{}\"", attribute(uri))),
        }
    }
    for a in raw.attributes() {
        let prefix = a.namespace().and_then(|uri| raw.lookup_prefix(uri));
        match prefix {
            Some(prefix) => out.push_str(&format!(" {prefix}:{}=\"{}\"", a.name(), attribute(a.value()))),
            None => out.push_str(&format!(" {}=\"{}\"", a.name(), attribute(a.value()))),
        }
    }
    let mixed =
        raw.children().any(|child| child.is_text() && !child.text().unwrap_or_default().trim().is_empty());
    if mixed {
        out.push('>');
        for child in raw.children() {
            if child.is_element() {
                let mut inner = String::new();
                if let Some(node) = node.elements().find(|element| element.raw() == child) {
                    print(node, 0, &mut inner);
                }
                out.push_str(inner.trim_end_matches('\n'));
            } else if let Some(text) = child.text() {
                out.push_str(&content(text));
            }
        }
        out.push_str(&format!("</{name}>\n"));
    } else if node.elements().next().is_some() {
        out.push_str(">\n");
        for child in node.elements() {
            print(child, level + 1, out);
        }
        out.push_str(&"  ".repeat(level));
        out.push_str(&format!("</{name}>\n"));
    } else {
        out.push_str("/>\n");
    }
}

fn qualified(node: Node<'_>) -> String {
    match node.namespace().and_then(|uri| node.raw().lookup_prefix(uri)) {
        Some(prefix) => format!("{prefix}:{}", node.name()),
        None => node.name().to_owned(),
    }
}

fn attribute(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn content(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
