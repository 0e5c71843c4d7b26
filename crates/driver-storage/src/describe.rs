//! What clients read of pools: lists, documents, numbers.

use crate::pool::Value;
use crate::{Driver, check_flags, error};
use api::consts::connect_list_all_storage_pools as filter;
use api::consts::{storage_pool_state as state, storage_xml};
use api::storage::StoragePoolGetInfoRet;
use base::object::StoragePoolRef;
use base::{ErrorCode, Result};
use conf_storage::{Kind, clean_path};

/// Whether a pool passes a group of filter bits: a group without any bit set filters nothing.
fn passes(flags: u32, bits: &[(u32, bool)]) -> bool {
    let asked = bits.iter().any(|(bit, _)| flags & bit != 0);
    !asked || bits.iter().any(|(bit, holds)| flags & bit != 0 && *holds)
}

/// The filter bit of each kind.
const KINDS: [(u32, Kind); 14] = [
    (filter::DIR, Kind::Dir),
    (filter::FS, Kind::Fs),
    (filter::NETFS, Kind::Netfs),
    (filter::LOGICAL, Kind::Logical),
    (filter::DISK, Kind::Disk),
    (filter::ISCSI, Kind::Iscsi),
    (filter::SCSI, Kind::Scsi),
    (filter::MPATH, Kind::Mpath),
    (filter::RBD, Kind::Rbd),
    (filter::SHEEPDOG, Kind::Sheepdog),
    (filter::GLUSTER, Kind::Gluster),
    (filter::ZFS, Kind::Zfs),
    (filter::VSTORAGE, Kind::Vstorage),
    (filter::ISCSI_DIRECT, Kind::IscsiDirect),
];

/// All filter bits.
const FILTERS: u32 = 0xf_ffff;

/// Whether a pool is in a list that flags ask for.
fn listed(value: &Value, flags: u32) -> bool {
    let kinds = KINDS.map(|(bit, kind)| (bit, kind == value.pool.kind));
    let (active, kept, auto) = (value.active, value.persistent, value.autostart);
    passes(flags, &[(filter::ACTIVE, active), (filter::INACTIVE, !active)])
        && passes(flags, &[(filter::PERSISTENT, kept), (filter::TRANSIENT, !kept)])
        && passes(flags, &[(filter::AUTOSTART, auto), (filter::NO_AUTOSTART, !auto)])
        && passes(flags, &kinds)
}

impl Driver {
    /// All pools that flags ask for.
    pub(crate) fn list(&self, flags: u32) -> Result<Vec<StoragePoolRef>> {
        check_flags(flags, FILTERS, "storageConnectListAllStoragePools")?;
        let pools = self.pools.snapshot();
        Ok(pools.values().filter(|pool| listed(&pool.value(), flags)).map(|pool| pool.reference()).collect())
    }

    /// Names of pools that are active, or of those that are not.
    pub(crate) fn names(&self, active: bool) -> Vec<String> {
        let pools = self.pools.snapshot();
        let values = pools.values().map(|pool| pool.value());
        values.filter(|value| value.active == active).map(|value| value.pool.name.clone()).collect()
    }

    /// The document of a pool.
    pub(crate) fn document(&self, pool: &StoragePoolRef, flags: u32) -> Result<String> {
        check_flags(flags, storage_xml::INACTIVE, "storagePoolGetXMLDesc")?;
        let value = self.find(pool)?.value();
        let next = value.next.as_ref().filter(|_| flags & storage_xml::INACTIVE != 0);
        Ok(next.unwrap_or(&value.pool).format())
    }

    /// Numbers of a pool.
    pub(crate) fn pool_info(&self, pool: &StoragePoolRef) -> Result<StoragePoolGetInfoRet> {
        let value = self.find(pool)?.value();
        let state = if value.active { state::RUNNING } else { state::INACTIVE };
        Ok(StoragePoolGetInfoRet {
            state: u8::try_from(state).unwrap_or(0),
            capacity: value.pool.capacity,
            allocation: value.pool.allocation,
            available: value.pool.available,
        })
    }

    /// The active pool whose volumes appear there.
    pub(crate) fn by_target(&self, path: &str) -> Result<StoragePoolRef> {
        let place = clean_path(path);
        let pools = self.pools.snapshot();
        let found = pools.values().find(|pool| {
            let value = pool.value();
            value.active && !value.pool.kind.parts().network && value.pool.path == place
        });
        found.map(|pool| pool.reference()).ok_or_else(|| {
            let text = format!("no storage pool with matching target path '{path}'");
            error(ErrorCode::NO_STORAGE_POOL, text)
        })
    }
}
