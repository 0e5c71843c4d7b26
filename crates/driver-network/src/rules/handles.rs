//! Which rules of the kernel are which network's.
//!
//! A program that writes rules does not say what became of them; the kernel does, to whoever listens. What it tells between
//! the start and the end of the program are the program's rules, in order, unless somebody else has written into private
//! chains at the same moment, which their number tells.

use base::Uuid;
use host::netfilter::{Filter, Rule, Watch};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Own changes that are remembered, so that they are not taken for those of others.
const REMEMBERED: usize = 512;

/// Rules by network, and the means to follow them.
#[derive(Debug)]
pub(super) struct Handles {
    watch: Option<Watch>,
    filter: Option<Filter>,
    of: BTreeMap<Uuid, Vec<Rule>>,
    own: VecDeque<u32>,
}

impl Default for Handles {
    fn default() -> Handles {
        let (watch, filter) = (Watch::open(), Filter::open());
        if let Some(error) = watch.as_ref().err().or(filter.as_ref().err()) {
            log::warn!("rules are not followed in the kernel: {error}");
        }
        Handles { watch: watch.ok(), filter: filter.ok(), of: BTreeMap::new(), own: VecDeque::new() }
    }
}

impl Handles {
    /// Forgets what was told so far: it was not about what follows.
    pub(super) fn begin(&self) {
        if let Some(watch) = &self.watch {
            let _ = watch.changes(Duration::ZERO);
        }
    }

    /// New rules since [`Handles::begin`], all of them our own change's; none when some were not told.
    pub(super) fn end(&mut self) -> Option<Vec<Rule>> {
        let changes = self.watch.as_ref()?.changes(Duration::ZERO)?;
        for change in &changes {
            self.own.push_back(change.generation);
        }
        let surplus = self.own.len().saturating_sub(REMEMBERED);
        self.own.drain(..surplus);
        Some(changes.into_iter().flat_map(|change| change.new).collect())
    }

    /// Whether all of these are changes of our own.
    pub(super) fn are_own(&self, generations: &[u32]) -> bool {
        generations.iter().all(|generation| self.own.contains(generation))
    }

    /// Notes the rules of a network, if their number is right.
    pub(super) fn note(&mut self, uuid: Uuid, rules: Vec<Rule>, expected: usize) {
        if rules.len() == expected {
            self.of.insert(uuid, rules);
        } else {
            log::debug!("{} rules of {expected} were told", rules.len());
            self.of.remove(&uuid);
        }
    }

    /// Forgets all rules.
    pub(super) fn clear(&mut self) {
        self.of.clear();
    }

    /// Takes the rules of a network away in one step; false when they are not known, or not there any more.
    pub(super) fn delete(&mut self, uuid: Uuid) -> bool {
        let (Some(rules), Some(filter)) = (self.of.remove(&uuid), &self.filter) else { return false };
        self.begin();
        let outcome = filter.delete(&rules);
        self.end();
        outcome.inspect_err(|error| log::debug!("rules are not as they were: {error}")).is_ok()
    }

    /// Rules of a table.
    pub(super) fn listed(&self, family: u8, table: &str) -> Option<Vec<Rule>> {
        self.filter.as_ref()?.rules(family, table).ok()
    }

    /// Whether all rules of these networks are in the tables; none when it is not known.
    pub(super) fn all_there<'u>(
        &self,
        networks: impl Iterator<Item = &'u Uuid>,
        tables: &BTreeMap<(u8, &str), Vec<Rule>>,
    ) -> Option<bool> {
        let there: BTreeSet<(u8, &str, u64)> = tables
            .iter()
            .flat_map(|((family, table), rules)| rules.iter().map(|rule| (*family, *table, rule.handle)))
            .collect();
        let mut all = true;
        for uuid in networks {
            let rules = self.of.get(uuid)?;
            all &= rules.iter().all(|rule| there.contains(&(rule.family, rule.table.as_str(), rule.handle)));
        }
        Some(all)
    }
}
