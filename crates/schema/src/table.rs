//! Tables of elements.
//!
//! ```text
//! ELEMENT | attribute ... | text | child ...
//! when ELEMENT,ELEMENT > CHILD | condition ... | effect ...
//! ```
//!
//! ELEMENT is the path from the outermost element; `*` stands for any name.
//!
//! * An attribute is `name`, with `?` when it may be missing, then `:type,type` or `=word,word,:type`, or nothing for any text.
//! * The text is `-` for none but white space, else as for attributes, with `?` in front when it may be empty.
//! * A child is its name with `?` (one or none), `*` (any number), `+` (at least one) or nothing (exactly one), and with
//!   `=ELEMENT;ELEMENT` when its row is another's, or one of several.
//! * A condition is `@attribute` or `child`, with `!` in front when it must not be there, or `@attribute=word,word`, where
//!   `-` stands for a missing attribute, or `@attribute!=word,word`. `..` leads to the element around.
//! * An effect is `+` (must be there) or `-` (must not) with `@attribute` or `child`, or `@attribute=word,word` or
//!   `@attribute:type` for what it may then be; after `only` come all attributes and children that may be
//!   there, with `+` those that must; after `order` come children in the order in which they may stand; `child?` may stand
//!   once; `alike` are children that all have one name.
//!   `child/@attribute` reaches into children, `.` is the text of the element itself.
//! * A rule with a child (a path of names) tests its conditions on the element and has its effects on each such child.

use std::collections::HashMap;

/// How often a child may stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Occurs {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// What a value may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// Any text.
    Any,
    /// One of these words, or of one of these types.
    Some { words: Vec<&'static str>, types: Vec<&'static str> },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) optional: bool,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) name: &'static str,
    pub(crate) occurs: Occurs,
    /// Rows of which one must fit.
    pub(crate) rows: Vec<usize>,
}

/// An attribute or a child, perhaps of a child.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub(crate) path: Vec<&'static str>,
    pub(crate) attr: Option<&'static str>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    Has(Part),
    HasNot(Part),
    Is(Part, Vec<&'static str>),
    IsNot(Part, Vec<&'static str>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    Needs(Part),
    Forbids(Part),
    Limits(Part, Value),
    /// Nothing but these attributes and these children.
    Only(Vec<&'static str>, Vec<&'static str>),
    /// These children in this order.
    Order(Vec<&'static str>),
    /// This child at most once.
    Once(&'static str),
    /// Children of one name only.
    Alike,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Path to the children that the effects are on.
    pub(crate) on: Vec<&'static str>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) effects: Vec<Effect>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) attrs: Vec<Attribute>,
    /// `None` when there may be white space only.
    pub(crate) text: Option<Value>,
    /// There may be no text although it has a type.
    pub(crate) empty: bool,
    pub(crate) children: Vec<Child>,
    pub(crate) rules: Vec<Rule>,
}

/// The rows of one kind of document.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) index: HashMap<&'static str, usize>,
}

impl Table {
    pub(crate) fn read(parts: &[&'static str]) -> Table {
        let mut lines: Vec<Vec<&'static str>> = Vec::new();
        let mut rules: Vec<(Vec<&'static str>, Rule)> = Vec::new();
        for line in parts.iter().flat_map(|part| part.lines()) {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            match line.strip_prefix("when ") {
                None => lines.push(line.split('|').map(str::trim).collect()),
                Some(rule) => rules.extend(read_rule(rule)),
            }
        }
        let index: HashMap<&str, usize> =
            lines.iter().enumerate().filter_map(|(at, cells)| Some((*cells.first()?, at))).collect();
        let rows = lines
            .iter()
            .map(|cells| {
                let path = cells.first().copied().unwrap_or_default();
                let words = |at: usize| cells.get(at).copied().unwrap_or_default().split_whitespace();
                Row {
                    attrs: words(1).map(attribute).collect(),
                    text: match cells.get(2).copied().unwrap_or("-") {
                        "-" => None,
                        text => Some(value(text.trim_start_matches('?'))),
                    },
                    empty: cells.get(2).is_some_and(|text| text.starts_with('?')),
                    children: words(3).filter_map(|word| child(word, path, &index)).collect(),
                    rules: Vec::new(),
                }
            })
            .collect();
        let mut table = Table { rows, index };
        for (paths, rule) in rules {
            for path in paths {
                if let Some(row) = table.index.get(path).and_then(|at| table.rows.get_mut(*at)) {
                    row.rules.push(rule.clone());
                }
            }
        }
        table
    }
}

fn attribute(word: &'static str) -> Attribute {
    let end = word.find(['=', ':']).unwrap_or(word.len());
    let (name, rest) = word.split_at(end);
    let optional = name.ends_with('?');
    Attribute { name: name.trim_end_matches('?'), optional, value: value(rest) }
}

fn value(text: &'static str) -> Value {
    if let Some(list) = text.strip_prefix('=') {
        let (types, words): (Vec<&str>, Vec<&str>) = list.split(',').partition(|item| item.starts_with(':'));
        Value::Some { words, types: types.into_iter().map(|item| item.trim_start_matches(':')).collect() }
    } else if let Some(types) = text.strip_prefix(':').filter(|types| *types != "text") {
        Value::Some { words: Vec::new(), types: types.split(',').collect() }
    } else {
        Value::Any
    }
}

fn child(word: &'static str, path: &str, index: &HashMap<&str, usize>) -> Option<Child> {
    let (head, refs) = match word.split_once('=') {
        Some((head, refs)) => (head, Some(refs)),
        None => (word, None),
    };
    let many = u32::MAX;
    let (name, least, most) = match head.chars().last() {
        Some('?') => (&head[..head.len() - 1], 0, 1),
        Some('+') => (&head[..head.len() - 1], 1, many),
        Some('*') if head.len() > 1 => (&head[..head.len() - 1], 0, many),
        _ => (head, 1, 1),
    };
    let rows = match refs {
        Some(refs) => refs.split(';').filter_map(|name| index.get(name).copied()).collect(),
        None => index.get(format!("{path}/{name}").as_str()).copied().into_iter().collect(),
    };
    Some(Child { name, occurs: Occurs { least, most }, rows })
}

fn part(word: &'static str) -> Part {
    let mut path: Vec<&'static str> = word.split('/').filter(|name| *name != ".").collect();
    let attr = path.last().and_then(|last| last.strip_prefix('@'));
    if attr.is_some() {
        path.pop();
    }
    Part { path, attr }
}

fn read_rule(line: &'static str) -> Option<(Vec<&'static str>, Rule)> {
    let mut cells = line.split('|').map(str::trim);
    let place = cells.next()?;
    let (paths, on) = match place.split_once('>') {
        Some((paths, on)) => (paths, on.trim().split('/').collect()),
        None => (place, Vec::new()),
    };
    let conditions = cells
        .next()?
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((name, words)) => match name.strip_suffix('!') {
                Some(name) => Condition::IsNot(part(name), words.split(',').collect()),
                None => Condition::Is(part(name), words.split(',').collect()),
            },
            None => match word.strip_prefix('!') {
                Some(name) => Condition::HasNot(part(name)),
                None => Condition::Has(part(word)),
            },
        })
        .collect();
    let mut effects: Vec<Effect> = Vec::new();
    let mut words = cells.next()?.split_whitespace();
    while let Some(word) = words.next() {
        let effect = if word == "only" {
            let (mut attrs, mut children) = (Vec::new(), Vec::new());
            for word in words.by_ref() {
                let name = word.trim_start_matches('+');
                if name != word {
                    effects.push(Effect::Needs(part(name)));
                }
                match name.strip_prefix('@') {
                    Some(attr) => attrs.push(attr),
                    None => children.push(name),
                }
            }
            Effect::Only(attrs, children)
        } else if word == "order" {
            Effect::Order(words.by_ref().collect())
        } else if word == "alike" {
            Effect::Alike
        } else if let Some(name) = word.strip_suffix('?') {
            Effect::Once(name)
        } else if let Some(name) = word.strip_prefix('+') {
            Effect::Needs(part(name))
        } else if let Some(name) = word.strip_prefix('-') {
            Effect::Forbids(part(name))
        } else {
            let end = word.find(['=', ':']).unwrap_or(word.len());
            let (name, rest) = word.split_at(end);
            Effect::Limits(part(name), value(rest))
        };
        effects.push(effect);
    }
    Some((paths.split(',').map(str::trim).collect(), Rule { on, conditions, effects }))
}

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::table::{Condition, Effect, Part, Row, Table, Value};

    #[test]
    fn every_reference_has_its_row() {
        for kind in Kind::ALL {
            let table = kind.table();
            assert!(table.index.contains_key(kind.root()), "{kind:?}");
            for (path, at) in &table.index {
                for child in &table.rows[*at].children {
                    assert!(!child.rows.is_empty(), "{kind:?}: {path}: {}", child.name);
                }
            }
        }
    }

    #[test]
    fn every_type_is_known() {
        let types = crate::kind::types();
        let check = |place: &str, value: &Value| {
            if let Value::Some { types: names, .. } = value {
                for name in names {
                    assert!(types.knows(name), "{place}: {name}");
                }
            }
        };
        for kind in Kind::ALL {
            for (path, at) in &kind.table().index {
                let row = &kind.table().rows[*at];
                row.attrs.iter().for_each(|attr| check(path, &attr.value));
                row.text.iter().for_each(|value| check(path, value));
            }
        }
    }

    /// The row a path of names leads to.
    fn follow<'t>(table: &'t Table, from: &'t Row, path: &[&str], place: &str) -> &'t Row {
        path.iter().fold(from, |row, name| {
            let child = row.children.iter().find(|child| child.name == *name);
            &table.rows[child.unwrap_or_else(|| panic!("{place}: {name}")).rows[0]]
        })
    }

    #[test]
    fn rules_name_what_there_is() {
        for kind in Kind::ALL {
            let table = kind.table();
            for (path, at) in &table.index {
                let row = &table.rows[*at];
                for rule in &row.rules {
                    let known = |row: &Row, part: &Part| {
                        let mut place = path.split('/').collect::<Vec<_>>();
                        let out = part.path.iter().take_while(|name| **name == "..").count();
                        place.truncate(place.len() - out);
                        let row =
                            if out > 0 { &table.rows[table.index[place.join("/").as_str()]] } else { row };
                        let row = follow(table, row, &part.path[out..], path);
                        let attr = |name| row.attrs.iter().any(|known| known.name == name);
                        assert!(part.attr.is_none_or(attr), "{path}: {part:?}");
                    };
                    for condition in &rule.conditions {
                        let (Condition::Has(part)
                        | Condition::HasNot(part)
                        | Condition::Is(part, _)
                        | Condition::IsNot(part, _)) = condition;
                        known(row, part);
                    }
                    let holder = follow(table, row, &rule.on, path);
                    for effect in &rule.effects {
                        match effect {
                            Effect::Needs(part) | Effect::Forbids(part) | Effect::Limits(part, _) => {
                                known(holder, part);
                            }
                            Effect::Order(children) => {
                                let children =
                                    children.iter().map(|name| Part { path: vec![*name], attr: None });
                                children.for_each(|part| known(holder, &part));
                            }
                            Effect::Alike => {}
                            Effect::Once(child) => known(holder, &Part { path: vec![*child], attr: None }),
                            Effect::Only(attrs, children) => {
                                let attrs = attrs.iter().map(|name| Part { path: vec![], attr: Some(name) });
                                let children =
                                    children.iter().map(|name| Part { path: vec![*name], attr: None });
                                attrs.chain(children).for_each(|part| known(holder, &part));
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_rule_has_its_element() {
        for kind in Kind::ALL {
            let lines = kind.text().lines().chain(kind.rules().lines());
            for line in lines.filter_map(|line| line.strip_prefix("when ")) {
                let (paths, _) = crate::table::read_rule(line).expect(line);
                for path in paths {
                    assert!(kind.table().index.contains_key(path), "{kind:?}: {line}");
                }
            }
        }
    }
}
