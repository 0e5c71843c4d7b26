//! Storage pools and volumes.

use crate::document::{self, Pool, Volume};
use crate::world::{PoolState, World, first};
use crate::{Test, fail, known};
use api::event::{Event, StoragePoolEventLifecyclePayload, StoragePoolEventRefreshPayload};
use api::storage::{
    ConnectListAllStoragePoolsRet, StoragePoolGetInfoRet, StoragePoolListAllVolumesRet, StorageVolGetInfoRet,
};
use api::{Call, Storage};
use base::object::{StoragePoolRef, StorageVolRef};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};

fn happened(world: &mut World, pool: StoragePoolRef, event: i32) {
    world.events.push(Event::StoragePoolLifecycle(StoragePoolEventLifecyclePayload {
        pool,
        event,
        detail: 0,
    }));
}

fn place(world: &World, def: &Pool, live: bool) -> Result<Option<usize>> {
    if let Some(at) = world.pools.iter().position(|known| known.def.uuid == def.uuid) {
        let known = &world.pools[at];
        if known.def.name != def.name {
            let text = format!("pool '{}' is already defined with uuid {}", known.def.name, def.uuid);
            return Err(Error::operation_failed(ErrorDomain::STORAGE, text));
        }
        if live && known.active {
            let text = format!("pool is already active as '{}'", known.def.name);
            return Err(Error::operation_invalid(ErrorDomain::STORAGE, text));
        }
        return Ok(Some(at));
    }
    if let Some(known) = world.pools.iter().find(|known| known.def.name == def.name) {
        let text = format!("pool '{}' already exists with uuid {}", def.name, known.def.uuid);
        return Err(Error::operation_failed(ErrorDomain::STORAGE, text));
    }
    Ok(None)
}

fn take(world: &mut World, xml: &str, live: bool) -> Result<StoragePoolRef> {
    let def = Pool::parse(xml)?;
    let at = match place(world, &def, live)? {
        Some(at) => {
            let known = &mut world.pools[at];
            known.def = Pool { allocation: known.def.allocation, available: known.def.available, ..def };
            at
        }
        None => {
            let persistent = !live;
            world.pools.push(PoolState {
                def,
                active: false,
                persistent,
                autostart: false,
                volumes: Vec::new(),
            });
            world.pools.len() - 1
        }
    };
    let pool = &mut world.pools[at];
    if live {
        pool.active = true;
    } else {
        pool.persistent = true;
    }
    let reference = pool.reference();
    happened(world, reference.clone(), if live { 2 } else { 0 });
    Ok(reference)
}

fn reference(pool: &Pool, volume: &Volume) -> StorageVolRef {
    StorageVolRef { pool: pool.name.clone(), name: volume.name.clone(), key: volume.path.clone() }
}

fn volume<'w>(world: &'w mut World, vol: &StorageVolRef) -> Result<(&'w mut PoolState, usize)> {
    let pool = world.active_pool(&vol.pool)?;
    match pool.volumes.iter().position(|known| known.name == vol.name) {
        Some(at) => Ok((pool, at)),
        None => fail(ErrorCode::NO_STORAGE_VOL, format!("no storage vol with matching name '{}'", vol.name)),
    }
}

fn add(pool: &mut PoolState, volume: Volume) -> Result<StorageVolRef> {
    if pool.volumes.iter().any(|known| known.name == volume.name) {
        return Err(Error::operation_failed(ErrorDomain::TEST, "storage vol already exists"));
    }
    if pool.def.allocation + volume.allocation > pool.def.capacity {
        let text = format!("Not enough free space in pool for volume '{}'", volume.name);
        return Err(Error::internal(ErrorDomain::TEST, text));
    }
    pool.def.allocation += volume.allocation;
    pool.def.available = pool.def.capacity - pool.def.allocation;
    let reference = reference(&pool.def, &volume);
    // The newest stands first, as listings show it.
    pool.volumes.insert(0, volume);
    Ok(reference)
}

/// The sources that are found for kinds of pools, with a place for the host asked for.
const LOGICAL: &str = "<sources>
  <source>
    <device path='/dev/sda20'/>
    <name>testvg1</name>
    <format type='lvm2'/>
  </source>
  <source>
    <device path='/dev/sda21'/>
    <name>testvg2</name>
    <format type='lvm2'/>
  </source>
</sources>
";

fn netfs(host: &str) -> String {
    format!(
        "<sources>\n  <source>\n    <host name='{host}'/>\n    <dir path='/testshare'/>\n    <format type='nfs'/>\n  </source>\n</sources>\n"
    )
}

fn listed(pool: &PoolState, flags: u32) -> bool {
    let passes = |yes: u32, no: u32, is: bool| {
        flags & (yes | no) == 0 || (flags & yes != 0 && is) || (flags & no != 0 && !is)
    };
    let kinds = [
        "dir",
        "fs",
        "netfs",
        "logical",
        "disk",
        "iscsi",
        "scsi",
        "mpath",
        "rbd",
        "sheepdog",
        "gluster",
        "zfs",
        "vstorage",
        "iscsi-direct",
    ];
    let asked = flags & 0x0fff_ffc0;
    let bit = kinds.iter().position(|kind| *kind == pool.def.kind).map_or(0, |at| 64u32 << at);
    passes(2, 1, pool.active)
        && passes(4, 8, pool.persistent)
        && passes(16, 32, pool.autostart)
        && (asked == 0 || asked & bit != 0)
}

impl Test {
    fn pool_names(&self, active: bool) -> Vec<String> {
        self.world()
            .pools
            .iter()
            .filter(|pool| pool.active == active)
            .map(|pool| pool.def.name.clone())
            .collect()
    }

    fn find_volume(&self, what: &str, which: impl Fn(&Volume) -> bool) -> Result<StorageVolRef> {
        let world = self.world();
        for pool in world.pools.iter().filter(|pool| pool.active) {
            if let Some(found) = pool.volumes.iter().find(|volume| which(volume)) {
                return Ok(reference(&pool.def, found));
            }
        }
        fail(ErrorCode::NO_STORAGE_VOL, format!("no storage vol with matching {what}"))
    }
}

impl Storage for Test {
    fn connect_num_of_storage_pools(&self, _: &Call) -> Result<i32> {
        Ok(self.pool_names(true).len() as i32)
    }

    fn connect_list_storage_pools(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(first(self.pool_names(true).into_iter(), maxnames))
    }

    fn connect_num_of_defined_storage_pools(&self, _: &Call) -> Result<i32> {
        Ok(self.pool_names(false).len() as i32)
    }

    fn connect_list_defined_storage_pools(&self, _: &Call, maxnames: i32) -> Result<Vec<String>> {
        Ok(first(self.pool_names(false).into_iter(), maxnames))
    }

    fn connect_list_all_storage_pools(
        &self,
        _: &Call,
        _: i32,
        flags: u32,
    ) -> Result<ConnectListAllStoragePoolsRet> {
        let world = self.world();
        let pools: Vec<StoragePoolRef> =
            world.pools.iter().filter(|pool| listed(pool, flags)).map(PoolState::reference).collect();
        Ok(ConnectListAllStoragePoolsRet { ret: pools.len() as u32, pools })
    }

    fn connect_find_storage_pool_sources(
        &self,
        _: &Call,
        kind: &str,
        spec: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        known(flags, 0, "testConnectFindStoragePoolSources")?;
        let kinds =
            ["dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "zfs", "gluster"];
        match kind {
            "logical" => Ok(LOGICAL.to_owned()),
            "netfs" => {
                let host = match spec {
                    Some(spec) => {
                        let source = document::root(spec, "source", ErrorDomain::TEST)?;
                        source.attr_at("host", "name").map(str::to_owned)
                    }
                    None => None,
                };
                match host {
                    Some(host) => Ok(netfs(&host)),
                    None => fail(ErrorCode::INVALID_ARG, "hostname must be specified for netfs sources"),
                }
            }
            other if kinds.contains(&other) => {
                Err(Error::internal(ErrorDomain::TEST, format!("unknown storage pool type {other}")))
            }
            other => Err(Error::internal(ErrorDomain::TEST, format!("unknown storage pool type {other}"))),
        }
    }

    fn storage_pool_create_xml(&self, _: &Call, xml: &str, flags: u32) -> Result<StoragePoolRef> {
        known(flags, 0, "testStoragePoolCreateXML")?;
        self.change(|world| take(world, xml, true))
    }

    fn storage_pool_define_xml(&self, _: &Call, xml: &str, flags: u32) -> Result<StoragePoolRef> {
        known(flags, 1, "testStoragePoolDefineXML")?;
        self.change(|world| take(world, xml, false))
    }

    fn storage_pool_create(&self, _: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        known(flags, 0, "testStoragePoolCreate")?;
        self.change(|world| {
            let found = world.inactive_pool(&pool.name)?;
            found.active = true;
            let pool = found.reference();
            happened(world, pool, 2);
            Ok(())
        })
    }

    fn storage_pool_build(&self, _: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        known(flags, 0, "testStoragePoolBuild")?;
        self.change(|world| {
            let pool = world.inactive_pool(&pool.name)?.reference();
            happened(world, pool, 4);
            Ok(())
        })
    }

    fn storage_pool_destroy(&self, _: &Call, pool: &StoragePoolRef) -> Result<()> {
        self.change(|world| {
            let found = world.active_pool(&pool.name)?;
            found.active = false;
            let (pool, keep) = (found.reference(), found.persistent);
            if !keep {
                world.pools.retain(|known| known.def.uuid != pool.uuid);
            }
            happened(world, pool, 3);
            Ok(())
        })
    }

    fn storage_pool_delete(&self, _: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        known(flags, 0, "testStoragePoolDelete")?;
        self.change(|world| {
            let pool = world.inactive_pool(&pool.name)?.reference();
            happened(world, pool, 5);
            Ok(())
        })
    }

    fn storage_pool_undefine(&self, _: &Call, pool: &StoragePoolRef) -> Result<()> {
        self.change(|world| {
            let pool = world.inactive_pool(&pool.name)?.reference();
            world.pools.retain(|known| known.def.uuid != pool.uuid);
            happened(world, pool, 1);
            Ok(())
        })
    }

    fn storage_pool_refresh(&self, _: &Call, pool: &StoragePoolRef, flags: u32) -> Result<()> {
        known(flags, 0, "testStoragePoolRefresh")?;
        self.change(|world| {
            let pool = world.active_pool(&pool.name)?.reference();
            world.events.push(Event::StoragePoolRefresh(StoragePoolEventRefreshPayload { pool }));
            Ok(())
        })
    }

    fn storage_pool_lookup_by_name(&self, _: &Call, name: &str) -> Result<StoragePoolRef> {
        Ok(self.world().pool(name)?.reference())
    }

    fn storage_pool_lookup_by_uuid(&self, _: &Call, uuid: Uuid) -> Result<StoragePoolRef> {
        let world = self.world();
        match world.pools.iter().find(|pool| pool.def.uuid == uuid) {
            Some(pool) => Ok(pool.reference()),
            None => fail(ErrorCode::NO_STORAGE_POOL, format!("no storage pool with matching uuid '{uuid}'")),
        }
    }

    fn storage_pool_lookup_by_volume(&self, _: &Call, vol: &StorageVolRef) -> Result<StoragePoolRef> {
        Ok(self.world().pool(&vol.pool)?.reference())
    }

    fn storage_pool_get_info(&self, _: &Call, pool: &StoragePoolRef) -> Result<StoragePoolGetInfoRet> {
        let mut world = self.world();
        let pool = world.pool(&pool.name)?;
        Ok(StoragePoolGetInfoRet {
            state: if pool.active { 2 } else { 0 },
            capacity: pool.def.capacity,
            allocation: pool.def.allocation,
            available: pool.def.available,
        })
    }

    fn storage_pool_get_xml_desc(&self, _: &Call, pool: &StoragePoolRef, flags: u32) -> Result<String> {
        known(flags, 1, "testStoragePoolGetXMLDesc")?;
        Ok(self.world().pool(&pool.name)?.def.format())
    }

    fn storage_pool_get_autostart(&self, _: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(i32::from(self.world().pool(&pool.name)?.autostart))
    }

    fn storage_pool_set_autostart(&self, _: &Call, pool: &StoragePoolRef, autostart: i32) -> Result<()> {
        let mut world = self.world();
        let pool = world.pool(&pool.name)?;
        if !pool.persistent {
            return fail(ErrorCode::INVALID_ARG, "pool has no config file");
        }
        pool.autostart = autostart != 0;
        Ok(())
    }

    fn storage_pool_is_active(&self, _: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(i32::from(self.world().pool(&pool.name)?.active))
    }

    fn storage_pool_is_persistent(&self, _: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(i32::from(self.world().pool(&pool.name)?.persistent))
    }

    fn storage_pool_num_of_volumes(&self, _: &Call, pool: &StoragePoolRef) -> Result<i32> {
        Ok(self.world().active_pool(&pool.name)?.volumes.len() as i32)
    }

    fn storage_pool_list_volumes(
        &self,
        _: &Call,
        pool: &StoragePoolRef,
        maxnames: i32,
    ) -> Result<Vec<String>> {
        let mut world = self.world();
        let pool = world.active_pool(&pool.name)?;
        Ok(first(pool.volumes.iter().map(|volume| volume.name.clone()), maxnames))
    }

    fn storage_pool_list_all_volumes(
        &self,
        _: &Call,
        pool: &StoragePoolRef,
        _: i32,
        flags: u32,
    ) -> Result<StoragePoolListAllVolumesRet> {
        known(flags, 0, "testStoragePoolListAllVolumes")?;
        let mut world = self.world();
        let pool = world.active_pool(&pool.name)?;
        let vols: Vec<StorageVolRef> =
            pool.volumes.iter().map(|volume| reference(&pool.def, volume)).collect();
        Ok(StoragePoolListAllVolumesRet { ret: vols.len() as u32, vols })
    }

    fn storage_vol_lookup_by_name(
        &self,
        _: &Call,
        pool: &StoragePoolRef,
        name: &str,
    ) -> Result<StorageVolRef> {
        let mut world = self.world();
        let pool = world.active_pool(&pool.name)?;
        match pool.volumes.iter().find(|volume| volume.name == name) {
            Some(found) => Ok(reference(&pool.def, found)),
            None => fail(ErrorCode::NO_STORAGE_VOL, format!("no storage vol with matching name '{name}'")),
        }
    }

    fn storage_vol_lookup_by_key(&self, _: &Call, key: &str) -> Result<StorageVolRef> {
        self.find_volume(&format!("key '{key}'"), |volume| volume.path == key)
    }

    fn storage_vol_lookup_by_path(&self, _: &Call, path: &str) -> Result<StorageVolRef> {
        self.find_volume(&format!("path '{path}'"), |volume| volume.path == path)
    }

    fn storage_vol_create_xml(
        &self,
        _: &Call,
        pool: &StoragePoolRef,
        xml: &str,
        flags: u32,
    ) -> Result<StorageVolRef> {
        known(flags, 8, "testStorageVolCreateXML")?;
        self.change(|world| {
            let pool = world.active_pool(&pool.name)?;
            let volume = Volume::parse(xml, &pool.def)?;
            add(pool, volume)
        })
    }

    fn storage_vol_create_xml_from(
        &self,
        _: &Call,
        pool: &StoragePoolRef,
        xml: &str,
        clone: &StorageVolRef,
        flags: u32,
    ) -> Result<StorageVolRef> {
        known(flags, 8, "testStorageVolCreateXMLFrom")?;
        self.change(|world| {
            let (source, at) = volume(world, clone)?;
            let original = source.volumes[at].capacity;
            let pool = world.active_pool(&pool.name)?;
            let mut volume = Volume::parse(xml, &pool.def)?;
            volume.capacity = volume.capacity.max(original.min(volume.capacity));
            add(pool, volume)
        })
    }

    fn storage_vol_delete(&self, _: &Call, vol: &StorageVolRef, flags: u32) -> Result<()> {
        known(flags, 0, "testStorageVolDelete")?;
        self.change(|world| {
            let (pool, at) = volume(world, vol)?;
            let gone = pool.volumes.remove(at);
            pool.def.allocation -= gone.allocation;
            pool.def.available = pool.def.capacity - pool.def.allocation;
            Ok(())
        })
    }

    fn storage_vol_get_info(&self, _: &Call, vol: &StorageVolRef) -> Result<StorageVolGetInfoRet> {
        let mut world = self.world();
        let (pool, at) = volume(&mut world, vol)?;
        let found = &pool.volumes[at];
        let type_ = i8::from(found.kind == "block");
        Ok(StorageVolGetInfoRet { type_, capacity: found.capacity, allocation: found.allocation })
    }

    fn storage_vol_get_xml_desc(&self, _: &Call, vol: &StorageVolRef, flags: u32) -> Result<String> {
        known(flags, 0, "testStorageVolGetXMLDesc")?;
        let mut world = self.world();
        let (pool, at) = volume(&mut world, vol)?;
        Ok(pool.volumes[at].format())
    }

    fn storage_vol_get_path(&self, _: &Call, vol: &StorageVolRef) -> Result<String> {
        let mut world = self.world();
        let (pool, at) = volume(&mut world, vol)?;
        Ok(pool.volumes[at].path.clone())
    }
}
