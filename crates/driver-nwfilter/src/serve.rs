//! The procedures.

use crate::{Driver, bindings, check_flags, filters, snapshot};
use api::nwfilter::{ConnectListAllNwfilterBindingsRet, ConnectListAllNwfiltersRet};
use api::{Call, Nwfilter};
use base::object::{NwfilterBindingRef, NwfilterRef};
use base::{Result, Uuid};
use conf_nwfilter::{Binding, Filter};

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Nwfilter for Driver {
    fn connect_num_of_nwfilters(&self, _cx: &Call) -> Result<i32> {
        Ok(count(snapshot(&self.filters).len()).cast_signed())
    }

    fn connect_list_nwfilters(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        let most = usize::try_from(maxnames).unwrap_or(0);
        Ok(snapshot(&self.filters).keys().take(most).cloned().collect())
    }

    fn connect_list_all_nwfilters(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllNwfiltersRet> {
        check_flags(flags, 0, "nwfilterConnectListAllNWFilters")?;
        let all = snapshot(&self.filters);
        let found: Vec<NwfilterRef> = all.values().map(|filter| filters::reference(filter)).collect();
        let ret = count(found.len());
        Ok(ConnectListAllNwfiltersRet { filters: if need_results != 0 { found } else { Vec::new() }, ret })
    }

    fn nwfilter_lookup_by_name(&self, _cx: &Call, name: &str) -> Result<NwfilterRef> {
        Ok(filters::reference(&*self.by_name(name)?))
    }

    fn nwfilter_lookup_by_uuid(&self, _cx: &Call, uuid: Uuid) -> Result<NwfilterRef> {
        Ok(filters::reference(&*self.by_uuid(uuid)?))
    }

    fn nwfilter_define_xml(&self, _cx: &Call, xml: &str) -> Result<NwfilterRef> {
        self.define(Filter::parse(xml, false, &mut host::random::bytes::<16>)?)
    }

    fn nwfilter_define_xml_flags(&self, _cx: &Call, xml: &str, flags: u32) -> Result<NwfilterRef> {
        check_flags(flags, 1, "nwfilterDefineXMLFlags")?;
        self.define(Filter::parse(xml, flags & 1 != 0, &mut host::random::bytes::<16>)?)
    }

    fn nwfilter_undefine(&self, _cx: &Call, nwfilter: &NwfilterRef) -> Result<()> {
        self.undefine(nwfilter.uuid)
    }

    fn nwfilter_get_xml_desc(&self, _cx: &Call, nwfilter: &NwfilterRef, flags: u32) -> Result<String> {
        check_flags(flags, 0, "nwfilterGetXMLDesc")?;
        Ok(self.by_uuid(nwfilter.uuid)?.format())
    }

    fn nwfilter_binding_lookup_by_port_dev(&self, _cx: &Call, name: &str) -> Result<NwfilterBindingRef> {
        Ok(bindings::reference(&*self.bound(name)?))
    }

    fn nwfilter_binding_get_xml_desc(
        &self,
        _cx: &Call,
        nwfilter: &NwfilterBindingRef,
        flags: u32,
    ) -> Result<String> {
        check_flags(flags, 0, "nwfilterBindingGetXMLDesc")?;
        Ok(self.bound(&nwfilter.portdev)?.format())
    }

    fn nwfilter_binding_create_xml(&self, _cx: &Call, xml: &str, flags: u32) -> Result<NwfilterBindingRef> {
        check_flags(flags, 1, "nwfilterBindingCreateXML")?;
        self.bind(Binding::parse(xml, flags & 1 != 0)?)
    }

    fn nwfilter_binding_delete(&self, _cx: &Call, nwfilter: &NwfilterBindingRef) -> Result<()> {
        self.unbind(&nwfilter.portdev)
    }

    fn connect_list_all_nwfilter_bindings(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllNwfilterBindingsRet> {
        check_flags(flags, 0, "nwfilterConnectListAllNWFilterBindings")?;
        let all = snapshot(&self.bindings);
        let found: Vec<NwfilterBindingRef> =
            all.values().map(|binding| bindings::reference(binding)).collect();
        let ret = count(found.len());
        let bindings = if need_results != 0 { found } else { Vec::new() };
        Ok(ConnectListAllNwfilterBindingsRet { bindings, ret })
    }
}
