//! Checkpoints: moments from which changes of disks are tracked.

use crate::moment::{Moment, Which};
use crate::world::{Dom, World, now};
use crate::{Test, document, fail, invalid, known};
use api::domain_checkpoint::{DomainCheckpointListAllChildrenRet, DomainListAllCheckpointsRet};
use api::{Call, DomainCheckpoint};
use base::object::{DomainCheckpointRef, DomainRef};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::FormatFlags;
use xml::{Tree, Writer};

fn moment<'d>(dom: &'d Dom, name: &str) -> Result<&'d Moment> {
    match dom.checkpoints.find(name) {
        Some(moment) => Ok(moment),
        None => {
            fail(ErrorCode::NO_DOMAIN_CHECKPOINT, format!("no domain checkpoint with matching name '{name}'"))
        }
    }
}

fn which(flags: u32, of_all: bool) -> Which {
    let bit = flags & 1 != 0;
    let descendants = if of_all { !bit } else { bit };
    Which { descendants, leaves: flags & 4 != 0, no_leaves: flags & 8 != 0, _ordered: true }
}

fn format(moment: &Moment, flags: u32) -> String {
    let mut w = Writer::new();
    w.element("domaincheckpoint").children(|w| {
        w.leaf("name", &moment.name);
        w.leaf_opt("description", moment.description.as_ref());
        if let Some(parent) = &moment.parent {
            w.element("parent").children(|w| w.leaf("name", parent));
        }
        w.leaf("creationTime", moment.created);
        if !moment.disks.is_empty() {
            w.element("disks").children(|w| {
                for disk in &moment.disks {
                    conf_domain::elements::write(disk, w);
                }
            });
        }
        if flags & 2 == 0 {
            let how = FormatFlags { secure: flags & 1 != 0, inactive: true, ..FormatFlags::default() };
            moment.domain.format_into(w, how);
        }
    });
    w.finish()
}

fn create(world: &mut World, dom: &DomainRef, xml: &str, flags: u32) -> Result<DomainCheckpointRef> {
    known(flags, 7, "testDomainCheckpointCreateXML")?;
    let found = world.dom(dom)?;
    if !found.snapshots.is_empty() {
        let text = "cannot create checkpoint while snapshot exists";
        return fail(ErrorCode::OPERATION_UNSUPPORTED, text);
    }
    let redefine = flags & 1 != 0;
    if !found.active() && !redefine {
        return invalid("cannot create checkpoint for inactive domain");
    }
    let tree = document::root(xml, "domaincheckpoint", ErrorDomain::DOMAIN_CHECKPOINT)?;
    let (seconds, _) = now();
    let name = document::text(&tree, "name").map_or_else(|| seconds.to_string(), str::to_owned);
    if found.checkpoints.find(&name).is_some() && !redefine {
        let text = format!("domain moment {name} already exists");
        return Err(Error::operation_failed(ErrorDomain::DOMAIN, text));
    }
    let given = tree.child("disks");
    let disks = found.def.all("disk").filter_map(|disk| disk.attr_at("target", "dev")).map(|disk| {
        let own = given.and_then(|disks| disks.all("disk").find(|known| known.is("name", disk))).cloned();
        let mut own = own.unwrap_or_else(|| Tree::new("disk").with("name", disk));
        let kind = if given.is_some() && own.attrs.len() == 1 { "no" } else { "bitmap" };
        own.default_to("checkpoint", kind);
        if own.is("checkpoint", "bitmap") {
            own.default_to("bitmap", &name);
        }
        own
    });
    let disks = disks.collect();
    let mut moment = Moment {
        name: name.clone(),
        parent: found.checkpoints.current.clone(),
        description: document::text(&tree, "description").map(str::to_owned),
        state: String::new(),
        created: seconds,
        memory: String::new(),
        disks,
        domain: found.def.clone(),
    };
    if redefine {
        moment.parent = tree.at("parent/name").map(|name| name.body().to_owned());
        if let Some(time) = document::text(&tree, "creationTime").and_then(|time| time.parse().ok()) {
            moment.created = time;
        }
        found.checkpoints.remove(&name, false, false);
    }
    found.checkpoints.add(moment);
    Ok(DomainCheckpointRef { name, dom: found.reference() })
}

impl DomainCheckpoint for Test {
    fn domain_checkpoint_create_xml(
        &self,
        _: &Call,
        dom: &DomainRef,
        xml: &str,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        self.change(|world| create(world, dom, xml, flags))
    }

    fn domain_checkpoint_get_xml_desc(
        &self,
        _: &Call,
        point: &DomainCheckpointRef,
        flags: u32,
    ) -> Result<String> {
        known(flags, 3, "testDomainCheckpointGetXMLDesc")?;
        let mut world = self.world();
        Ok(format(moment(world.dom(&point.dom)?, &point.name)?, flags))
    }

    fn domain_list_all_checkpoints(
        &self,
        _: &Call,
        dom: &DomainRef,
        _: i32,
        flags: u32,
    ) -> Result<DomainListAllCheckpointsRet> {
        known(flags, 15, "testDomainListAllCheckpoints")?;
        let mut world = self.world();
        let found = world.dom(dom)?;
        let names = found.checkpoints.below(None, which(flags, true));
        let checkpoints: Vec<_> =
            names.into_iter().map(|name| DomainCheckpointRef { name, dom: dom.clone() }).collect();
        Ok(DomainListAllCheckpointsRet { ret: checkpoints.len() as i32, checkpoints })
    }

    fn domain_checkpoint_list_all_children(
        &self,
        _: &Call,
        point: &DomainCheckpointRef,
        _: i32,
        flags: u32,
    ) -> Result<DomainCheckpointListAllChildrenRet> {
        known(flags, 15, "testDomainCheckpointListAllChildren")?;
        let mut world = self.world();
        let found = world.dom(&point.dom)?;
        moment(found, &point.name)?;
        let names = found.checkpoints.below(Some(&point.name), which(flags, false));
        let checkpoints: Vec<_> =
            names.into_iter().map(|name| DomainCheckpointRef { name, dom: point.dom.clone() }).collect();
        Ok(DomainCheckpointListAllChildrenRet { ret: checkpoints.len() as i32, checkpoints })
    }

    fn domain_checkpoint_lookup_by_name(
        &self,
        _: &Call,
        dom: &DomainRef,
        name: &str,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        known(flags, 0, "testDomainCheckpointLookupByName")?;
        let mut world = self.world();
        let found = world.dom(dom)?;
        moment(found, name)?;
        Ok(DomainCheckpointRef { name: name.to_owned(), dom: found.reference() })
    }

    fn domain_checkpoint_get_parent(
        &self,
        _: &Call,
        point: &DomainCheckpointRef,
        flags: u32,
    ) -> Result<DomainCheckpointRef> {
        known(flags, 0, "testDomainCheckpointGetParent")?;
        let mut world = self.world();
        let found = world.dom(&point.dom)?;
        match moment(found, &point.name)?.parent.clone() {
            Some(name) => Ok(DomainCheckpointRef { name, dom: found.reference() }),
            None => {
                let text = format!("checkpoint '{}' does not have a parent", point.name);
                fail(ErrorCode::NO_DOMAIN_CHECKPOINT, text)
            }
        }
    }

    fn domain_checkpoint_delete(&self, _: &Call, point: &DomainCheckpointRef, flags: u32) -> Result<()> {
        known(flags, 7, "testDomainCheckpointDelete")?;
        self.change(|world| {
            let found = world.dom(&point.dom)?;
            moment(found, &point.name)?;
            found.checkpoints.remove(&point.name, flags & 5 != 0, flags & 4 != 0);
            Ok(())
        })
    }
}
