//! Definitions of filters.

use crate::{Driver, FROM, change, error, header, snapshot};
use base::object::NwfilterRef;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_nwfilter::Filter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a client names a filter.
pub(crate) fn reference(filter: &Filter) -> NwfilterRef {
    NwfilterRef { name: filter.name.clone(), uuid: filter.uuid }
}

/// Names of a filter and of all that it refers to, as far as they are there.
pub(crate) fn reach(name: &str, filters: &BTreeMap<String, Arc<Filter>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        if let Some(filter) = filters.get(&name) {
            next.extend(filter.includes().map(|include| include.filter.clone()));
        }
    }
    found
}

impl Driver {
    /// Reads the stored definitions; what is not understood is left aside.
    pub(crate) fn load_filters(&self) {
        let mut found = BTreeMap::new();
        for (name, text) in host::store::files(&self.definitions, "xml") {
            match Filter::parse(&text, false, &mut host::random::bytes::<16>) {
                Ok(filter) if filter.name == name => {
                    // A definition without an identity gets one for good.
                    if !text.contains("<uuid>")
                        && let Err(error) = self.store_filter(&filter)
                    {
                        log::warn!("filter '{name}' has a new identity at every start: {error}");
                    }
                    found.insert(name, Arc::new(filter));
                }
                Ok(filter) => {
                    log::error!("definition '{name}' is of a filter '{}' and left aside", filter.name);
                }
                Err(error) => log::error!("filter '{name}' is left aside: {error}"),
            }
        }
        change(&self.filters, |filters| *filters = found);
    }

    fn store_filter(&self, filter: &Filter) -> Result<()> {
        let path = self.definitions.join(format!("{}.xml", filter.name));
        let text = header(&format!("nwfilter-edit {}", xml::escape(&filter.name))) + &filter.format();
        host::store::write(&path, text.as_bytes(), 0o600).map_err(|error| {
            let text = format!("Failed to create file '{}.new'", path.display());
            Error::system(ErrorDomain::NONE, &error, text)
        })
    }

    /// The filter with a name.
    pub(crate) fn by_name(&self, name: &str) -> Result<Arc<Filter>> {
        let found = snapshot(&self.filters).get(name).cloned();
        found.ok_or_else(|| error(ErrorCode::NO_NWFILTER, format!("no nwfilter with matching name '{name}'")))
    }

    /// The filter with an identity.
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Filter>> {
        let filters = snapshot(&self.filters);
        let found = filters.values().find(|filter| filter.uuid == uuid).cloned();
        found.ok_or_else(|| error(ErrorCode::NO_NWFILTER, format!("no nwfilter with matching uuid '{uuid}'")))
    }

    /// Whether a definition may take its place among the others.
    fn place(filter: &Filter, filters: &BTreeMap<String, Arc<Filter>>) -> Result<()> {
        if let Some(other) = filters.values().find(|other| other.uuid == filter.uuid)
            && other.name != filter.name
        {
            let text = format!("filter with same UUID but different name ('{}') already exists", other.name);
            return Err(Error::operation_failed(FROM, text));
        }
        if let Some(other) = filters.get(&filter.name)
            && other.uuid != filter.uuid
        {
            let text = format!("filter '{}' already exists with uuid {}", filter.name, other.uuid);
            return Err(Error::operation_failed(FROM, text));
        }
        let leads_back =
            filter.includes().any(|include| reach(&include.filter, filters).contains(&filter.name));
        if leads_back {
            return Err(Error::operation_failed(FROM, "filter would introduce a loop"));
        }
        Ok(())
    }

    /// Defines a filter, or redefines one; interfaces that use it get its rules.
    pub(crate) fn define(&self, filter: Filter) -> Result<NwfilterRef> {
        let named = reference(&filter);
        let _turn = self.turn();
        let before = snapshot(&self.filters);
        Driver::place(&filter, &before)?;
        let same = before.get(&filter.name).is_some_and(|known| **known == filter);
        let filter = Arc::new(filter);
        let mut next = (*before).clone();
        next.insert(filter.name.clone(), filter.clone());
        if same {
            self.store_filter(&filter)?;
            return Ok(named);
        }
        let used: Vec<_> = snapshot(&self.bindings)
            .values()
            .filter(|binding| reach(&binding.filter.filter, &next).contains(&filter.name))
            .cloned()
            .collect();
        let rebuilt = self.rebuild(&used, &next)?;
        if let Err(error) = self.store_filter(&filter) {
            self.give_up(&rebuilt);
            return Err(error);
        }
        change(&self.filters, |filters| *filters = next);
        self.take_over(&rebuilt);
        Ok(named)
    }

    /// Forgets a filter that no interface uses.
    pub(crate) fn undefine(&self, uuid: Uuid) -> Result<()> {
        let _turn = self.turn();
        let filter = self.by_uuid(uuid)?;
        let filters = snapshot(&self.filters);
        let bindings = snapshot(&self.bindings);
        let used =
            bindings.values().any(|binding| reach(&binding.filter.filter, &filters).contains(&filter.name));
        if used {
            return Err(Error::operation_invalid(FROM, "nwfilter is in use"));
        }
        let path = self.definitions.join(format!("{}.xml", filter.name));
        host::store::remove(&path).map_err(|error| {
            Error::system(FROM, &error, format!("cannot remove config for {}", filter.name))
        })?;
        change(&self.filters, |filters| drop(filters.remove(&filter.name)));
        Ok(())
    }
}
