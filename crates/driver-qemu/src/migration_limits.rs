//! Limits of migrations to come or under way.

use crate::guest::Guest;
use crate::{Driver, check_flags, error};
use api::{Call, DomainMigration};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, ErrorDomain, Result};
use engine::JobKind;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;
/// No limit of the speed, in MiB a second.
const FASTEST: u64 = i64::MAX as u64 / MIB;
/// The speed after the guest has moved.
const POST_COPY: u32 = 1;

fn parameter(guest: &Guest, name: &str) -> Result<u64> {
    let answer = guest.live()?.command("query-migrate-parameters", Json::Null)?;
    Ok(answer.get(name).and_then(Json::as_u64).unwrap_or(0))
}

impl Driver {
    fn set_parameter(&self, guest: &Arc<Guest>, name: &str, value: u64) -> Result<()> {
        let _job = guest.begin(JobKind::Modify, "set migration parameter")?;
        guest.live()?.command("migrate-set-parameters", json!({ name: value })).map(drop)
    }
}

impl DomainMigration for Driver {
    fn domain_migrate_get_max_downtime(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<u64> {
        check_flags(flags, 0, "qemuDomainMigrateGetMaxDowntime")?;
        parameter(&*self.find(dom)?, "downtime-limit")
    }

    fn domain_migrate_set_max_downtime(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        downtime: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainMigrateSetMaxDowntime")?;
        self.set_parameter(&self.find(dom)?, "downtime-limit", downtime)
    }

    fn domain_migrate_get_max_speed(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<u64> {
        check_flags(flags, POST_COPY, "qemuDomainMigrateGetMaxSpeed")?;
        let guest = self.find(dom)?;
        if flags & POST_COPY != 0 {
            return Ok(parameter(&guest, "max-postcopy-bandwidth")? / MIB);
        }
        let stored =
            guest.value().live.as_ref().map_or(0, |live| live.session.bandwidth.load(Ordering::Acquire));
        Ok(if stored == 0 { FASTEST } else { stored })
    }

    fn domain_migrate_set_max_speed(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, POST_COPY, "qemuDomainMigrateSetMaxSpeed")?;
        let guest = self.find(dom)?;
        if bandwidth > FASTEST {
            let text = format!("bandwidth must be less than {}", FASTEST + 1);
            return Err(error(ErrorCode::OVERFLOW, text));
        }
        if flags & POST_COPY != 0 {
            return self.set_parameter(&guest, "max-postcopy-bandwidth", bandwidth * MIB);
        }
        guest.live()?.session.bandwidth.store(bandwidth, Ordering::Release);
        Ok(())
    }

    fn domain_migrate_get_compression_cache(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<u64> {
        check_flags(flags, 0, "qemuDomainMigrateGetCompressionCache")?;
        parameter(&*self.find(dom)?, "xbzrle-cache-size")
    }

    fn domain_migrate_set_compression_cache(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        cache_size: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 0, "qemuDomainMigrateSetCompressionCache")?;
        self.set_parameter(&self.find(dom)?, "xbzrle-cache-size", cache_size)
    }

    fn domain_migrate_perform3_params(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        _dconnuri: Option<&str>,
        _params: &[TypedParam],
        _cookie_in: &[u8],
        _flags: u32,
    ) -> Result<Vec<u8>> {
        // Whatever is asked of it, a guest that does not run has nothing to move.
        self.find(dom)?.live()?;
        Err(Error::no_support("virDomainMigratePerform3Params").in_domain(ErrorDomain::DOMAIN))
    }

    fn domain_migrate_start_post_copy(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, 0, "qemuDomainMigrateStartPostCopy")?;
        self.find(dom)?.live()?;
        let text = "post-copy can only be started while outgoing migration is in progress";
        Err(Error::operation_invalid(crate::FROM, text))
    }
}
