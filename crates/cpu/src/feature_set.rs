//! A set of x86 features, by their position in the table.

/// Bits a set can hold; the table must not have more features.
pub const CAPACITY: usize = WORDS * 64;
const WORDS: usize = 8;

/// A set of features; iteration follows table order, which is the order of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeatureSet([u64; WORDS]);

impl FeatureSet {
    /// Adds a feature by its position; positions beyond [`CAPACITY`] are ignored.
    pub fn insert(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// Takes a feature out.
    pub fn remove(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
    }

    /// Is the feature in the set?
    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// In either set.
    #[must_use]
    pub fn union(&self, other: &FeatureSet) -> FeatureSet {
        self.merge(other, |a, b| a | b)
    }

    /// In both sets.
    #[must_use]
    pub fn intersection(&self, other: &FeatureSet) -> FeatureSet {
        self.merge(other, |a, b| a & b)
    }

    /// In this set and not in the other.
    #[must_use]
    pub fn minus(&self, other: &FeatureSet) -> FeatureSet {
        self.merge(other, |a, b| a & !b)
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many features it has.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Does the other set have all of these?
    pub fn is_subset(&self, other: &FeatureSet) -> bool {
        self.minus(other).is_empty()
    }

    /// Positions in table order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..CAPACITY).filter(|index| self.contains(*index))
    }

    fn merge(&self, other: &FeatureSet, with: impl Fn(u64, u64) -> u64) -> FeatureSet {
        let mut out = [0; WORDS];
        for (word, (a, b)) in out.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *word = with(*a, *b);
        }
        FeatureSet(out)
    }
}

impl FromIterator<usize> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = usize>>(items: I) -> FeatureSet {
        let mut set = FeatureSet::default();
        for item in items {
            set.insert(item);
        }
        set
    }
}
