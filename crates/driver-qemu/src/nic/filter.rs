//! Filters of cards: bound to their devices while guests run.

use super::{Nics, Owner};
use api::Call;
use base::object::NwfilterBindingRef;
use base::{Error, ErrorDomain, Result};
use xml::{Tree, Writer};

/// The binding that a card asks for: device, filter and document.
fn binding(owner: &Owner, interface: &Tree) -> Option<(NwfilterBindingRef, String)> {
    let wanted = interface.child("filterref")?;
    let filtername = wanted.attr("filter")?.to_owned();
    let portdev = interface.attr_at("target", "dev")?.to_owned();
    let mut w = Writer::new();
    w.element("filterbinding").children(|w| {
        w.element("owner").children(|w| {
            w.leaf("name", &owner.name);
            w.leaf("uuid", owner.uuid);
        });
        w.element("portdev").attr("name", &portdev).empty();
        w.element("mac").attr("address", interface.attr_at("mac", "address").unwrap_or_default()).empty();
        w.element("filterref").attr("filter", &filtername).children(|w| {
            for parameter in wanted.all("parameter") {
                let part = |name: &str| parameter.attr(name).unwrap_or_default();
                w.element("parameter").attr("name", part("name")).attr("value", part("value")).empty();
            }
        });
    });
    Some((NwfilterBindingRef { portdev, filtername }, w.finish()))
}

impl Nics {
    /// Binds the filter of a card to its device. Gives what takes it off again.
    ///
    /// # Errors
    /// When its rules cannot be made.
    pub(super) fn filter(&self, owner: &Owner, interface: &Tree) -> Result<Option<NwfilterBindingRef>> {
        let Some((bound, text)) = binding(owner, interface) else { return Ok(None) };
        // A guest whose packets should be filtered does not run without the filter.
        let filters = self.filters.as_ref().ok_or_else(|| {
            let text = format!("referenced filter '{}' is missing", bound.filtername);
            Error::internal(ErrorDomain::NWFILTER, text)
        })?;
        let cx = Call::internal();
        // One that is left of an earlier device of this name is of no use.
        if filters.nwfilter_binding_lookup_by_port_dev(&cx, &bound.portdev).is_ok() {
            filters.nwfilter_binding_delete(&cx, &bound)?;
        }
        filters.nwfilter_binding_create_xml(&cx, &text, 0).map(Some)
    }

    /// Has the filter of a changed card take the place of the one it had.
    ///
    /// # Errors
    /// When the rules of the new one cannot be made; the card has its old ones.
    pub(crate) fn refilter(&self, owner: &Owner, old: &Tree, new: &Tree) -> Result<()> {
        if old.child("filterref") == new.child("filterref") {
            return Ok(());
        }
        self.unfilter_card(owner, old);
        let Err(cause) = self.filter(owner, new) else { return Ok(()) };
        let device = new.attr_at("target", "dev").unwrap_or_default();
        log::warn!("filter of '{device}': {cause}");
        if let Err(cause) = self.filter(owner, old) {
            log::error!("filter of '{device}' is not there again: {cause}");
        }
        let text = format!("failed to add new filter rules to '{device}' - attempting to restore old rules");
        Err(Error::operation_failed(crate::FROM, text))
    }

    /// Takes the filter of a card off its device.
    pub(super) fn unfilter(&self, bound: &NwfilterBindingRef) {
        if let Some(filters) = &self.filters
            && filters.nwfilter_binding_lookup_by_port_dev(&Call::internal(), &bound.portdev).is_ok()
            && let Err(cause) = filters.nwfilter_binding_delete(&Call::internal(), bound)
        {
            log::warn!("filter of '{}': {cause}", bound.portdev);
        }
    }

    /// The same, for a card of a guest that has ended.
    pub(super) fn unfilter_card(&self, owner: &Owner, interface: &Tree) {
        if let Some((bound, _)) = binding(owner, interface) {
            self.unfilter(&bound);
        }
    }
}
