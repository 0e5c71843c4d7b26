//! Ports of networks: asked for when a guest starts, given back when it has ended.

use super::{Nics, Owner};
use api::Call;
use api::consts::network_port_create::RECLAIM;
use base::object::NetworkPortRef;
use base::{Error, ErrorCode, Result};
use xml::{Document, Tree, Writer};

/// The document of a port that holds what an interface wants; a new port if it has none.
pub(super) fn document(owner: &Owner, interface: &Tree) -> String {
    let mut port = Tree::new("networkport").holding(
        Tree::new("owner")
            .holding(Tree::leaf("name", owner.name.clone()))
            .holding(Tree::leaf("uuid", owner.uuid.to_string())),
    );
    let id = interface.attr_at("source", "portid");
    let id = id.map_or_else(|| host::random::uuid().to_string(), str::to_owned);
    port.children.insert(0, Tree::leaf("uuid", id));
    if let Some(group) = interface.attr_at("source", "portgroup") {
        port.children.push(Tree::leaf("group", group));
    }
    let parts = ["mac", "virtualport", "bandwidth", "vlan", "port"];
    port.children.extend(parts.iter().filter_map(|name| interface.child(name).cloned()));
    if let Some(trust) = interface.attr("trustGuestRxFilters") {
        port.children.push(Tree::new("rxfilters").with("trustGuest", trust));
    }
    text(&port)
}

fn text(tree: &Tree) -> String {
    let mut w = Writer::new();
    conf_domain::elements::write(tree, &mut w);
    w.finish()
}

/// What a port is plugged into, as a part of an interface.
fn actual(port: &Tree) -> Tree {
    let plug = port.child("plug");
    let of = |name: &str| plug.and_then(|plug| plug.attr(name));
    let kind = of("type").unwrap_or("network");
    let mut actual = Tree::new("actual").with("type", if kind == "hostdev-pci" { "hostdev" } else { kind });
    let mut source = Tree::new("source");
    match kind {
        "hostdev-pci" => {
            actual.set("managed", of("managed").unwrap_or("no"));
            let address = plug.and_then(|plug| plug.child("address")).cloned();
            source.children.extend(address.map(|address| address.with("type", "pci")));
        }
        _ => {
            for name in ["bridge", "dev", "mode", "macTableManager"] {
                if let Some(value) = of(name) {
                    source.set(name, value);
                }
            }
        }
    }
    if let Some(trust) = port.attr_at("rxfilters", "trustGuest") {
        actual.set("trustGuestRxFilters", trust);
    }
    actual.children.push(source);
    for name in ["virtualport", "bandwidth", "vlan", "port"] {
        actual.children.extend(port.child(name).cloned().map(|mut part| {
            part.unset("classID");
            part
        }));
    }
    actual
}

impl Nics {
    /// Asks a network for a port and notes in the interface what was given.
    pub(super) fn ask(&self, owner: &Owner, interface: &mut Tree) -> Result<NetworkPortRef> {
        let cx = Call::internal();
        let name = interface.attr_at("source", "network").unwrap_or_default();
        let network = self.networks.network_lookup_by_name(&cx, name)?;
        // What an earlier run had is of no interest.
        interface.child_or_new("source").unset("portid");
        let wish = document(owner, interface);
        let port = self.networks.network_port_create_xml(&cx, &network, &wish, 0)?;
        let noted = self.networks.network_port_get_xml_desc(&cx, &port, 0).and_then(|text| {
            let document = Document::parse(&text).map_err(|cause| {
                Error::internal(crate::FROM, format!("the network's port is not understood: {cause}"))
            })?;
            Ok(actual(&Tree::of(document.root())))
        });
        let noted = noted.inspect_err(|_| self.give_back(&port))?;
        interface.child_or_new("source").set("portid", port.uuid.to_string());
        interface.remove("actual");
        interface.children.push(noted);
        Ok(port)
    }

    /// The port that an interface has.
    pub(super) fn port_of(&self, interface: &Tree) -> Option<NetworkPortRef> {
        if !interface.is("type", "network") {
            return None;
        }
        let uuid = interface.attr_at("source", "portid")?.parse().ok()?;
        let name = interface.attr_at("source", "network")?;
        let net = self.networks.network_lookup_by_name(&Call::internal(), name).ok()?;
        Some(NetworkPortRef { net, uuid })
    }

    /// Gives a port back. One that is gone already, or whose network is, is no matter.
    pub(super) fn give_back(&self, port: &NetworkPortRef) {
        let gone = [ErrorCode::NO_NETWORK, ErrorCode::NO_NETWORK_PORT, ErrorCode::OPERATION_INVALID];
        if let Err(cause) = self.networks.network_port_delete(&Call::internal(), port, 0)
            && !gone.contains(&cause.code())
        {
            log::warn!("port {} of network '{}' stays: {cause}", port.uuid, port.net.name);
        }
    }

    /// Tells a network that has forgotten a port of it.
    pub(super) fn reclaim(&self, owner: &Owner, interface: &Tree) -> Result<()> {
        let cx = Call::internal();
        let Some(port) = self.port_of(interface) else { return Ok(()) };
        match self.networks.network_port_lookup_by_uuid(&cx, &port.net, port.uuid) {
            Err(cause) if cause.code() == ErrorCode::NO_NETWORK_PORT => {}
            Err(cause) if cause.code() == ErrorCode::OPERATION_INVALID => return Ok(()),
            outcome => return outcome.map(drop),
        }
        let merged = conf_domain::device::actual(interface);
        let mut plug = Tree::new("plug").with("type", merged.attr("type").unwrap_or_default());
        for name in ["bridge", "dev", "mode", "macTableManager"] {
            if let Some(value) = merged.attr_at("source", name) {
                plug.set(name, value);
            }
        }
        let wish = document(owner, &merged);
        let wish = wish.replace("</networkport>", &(text(&plug) + "</networkport>"));
        self.networks.network_port_create_xml(&cx, &port.net, &wish, RECLAIM).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_and_what_came_of_it() {
        let owner = Owner { name: "g<1".into(), uuid: base::Uuid::from_random([7; 16]), kvm: false };
        let interface = Tree::new("interface")
            .with("type", "network")
            .with("trustGuestRxFilters", "yes")
            .holding(Tree::new("mac").with("address", "52:54:00:00:00:01"))
            .holding(Tree::new("source").with("network", "n").with("portgroup", "p"))
            .holding(Tree::new("port").with("isolated", "yes"));
        let wish = conf_network::NetworkPort::parse(&document(&owner, &interface)).unwrap();
        assert_eq!((wish.owner_name.as_str(), wish.group.as_deref()), ("g<1", Some("p")));
        assert_eq!((wish.isolated, wish.trust_guest_rx_filters), (Some(true), Some(true)));

        let port = Tree::new("networkport")
            .holding(
                Tree::new("bandwidth")
                    .with("classID", "3")
                    .holding(Tree::new("inbound").with("average", "1")),
            )
            .holding(Tree::new("plug").with("type", "bridge").with("bridge", "br7"));
        let actual = actual(&port);
        assert_eq!((actual.attr("type"), actual.attr_at("source", "bridge")), (Some("bridge"), Some("br7")));
        assert!(actual.child("bandwidth").is_some_and(|limits| limits.attr("classID").is_none()));
    }
}
