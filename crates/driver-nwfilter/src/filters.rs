//! Definitions of filters.

use crate::bindings::addressed;
use crate::{Driver, FROM, change, error, header, snapshot};
use base::object::NwfilterRef;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use conf_nwfilter::{Binding, Filter};
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

/// Bindings whose interface is there and that use a filter.
fn using<'b>(
    name: &'b str,
    filters: &'b BTreeMap<String, Arc<Filter>>,
    bindings: &'b BTreeMap<String, Arc<Binding>>,
    present: &'b dyn Fn(&Binding) -> bool,
) -> impl Iterator<Item = &'b Arc<Binding>> {
    let uses = |binding: &Binding| reach(&binding.filter.filter, filters).contains(name);
    bindings.values().filter(move |binding| present(binding) && uses(binding))
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
        let text = header(&format!("nwfilter-edit {}", xml::escape(&filter.name))) + &filter.format_stored();
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
        let bindings = snapshot(&self.bindings);
        let used: Vec<_> =
            using(&filter.name, &next, &bindings, &|binding| self.present(binding)).map(addressed).collect();
        let rebuilt = self.rebuild(&used, &next)?;
        if let Err(error) = self.store_filter(&filter) {
            self.give_up(&rebuilt);
            return Err(error);
        }
        change(&self.filters, |filters| *filters = next);
        change(&self.bindings, |bindings| {
            bindings.extend(used.into_iter().map(|binding| (binding.port.clone(), binding)));
        });
        self.take_over(&rebuilt);
        Ok(named)
    }

    /// Forgets a filter that no interface uses.
    pub(crate) fn undefine(&self, uuid: Uuid) -> Result<()> {
        let _turn = self.turn();
        let filter = self.by_uuid(uuid)?;
        let filters = snapshot(&self.filters);
        let bindings = snapshot(&self.bindings);
        if using(&filter.name, &filters, &bindings, &|binding| self.present(binding)).next().is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_used_by_interfaces_that_are_there() {
        let filter = |text: &str| Arc::new(Filter::parse(text, false, &mut || [7; 16]).unwrap());
        let binding = |port: &str| {
            let text = format!(
                "<filterbinding><owner><name>o</name><uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid></owner>\
                 <portdev name='{port}'/><mac address='52:54:00:00:00:01'/><filterref filter='a'/></filterbinding>"
            );
            Arc::new(Binding::parse(&text, false).unwrap())
        };
        let filters = BTreeMap::from([
            ("a".to_owned(), filter("<filter name='a'><filterref filter='b'/></filter>")),
            ("b".to_owned(), filter("<filter name='b'/>")),
        ]);
        let bindings = BTreeMap::from([("x".to_owned(), binding("x")), ("y".to_owned(), binding("y"))]);
        let ports = |name: &str| -> Vec<String> {
            using(name, &filters, &bindings, &|binding| binding.port == "x")
                .map(|binding| binding.port.clone())
                .collect()
        };
        assert_eq!(ports("a"), ["x"]);
        assert_eq!(ports("b"), ["x"]);
        assert!(ports("c").is_empty());
        let known = addressed(&binding("x"));
        assert_eq!(known.filter.parameters.get("MAC"), Some(["52:54:00:00:00:01".to_owned()].as_slice()));
        assert_eq!(addressed(&known), known);
    }
}
