//! Rules of a filter and of all filters that it refers to.

use base::Result;
use conf_nwfilter::variable::Select;
use conf_nwfilter::{Entry, Filter, Include, Parameters, Rule};
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::internal;

/// How deep references may go. They cannot form a loop, but filters are read from files that somebody may have written.
const DEPTH_MAX: usize = 64;

/// A rule with its place and its variables.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The rule.
    pub rule: Rule,
    /// The chain it is in.
    pub chain: String,
    /// Place of the chain.
    pub chain_priority: i32,
    /// What its variables stand for.
    pub parameters: Arc<Parameters>,
}

/// Finds filters by name.
pub type Library<'l> = dyn Fn(&str) -> Option<Arc<Filter>> + 'l;

/// All rules in the order of documents. What a reference gives variables is overridden by what is given from outside.
///
/// # Errors
/// When a filter is missing.
pub fn flatten(include: &Include, library: &Library<'_>) -> Result<Vec<Placed>> {
    let mut rules = Vec::new();
    descend(&include.filter, &include.parameters, library, 0, &mut rules)?;
    Ok(rules)
}

fn descend(
    name: &str,
    parameters: &Parameters,
    library: &Library<'_>,
    depth: usize,
    rules: &mut Vec<Placed>,
) -> Result<()> {
    let filter = library(name).ok_or_else(|| internal(format!("referenced filter '{name}' is missing")))?;
    if depth > DEPTH_MAX {
        return Err(internal(format!("filter '{name}' is referred to too deeply")));
    }
    let shared = Arc::new(parameters.clone());
    for entry in &filter.entries {
        match entry {
            Entry::Rule(rule) => rules.push(Placed {
                rule: rule.clone(),
                chain: filter.chain.clone(),
                chain_priority: filter.priority,
                parameters: shared.clone(),
            }),
            Entry::Include(inner) => {
                let inside = inner.parameters.overridden(parameters);
                descend(&inner.filter, &inside, library, depth + 1, rules)?;
            }
        }
    }
    Ok(())
}

/// References to variables that stand for nothing, as messages show them.
pub fn missing(rules: &[Placed]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for placed in rules {
        for item in &placed.rule.items {
            let Some(variable) = item.value.variable() else { continue };
            let values = placed.parameters.get(&variable.name).unwrap_or_default();
            match variable.select {
                Select::Each(_) if values.is_empty() => drop(found.insert(variable.name.clone())),
                Select::One(index) if values.get(index as usize).is_none() => {
                    found.insert(format!("{}[{index}]", variable.name));
                }
                _ => {}
            }
        }
    }
    found
}
