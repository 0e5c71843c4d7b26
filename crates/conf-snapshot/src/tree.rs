//! The moments of one guest: each has at most one parent, one may be the current one.
//!
//! ```text
//! s1 ─┬─ s2 ── s3      roots: s1     leaves: s3, s4     current: s3
//!     └─ s4
//! ```

use crate::moment::Moment;
use crate::{Checkpoint, Snapshot};
use std::sync::Arc;

/// Something with a name and a parent.
pub trait Named {
    /// Name, time, parent.
    fn moment(&self) -> &Moment;
    /// The same, to be changed.
    fn moment_mut(&mut self) -> &mut Moment;
}

impl Named for Snapshot {
    fn moment(&self) -> &Moment {
        &self.moment
    }

    fn moment_mut(&mut self) -> &mut Moment {
        &mut self.moment
    }
}

impl Named for Checkpoint {
    fn moment(&self) -> &Moment {
        &self.moment
    }

    fn moment_mut(&mut self) -> &mut Moment {
        &mut self.moment
    }
}

/// All moments of one kind.
#[derive(Debug, Clone)]
pub struct Moments<T> {
    list: Vec<Arc<T>>,
    /// Name of the current one.
    pub current: Option<String>,
}

impl<T> Default for Moments<T> {
    fn default() -> Moments<T> {
        Moments { list: Vec::new(), current: None }
    }
}

impl<T: Named + Clone> Moments<T> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.list.iter()
    }

    /// One by its name.
    pub fn find(&self, name: &str) -> Option<&Arc<T>> {
        self.list.iter().find(|one| one.moment().name == name)
    }

    /// The current one.
    pub fn current(&self) -> Option<&Arc<T>> {
        self.find(self.current.as_deref()?)
    }

    /// Adds one, or puts it in the place of the one of its name.
    pub fn put(&mut self, one: Arc<T>) {
        let name = &one.moment().name;
        match self.list.iter_mut().find(|known| known.moment().name == *name) {
            Some(known) => *known = one,
            None => self.list.push(one),
        }
    }

    /// Changes one.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut T)) {
        if let Some(one) = self.list.iter_mut().find(|one| one.moment().name == name) {
            change(Arc::make_mut(one));
        }
    }

    /// Whether one has a parent that is here.
    fn is_root(&self, one: &T) -> bool {
        one.moment().parent.as_deref().is_none_or(|parent| self.find(parent).is_none())
    }

    /// Those whose parent is the one of a name; without a name, those without a parent.
    pub fn children<'m>(&'m self, parent: Option<&'m str>) -> impl Iterator<Item = &'m Arc<T>> {
        self.list.iter().filter(move |one| match parent {
            Some(parent) => one.moment().parent.as_deref() == Some(parent),
            None => self.is_root(one),
        })
    }

    /// Whether one is nobody's parent.
    pub fn is_leaf(&self, one: &T) -> bool {
        self.children(Some(&one.moment().name)).next().is_none()
    }

    /// Those below one, or all, parents before their children.
    pub fn below(&self, parent: Option<&str>) -> Vec<Arc<T>> {
        let mut all = Vec::new();
        let mut waiting: Vec<Arc<T>> = self.children(parent).cloned().collect();
        waiting.reverse();
        while let Some(one) = waiting.pop() {
            // A circle would have no end.
            if all.len() > self.list.len() {
                break;
            }
            let mut below: Vec<Arc<T>> = self.children(Some(&one.moment().name)).cloned().collect();
            below.reverse();
            waiting.extend(below);
            all.push(one);
        }
        all
    }

    /// Whether one stands somewhere above another.
    pub fn is_above(&self, upper: &str, lower: &str) -> bool {
        let mut at = lower;
        for _ in 0..=self.list.len() {
            match self.find(at).and_then(|one| one.moment().parent.as_deref()) {
                Some(parent) if parent == upper => return true,
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }

    /// Takes one out; its children become its parent's, and so does its being current.
    pub fn remove(&mut self, name: &str) -> Option<Arc<T>> {
        let at = self.list.iter().position(|one| one.moment().name == name)?;
        let gone = self.list.remove(at);
        let parent = gone.moment().parent.clone();
        for one in &mut self.list {
            if one.moment().parent.as_deref() == Some(name) {
                Arc::make_mut(one).moment_mut().parent.clone_from(&parent);
            }
        }
        if self.current.as_deref() == Some(name) {
            self.current = parent.filter(|parent| self.find(parent).is_some());
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(edges: &[(&str, Option<&str>)]) -> Moments<Snapshot> {
        let mut all = Moments::default();
        for (name, parent) in edges {
            let mut one = Snapshot::default();
            one.moment.name = (*name).to_owned();
            one.moment.parent = parent.map(str::to_owned);
            all.put(Arc::new(one));
        }
        all
    }

    fn names(list: &[Arc<Snapshot>]) -> Vec<&str> {
        list.iter().map(|one| one.moment.name.as_str()).collect()
    }

    #[test]
    fn relations() {
        let mut all = moments(&[("3", Some("2")), ("1", None), ("2", Some("1")), ("4", Some("1"))]);
        assert_eq!(names(&all.below(None)), ["1", "2", "3", "4"]);
        assert_eq!(names(&all.below(Some("2"))), ["3"]);
        assert!(all.is_above("1", "3") && !all.is_above("4", "3"));
        all.current = Some("2".to_owned());
        all.remove("2");
        assert_eq!(all.current.as_deref(), Some("1"));
        assert_eq!(names(&all.below(Some("1"))), ["3", "4"]);
    }

    #[test]
    fn circles_end() {
        let all = moments(&[("1", Some("2")), ("2", Some("1"))]);
        assert!(all.below(None).is_empty());
        assert!(!all.is_above("3", "1"));
    }
}
