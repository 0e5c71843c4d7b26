//! Holding a document against its table.

use crate::kind::{Kind, types};
use crate::table::{Child, Condition, Effect, Part, Row, Rule, Table, Value};
use crate::words::{self, Fault};
use std::fmt;
use xml::Node;

/// Namespaces of drivers, as the tables write their prefixes.
const NAMESPACES: &[(&str, &str)] = &[
    ("qemu", "http://libvirt.org/schemas/domain/qemu/1.0"),
    ("lxc", "http://libvirt.org/schemas/domain/lxc/1.0"),
    ("bhyve", "http://libvirt.org/schemas/domain/bhyve/1.0"),
    ("xen", "http://libvirt.org/schemas/domain/xen/1.0"),
    ("vmware", "http://libvirt.org/schemas/domain/vmware/1.0"),
    ("dnsmasq", "http://libvirt.org/schemas/network/dnsmasq/1.0"),
    ("fs", "http://libvirt.org/schemas/storagepool/fs/1.0"),
    ("rbd", "http://libvirt.org/schemas/storagepool/rbd/1.0"),
];

/// What does not fit, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// 1-based line.
    pub line: u32,
    /// 1-based column.
    pub column: u32,
    /// Names of the elements from the outermost on, separated by `/`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// The same for those who ask what it is.
    pub fault: Fault,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::lines(&self.path, &self.fault))
    }
}

type Outcome = Result<(), Violation>;

fn violation(node: Node<'_>, fault: Fault, what: String) -> Violation {
    let (line, column) = node.position();
    let mut names = vec![node.name()];
    let mut at = node;
    while let Some(parent) = at.parent() {
        names.push(parent.name());
        at = parent;
    }
    names.reverse();
    Violation { line, column, path: names.join("/"), what, fault }
}

pub(crate) fn document(kind: Kind, root: Node<'_>) -> Outcome {
    let table = kind.table();
    match table.index.get(kind.root()).and_then(|at| table.rows.get(*at)) {
        Some(row) if root.name() == kind.root() => {
            element(table, row, root).map_err(|found| blamed(table, row, root, found))
        }
        _ => Err(violation(
            root,
            Fault::UnknownElement,
            format!("the outermost element must be '{}'", kind.root()),
        )),
    }
}

/// What is told instead where libxml2 tries the content of the outermost element in one way before the other.
fn blamed(table: &'static Table, row: &'static Row, root: Node<'_>, found: Violation) -> Violation {
    let child = |name: &str| Some((root.child(name)?, row.children.iter().find(|child| child.name == name)?));
    for (name, always) in words::blamed(root.name()) {
        let Some((inner, child)) = child(name) else { continue };
        let within = found.path.split('/').nth(1) == Some(name);
        if always || within || one_of(table, child, inner).is_err() {
            return violation(inner, Fault::Repeated, found.what);
        }
    }
    found
}

/// A name as the tables write it.
fn full_name(node: Node<'_>) -> String {
    match node.namespace() {
        None => node.name().to_owned(),
        Some(uri) => match NAMESPACES.iter().find(|(_, known)| *known == uri) {
            Some((prefix, _)) => format!("{prefix}:{}", node.name()),
            None => format!("{{{uri}}}{}", node.name()),
        },
    }
}

fn element(table: &'static Table, row: &'static Row, node: Node<'_>) -> Outcome {
    attributes(row, node)?;
    let mut counts = vec![0u32; row.children.len()];
    for inner in node.elements() {
        let name = full_name(inner);
        let named = |child: &Child| child.name == name;
        let at = row
            .children
            .iter()
            .position(named)
            .or_else(|| row.children.iter().position(|child| child.name == "*"));
        let Some((child, count)) = at.and_then(|at| Some((row.children.get(at)?, counts.get_mut(at)?)))
        else {
            let what = format!("the element is not known inside '{}'", node.name());
            return Err(violation(inner, Fault::UnknownElement, what));
        };
        *count += 1;
        if *count > child.occurs.most {
            return Err(violation(inner, Fault::Repeated, "the element may stand only once".to_owned()));
        }
        one_of(table, child, inner)?;
    }
    for (child, count) in row.children.iter().zip(counts) {
        if count < child.occurs.least {
            let fault = Fault::MissingElement(child.name.to_owned());
            return Err(violation(node, fault, format!("the element '{}' is missing", child.name)));
        }
    }
    let text = node.own_text();
    match &row.text {
        None if text.trim().is_empty() => {}
        None => return Err(violation(node, Fault::Stray, "the element may not hold text".to_owned())),
        Some(value) if fits(value, &text) || row.empty && text.trim().is_empty() => {}
        Some(value) => {
            let what = format!("'{}' is not {}", text.trim(), describe(value));
            return Err(violation(node, Fault::BadText, what));
        }
    }
    row.rules.iter().try_for_each(|rule| apply(rule, node))
}

/// One of several rows fits, or the complaint of the one that got farthest holds.
fn one_of(table: &'static Table, child: &'static Child, node: Node<'_>) -> Outcome {
    let mut farthest: Option<Violation> = None;
    for row in child.rows.iter().filter_map(|at| table.rows.get(*at)) {
        match element(table, row, node) {
            Ok(()) => return Ok(()),
            Err(found) => {
                let depth = |violation: &Violation| violation.path.matches('/').count();
                if farthest.as_ref().is_none_or(|known| depth(&found) > depth(known)) {
                    farthest = Some(found);
                }
            }
        }
    }
    farthest.map_or(Ok(()), Err)
}

fn attributes(row: &Row, node: Node<'_>) -> Outcome {
    let any = row.attrs.iter().any(|attr| attr.name == "*");
    if let Some(attr) = row.attrs.iter().find(|attr| !attr.optional && node.attr(attr.name).is_none()) {
        let fault = Fault::MissingAttribute(attr.name.to_owned());
        return Err(violation(node, fault, format!("the attribute '{}' is missing", attr.name)));
    }
    for (namespace, name, value) in node.attrs() {
        let Some(attr) = row.attrs.iter().find(|attr| namespace.is_none() && attr.name == name) else {
            if any {
                continue;
            }
            let fault = Fault::UnknownAttribute(name.to_owned());
            return Err(violation(node, fault, format!("the attribute '{name}' is not known")));
        };
        if !fits(&attr.value, value) {
            let text = format!(
                "the attribute '{name}' has the value '{value}', which is not {}",
                describe(&attr.value)
            );
            return Err(violation(node, Fault::BadAttribute(name.to_owned()), text));
        }
    }
    Ok(())
}

fn fits(value: &Value, text: &str) -> bool {
    match value {
        Value::Any => true,
        Value::Some { words, types: names } => {
            words.contains(&text.trim()) || names.iter().any(|name| types().fits(name, text))
        }
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Any => "a text".to_owned(),
        Value::Some { words, types } if types.is_empty() => format!("one of {}", words.join(", ")),
        Value::Some { words, types } if words.is_empty() => format!("of type {}", types.join(" or ")),
        Value::Some { words, types } => {
            format!("one of {}, nor of type {}", words.join(", "), types.join(" or "))
        }
    }
}

/// The elements a part of a rule reaches.
fn reach<'d>(node: Node<'d>, part: &Part) -> Vec<Node<'d>> {
    let mut nodes = vec![node];
    for name in &part.path {
        if *name == ".." {
            nodes = nodes.into_iter().filter_map(Node::parent).collect();
            continue;
        }
        nodes = nodes
            .into_iter()
            .flat_map(|node| node.elements().filter(|inner| full_name(*inner) == *name).collect::<Vec<_>>())
            .collect();
    }
    nodes
}

/// Values of an attribute, or for an element its presence.
fn found<'d>(node: Node<'d>, part: &Part) -> Vec<(Node<'d>, &'d str)> {
    let nodes = reach(node, part);
    match part.attr {
        Some(attr) => nodes.into_iter().filter_map(|node| Some((node, node.attr(attr)?))).collect(),
        None => nodes.into_iter().map(|node| (node, "")).collect(),
    }
}

fn apply(rule: &Rule, node: Node<'_>) -> Outcome {
    // What is missing is written as a dash; of an element its text counts.
    let among = |part: &Part, words: &[&str]| {
        let values = found(node, part);
        let one = |(holder, value): &(Node<'_>, &str)| match part.attr {
            Some(_) => words.contains(value),
            None => words.contains(&holder.own_text().trim()),
        };
        values.iter().any(one) || values.is_empty() && words.contains(&"-")
    };
    let holds = rule.conditions.iter().all(|condition| match condition {
        Condition::Has(part) => !found(node, part).is_empty(),
        Condition::HasNot(part) => found(node, part).is_empty(),
        Condition::Is(part, words) => among(part, words),
        Condition::IsNot(part, words) => !among(part, words),
    });
    if !holds {
        return Ok(());
    }
    let on = Part { path: rule.on.clone(), attr: None };
    let targets = reach(node, &on);
    rule.effects.iter().try_for_each(|effect| targets.iter().try_for_each(|target| take(effect, *target)))
}

fn take(effect: &Effect, node: Node<'_>) -> Outcome {
    match effect {
        Effect::Needs(part) => {
            // An attribute is asked of each such child.
            let lacking = match part.attr {
                Some(attr) => reach(node, part).into_iter().find(|holder| holder.attr(attr).is_none()),
                None => found(node, part).is_empty().then_some(node),
            };
            match lacking {
                Some(holder) => {
                    Err(violation(holder, missing(part), format!("{} is missing here", name(part))))
                }
                None => Ok(()),
            }
        }
        Effect::Forbids(part) => match found(node, part).first() {
            Some((holder, _)) => {
                Err(violation(*holder, unknown(part), format!("{} is not known here", name(part))))
            }
            None => Ok(()),
        },
        Effect::Limits(part, value) => {
            for (holder, text) in found(node, part) {
                let own = holder.own_text();
                let text = if part.attr.is_some() { text } else { &own };
                if !fits(value, text) {
                    let what = format!(
                        "{} has the value '{text}', which is not {} here",
                        name(part),
                        describe(value)
                    );
                    let fault = match part.attr {
                        Some(attr) => Fault::BadAttribute(attr.to_owned()),
                        None => Fault::BadText,
                    };
                    return Err(violation(holder, fault, what));
                }
            }
            Ok(())
        }
        Effect::Order(children) => match misplaced(node, children) {
            Some(inner) => {
                let what = "the element stands too late".to_owned();
                Err(violation(inner, Fault::UnknownElement, what))
            }
            None => Ok(()),
        },
        Effect::Alike => {
            let first = node.elements().next();
            match first.filter(|first| node.elements().any(|inner| inner.name() != first.name())) {
                Some(first) => {
                    let what = "the elements within must all have one name".to_owned();
                    Err(violation(first, Fault::UnknownElement, what))
                }
                None => Ok(()),
            }
        }
        Effect::Once(child) => match node.elements().filter(|inner| full_name(*inner) == *child).nth(1) {
            Some(inner) => {
                let what = "the element may stand only once here".to_owned();
                Err(violation(inner, Fault::Repeated, what))
            }
            None => Ok(()),
        },
        Effect::Only(attrs, children) => {
            if let Some((_, attr, _)) = node.attrs().find(|(_, name, _)| !attrs.contains(name)) {
                let fault = Fault::UnknownAttribute(attr.to_owned());
                return Err(violation(node, fault, format!("the attribute '{attr}' is not known here")));
            }
            match node.elements().find(|inner| !children.contains(&full_name(*inner).as_str())) {
                Some(inner) => {
                    let what = "the element is not known here".to_owned();
                    Err(violation(inner, Fault::UnknownElement, what))
                }
                None => Ok(()),
            }
        }
    }
}

/// The first child that stands behind one it should precede.
fn misplaced<'d>(node: Node<'d>, order: &[&str]) -> Option<Node<'d>> {
    let mut reached = 0;
    node.elements().find(|inner| {
        let name = full_name(*inner);
        let Some(at) = order.iter().position(|known| *known == name) else { return false };
        let late = at < reached;
        reached = reached.max(at);
        late
    })
}

fn missing(part: &Part) -> Fault {
    match part.attr {
        Some(attr) => Fault::MissingAttribute(attr.to_owned()),
        None => Fault::MissingElement(part.path.join("/")),
    }
}

fn unknown(part: &Part) -> Fault {
    part.attr.map_or(Fault::UnknownElement, |attr| Fault::UnknownAttribute(attr.to_owned()))
}

fn name(part: &Part) -> String {
    match part.attr {
        Some(attr) => format!("the attribute '{attr}'"),
        None => format!("the element '{}'", part.path.join("/")),
    }
}
