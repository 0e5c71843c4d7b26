//! Network cards and what they are connected to.

use super::block::{BootOrder, own_order};
use super::{Builder, Json, alias_of, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

pub(super) fn interfaces(b: &mut Builder<'_>) -> Result<()> {
    let mut order = BootOrder::of(b);
    let domain = b.domain;
    for interface in domain.all("interface") {
        let boot = own_order(interface).or_else(|| order.take("network"));
        let alias = alias_of(interface).to_owned();
        let host = format!("host{alias}");
        let netdev = match interface.attr("type").unwrap_or_default() {
            "user" if interface.attr_at("backend", "type") == Some("passt") => {
                return Err(unsupported("the passt backend is not supported yet"));
            }
            "user" => Json::new().put("type", "user").put("id", host.clone()),
            "bridge" | "network" | "ethernet" | "direct" => {
                let Some(fd) = b.start.tap_fds.get(&alias) else {
                    return Err(unsupported(format!("no tap device for interface '{alias}'")));
                };
                let json = Json::new().put("type", "tap").put("fd", fd.to_string());
                let json = match b.start.vhost_fds.get(&alias) {
                    Some(vhost) => json.put("vhost", true).put("vhostfd", vhost.to_string()),
                    None => json,
                };
                json.put("id", host.clone())
            }
            other => return Err(unsupported(format!("interfaces of type '{other}' are not supported yet"))),
        };
        b.option("-netdev", netdev.text());
        let json = card(interface).put("netdev", host).put("id", alias);
        let json = json.put("mac", interface.attr_at("mac", "address").unwrap_or_default());
        let json = json.put_opt("bootindex", boot);
        let json = b.place(json, interface);
        let json = match interface.attr_at("rom", "file") {
            Some(file) => json.put("romfile", file),
            None if interface.attr_at("rom", "enabled") == Some("no") => json.put("romfile", ""),
            None => json,
        };
        b.device(json);
    }
    Ok(())
}

fn card(interface: &Tree) -> Json {
    let model = interface.attr_at("model", "type").unwrap_or("rtl8139");
    if model.starts_with("virtio") {
        return Json::driver(virtio(interface, "virtio-net"));
    }
    Json::driver(model)
}
