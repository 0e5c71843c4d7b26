//! Finding and listing domains.

use crate::Test;
use crate::world::{Dom, first};
use api::domain_lookup::ConnectListAllDomainsRet;
use api::{Call, DomainLookup};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};

fn find(test: &Test, which: impl Fn(&Dom) -> bool) -> Result<DomainRef> {
    let world = test.world();
    let found = world.domains.iter().find(|dom| which(dom)).map(Dom::reference);
    found.ok_or_else(|| Error::bare(ErrorCode::NO_DOMAIN, ErrorDomain::TEST))
}

/// Whether a domain passes a pair of flags of which neither or both mean all.
fn passes(flags: u32, yes: u32, no: u32, is: bool) -> bool {
    flags & (yes | no) == 0 || (flags & yes != 0 && is) || (flags & no != 0 && !is)
}

fn listed(dom: &Dom, flags: u32) -> bool {
    let states = (flags & 16 != 0 && dom.state == 1)
        || (flags & 32 != 0 && dom.state == 3)
        || (flags & 64 != 0 && dom.state == 5)
        || (flags & 128 != 0 && !matches!(dom.state, 1 | 3 | 5));
    passes(flags, 1, 2, dom.active())
        && passes(flags, 4, 8, dom.persistent)
        && (flags & 240 == 0 || states)
        && passes(flags, 256, 512, dom.managed_save)
        && passes(flags, 1024, 2048, dom.autostart)
        && passes(flags, 4096, 8192, !dom.snapshots.is_empty())
        && passes(flags, 16384, 32768, !dom.checkpoints.is_empty())
}

impl DomainLookup for Test {
    fn domain_lookup_by_id(&self, _: &Call, id: i32) -> Result<DomainRef> {
        find(self, |dom| dom.def.id == Some(id))
    }

    fn domain_lookup_by_name(&self, _: &Call, name: &str) -> Result<DomainRef> {
        find(self, |dom| dom.def.name == name)
    }

    fn domain_lookup_by_uuid(&self, _: &Call, uuid: Uuid) -> Result<DomainRef> {
        find(self, |dom| dom.def.uuid == uuid)
    }

    fn connect_num_of_domains(&self, _: &Call) -> Result<i32> {
        Ok(self.world().domains.iter().filter(|dom| dom.active()).count() as i32)
    }

    fn connect_list_domains(&self, _: &Call, maxids: i32) -> Result<Vec<i32>> {
        let world = self.world();
        let ids = world.domains.iter().filter_map(|dom| dom.def.id);
        Ok(ids.take(usize::try_from(maxids).unwrap_or(0)).collect())
    }

    fn connect_num_of_defined_domains(&self, _: &Call) -> Result<i32> {
        Ok(self.world().domains.iter().filter(|dom| !dom.active()).count() as i32)
    }

    fn connect_list_defined_domains(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        let world = self.world();
        Ok(first(world.domains.iter().filter(|dom| !dom.active()).map(|dom| dom.def.name.clone()), maxnames))
    }

    fn connect_list_all_domains(&self, _: &Call, _: i32, flags: u32) -> Result<ConnectListAllDomainsRet> {
        crate::known(flags, 0xffff, "testConnectListAllDomains")?;
        let world = self.world();
        let domains: Vec<DomainRef> =
            world.domains.iter().filter(|dom| listed(dom, flags)).map(Dom::reference).collect();
        Ok(ConnectListAllDomainsRet { ret: domains.len() as u32, domains })
    }
}
