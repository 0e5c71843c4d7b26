//! The zone of firewalld that a network's bridge is in.

use conf_network::Network;
use conf_network::forward::Mode;

/// The zone of bridges of networks.
pub const ZONE: &str = "libvirt";
/// The zone of bridges of routed networks, where firewalld knows policies.
pub const ROUTED: &str = "libvirt-routed";
/// The policy without which a routed zone would not let anything out.
const ROUTED_OUT: &str = "libvirt-routed-out";

/// Why a network cannot have the zone it needs, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// Nobody keeps zones.
    #[error("zone {zone} requested for network {network} but firewalld is not active")]
    Inactive {
        /// The zone that the document asks for.
        zone: String,
        /// The network.
        network: String,
    },
    /// The zone for all networks is not installed.
    #[error("firewalld can't find the 'libvirt' zone that should have been installed with libvirt")]
    Missing,
}

/// What firewalld knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its zones.
    pub zones: Vec<String>,
    /// Its policies.
    pub policies: Vec<String>,
}

/// Chooses the zone for a network that starts; `known` is none where firewalld does not run.
///
/// # Errors
/// When there is no zone that fits.
pub fn choose(network: &Network, known: Option<&Known>) -> Result<Option<String>, ZoneError> {
    let asked = network.bridge.zone.clone();
    let Some(known) = known else {
        return match asked {
            Some(zone) => Err(ZoneError::Inactive { zone, network: network.name.clone() }),
            None => Ok(None),
        };
    };
    if asked.is_some() {
        return Ok(asked);
    }
    // Who keeps an open network's rules keeps its zone too.
    if network.forward.mode == Some(Mode::Open) {
        return Ok(None);
    }
    let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
    let routed = network.forward.mode == Some(Mode::Route) && has(&known.policies, ROUTED_OUT);
    if routed && has(&known.zones, ROUTED) {
        return Ok(Some(ROUTED.to_owned()));
    }
    if has(&known.zones, ZONE) { Ok(Some(ZONE.to_owned())) } else { Err(ZoneError::Missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(mode: &str, zone: &str) -> Network {
        let text = format!(
            "<network><name>n</name>{mode}<bridge name='b'{zone}/><ip address='10.0.0.1' prefix='24'/></network>"
        );
        Network::parse(&text, &mut || [1; 16]).unwrap()
    }

    #[test]
    fn zones_by_mode() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let known = Known { zones: names(&["public", ZONE, ROUTED]), policies: names(&[ROUTED_OUT]) };
        let old = Known { policies: Vec::new(), ..known.clone() };
        let bare = Known { zones: names(&["public"]), ..Known::default() };
        let (nat, route) = ("<forward mode='nat'/>", "<forward mode='route'/>");
        let open = "<forward mode='open'/>";
        let cases = [
            (nat, "", Some(&known), Ok(Some("libvirt"))),
            ("", "", Some(&known), Ok(Some("libvirt"))),
            (route, "", Some(&known), Ok(Some("libvirt-routed"))),
            (route, "", Some(&old), Ok(Some("libvirt"))),
            (open, "", Some(&known), Ok(None)),
            (open, " zone='dmz'", Some(&known), Ok(Some("dmz"))),
            (nat, " zone='dmz'", Some(&bare), Ok(Some("dmz"))),
            (
                nat,
                "",
                Some(&bare),
                Err("firewalld can't find the 'libvirt' zone that should have been installed with libvirt"),
            ),
            (nat, "", None, Ok(None)),
            (nat, " zone='dmz'", None, Err("zone dmz requested for network n but firewalld is not active")),
        ];
        for (mode, zone, known, expected) in cases {
            let chosen = choose(&network(mode, zone), known).map_err(|error| error.to_string());
            let expected = expected.map(|zone| zone.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(chosen, expected, "{mode}{zone}");
        }
    }
}
