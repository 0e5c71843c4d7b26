//! Devices of domains: attached, changed, detached.

use crate::{Test, fail, known};
use api::event::{DomainEventDeviceRemovedMsg, Event};
use api::{Call, DomainDevice};
use base::object::DomainRef;
use base::{ErrorCode, Result};
use conf_domain::Domain;
use xml::Tree;

/// Reads a device as part of a copy of the domain, so that it is completed as one of the domain's.
fn read(def: &Domain, text: &str) -> Result<Tree> {
    let document = xml::Document::parse(text).map_err(|error| conf_domain::fault::malformed(text, &error))?;
    let kind = document.root().name().to_owned();
    let empty = Domain { id: None, ..def.clone() };
    let whole = empty.format(conf_domain::FormatFlags { inactive: true, secure: true, ..Default::default() });
    let marked = whole.replacen("<devices>", &format!("<devices>\n{text}\n"), 1);
    let read = crate::world::parse_domain(&marked, true)?;
    let known: Vec<&Tree> = def.all(&kind).collect();
    let fresh = read.all(&kind).find(|device| !known.iter().any(|other| same(other, device)));
    match fresh {
        Some(device) => Ok(device.clone()),
        None => fail(ErrorCode::OPERATION_FAILED, format!("device {kind} already exists")),
    }
}

/// What tells devices of a kind apart.
fn key(device: &Tree) -> Option<String> {
    let at = |path: &str, name: &str| device.attr_at(path, name).map(str::to_owned);
    match device.name.as_str() {
        "disk" | "filesystem" => at("target", "dev").or_else(|| at("target", "dir")),
        "interface" => at("mac", "address"),
        _ => None,
    }
}

fn same(a: &Tree, b: &Tree) -> bool {
    a.name == b.name && if key(a).is_some() { key(a) == key(b) } else { a == b }
}

impl DomainDevice for Test {
    fn domain_attach_device(&self, cx: &Call, dom: &DomainRef, xml: &str) -> Result<()> {
        self.domain_attach_device_flags(cx, dom, xml, 1)
    }

    fn domain_attach_device_flags(&self, _: &Call, dom: &DomainRef, xml: &str, flags: u32) -> Result<()> {
        known(flags, 3, "testDomainAttachDeviceFlags")?;
        self.change(|world| {
            world.dom(dom)?.each(flags, |def| {
                let device = read(def, xml)?;
                def.devices_mut().push(device);
                def.sort();
                Ok(())
            })
        })
    }

    fn domain_update_device_flags(&self, _: &Call, dom: &DomainRef, xml: &str, flags: u32) -> Result<()> {
        known(flags, 7, "testDomainUpdateDeviceFlags")?;
        self.change(|world| {
            world.dom(dom)?.each(flags & 3, |def| {
                let document =
                    xml::Document::parse(xml).map_err(|error| conf_domain::fault::malformed(xml, &error))?;
                let wanted = Tree::of(document.root());
                let Some(at) =
                    def.devices().iter().position(|known| key(known).is_some() && same(known, &wanted))
                else {
                    return fail(ErrorCode::INVALID_ARG, "target device could not be found");
                };
                let old = def.devices_mut().remove(at);
                match read(def, xml) {
                    Ok(device) => def.devices_mut().push(device),
                    Err(error) => {
                        def.devices_mut().push(old);
                        def.sort();
                        return Err(error);
                    }
                }
                def.sort();
                Ok(())
            })
        })
    }

    fn domain_detach_device_alias(&self, _: &Call, dom: &DomainRef, alias: &str, flags: u32) -> Result<()> {
        known(flags, 3, "testDomainDetachDeviceAlias")?;
        self.change(|world| {
            let found = world.dom(dom)?;
            let live = found.active() && flags & 2 == 0;
            found.each(flags, |def| {
                let named = |device: &Tree| device.attr_at("alias", "name") == Some(alias);
                let Some(at) = def.devices().iter().position(named) else {
                    let text = format!("no device found with alias {alias}");
                    return fail(ErrorCode::DEVICE_MISSING, text);
                };
                def.devices_mut().remove(at);
                Ok(())
            })?;
            if live {
                let dom = found.reference();
                let dev_alias = alias.to_owned();
                world.events.push(Event::DomainDeviceRemoved(DomainEventDeviceRemovedMsg { dom, dev_alias }));
            }
            Ok(())
        })
    }
}
