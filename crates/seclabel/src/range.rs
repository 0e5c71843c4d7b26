//! Ranges of SELinux contexts: a sensitivity and categories.
//!
//! ```text
//! system_u:system_r:virtd_t:s0-s0:c0.c1023      the daemon may use categories 0 to 1023
//! system_u:system_r:svirt_t:s0:c41,c264         a guest has two of them
//! ```

/// What a process may give to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The lower sensitivity, e.g. `s0`.
    pub sensitivity: String,
    /// The lowest category.
    pub first: u32,
    /// The highest category.
    pub last: u32,
}

/// Categories of a policy when a context names none.
const CATEGORIES: u32 = 1024;

impl Range {
    /// Reads the range of a context; without categories, all there are count. `None` when it is malformed.
    pub fn of(context: &str) -> Option<Range> {
        let range = context.splitn(4, ':').nth(3)?;
        // The upper end of the range has the categories.
        let (low, categories) = range.split_once(':').map_or((range, None), |(low, rest)| (low, Some(rest)));
        let sensitivity = low.split('-').next().filter(|text| !text.is_empty())?.to_owned();
        let Some(categories) = categories else {
            return Some(Range { sensitivity, first: 0, last: CATEGORIES - 1 });
        };
        let category = |text: &str| text.strip_prefix('c').and_then(|text| text.parse::<u32>().ok());
        let (first, last) = match categories.split_once('.') {
            Some((first, last)) => (category(first)?, category(last)?),
            None => (category(categories)?, category(categories)?),
        };
        (first < last).then_some(Range { sensitivity, first, last })
    }

    /// The range with two categories, chosen by two random numbers. `None` when both numbers mean the same one: choose
    /// again, as one category alone is no guest's own.
    pub fn pick(&self, random: [u32; 2]) -> Option<String> {
        let count = (self.last - self.first).checked_add(1)?;
        let [a, b] = random.map(|number| self.first + number % count);
        let (low, high) = (a.min(b), a.max(b));
        (low != high).then(|| format!("{}:c{low},c{high}", self.sensitivity))
    }

    /// A context with another range.
    pub fn put(context: &str, range: &str) -> Option<String> {
        let parts: Vec<&str> = context.splitn(4, ':').take(3).filter(|part| !part.is_empty()).collect();
        let [user, role, kind] = parts.as_slice() else { return None };
        Some(format!("{user}:{role}:{kind}:{range}"))
    }
}
