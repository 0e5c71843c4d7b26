//! Sections of networks that change one by one, while the network runs as well.

use crate::hooks::Moment;
use crate::network::affected;
use crate::{Driver, check_flags};
use base::object::NetworkRef;
use base::{Result, Uuid};
use conf_network::Network;
use conf_network::update::{Command, Section};
use network_plan::filter;
use std::sync::Arc;

/// One change of a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'c> {
    /// Number of the command.
    pub(crate) command: u32,
    /// Number of the section.
    pub(crate) section: u32,
    /// Which `<ip>`, or -1.
    pub(crate) parent: i32,
    /// The entry.
    pub(crate) text: &'c str,
}

impl Change<'_> {
    fn apply(&self, network: &Network) -> Result<Network> {
        network.updated(Command::from_number(self.command), self.section, self.parent, self.text)
    }
}

impl Driver {
    /// Changes a section of the running definition, the stored one, or both.
    pub(crate) fn update(&self, net: &NetworkRef, change: Change<'_>, flags: u32) -> Result<()> {
        check_flags(flags, 3, "networkUpdate")?;
        let net = self.find(net)?;
        let _job = net.begin("update")?;
        let value = net.value();
        let (on_live, on_config) = affected(&value, flags)?;
        // Both are tried before either is kept.
        let config = match &value.config {
            Some(config) if on_config => Some(change.apply(config)?),
            _ => None,
        };
        if on_live {
            let before = &net.live()?.status.network.clone();
            let after = change.apply(before)?;
            self.follow(net.uuid, &after, Section::from_number(change.section))?;
            net.change_live(|live| live.status.network = after);
            self.write_status(&net)?;
        }
        if let Some(config) = config {
            self.store(&config)?;
            net.change(|value| value.config = Some(Arc::new(config)));
        }
        if on_live {
            self.hook_after(Moment::Updated, &net.live()?.status.network, None);
        }
        Ok(())
    }

    /// Has the host follow a change of a running network.
    fn follow(&self, uuid: Uuid, network: &Network, section: Option<Section>) -> Result<()> {
        match section {
            Some(Section::DhcpHost | Section::DnsHost) => {
                let net = self.networks.by_uuid(uuid);
                let before = net.and_then(|net| net.value().live.clone());
                // The first host and the last one change the configuration as well.
                let config = |network: &Network| network_plan::dnsmasq::hands_out(network);
                let same = before.is_some_and(|live| config(&live.status.network) == config(network));
                if same { self.refresh_server(uuid, network) } else { self.restart_server(uuid, network) }
            }
            Some(Section::DhcpRange | Section::DnsTxt | Section::DnsSrv) => {
                self.restart_server(uuid, network)
            }
            Some(Section::ForwardInterface) => self.reinstall_rules(uuid, network),
            _ => Ok(()),
        }
    }

    /// Exchanges the rules of a running network.
    fn reinstall_rules(&self, uuid: Uuid, network: &Network) -> Result<()> {
        let Some(net) = self.networks.by_uuid(uuid) else { return Ok(()) };
        let Some(live) = net.value().live.clone() else { return Ok(()) };
        let Some(intent) = filter::intent(network)? else { return Ok(()) };
        if let Some(removal) = &live.status.removal {
            self.rules.remove(uuid, removal);
        }
        let removal = self.rules.install(uuid, intent)?;
        net.change_live(|live| live.status.removal = removal);
        Ok(())
    }
}
