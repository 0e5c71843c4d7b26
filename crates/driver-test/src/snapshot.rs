//! Snapshots: moments that a domain can go back to.

use crate::moment::{Moment, Which};
use crate::world::{Dom, PAUSED, RUNNING, SHUTOFF, World, first, life, now, parse_domain};
use crate::{Test, document, fail, invalid, known};
use api::domain_snapshot::{DomainListAllSnapshotsRet, DomainSnapshotListAllChildrenRet};
use api::{Call, DomainSnapshot};
use base::object::{DomainRef, DomainSnapshotRef};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::FormatFlags;
use xml::{Tree, Writer};

const REDEFINE: u32 = 1;
const CURRENT: u32 = 2;
const HALT: u32 = 8;
const DISK_ONLY: u32 = 16;

fn state_name(state: i32) -> &'static str {
    match state {
        RUNNING => "running",
        2 => "blocked",
        PAUSED => "paused",
        4 => "shutdown",
        6 => "crashed",
        7 => "pmsuspended",
        _ => "shutoff",
    }
}

/// What a listing's flags say; `roots` and `descendants` share a bit.
fn which(flags: u32, of_all: bool) -> Which {
    let bit = flags & 1 != 0;
    Which {
        descendants: if of_all { !bit } else { bit },
        leaves: flags & 4 != 0,
        no_leaves: flags & 8 != 0,
        _ordered: true,
    }
}

/// Whether a listing can have anything: snapshots here have metadata and are internal.
fn possible(flags: u32) -> bool {
    !((flags & 16 != 0 && flags & 2 == 0) || (flags & 512 != 0 && flags & 256 == 0))
}

fn moment<'d>(dom: &'d Dom, name: &str) -> Result<&'d Moment> {
    match dom.snapshots.find(name) {
        Some(moment) => Ok(moment),
        None => {
            fail(ErrorCode::NO_DOMAIN_SNAPSHOT, format!("no domain snapshot with matching name '{name}'"))
        }
    }
}

fn names(dom: &Dom, parent: Option<&str>, flags: u32) -> Vec<String> {
    if possible(flags) { dom.snapshots.below(parent, which(flags, parent.is_none())) } else { Vec::new() }
}

fn disks(dom: &Dom, tree: &Tree, kind: &str) -> Vec<Tree> {
    let given = tree.child("disks");
    dom.def
        .all("disk")
        .filter_map(|disk| disk.attr_at("target", "dev"))
        .map(|name| {
            let own = given.and_then(|disks| disks.all("disk").find(|disk| disk.is("name", name))).cloned();
            let mut disk = own.unwrap_or_else(|| Tree::new("disk").with("name", name));
            disk.default_to("snapshot", kind);
            disk
        })
        .collect()
}

fn format(moment: &Moment, secure: bool) -> String {
    let mut w = Writer::new();
    w.element("domainsnapshot").children(|w| {
        w.leaf("name", &moment.name);
        w.leaf_opt("description", moment.description.as_ref());
        w.leaf("state", &moment.state);
        if let Some(parent) = &moment.parent {
            w.element("parent").children(|w| w.leaf("name", parent));
        }
        w.leaf("creationTime", moment.created);
        w.element("memory").attr("snapshot", &moment.memory).children(|_| {});
        if !moment.disks.is_empty() {
            w.element("disks").children(|w| {
                for disk in &moment.disks {
                    conf_domain::elements::write(disk, w);
                }
            });
        }
        moment.domain.format_into(w, FormatFlags { secure, inactive: true, ..FormatFlags::default() });
    });
    w.finish()
}

fn create(world: &mut World, dom: &DomainRef, xml: &str, flags: u32) -> Result<DomainSnapshotRef> {
    known(flags, 0x1ff | 0x200, "testDomainSnapshotCreateXML")?;
    let found = world.dom(dom)?;
    if !found.checkpoints.is_empty() {
        let text = "cannot create snapshot while checkpoint exists";
        return fail(ErrorCode::OPERATION_UNSUPPORTED, text);
    }
    if !found.persistent && flags & HALT != 0 {
        return invalid("cannot halt after transient domain snapshot");
    }
    let tree = document::root(xml, "domainsnapshot", ErrorDomain::DOMAIN_SNAPSHOT)?;
    let (seconds, _) = now();
    let name = document::text(&tree, "name").map_or_else(|| seconds.to_string(), str::to_owned);
    let redefine = flags & REDEFINE != 0;
    if found.snapshots.find(&name).is_some() && !redefine {
        let text = format!("domain moment {name} already exists");
        return Err(Error::operation_failed(ErrorDomain::DOMAIN, text));
    }
    let active = found.active();
    let (state, kind, memory) = if flags & DISK_ONLY != 0 {
        ("disk-snapshot", "external", "no")
    } else if active {
        (state_name(found.state), "internal", "internal")
    } else {
        ("shutoff", "internal", "no")
    };
    let own_domain = |text: &Tree| parse_domain(&document::print(text), true);
    let mut moment = Moment {
        name: name.clone(),
        parent: found.snapshots.current.clone(),
        description: document::text(&tree, "description").map(str::to_owned),
        state: state.to_owned(),
        created: seconds,
        memory: memory.to_owned(),
        disks: disks(found, &tree, kind),
        domain: found.def.clone(),
    };
    if redefine {
        moment.parent = tree.at("parent/name").map(|name| name.body().to_owned());
        let state = document::text(&tree, "state");
        moment.state = state
            .ok_or_else(|| Error::xml(ErrorDomain::DOMAIN_SNAPSHOT, "missing state from existing snapshot"))?
            .to_owned();
        if let Some(time) = document::text(&tree, "creationTime").and_then(|time| time.parse().ok()) {
            moment.created = time;
        }
        if let Some(domain) = tree.child("domain") {
            moment.domain = own_domain(domain)?;
        }
        let before = found.snapshots.current.clone();
        found.snapshots.remove(&name, false, false);
        found.snapshots.add(moment);
        if flags & CURRENT == 0 {
            found.snapshots.current = before;
        }
    } else {
        found.snapshots.add(moment);
    }
    let reference = DomainSnapshotRef { name, dom: found.reference() };
    if flags & HALT != 0 && active && !redefine {
        let now = found.reference();
        world.stop(dom.uuid, 7);
        world.happened(now, life::STOPPED, 6);
    }
    Ok(reference)
}

fn revert(world: &mut World, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
    known(flags, 15, "testDomainRevertToSnapshot")?;
    let found = world.dom(&snap.dom)?;
    let target = moment(found, &snap.name)?.clone();
    let runs = matches!(target.state.as_str(), "running" | "paused");
    if !found.persistent && !runs && flags & 3 == 0 {
        return invalid("transient domain needs to request run or pause to revert to inactive snapshot");
    }
    let was = (found.active(), found.state);
    let wanted = match flags & 3 {
        1 => RUNNING,
        2 => PAUSED,
        _ if target.state == "paused" => PAUSED,
        _ if runs => RUNNING,
        _ => SHUTOFF,
    };
    let uuid = found.def.uuid;
    found.snapshots.current = Some(snap.name.clone());
    let id = found.def.id;
    found.def = target.domain;
    found.def.id = id;
    let at = world.domains.iter().position(|known| known.def.uuid == uuid).unwrap_or_default();
    if wanted == SHUTOFF {
        if was.0 {
            let now = world.domains[at].reference();
            world.stop(uuid, 7);
            world.happened(now, life::STOPPED, 6);
        }
        return Ok(());
    }
    if !was.0 {
        let now = world.start(at, 4);
        world.happened(now.clone(), life::STARTED, 3);
        if wanted == PAUSED {
            world.happened(now, life::SUSPENDED, 5);
        }
    } else if was.1 != wanted {
        let now = world.domains[at].reference();
        let event = if wanted == RUNNING { (life::RESUMED, 2) } else { (life::SUSPENDED, 5) };
        world.happened(now, event.0, event.1);
    }
    let dom = &mut world.domains[at];
    dom.state = wanted;
    dom.reason = if wanted == RUNNING { 4 } else { 7 };
    Ok(())
}

impl Test {
    fn snapshot_names(
        &self,
        dom: &DomainRef,
        parent: Option<&str>,
        flags: u32,
        function: &str,
    ) -> Result<Vec<String>> {
        known(flags, 0x7ff, function)?;
        let mut world = self.world();
        let found = world.dom(dom)?;
        if let Some(parent) = parent {
            moment(found, parent)?;
        }
        Ok(names(found, parent, flags))
    }
}

fn references(dom: &DomainRef, names: Vec<String>) -> Vec<DomainSnapshotRef> {
    names.into_iter().map(|name| DomainSnapshotRef { name, dom: dom.clone() }).collect()
}

impl DomainSnapshot for Test {
    fn domain_snapshot_create_xml(
        &self,
        _: &Call,
        dom: &DomainRef,
        xml: &str,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        self.change(|world| create(world, dom, xml, flags))
    }

    fn domain_snapshot_get_xml_desc(&self, _: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<String> {
        known(flags, 1, "testDomainSnapshotGetXMLDesc")?;
        let mut world = self.world();
        let dom = world.dom(&snap.dom)?;
        Ok(format(moment(dom, &snap.name)?, flags & 1 != 0))
    }

    fn domain_snapshot_num(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        Ok(self.snapshot_names(dom, None, flags, "testDomainSnapshotNum")?.len() as i32)
    }

    fn domain_snapshot_list_names(
        &self,
        _: &Call,
        dom: &DomainRef,
        maxnames: i32,
        flags: u32,
    ) -> Result<Vec<String>> {
        let names = self.snapshot_names(dom, None, flags, "testDomainSnapshotListNames")?;
        Ok(first(names.into_iter(), maxnames))
    }

    fn domain_list_all_snapshots(
        &self,
        _: &Call,
        dom: &DomainRef,
        _: i32,
        flags: u32,
    ) -> Result<DomainListAllSnapshotsRet> {
        let names = self.snapshot_names(dom, None, flags, "testDomainListAllSnapshots")?;
        let snapshots = references(dom, names);
        Ok(DomainListAllSnapshotsRet { ret: snapshots.len() as i32, snapshots })
    }

    fn domain_snapshot_num_children(&self, _: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<i32> {
        let names =
            self.snapshot_names(&snap.dom, Some(&snap.name), flags, "testDomainSnapshotNumChildren")?;
        Ok(names.len() as i32)
    }

    fn domain_snapshot_list_children_names(
        &self,
        _: &Call,
        snap: &DomainSnapshotRef,
        maxnames: i32,
        flags: u32,
    ) -> Result<Vec<String>> {
        let names =
            self.snapshot_names(&snap.dom, Some(&snap.name), flags, "testDomainSnapshotListChildrenNames")?;
        Ok(first(names.into_iter(), maxnames))
    }

    fn domain_snapshot_list_all_children(
        &self,
        _: &Call,
        snap: &DomainSnapshotRef,
        _: i32,
        flags: u32,
    ) -> Result<DomainSnapshotListAllChildrenRet> {
        let names =
            self.snapshot_names(&snap.dom, Some(&snap.name), flags, "testDomainSnapshotListAllChildren")?;
        let snapshots = references(&snap.dom, names);
        Ok(DomainSnapshotListAllChildrenRet { ret: snapshots.len() as i32, snapshots })
    }

    fn domain_snapshot_lookup_by_name(
        &self,
        _: &Call,
        dom: &DomainRef,
        name: &str,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        known(flags, 0, "testDomainSnapshotLookupByName")?;
        let mut world = self.world();
        let found = world.dom(dom)?;
        moment(found, name)?;
        Ok(DomainSnapshotRef { name: name.to_owned(), dom: found.reference() })
    }

    fn domain_has_current_snapshot(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainHasCurrentSnapshot")?;
        Ok(i32::from(self.world().dom(dom)?.snapshots.current.is_some()))
    }

    fn domain_snapshot_current(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<DomainSnapshotRef> {
        known(flags, 0, "testDomainSnapshotCurrent")?;
        let mut world = self.world();
        let found = world.dom(dom)?;
        match found.snapshots.current.clone() {
            Some(name) => Ok(DomainSnapshotRef { name, dom: found.reference() }),
            None => fail(ErrorCode::NO_DOMAIN_SNAPSHOT, "the domain does not have a current snapshot"),
        }
    }

    fn domain_snapshot_get_parent(
        &self,
        _: &Call,
        snap: &DomainSnapshotRef,
        flags: u32,
    ) -> Result<DomainSnapshotRef> {
        known(flags, 0, "testDomainSnapshotGetParent")?;
        let mut world = self.world();
        let found = world.dom(&snap.dom)?;
        match moment(found, &snap.name)?.parent.clone() {
            Some(name) => Ok(DomainSnapshotRef { name, dom: found.reference() }),
            None => {
                let text = format!("snapshot '{}' does not have a parent", snap.name);
                fail(ErrorCode::NO_DOMAIN_SNAPSHOT, text)
            }
        }
    }

    fn domain_snapshot_is_current(&self, _: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainSnapshotIsCurrent")?;
        let mut world = self.world();
        let found = world.dom(&snap.dom)?;
        moment(found, &snap.name)?;
        Ok(i32::from(found.snapshots.current.as_deref() == Some(&snap.name)))
    }

    fn domain_snapshot_has_metadata(&self, _: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainSnapshotHasMetadata")?;
        let mut world = self.world();
        moment(world.dom(&snap.dom)?, &snap.name)?;
        Ok(1)
    }

    fn domain_snapshot_delete(&self, _: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
        known(flags, 5, "testDomainSnapshotDelete")?;
        self.change(|world| {
            let found = world.dom(&snap.dom)?;
            moment(found, &snap.name)?;
            found.snapshots.remove(&snap.name, flags & 5 != 0, flags & 4 != 0);
            Ok(())
        })
    }

    fn domain_revert_to_snapshot(&self, _: &Call, snap: &DomainSnapshotRef, flags: u32) -> Result<()> {
        self.change(|world| revert(world, snap, flags))
    }
}
