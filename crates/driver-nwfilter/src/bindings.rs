//! Filters on interfaces of guests.
//!
//! ```text
//!             bind                                unbind
//! (nothing) ────────▶ rules made, file, in the set ────────▶ (nothing)
//!                         │ a filter that it uses changes: rules made anew, beside the old ones
//! ```
//!
//! An interface that is not there gets nothing, and its filters are not asked for: they may be missing, change or go. Once
//! it is there a change of a filter gives it its rules, and its hardware address as the variable `MAC`.
//!
//! An interface whose IP address is not known gets provisional rules: it may speak ARP and IPv4 from its own hardware
//! address, or ask for an address only, as its variable `CTRL_IP_LEARNING` says.

use crate::{Driver, FROM, change, error, header, rules, snapshot};
use base::object::NwfilterBindingRef;
use base::{Error, ErrorCode, Result};
use conf_nwfilter::{Binding, Filter};
use firewall::Transaction;
use nwfilter_plan::install;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The variable that may be learnt.
const ADDRESS: &str = "IP";
/// The variable that every interface has.
const HARDWARE: &str = "MAC";
/// The variable that says how.
const LEARNING: &str = "CTRL_IP_LEARNING";
/// Servers whose answers are believed.
const SERVERS: &str = "DHCPSERVER";

/// How a client names a binding.
pub(crate) fn reference(binding: &Binding) -> NwfilterBindingRef {
    NwfilterBindingRef { portdev: binding.port.clone(), filtername: binding.filter.filter.clone() }
}

/// What an interface gets.
enum Wanted {
    /// Its rules, beside those in force.
    Rules(Transaction),
    /// Provisional rules in the place of any others.
    Provisional(Transaction),
}

/// How an address is learnt.
enum Learning {
    Any,
    Dhcp,
    Never,
}

fn learning(binding: &Binding) -> Result<Learning> {
    let stated = binding.filter.parameters.get(LEARNING).and_then(|values| values.first());
    Ok(match stated.map(String::as_str) {
        None => Learning::Any,
        Some(word) if word.eq_ignore_ascii_case("any") => Learning::Any,
        Some(word) if word.eq_ignore_ascii_case("dhcp") => Learning::Dhcp,
        Some(word) if word.eq_ignore_ascii_case("none") => Learning::Never,
        Some(word) => {
            let text = format!("filter '{}' learning value '{word}' invalid.", binding.filter.filter);
            return Err(error(ErrorCode::PARSE_FAILED, text));
        }
    })
}

/// Plans what an interface gets from these filters.
fn plan(binding: &Binding, filters: &BTreeMap<String, Arc<Filter>>) -> Result<Wanted> {
    let library = |name: &str| filters.get(name).cloned();
    let placed = nwfilter_plan::flatten(&binding.filter, &library)?;
    let missing = nwfilter_plan::missing(&placed);
    if !missing.is_empty() && missing.iter().all(|name| name == ADDRESS) {
        let servers = binding.filter.parameters.get(SERVERS).unwrap_or_default();
        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
        match learning(binding)? {
            Learning::Any => return Ok(Wanted::Provisional(install::basic(&binding.port, binding.mac))),
            Learning::Dhcp => {
                let rules = install::dhcp_only(&binding.port, binding.mac, &servers, false);
                return Ok(Wanted::Provisional(rules));
            }
            Learning::Never => {}
        }
    }
    Ok(Wanted::Rules(nwfilter_plan::plan(&binding.port, &placed)?.install()))
}

impl Driver {
    fn binding_file(&self, port: &str) -> PathBuf {
        self.states.join(format!("{port}.xml"))
    }

    /// Reads the stored bindings, and makes their rules anew.
    pub(crate) fn load_bindings(&self) {
        let filters = snapshot(&self.filters);
        let mut found = BTreeMap::new();
        for (port, text) in host::store::files(&self.states, "xml") {
            match inside(&text).and_then(|text| Binding::parse(&text, false)) {
                Ok(binding) if binding.port == port => {
                    found.insert(port, Arc::new(binding));
                }
                Ok(binding) => log::error!("binding '{port}' is of '{}' and left aside", binding.port),
                Err(error) => log::error!("binding '{port}' is left aside: {error}"),
            }
        }
        for binding in found.values_mut().filter(|binding| self.present(binding)) {
            *binding = addressed(binding);
            match self.rebuild(std::slice::from_ref(binding), &filters) {
                Ok(rebuilt) => self.take_over(&rebuilt),
                Err(error) => log::error!("interface '{}' keeps the rules it has: {error}", binding.port),
            }
        }
        change(&self.bindings, |bindings| *bindings = found);
    }

    /// The binding of an interface.
    pub(crate) fn bound(&self, port: &str) -> Result<Arc<Binding>> {
        let found = snapshot(&self.bindings).get(port).cloned();
        found.ok_or_else(|| {
            error(ErrorCode::NO_NWFILTER_BINDING, format!("no nwfilter binding for port dev '{port}'"))
        })
    }

    /// Puts a filter on an interface.
    pub(crate) fn bind(&self, binding: Binding) -> Result<NwfilterBindingRef> {
        let named = reference(&binding);
        let _turn = self.turn();
        if snapshot(&self.bindings).contains_key(&binding.port) {
            return Err(Error::operation_failed(FROM, format!("binding '{}' already exists", binding.port)));
        }
        let mut binding = Arc::new(binding);
        let mut rebuilt = Vec::new();
        if self.present(&binding) {
            binding = addressed(&binding);
            rebuilt = self.rebuild(std::slice::from_ref(&binding), &snapshot(&self.filters))?;
        }
        let path = self.binding_file(&binding.port);
        let mut w = xml::Writer::new();
        w.element("filterbindingstatus").children(|w| w.block(&binding.format()));
        let command = format!("nwfilter-binding-create {}", xml::escape(&binding.port));
        let text = header(&command) + &w.finish();
        if let Err(error) = host::store::write_volatile(&path, text.as_bytes(), 0o600) {
            // The rules hold without it, as long as this daemon does.
            log::warn!("Failed to create file '{}': {error}", path.display());
        }
        change(&self.bindings, |bindings| drop(bindings.insert(binding.port.clone(), binding.clone())));
        self.take_over(&rebuilt);
        Ok(named)
    }

    /// Takes the filter off an interface.
    pub(crate) fn unbind(&self, port: &str) -> Result<()> {
        let _turn = self.turn();
        self.bound(port)?;
        if let Err(error) = rules::apply(install::remove(port)) {
            log::warn!("rules of interface '{port}' may be left: {error}");
        }
        if let Err(error) = host::store::remove_volatile(&self.binding_file(port)) {
            log::warn!("{}: {error}", self.binding_file(port).display());
        }
        change(&self.bindings, |bindings| drop(bindings.remove(port)));
        Ok(())
    }

    /// Whether the interface of a binding is there. When the kernel does not tell it is taken to be, so that no guest goes
    /// without its filter.
    pub(crate) fn present(&self, binding: &Binding) -> bool {
        match self.links.find(&binding.port) {
            Ok(_) => true,
            Err(error) => !absent(&error),
        }
    }

    /// Makes new rules for interfaces that are there beside their old ones. Names those that have some; when any fails, none has.
    pub(crate) fn rebuild(
        &self,
        bindings: &[Arc<Binding>],
        filters: &BTreeMap<String, Arc<Filter>>,
    ) -> Result<Vec<String>> {
        // Everything that can be wrong with filters is found before anything is done.
        let mut wanted = Vec::new();
        for binding in bindings {
            wanted.push((binding, plan(binding, filters)?));
        }
        let mut made = Vec::new();
        for (binding, wanted) in wanted {
            let outcome = match wanted {
                Wanted::Rules(transaction) => {
                    made.push(binding.port.clone());
                    rules::apply(transaction)
                }
                Wanted::Provisional(transaction) => rules::apply(transaction),
            };
            if let Err(error) = outcome {
                self.give_up(&made);
                return Err(error);
            }
        }
        Ok(made)
    }

    /// Removes new rules that are not wanted after all.
    pub(crate) fn give_up(&self, ports: &[String]) {
        for port in ports {
            let _ = rules::apply(install::discard(port));
        }
    }

    /// Has new rules take the place of the old ones.
    pub(crate) fn take_over(&self, ports: &[String]) {
        for port in ports {
            if let Err(error) = rules::apply(install::replace(port)) {
                log::error!("rules of interface '{port}' are not in order: {error}");
            }
        }
    }
}

/// Whether an answer of the kernel says that there is no interface of a name, or can be none.
fn absent(error: &io::Error) -> bool {
    // ENODEV; EINVAL and ERANGE for what is no name.
    matches!(error.raw_os_error(), Some(19 | 22 | 34))
}

/// A binding with the hardware address among its variables.
pub(crate) fn addressed(binding: &Arc<Binding>) -> Arc<Binding> {
    let mut binding = binding.clone();
    if binding.filter.parameters.get(HARDWARE).is_none() {
        let address = binding.mac.to_string();
        Arc::make_mut(&mut binding).filter.parameters.set(HARDWARE, &address);
    }
    binding
}

/// The binding within a document of its status.
fn inside(text: &str) -> Result<String> {
    let broken = |text: String| Error::internal(FROM, text);
    let document = xml::Document::parse(text).map_err(|error| broken(error.to_string()))?;
    let root = document.root();
    let node = if root.name() == "filterbindingstatus" { root.child("filterbinding") } else { Some(root) };
    node.map(|node| node.source().to_owned()).ok_or_else(|| broken("no binding in its status".to_owned()))
}
