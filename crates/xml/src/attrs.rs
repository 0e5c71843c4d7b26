//! The attributes of an element, in one piece of text.
//!
//! A definition has hundreds of attributes, nearly all of them short, and is held for as long as its guest exists.
//! Names and values therefore stand one after the other in a single text, each ended by a NUL, which no XML can contain:
//!
//! ```text
//! type\0file\0device\0disk\0
//! ```
//!
//! Up to fifteen bytes need no memory of their own; longer texts are shared between copies until one is changed.

use ecow::EcoString;

const END: char = '\0';

/// Attributes in order; each name once.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Attrs {
    text: EcoString,
}

impl Attrs {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.text = EcoString::new();
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.text.as_str();
        std::iter::from_fn(move || {
            let (name, after) = rest.split_once(END)?;
            let (value, after) = after.split_once(END)?;
            rest = after;
            Some((name, value))
        })
    }

    /// A value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let text = self.text.as_str();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let end = at + ended(bytes.get(at..)?)?;
            let until = end + 1 + ended(bytes.get(end + 1..)?)?;
            if bytes.get(at..end)? == name.as_bytes() {
                return text.get(end + 1..until);
            }
            at = until + 1;
        }
        None
    }

    /// Sets a value, at the end when there was none. As in C, a text ends at its first NUL.
    pub fn set(&mut self, name: &str, value: &str) {
        let value = value.split(END).next().unwrap_or_default();
        match self.span(name) {
            None => {
                self.text.push_str(name);
                self.text.push(END);
                self.text.push_str(value);
                self.text.push(END);
            }
            Some((_, from, to)) if self.text.get(from..to) == Some(value) => {}
            Some((_, from, to)) => {
                let mut text = EcoString::with_capacity(self.text.len() - (to - from) + value.len());
                text.push_str(self.text.get(..from).unwrap_or_default());
                text.push_str(value);
                text.push_str(self.text.get(to..).unwrap_or_default());
                self.text = text;
            }
        }
    }

    /// Removes one.
    pub fn unset(&mut self, name: &str) {
        if let Some((start, _, to)) = self.span(name) {
            let mut text = EcoString::with_capacity(self.text.len() - (to + 1 - start));
            text.push_str(self.text.get(..start).unwrap_or_default());
            text.push_str(self.text.get(to + 1..).unwrap_or_default());
            self.text = text;
        }
    }

    /// Keeps those for which the condition holds.
    pub fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        if !self.iter().all(|(name, value)| keep(name, value)) {
            let kept = self.iter().filter(|(name, value)| keep(name, value)).collect();
            *self = kept;
        }
    }

    /// Gives a new value to those for which there is one.
    pub fn respell(&mut self, spell: impl Fn(&str, &str) -> Option<String>) {
        let pairs: Vec<(String, String)> =
            self.iter().filter_map(|(name, value)| Some((name.to_owned(), spell(name, value)?))).collect();
        for (name, value) in pairs {
            self.set(&name, &value);
        }
    }

    /// Brings them into the order of a rank of their names; those of the same rank stay as they are.
    pub fn sort_by_key<K: Ord>(&mut self, rank: impl Fn(&str) -> K) {
        let ranks: Vec<K> = self.iter().map(|(name, _)| rank(name)).collect();
        if ranks.is_sorted() {
            return;
        }
        let mut pairs: Vec<(K, (&str, &str))> = ranks.into_iter().zip(self.iter()).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let sorted = pairs.into_iter().map(|(_, pair)| pair).collect();
        *self = sorted;
    }

    /// Where the name begins, where the value begins and where it ends.
    fn span(&self, name: &str) -> Option<(usize, usize, usize)> {
        let mut at = 0;
        for (known, value) in self.iter() {
            let from = at + known.len() + 1;
            if known == name {
                return Some((at, from, from + value.len()));
            }
            at = from + value.len() + 1;
        }
        None
    }
}

/// Distance to the next NUL.
fn ended(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == 0)
}

impl<'t> FromIterator<(&'t str, &'t str)> for Attrs {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(pairs: I) -> Attrs {
        let mut text = String::new();
        for (name, value) in pairs {
            text.push_str(name);
            text.push(END);
            text.push_str(value.split(END).next().unwrap_or_default());
            text.push(END);
        }
        Attrs { text: EcoString::from(text) }
    }
}

impl std::fmt::Debug for Attrs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attrs: &Attrs, expected: &str) {
        let text: Vec<String> = attrs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn changes() {
        let mut attrs = Attrs::default();
        check(&attrs, "");
        attrs.set("type", "file");
        attrs.set("device", "a longer value than fits in place");
        check(&attrs, "type=file device=a longer value than fits in place");
        attrs.set("type", "");
        check(&attrs, "type= device=a longer value than fits in place");
        assert_eq!(attrs.get("type"), Some(""));
        assert_eq!(attrs.get("typ"), None);
        // A value is never taken for a name.
        attrs.set("model", "type");
        attrs.unset("type");
        check(&attrs, "device=a longer value than fits in place model=type");
        attrs.sort_by_key(|name| name != "model");
        check(&attrs, "model=type device=a longer value than fits in place");
        attrs.set("model", "cut\0evil\0value");
        attrs.unset("device");
        check(&attrs, "model=cut");
        assert_eq!(attrs.len(), 1);
        attrs.clear();
        assert!(attrs.is_empty());
    }
}
