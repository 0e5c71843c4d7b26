//! Sets of values that the variables of a rule have.
//!
//! References with the same iterator number go through their values together; of several iterators the first is the
//! fastest. A set of values that an iterator has had before is passed over.

use base::Result;
use conf_nwfilter::variable::Select;
use conf_nwfilter::{Item, Parameters, Rule, Value, VarRef};
use std::collections::BTreeMap;

use crate::internal;

/// No rule may become more than this many.
const COMBINATIONS_MAX: usize = 1 << 16;

/// What the variables of a rule stand for this time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment(BTreeMap<VarRef, String>);

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Radix {
    /// Decimal.
    Ten,
    /// Hexadecimal with `0x` in front.
    Sixteen,
}

impl Assignment {
    /// A value as commands show it.
    pub fn show(&self, item: &Item, radix: Radix) -> String {
        match &item.value {
            Value::Variable(variable) => self.0.get(variable).cloned().unwrap_or_default(),
            Value::Plain { text, number: None } => text.clone(),
            Value::Plain { number: Some(number), .. } => match radix {
                Radix::Ten => number.to_string(),
                Radix::Sixteen => format!("0x{number:x}"),
            },
        }
    }
}

struct Iterator {
    number: u32,
    variables: Vec<VarRef>,
    /// Indices of values that have not been there before.
    steps: Vec<usize>,
}

/// All sets of values for a rule.
///
/// # Errors
/// When variables that go together have different numbers of values.
pub fn combinations(rule: &Rule, parameters: &Parameters) -> Result<Vec<Assignment>> {
    let mut fixed = Assignment::default();
    let mut iterators: Vec<Iterator> = Vec::new();
    for variable in rule.items.iter().filter_map(|item| item.value.variable()) {
        let values = parameters.get(&variable.name).unwrap_or_default();
        match variable.select {
            Select::One(index) => {
                let value = values.get(index as usize).cloned().unwrap_or_default();
                fixed.0.insert(variable.clone(), value);
            }
            Select::Each(number) => match iterators.iter_mut().find(|iterator| iterator.number == number) {
                Some(iterator) => {
                    let first = iterator.variables.first().and_then(|first| parameters.get(&first.name));
                    if first.unwrap_or_default().len() != values.len() {
                        return Err(internal(
                            "Cardinality of list items must be the same for processing them in parallel",
                        ));
                    }
                    iterator.variables.push(variable.clone());
                }
                None => iterators.push(Iterator {
                    number,
                    variables: vec![variable.clone()],
                    steps: (0..values.len()).collect(),
                }),
            },
        }
    }
    let value = |variable: &VarRef, at: usize| {
        parameters.get(&variable.name).and_then(|values| values.get(at)).cloned().unwrap_or_default()
    };
    for Iterator { variables, steps, .. } in &mut iterators {
        let mut seen: Vec<Vec<String>> = Vec::new();
        steps.retain(|at| {
            let values: Vec<String> = variables.iter().map(|variable| value(variable, *at)).collect();
            let new = !seen.contains(&values);
            if new {
                seen.push(values);
            }
            new
        });
    }
    let total = iterators.iter().try_fold(1usize, |total, iterator| total.checked_mul(iterator.steps.len()));
    let total = total.filter(|total| *total <= COMBINATIONS_MAX);
    let total = total.ok_or_else(|| internal("too many combinations of values of variables"))?;
    Ok((0..total)
        .map(|mut turn| {
            let mut assignment = fixed.clone();
            for Iterator { variables, steps, .. } in &iterators {
                let step = steps.get(turn % steps.len().max(1)).copied().unwrap_or(0);
                turn /= steps.len().max(1);
                for variable in variables {
                    assignment.0.insert(variable.clone(), value(variable, step));
                }
            }
            assignment
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use conf_nwfilter::{Entry, Filter};

    fn values(attributes: &str) -> Result<Vec<Vec<String>>> {
        let text = format!(
            "<filter name='f'><rule action='drop' direction='in'><tcp {attributes}/></rule></filter>"
        );
        let filter = Filter::parse(&text, false, &mut || [0; 16])?;
        let Some(Entry::Rule(rule)) = filter.entries.first() else { unreachable!() };
        let mut parameters = Parameters::default();
        for (name, value) in
            [("A", "1"), ("A", "2"), ("A", "2"), ("B", "8"), ("B", "9"), ("B", "9"), ("C", "5")]
        {
            parameters.add(name, value);
        }
        let all = combinations(rule, &parameters)?;
        let show = |one: &Assignment| rule.items.iter().map(|item| one.show(item, Radix::Ten)).collect();
        Ok(all.iter().map(show).collect())
    }

    #[test]
    fn iterators_go_together_or_through_each_other() {
        let check = |attributes: &str, expected: &[[&str; 2]]| {
            assert_eq!(values(attributes).unwrap(), expected, "{attributes}");
        };
        check("srcportstart='$A' dstportstart='$B'", &[["1", "8"], ["2", "9"]]);
        check(
            "srcportstart='$A[@1]' dstportstart='$B[@2]'",
            &[["1", "8"], ["2", "8"], ["1", "9"], ["2", "9"]],
        );
        check("srcportstart='$A[1]' dstportstart='7'", &[["2", "7"]]);
        assert!(values("srcportstart='$A' dstportstart='$C'").is_err());
    }
}
