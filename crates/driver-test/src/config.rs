//! Definitions of domains: stored, printed, renamed, with their notes.

use crate::world::{World, life, parse_domain};
use crate::{Test, fail, invalid, known};
use api::event::{DomainEventCallbackMetadataChangePayload, Event};
use api::{Call, DomainConfig};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, FormatFlags};
use xml::Tree;

fn define(world: &mut World, xml: &str, flags: u32) -> Result<DomainRef> {
    known(flags, 1, "testDomainDefineXMLFlags")?;
    let def = parse_domain(xml, true)?;
    let (at, new) = world.take(def.clone(), false)?;
    let dom = &mut world.domains[at];
    let fresh = new || !dom.persistent;
    dom.persistent = true;
    if dom.active() {
        dom.next = Some(def);
    } else {
        dom.def = def;
    }
    let now = dom.reference();
    world.happened(now.clone(), life::DEFINED, i32::from(!fresh));
    Ok(now)
}

fn undefine(world: &mut World, dom: &DomainRef, flags: u32) -> Result<()> {
    known(flags, 0x1f, "testDomainUndefineFlags")?;
    let found = world.dom(dom)?;
    if found.managed_save && flags & 1 == 0 {
        return invalid("Refusing to undefine while domain managed save image exists");
    }
    if !found.active() && !found.snapshots.is_empty() && flags & 2 == 0 {
        let text = format!("cannot delete inactive domain with {} snapshots", found.snapshots.len());
        return invalid(text);
    }
    if !found.active() && !found.checkpoints.is_empty() && flags & 16 == 0 {
        let text = format!("cannot delete inactive domain with {} checkpoints", found.checkpoints.len());
        return invalid(text);
    }
    let now = found.reference();
    found.managed_save = false;
    if found.active() {
        found.persistent = false;
        found.next = None;
    } else {
        world.domains.retain(|known| known.def.uuid != dom.uuid);
    }
    world.happened(now, life::UNDEFINED, 0);
    Ok(())
}

fn metadata(
    def: &mut Domain,
    kind: i32,
    text: Option<&str>,
    key: Option<&str>,
    uri: Option<&str>,
) -> Result<()> {
    match kind {
        0 | 1 => {
            let name = if kind == 0 { "description" } else { "title" };
            match text.filter(|text| !text.is_empty()) {
                Some(text) => def.tree.child_or_new(name).text = Some(text.to_owned()),
                None => def.tree.remove(name),
            }
            def.sort();
        }
        _ => {
            let uri = uri.unwrap_or_default();
            def.metadata.retain(|(known, _)| known != uri);
            if let Some(text) = text {
                def.metadata.push((
                    uri.to_owned(),
                    conf_domain::domain::with_namespace(text, key.unwrap_or_default(), uri)?,
                ));
            }
        }
    }
    Ok(())
}

impl DomainConfig for Test {
    fn domain_define_xml(&self, _: &Call, xml: &str) -> Result<DomainRef> {
        self.change(|world| define(world, xml, 0))
    }

    fn domain_define_xml_flags(&self, _: &Call, xml: &str, flags: u32) -> Result<DomainRef> {
        self.change(|world| define(world, xml, flags))
    }

    fn domain_undefine(&self, _: &Call, dom: &DomainRef) -> Result<()> {
        self.change(|world| undefine(world, dom, 0))
    }

    fn domain_undefine_flags(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        self.change(|world| undefine(world, dom, flags))
    }

    fn domain_get_xml_desc(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<String> {
        known(flags, 15, "testDomainGetXMLDesc")?;
        let mut world = self.world();
        let dom = world.dom(dom)?;
        let inactive = flags & 2 != 0;
        let def = if inactive { dom.next.as_ref().unwrap_or(&dom.def) } else { &dom.def };
        let how = FormatFlags {
            secure: flags & 1 != 0,
            inactive,
            migratable: flags & 8 != 0,
            update_cpu: flags & 4 != 0,
            ..FormatFlags::default()
        };
        Ok(def.format(how))
    }

    fn domain_get_autostart(&self, _: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(i32::from(self.world().dom(dom)?.autostart))
    }

    fn domain_set_autostart(&self, _: &Call, dom: &DomainRef, autostart: i32) -> Result<()> {
        self.world().dom(dom)?.autostart = autostart != 0;
        Ok(())
    }

    fn domain_rename(&self, _: &Call, dom: &DomainRef, new_name: Option<&str>, flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainRename")?;
        let name = new_name.unwrap_or_default().to_owned();
        self.change(|world| {
            if world.domains.iter().any(|known| known.def.name == name) {
                return fail(
                    ErrorCode::OPERATION_INVALID,
                    format!("domain with name '{name}' already exists"),
                );
            }
            let found = world.dom(dom)?;
            if found.active() {
                return invalid("cannot rename active domain");
            }
            if !found.persistent {
                return invalid("cannot rename a transient domain");
            }
            let before = found.reference();
            found.def.name = name;
            let now = found.reference();
            world.happened(before, life::UNDEFINED, 1);
            world.happened(now, life::DEFINED, 2);
            Ok(0)
        })
    }

    fn domain_get_metadata(
        &self,
        _: &Call,
        dom: &DomainRef,
        kind: i32,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        known(flags, 3, "testDomainGetMetadata")?;
        let mut world = self.world();
        let def = world.dom(dom)?.definition(flags)?;
        let found = match kind {
            0 => def.tree.text_of("description").map(str::to_owned),
            1 => def.tree.text_of("title").map(str::to_owned),
            2 => {
                let uri = uri.unwrap_or_default();
                let element = def.metadata.iter().find(|(known, _)| known == uri);
                element.map(|(_, text)| conf_domain::domain::without_namespace(text)).transpose()?
            }
            _ => return fail(ErrorCode::INVALID_ARG, format!("unknown metadata type {kind}")),
        };
        found.ok_or_else(|| {
            let text = "Requested metadata element is not present";
            Error::new(ErrorCode::NO_DOMAIN_METADATA, ErrorDomain::DOMAIN, text)
        })
    }

    fn domain_set_metadata(
        &self,
        _: &Call,
        dom: &DomainRef,
        kind: i32,
        text: Option<&str>,
        key: Option<&str>,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetMetadata")?;
        self.change(|world| {
            let found = world.dom(dom)?;
            found.each(flags, |def| metadata(def, kind, text, key, uri))?;
            let dom = found.reference();
            let nsuri = uri.map(str::to_owned);
            world.events.push(Event::DomainMetadataChange(DomainEventCallbackMetadataChangePayload {
                dom,
                type_: kind,
                nsuri,
            }));
            Ok(())
        })
    }
}

/// The element of a device, for those who change it.
pub(crate) fn device<'d>(
    def: &'d mut Domain,
    kind: &str,
    which: impl Fn(&Tree) -> bool,
) -> Option<&'d mut Tree> {
    def.devices_mut().iter_mut().find(|device| device.name == kind && which(device))
}
