//! What clients read: documents, lists, notes.

use crate::network::{Value, affected};
use crate::{Driver, FROM, check_flags, error, internal};
use api::consts::connect_list_all_networks as filter;
use api::event::{Event, NetworkEventCallbackMetadataChangePayload};
use base::object::NetworkRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_network::{FormatFlags, Network};

/// Whether a network passes a group of filter bits: a group without any bit set filters nothing.
fn passes(flags: u32, bits: &[(u32, bool)]) -> bool {
    let asked = bits.iter().any(|(bit, _)| flags & bit != 0);
    !asked || bits.iter().any(|(bit, holds)| flags & bit != 0 && *holds)
}

/// Whether a network is in a list that flags ask for.
fn listed(value: &Value, flags: u32) -> bool {
    let (active, kept) = (value.live.is_some(), value.config.is_some());
    passes(flags, &[(filter::ACTIVE, active), (filter::INACTIVE, !active)])
        && passes(flags, &[(filter::PERSISTENT, kept), (filter::TRANSIENT, !kept)])
        && passes(flags, &[(filter::AUTOSTART, value.autostart), (filter::NO_AUTOSTART, !value.autostart)])
}

impl Driver {
    /// All networks that flags ask for.
    pub(crate) fn list(&self, flags: u32) -> Result<Vec<NetworkRef>> {
        check_flags(flags, 63, "networkConnectListAllNetworks")?;
        let networks = self.networks.snapshot();
        Ok(networks.values().filter(|net| listed(&net.value(), flags)).map(|net| net.reference()).collect())
    }

    /// Names of networks that run, or of those that do not.
    pub(crate) fn names(&self, active: bool) -> Vec<String> {
        let networks = self.networks.snapshot();
        let values = networks.values().map(|net| net.value());
        values.filter(|value| value.live.is_some() == active).map(|value| value.name.clone()).collect()
    }

    /// The document of a network.
    pub(crate) fn document(&self, net: &NetworkRef, flags: u32) -> Result<String> {
        check_flags(flags, 1, "networkGetXMLDesc")?;
        let value = self.find(net)?.value();
        let inactive = flags & 1 != 0;
        let network = if inactive { value.next() } else { value.current() };
        let network = network.ok_or_else(|| internal("network without a definition"))?;
        Ok(network.format(FormatFlags { inactive }))
    }

    /// The bridge of a network.
    pub(crate) fn bridge_of(&self, net: &NetworkRef) -> Result<String> {
        let value = self.find(net)?.value();
        let bridge = value.current().and_then(|network| network.bridge.name.clone());
        bridge.ok_or_else(|| internal(format!("network '{}' does not have a bridge name.", value.name)))
    }

    /// Reads a note.
    pub(crate) fn note(&self, net: &NetworkRef, kind: i32, uri: Option<&str>, flags: u32) -> Result<String> {
        check_flags(flags, 3, "networkGetMetadata")?;
        let value = self.find(net)?.value();
        let network = value.definition(flags)?;
        let found = match kind {
            0 => network.description.clone(),
            1 => network.title.clone(),
            2 => network.metadata.get(uri.unwrap_or_default()).transpose()?,
            _ => return Err(unknown_kind("virNetworkGetMetadata")),
        };
        let missing = "Requested metadata element is not present";
        found.ok_or_else(|| error(ErrorCode::NO_NETWORK_METADATA, missing))
    }

    /// Changes a note.
    pub(crate) fn set_note(
        &self,
        net: &NetworkRef,
        kind: i32,
        text: Option<&str>,
        key: Option<&str>,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "networkSetMetadata")?;
        let net = self.find(net)?;
        let _job = net.begin("set metadata")?;
        if kind == 1 && text.is_some_and(|title| title.contains('\n')) {
            let text = "metadata title can't contain newlines";
            return Err(Error::invalid_arg(ErrorDomain::NETWORK, "virNetworkSetMetadata", "metadata", text));
        }
        let value = net.value();
        let (on_live, on_config) = affected(&value, flags)?;
        let changed = |network: &Network| -> Result<Network> {
            let mut next = network.clone();
            let text = text.filter(|text| !text.is_empty());
            match kind {
                0 => next.description = text.map(str::to_owned),
                1 => next.title = text.map(str::to_owned),
                2 => next.metadata.set(uri.unwrap_or_default(), key.unwrap_or_default(), text)?,
                _ => return Err(unknown_kind("virNetworkSetMetadata")),
            }
            Ok(next)
        };
        if on_live {
            let next = changed(&net.live()?.status.network)?;
            net.change_live(|live| live.status.network = next);
            self.write_status(&net)?;
        }
        if on_config && let Some(config) = &value.config {
            let next = std::sync::Arc::new(changed(config)?);
            self.store(&next)?;
            net.change(|value| value.config = Some(next));
        }
        self.events.publish(Event::NetworkMetadataChange(NetworkEventCallbackMetadataChangePayload {
            net: net.reference(),
            type_: kind,
            nsuri: uri.map(str::to_owned),
        }));
        Ok(())
    }
}

fn unknown_kind(function: &str) -> Error {
    Error::invalid_arg(FROM, function, "type", "unknown metadata type")
}
