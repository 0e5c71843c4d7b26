//! Storage pools and volumes.

use crate::{Connection, Data, Result};
use base::object::{StoragePoolRef, StorageVolRef};

/// A storage pool.
#[derive(Clone, Debug)]
pub struct Pool {
    host: Connection,
    reference: StoragePoolRef,
}

/// A volume of a pool.
#[derive(Clone, Debug)]
pub struct Volume {
    host: Connection,
    reference: StorageVolRef,
}

/// Sizes of a pool in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolInfo {
    /// It works.
    pub running: bool,
    /// All there is.
    pub capacity: u64,
    /// Taken by volumes.
    pub allocation: u64,
    /// Left.
    pub available: u64,
}

impl Connection {
    /// All pools.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn pools(&self) -> Result<Vec<Pool>> {
        let list = self.shared.drivers.storage.connect_list_all_storage_pools(&self.call(), 1, 0)?.pools;
        Ok(list.into_iter().map(|reference| Pool { host: self.clone(), reference }).collect())
    }

    /// The pool with this name.
    ///
    /// # Errors
    /// Code `NO_STORAGE_POOL` when there is none.
    pub fn pool(&self, name: &str) -> Result<Pool> {
        let reference = self.shared.drivers.storage.storage_pool_lookup_by_name(&self.call(), name)?;
        Ok(Pool { host: self.clone(), reference })
    }
}

impl Pool {
    /// Name.
    pub fn name(&self) -> &str {
        &self.reference.name
    }

    fn volume_of(&self, reference: StorageVolRef) -> Volume {
        Volume { host: self.host.clone(), reference }
    }

    /// Sizes.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn info(&self) -> Result<PoolInfo> {
        let info =
            self.host.shared.drivers.storage.storage_pool_get_info(&self.host.call(), &self.reference)?;
        Ok(PoolInfo {
            running: info.state == 2,
            capacity: info.capacity,
            allocation: info.allocation,
            available: info.available,
        })
    }

    /// Looks again at what is in it.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn refresh(&self) -> Result<()> {
        self.host.shared.drivers.storage.storage_pool_refresh(&self.host.call(), &self.reference, 0)
    }

    /// All volumes.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let driver = &self.host.shared.drivers.storage;
        let list = driver.storage_pool_list_all_volumes(&self.host.call(), &self.reference, 1, 0)?.vols;
        Ok(list.into_iter().map(|reference| self.volume_of(reference)).collect())
    }

    /// The volume with this name.
    ///
    /// # Errors
    /// Code `NO_STORAGE_VOL` when there is none.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        let driver = &self.host.shared.drivers.storage;
        Ok(self.volume_of(driver.storage_vol_lookup_by_name(&self.host.call(), &self.reference, name)?))
    }

    /// Makes a volume.
    ///
    /// # Errors
    /// What is wrong with the document, or why it cannot be made.
    pub fn create_volume(&self, xml: &str) -> Result<Volume> {
        let driver = &self.host.shared.drivers.storage;
        Ok(self.volume_of(driver.storage_vol_create_xml(&self.host.call(), &self.reference, xml, 0)?))
    }
}

impl Volume {
    /// Name within its pool.
    pub fn name(&self) -> &str {
        &self.reference.name
    }

    /// Where it is.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn path(&self) -> Result<String> {
        self.host.shared.drivers.storage.storage_vol_get_path(&self.host.call(), &self.reference)
    }

    /// Removes it.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn delete(&self) -> Result<()> {
        self.host.shared.drivers.storage.storage_vol_delete(&self.host.call(), &self.reference, 0)
    }

    /// Its contents from `offset` on; a length of 0 means all.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn download(&self, offset: u64, length: u64) -> Result<Data> {
        let driver = &self.host.shared.drivers.storage;
        Ok(Data::new(driver.storage_vol_download(&self.host.call(), &self.reference, offset, length, 0)?))
    }

    /// Takes new contents from `offset` on; a length of 0 means as much as comes.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn upload(&self, offset: u64, length: u64) -> Result<Data> {
        let driver = &self.host.shared.drivers.storage;
        Ok(Data::new(driver.storage_vol_upload(&self.host.call(), &self.reference, offset, length, 0)?))
    }
}
