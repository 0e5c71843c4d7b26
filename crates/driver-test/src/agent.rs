//! What an agent inside the guest would do: file systems, passwords.

use crate::world::Dom;
use crate::{Test, fail, known};
use api::domain_agent::{DomainFsinfo, DomainGetFsinfoRet};
use api::{Call, DomainAgent};
use base::object::DomainRef;
use base::{ErrorCode, Result};

/// Where file systems are mounted: every domain has these two.
const MOUNTS: [&str; 2] = ["/", "/boot"];

fn disk(dom: &Dom) -> Result<String> {
    match dom.def.all("disk").find(|disk| disk.is("device", "disk")) {
        Some(disk) => Ok(disk.attr_at("target", "dev").unwrap_or_default().to_owned()),
        None => fail(ErrorCode::OPERATION_FAILED, "domain has no disk"),
    }
}

fn picked(mountpoints: &[String]) -> Result<Vec<String>> {
    if mountpoints.is_empty() {
        return Ok(MOUNTS.map(str::to_owned).to_vec());
    }
    match mountpoints.iter().find(|point| !MOUNTS.contains(&point.as_str())) {
        Some(point) => fail(ErrorCode::OPERATION_INVALID, format!("mount point not found: {point}")),
        None => Ok(mountpoints.to_vec()),
    }
}

impl DomainAgent for Test {
    fn domain_get_fsinfo(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<DomainGetFsinfoRet> {
        known(flags, 0, "testDomainGetFSInfo")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        let Ok(disk) = disk(dom) else { return Ok(DomainGetFsinfoRet { info: Vec::new(), ret: 0 }) };
        let info: Vec<_> = MOUNTS
            .iter()
            .enumerate()
            .map(|(at, mount)| DomainFsinfo {
                mountpoint: (*mount).to_owned(),
                name: format!("{disk}{}", at + 1),
                fstype: "ext4".to_owned(),
                dev_aliases: vec![disk.clone()],
            })
            .collect();
        Ok(DomainGetFsinfoRet { ret: info.len() as u32, info })
    }

    fn domain_fsfreeze(&self, _: &Call, dom: &DomainRef, mountpoints: &[String], flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainFSFreeze")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        let mut count = 0;
        for point in picked(mountpoints)? {
            if !dom.frozen.contains(&point) {
                dom.frozen.push(point);
                count += 1;
            }
        }
        Ok(count)
    }

    fn domain_fsthaw(&self, _: &Call, dom: &DomainRef, mountpoints: &[String], flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainFSThaw")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        let points = picked(mountpoints)?;
        let before = dom.frozen.len();
        dom.frozen.retain(|point| !points.contains(point));
        Ok((before - dom.frozen.len()) as i32)
    }

    fn domain_fstrim(
        &self,
        _: &Call,
        dom: &DomainRef,
        mount: Option<&str>,
        _: u64,
        flags: u32,
    ) -> Result<()> {
        known(flags, 0, "testDomainFSTrim")?;
        let mut world = self.world();
        let dom = world.running(dom)?;
        picked(&mount.map(str::to_owned).into_iter().collect::<Vec<_>>())?;
        if dom.frozen.is_empty() {
            return Ok(());
        }
        fail(ErrorCode::OPERATION_INVALID, "file system is frozen")
    }

    fn domain_set_user_password(
        &self,
        _: &Call,
        dom: &DomainRef,
        _: Option<&str>,
        _: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        known(flags, 1, "testDomainSetUserPassword")?;
        self.world().running(dom).map(drop)
    }
}
