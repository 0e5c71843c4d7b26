//! Snapshots and checkpoints as a tree of moments.

use conf_domain::Domain;
use xml::Tree;

/// One moment of a domain.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    pub(crate) description: Option<String>,
    /// State of the domain, as a snapshot's document spells it.
    pub(crate) state: String,
    pub(crate) created: u64,
    /// Where its memory is.
    pub(crate) memory: String,
    pub(crate) disks: Vec<Tree>,
    pub(crate) domain: Domain,
}

/// The moments of a domain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moments {
    list: Vec<Moment>,
    pub(crate) current: Option<String>,
}

/// Which moments a listing asks for; the numbers are flags of the snapshot and checkpoint functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Which {
    /// All below, not only the children.
    pub(crate) descendants: bool,
    pub(crate) leaves: bool,
    pub(crate) no_leaves: bool,
    /// Parents before children; the list always is.
    pub(crate) _ordered: bool,
}

impl Moments {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Moment> {
        self.list.iter().find(|moment| moment.name == name)
    }

    /// Adds a moment below the current one and makes it current.
    pub(crate) fn add(&mut self, moment: Moment) {
        self.current = Some(moment.name.clone());
        self.list.push(moment);
    }

    fn children<'m>(&'m self, parent: Option<&'m str>) -> impl Iterator<Item = &'m Moment> {
        self.list.iter().filter(move |moment| moment.parent.as_deref() == parent)
    }

    fn is_leaf(&self, moment: &Moment) -> bool {
        self.children(Some(&moment.name)).next().is_none()
    }

    /// Moments below one, or of the whole tree.
    pub(crate) fn below(&self, parent: Option<&str>, which: Which) -> Vec<String> {
        let mut out = Vec::new();
        self.walk(parent, which, &mut out);
        out
    }

    fn walk(&self, parent: Option<&str>, which: Which, out: &mut Vec<String>) {
        for child in self.children(parent) {
            let leaf = self.is_leaf(child);
            let wanted =
                (!which.leaves && !which.no_leaves) || (which.leaves && leaf) || (which.no_leaves && !leaf);
            if wanted {
                out.push(child.name.clone());
            }
            if which.descendants {
                self.walk(Some(&child.name), which, out);
            }
        }
    }

    /// Removes a moment; its children move up, unless all below goes too.
    pub(crate) fn remove(&mut self, name: &str, children: bool, only_children: bool) {
        let all = Which { descendants: true, leaves: false, no_leaves: false, _ordered: true };
        let below = self.below(Some(name), all);
        let parent = self.find(name).and_then(|moment| moment.parent.clone());
        let gone = |candidate: &str| {
            (candidate == name && !only_children)
                || (children && below.iter().any(|known| known == candidate))
        };
        self.list.retain(|moment| !gone(&moment.name));
        if !children {
            for moment in &mut self.list {
                if moment.parent.as_deref() == Some(name) {
                    moment.parent.clone_from(&parent);
                }
            }
        }
        if self.current.as_deref().is_some_and(gone) {
            self.current = if only_children { Some(name.to_owned()) } else { parent };
        }
    }
}
