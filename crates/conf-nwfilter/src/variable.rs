//! Variables: `$NAME`, `$NAME[2]` for one of several values, `$NAME[@1]` for each of them in turn.

use std::collections::BTreeMap;
use std::fmt;
use xml::{Node, Writer};

/// The highest number of an iterator.
const ITERATOR_MAX: u32 = 1000;

/// Which values of a variable are meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Select {
    /// All in turn; references with the same number go through their values together.
    Each(u32),
    /// The one with this index.
    One(u32),
}

/// A reference to a variable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VarRef {
    /// Name.
    pub name: String,
    /// Which of its values.
    pub select: Select,
}

/// Whether a sign may stand in a name.
pub(crate) fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl VarRef {
    /// Reads a reference; `text` begins with the dollar sign.
    pub fn parse(text: &str) -> Option<VarRef> {
        let rest = text.strip_prefix('$')?;
        let end = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let rest = rest.trim_end();
        let select = if rest.is_empty() {
            Select::Each(0)
        } else {
            let inside = rest.strip_prefix('[')?.strip_suffix(']')?.trim();
            match inside.strip_prefix('@') {
                Some(number) => Select::Each(digits(number).filter(|number| *number <= ITERATOR_MAX)?),
                None => Select::One(digits(inside)?),
            }
        };
        Some(VarRef { name: name.to_owned(), select })
    }
}

fn digits(text: &str) -> Option<u32> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for VarRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.select {
            Select::Each(0) => write!(f, "${}", self.name),
            Select::Each(number) => write!(f, "${}[@{number}]", self.name),
            Select::One(index) => write!(f, "${}[{index}]", self.name),
        }
    }
}

/// Values of variables, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    /// Reads `<parameter>` elements; one that is not understood is passed over.
    pub fn parse(node: Node<'_>) -> Parameters {
        let mut found = Parameters::default();
        let in_value = |c: char| in_name(c) || matches!(c, '.' | ':');
        for parameter in node.children("parameter") {
            let (Some(name), Some(value)) = (parameter.attr("name"), parameter.attr("value")) else {
                continue;
            };
            let good = |text: &str, fits: &dyn Fn(char) -> bool| !text.is_empty() && text.chars().all(fits);
            if good(name, &in_name) && good(value, &in_value) {
                found.add(name, value);
            }
        }
        found
    }

    /// Adds a value to those of a variable.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.entry(name.to_owned()).or_default().push(value.to_owned());
    }

    /// Gives a variable this one value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), vec![value.to_owned()]);
    }

    /// The values of a variable.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Names of all variables, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// These values, and those of `outer`, which prevail.
    pub fn overridden(&self, outer: &Parameters) -> Parameters {
        let mut all = self.0.clone();
        all.extend(outer.0.clone());
        Parameters(all)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        for (name, values) in &self.0 {
            for value in values {
                w.element("parameter").attr("name", name).attr("value", value).empty();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let check = |text: &str, printed: Option<&str>| {
            assert_eq!(VarRef::parse(text).map(|found| found.to_string()).as_deref(), printed, "{text}");
        };
        check("$A", Some("$A"));
        check("$A[ @0 ] ", Some("$A"));
        check("$B[ @2]", Some("$B[@2]"));
        check("$A[1 ]", Some("$A[1]"));
        check("$", Some("$"));
        for bad in ["$A [1]", "$A[x]", "$A[", "$A[@9999]", "$A-b", "$A.b", "$M AC", "A"] {
            check(bad, None);
        }
    }
}
