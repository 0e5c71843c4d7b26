//! The procedures.

use crate::{Driver, backend, check_flags, error};
use api::storage::{
    ConnectListAllStoragePoolsRet, StoragePoolGetInfoRet, StoragePoolListAllVolumesRet,
    StorageVolGetInfoFlagsRet, StorageVolGetInfoRet,
};
use api::{Call, Storage, Stream};
use base::object::{StoragePoolRef, StorageVolRef};
use base::{ErrorCode, Result, Uuid};
use conf_storage::capabilities;

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn most(names: Vec<String>, maxnames: i32) -> Vec<String> {
    names.into_iter().take(usize::try_from(maxnames).unwrap_or(0)).collect()
}

impl Storage for Driver {
    fn connect_num_of_storage_pools(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.names(true).len()).cast_signed())
    }

    fn connect_list_storage_pools(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(most(self.names(true), maxnames))
    }

    fn connect_num_of_defined_storage_pools(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.names(false).len()).cast_signed())
    }

    fn connect_list_defined_storage_pools(&self, _cx: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(most(self.names(false), maxnames))
    }

    fn connect_list_all_storage_pools(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllStoragePoolsRet> {
        let pools = self.list(flags)?;
        let ret = count(pools.len());
        Ok(ConnectListAllStoragePoolsRet { pools: if need_results != 0 { pools } else { Vec::new() }, ret })
    }

    fn connect_find_storage_pool_sources(
        &self,
        _cx: &Call,
        type_: &str,
        src_spec: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        self.sources(type_, src_spec, flags)
    }

    fn connect_get_storage_pool_capabilities(&self, _cx: &Call, flags: u32) -> Result<String> {
        check_flags(flags, 0, "storageConnectGetStoragePoolCapabilities")?;
        Ok(capabilities::format(&backend::supported))
    }

    fn storage_pool_create_xml(&self, _cx: &Call, xml: &str, flags: u32) -> Result<StoragePoolRef> {
        self.create(xml, flags)
    }

    fn storage_pool_define_xml(&self, _cx: &Call, xml: &str, flags: u32) -> Result<StoragePoolRef> {
        self.define(xml, flags)
    }

    fn storage_pool_create(&self, _cx: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        self.start_defined(pool, flags)
    }

    fn storage_pool_build(&self, _cx: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        self.build_pool(pool, flags)
    }

    fn storage_pool_destroy(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<()> {
        self.destroy(pool)
    }

    fn storage_pool_delete(&self, _cx: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        self.delete(pool, flags)
    }

    fn storage_pool_undefine(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<()> {
        self.undefine(pool)
    }

    fn storage_pool_refresh(&self, _cx: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        self.refresh(pool, flags)
    }

    fn storage_pool_lookup_by_name(&self, _cx: &Call, name: &str) -> Result<StoragePoolRef> {
        Ok(self.named(name)?.reference())
    }

    fn storage_pool_lookup_by_uuid(&self, _cx: &Call, uuid: Uuid) -> Result<StoragePoolRef> {
        self.pools.by_uuid(uuid).map(|pool| pool.reference()).ok_or_else(|| {
            error(ErrorCode::NO_STORAGE_POOL, format!("no storage pool with matching uuid '{uuid}'"))
        })
    }

    fn storage_pool_lookup_by_volume(&self, _cx: &Call, vol: &StorageVolRef) -> Result<StoragePoolRef> {
        Ok(self.named(&vol.pool)?.reference())
    }

    fn storage_pool_lookup_by_target_path(&self, _cx: &Call, path: &str) -> Result<StoragePoolRef> {
        self.by_target(path)
    }

    fn storage_pool_get_info(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<StoragePoolGetInfoRet> {
        self.pool_info(pool)
    }

    fn storage_pool_get_xml_desc(&self, _cx: &Call, pool: &StoragePoolRef, flags: u32) -> Result<String> {
        self.document(pool, flags)
    }

    fn storage_pool_get_autostart(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(self.find(pool)?.value().autostart.into())
    }

    fn storage_pool_set_autostart(&self, _cx: &Call, pool: &StoragePoolRef, autostart: i32) -> Result<()> {
        self.set_autostart(pool, autostart != 0)
    }

    fn storage_pool_is_active(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(self.find(pool)?.value().active.into())
    }

    fn storage_pool_is_persistent(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(self.find(pool)?.value().persistent.into())
    }

    fn storage_pool_num_of_volumes(&self, _cx: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(count(self.volume_names(pool)?.len()).cast_signed())
    }

    fn storage_pool_list_volumes(
        &self,
        _cx: &Call,
        pool: &StoragePoolRef,
        maxnames: i32,
    ) -> Result<Vec<String>> {
        Ok(most(self.volume_names(pool)?, maxnames))
    }

    fn storage_pool_list_all_volumes(
        &self,
        _cx: &Call,
        pool: &StoragePoolRef,
        need_results: i32,
        flags: u32,
    ) -> Result<StoragePoolListAllVolumesRet> {
        check_flags(flags, 0, "storagePoolListAllVolumes")?;
        let vols = self.volume_list(pool)?;
        let ret = count(vols.len());
        Ok(StoragePoolListAllVolumesRet { vols: if need_results != 0 { vols } else { Vec::new() }, ret })
    }

    fn storage_vol_lookup_by_name(
        &self,
        _cx: &Call,
        pool: &StoragePoolRef,
        name: &str,
    ) -> Result<StorageVolRef> {
        self.by_name(pool, name)
    }

    fn storage_vol_lookup_by_key(&self, _cx: &Call, key: &str) -> Result<StorageVolRef> {
        self.by_key(key)
    }

    fn storage_vol_lookup_by_path(&self, _cx: &Call, path: &str) -> Result<StorageVolRef> {
        self.by_path(path)
    }

    fn storage_vol_create_xml(
        &self,
        _cx: &Call,
        pool: &StoragePoolRef,
        xml: &str,
        flags: u32,
    ) -> Result<StorageVolRef> {
        self.make(pool, xml, flags)
    }

    fn storage_vol_create_xml_from(
        &self,
        _cx: &Call,
        pool: &StoragePoolRef,
        xml: &str,
        clonevol: &StorageVolRef,
        flags: u32,
    ) -> Result<StorageVolRef> {
        self.make_from(pool, xml, clonevol, flags)
    }

    fn storage_vol_delete(&self, _cx: &Call, vol: &StorageVolRef, flags: u32) -> Result<()> {
        self.remove_volume(vol, flags)
    }

    fn storage_vol_wipe(&self, _cx: &Call, vol: &StorageVolRef, flags: u32) -> Result<()> {
        self.wipe(vol, 0, flags)
    }

    fn storage_vol_wipe_pattern(
        &self,
        _cx: &Call,
        vol: &StorageVolRef,
        algorithm: u32,
        flags: u32,
    ) -> Result<()> {
        self.wipe(vol, algorithm, flags)
    }

    fn storage_vol_resize(&self, _cx: &Call, vol: &StorageVolRef, capacity: u64, flags: u32) -> Result<()> {
        self.resize(vol, capacity, flags)
    }

    fn storage_vol_upload(
        &self,
        _cx: &Call,
        vol: &StorageVolRef,
        offset: u64,
        length: u64,
        flags: u32,
    ) -> Result<Stream> {
        self.upload(vol, offset, length, flags)
    }

    fn storage_vol_download(
        &self,
        _cx: &Call,
        vol: &StorageVolRef,
        offset: u64,
        length: u64,
        flags: u32,
    ) -> Result<Stream> {
        self.download(vol, offset, length, flags)
    }

    fn storage_vol_get_info(&self, _cx: &Call, vol: &StorageVolRef) -> Result<StorageVolGetInfoRet> {
        let (type_, capacity, allocation) = self.volume_numbers(vol, 0)?;
        Ok(StorageVolGetInfoRet { type_, capacity, allocation })
    }

    fn storage_vol_get_info_flags(
        &self,
        _cx: &Call,
        vol: &StorageVolRef,
        flags: u32,
    ) -> Result<StorageVolGetInfoFlagsRet> {
        let (type_, capacity, allocation) = self.volume_numbers(vol, flags)?;
        Ok(StorageVolGetInfoFlagsRet { type_, capacity, allocation })
    }

    fn storage_vol_get_xml_desc(&self, _cx: &Call, vol: &StorageVolRef, flags: u32) -> Result<String> {
        self.volume_document(vol, flags)
    }

    fn storage_vol_get_path(&self, _cx: &Call, vol: &StorageVolRef) -> Result<String> {
        self.volume_path(vol)
    }
}
