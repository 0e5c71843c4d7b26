//! Asking whether something is in a schema.
//!
//! A question is a path of steps, separated by `/`. The first is the name of a command or event; each further one
//! depends on what the steps before led to:
//!
//! | step | of | leads to |
//! |---|---|---|
//! | `arg-type`, `ret-type` | command, event (only the first) | type of the arguments, of what is returned |
//! | `name` | object | type of the member |
//! | `*name` | object | the same, if the member may be left out |
//! | `+case` | object | the variant of this tag value |
//! | `^word` | enumeration | nothing further: the word is there |
//! | `!type` | builtin type | nothing further: it is this JSON type |
//! | `$word` | command, event, object, member | nothing further: the feature is there |
//!
//! Arrays are passed through to their elements; of an alternate any of the types may lead on.

use crate::schema::{Entry, Features, Schema};

/// What a question found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// An entry of the schema.
    Entry(&'a Entry),
    /// A word: of an enumeration, a feature, or the name of a builtin type.
    Word,
}

/// Arrays and alternates are passed through, each step deeper; a schema is not that deep, unless it is circular.
const DEPTH: usize = 32;

impl Schema {
    /// Whether a schema has something, and what.
    pub fn find(&self, path: &str) -> Option<Found<'_>> {
        let mut steps = path.split('/');
        let entry = self.entry(steps.next()?)?;
        let steps: Vec<&str> = steps.collect();
        self.walk(entry, &steps, DEPTH)
    }

    /// Whether a schema has something.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn walk<'a>(&'a self, entry: &'a Entry, steps: &[&str], depth: usize) -> Option<Found<'a>> {
        let depth = depth.checked_sub(1)?;
        let Some((step, rest)) = steps.split_first() else { return Some(Found::Entry(entry)) };
        let on = |name: &str| self.walk(self.entry(name)?, rest, depth);
        match entry {
            Entry::Command { args, returns, features } => match *step {
                "arg-type" => on(args),
                "ret-type" => on(returns),
                _ => word(features, step, rest),
            },
            Entry::Event { data, features } => match *step {
                "arg-type" => on(data),
                _ => word(features, step, rest),
            },
            Entry::Object { members, variants, features, .. } => {
                if step.starts_with('$') {
                    return word(features, step, rest);
                }
                if let Some(case) = step.strip_prefix('+') {
                    return on(&variants.iter().find(|(name, _)| name == case)?.1);
                }
                let (name, optional) = step.strip_prefix('*').map_or((*step, false), |name| (name, true));
                let member = members.iter().find(|member| member.name == name)?;
                if optional && !member.optional {
                    return None;
                }
                if let [last] = rest
                    && word(&member.features, last, &[]).is_some()
                {
                    return Some(Found::Word);
                }
                on(&member.kind)
            }
            Entry::Alternate(kinds) => {
                kinds.iter().find_map(|kind| self.walk(self.entry(kind)?, steps, depth))
            }
            Entry::Array(kind) => self.walk(self.entry(kind)?, steps, depth),
            Entry::Enum(words) => {
                let asked = step.strip_prefix('^')?;
                let (_, features) = words.iter().find(|(word, _)| word == asked)?;
                match rest {
                    [] => Some(Found::Word),
                    [last] => word(features, last, &[]),
                    _ => None,
                }
            }
            Entry::Builtin(kind) => {
                (rest.is_empty() && step.strip_prefix('!') == Some(kind.as_str())).then_some(Found::Word)
            }
        }
    }
}

fn word(features: &Features, step: &str, rest: &[&str]) -> Option<Found<'static>> {
    let asked = step.strip_prefix('$')?;
    (rest.is_empty() && features.iter().any(|feature| feature == asked)).then_some(Found::Word)
}
