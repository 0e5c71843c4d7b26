//! How a client names an object: the identity that travels with every call.
//!
//! An identity is what the client last saw; it may be stale. Drivers look objects up by UUID (or by the key
//! the kind has) and report "not found" when they are gone.

use crate::Uuid;

/// A domain. `id` is -1 when it was not running as the client last saw it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DomainRef {
    /// Name, unique per connection.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
    /// Run-time number or -1.
    pub id: i32,
}

/// A virtual network.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NetworkRef {
    /// Name, unique per connection.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
}

/// A port of a virtual network.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NetworkPortRef {
    /// The network it belongs to.
    pub net: NetworkRef,
    /// Identity.
    pub uuid: Uuid,
}

/// A host interface.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InterfaceRef {
    /// Kernel name.
    pub name: String,
    /// MAC address as text; may be empty.
    pub mac: String,
}

/// A storage pool.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StoragePoolRef {
    /// Name, unique per connection.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
}

/// A storage volume.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StorageVolRef {
    /// Name of the pool.
    pub pool: String,
    /// Name within the pool.
    pub name: String,
    /// Key that is unique on the host, often the path.
    pub key: String,
}

/// A node device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeDeviceRef {
    /// Name, e.g. `pci_0000_00_02_0`.
    pub name: String,
}

/// A secret.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SecretRef {
    /// Identity.
    pub uuid: Uuid,
    /// Usage type number (`virSecretUsageType`).
    pub usage_type: i32,
    /// Usage id; unique per type.
    pub usage_id: String,
}

/// A network filter.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NwfilterRef {
    /// Name, unique per connection.
    pub name: String,
    /// Identity.
    pub uuid: Uuid,
}

/// A binding of a network filter to a port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NwfilterBindingRef {
    /// Interface the filter is bound to.
    pub portdev: String,
    /// Name of the filter.
    pub filtername: String,
}

/// A snapshot of a domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DomainSnapshotRef {
    /// Name within the domain.
    pub name: String,
    /// The domain.
    pub dom: DomainRef,
}

/// A checkpoint of a domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DomainCheckpointRef {
    /// Name within the domain.
    pub name: String,
    /// The domain.
    pub dom: DomainRef,
}
