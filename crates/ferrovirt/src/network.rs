//! Virtual networks.

use crate::{Connection, Result, Uuid};
use base::object::NetworkRef;

/// A virtual network.
#[derive(Clone, Debug)]
pub struct Network {
    host: Connection,
    reference: NetworkRef,
}

impl Connection {
    /// All networks.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn networks(&self) -> Result<Vec<Network>> {
        let list = self.shared.drivers.network.connect_list_all_networks(&self.call(), 1, 0)?.nets;
        Ok(list.into_iter().map(|reference| Network { host: self.clone(), reference }).collect())
    }

    /// The network with this name.
    ///
    /// # Errors
    /// Code `NO_NETWORK` when there is none.
    pub fn network(&self, name: &str) -> Result<Network> {
        let reference = self.shared.drivers.network.network_lookup_by_name(&self.call(), name)?;
        Ok(Network { host: self.clone(), reference })
    }

    /// Stores a definition.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn define_network(&self, xml: &str) -> Result<Network> {
        let reference = self.shared.drivers.network.network_define_xml_flags(&self.call(), xml, 0)?;
        Ok(Network { host: self.clone(), reference })
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)+) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// What the driver answers.
            pub fn $name(&self) -> Result<()> {
                self.host.shared.drivers.network.$method(&self.host.call(), &self.reference)
            }
        )+
    };
}

impl Network {
    /// Name.
    pub fn name(&self) -> &str {
        &self.reference.name
    }

    /// Identity.
    pub fn uuid(&self) -> Uuid {
        self.reference.uuid
    }

    actions! {
        /// Starts it.
        start = network_create;
        /// Stops it.
        stop = network_destroy;
        /// Forgets its definition.
        undefine = network_undefine;
    }

    /// Whether it works.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn is_active(&self) -> Result<bool> {
        Ok(self.host.shared.drivers.network.network_is_active(&self.host.call(), &self.reference)? != 0)
    }

    /// The bridge that carries it.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn bridge(&self) -> Result<String> {
        self.host.shared.drivers.network.network_get_bridge_name(&self.host.call(), &self.reference)
    }

    /// Its document.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn xml(&self) -> Result<String> {
        self.host.shared.drivers.network.network_get_xml_desc(&self.host.call(), &self.reference, 0)
    }
}
