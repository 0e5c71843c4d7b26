//! What a guest knows of itself.

use super::malformed;
use crate::guest::{Guest, Live, exclusive_of};
use crate::{Driver, check_flags, error};
use api::DomainIpAddr;
use api::domain_info::{DomainGetTimeRet, DomainInterface};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{ErrorCode, Result};
use engine::JobKind;
use qga::{AgentError, answer};
use serde_json::{Value as Json, json};

/// Sources of a name: leases of networks, the agent.
const LEASE: u32 = 1;
const AGENT: u32 = 2;

/// Kinds of facts, by their bits.
const USERS: u32 = 1;
const SYSTEM: u32 = 2;
const TIMEZONE: u32 = 4;
const HOSTNAME: u32 = 8;
const FILESYSTEM: u32 = 16;
const DISKS: u32 = 32;
const INTERFACES: u32 = 64;
const LOAD: u32 = 128;
const ALL: u32 = 255;

impl Driver {
    pub(crate) fn hostname(&self, dom: &DomainRef, flags: u32) -> Result<String> {
        check_flags(flags, LEASE | AGENT, "qemuDomainGetHostname")?;
        exclusive_of(
            flags,
            (LEASE, "VIR_DOMAIN_GET_HOSTNAME_LEASE"),
            (AGENT, "VIR_DOMAIN_GET_HOSTNAME_AGENT"),
            "qemuDomainGetHostname",
        )?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        if flags & LEASE != 0 {
            return self.nics.lent_name(&live.domain)?.ok_or_else(|| {
                let name = &live.domain.name;
                error(ErrorCode::NO_HOSTNAME, format!("no hostname found for domain {name}"))
            });
        }
        let answer = live.agent_command("guest-get-host-name", &Json::Null)?;
        let name = answer.get("host-name").and_then(Json::as_str);
        name.map(str::to_owned).ok_or_else(|| malformed("guest-get-host-name"))
    }

    pub(crate) fn guest_time(&self, dom: &DomainRef, flags: u32) -> Result<DomainGetTimeRet> {
        check_flags(flags, 0, "qemuDomainGetTime")?;
        let live = self.find(dom)?.live()?;
        let answer = live.agent_command("guest-get-time", &Json::Null)?;
        let (seconds, nseconds) = answer::moment(&answer).ok_or_else(|| malformed("guest-get-time"))?;
        Ok(DomainGetTimeRet { seconds, nseconds })
    }

    pub(crate) fn set_guest_time(
        &self,
        dom: &DomainRef,
        seconds: i64,
        nanoseconds: u32,
        flags: u32,
    ) -> Result<()> {
        const SYNC: u32 = 1;
        check_flags(flags, SYNC, "qemuDomainSetTime")?;
        let guest = self.find(dom)?;
        let live = guest.live()?;
        let arguments = if flags & SYNC != 0 {
            Json::Null
        } else {
            let whole = seconds.checked_mul(1_000_000_000);
            let time =
                whole.and_then(|whole| whole.checked_add(i64::from(nanoseconds))).ok_or_else(|| {
                    error(ErrorCode::INVALID_ARG, format!("Time '{seconds}' is too big for guest agent"))
                })?;
            json!({"time": time})
        };
        live.agent_command("guest-set-time", &arguments)?;
        let _job = guest.begin(JobKind::Modify, "set time")?;
        // Ticks that the guest is still owed would put its clock forward a second time.
        if matches!(live.domain.tree.attr_at("os/type", "arch"), Some("x86_64" | "i686")) {
            guest.live()?.command("rtc-reset-reinjection", Json::Null)?;
        }
        Ok(())
    }

    /// Addresses of the guest's interfaces as the guest itself tells them.
    pub(crate) fn agent_addresses(&self, guest: &Guest) -> Result<Vec<DomainInterface>> {
        let live = guest.live()?;
        let answer = live.agent_command("guest-network-get-interfaces", &Json::Null)?;
        let interface = |found: answer::Interface| DomainInterface {
            name: found.name,
            hwaddr: found.mac,
            addrs: found
                .addresses
                .into_iter()
                .map(|address| DomainIpAddr {
                    type_: address.kind,
                    addr: address.address,
                    prefix: address.prefix,
                })
                .collect(),
        };
        Ok(answer::addresses(&answer).into_iter().map(interface).collect())
    }

    pub(super) fn guest_info(&self, dom: &DomainRef, types: u32, flags: u32) -> Result<Vec<TypedParam>> {
        check_flags(flags, 0, "qemuDomainGetGuestInfo")?;
        if types & !ALL != 0 {
            let text = format!("unsupported guest information types '{:#x}'", types & !ALL);
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let live = self.find(dom)?.live()?;
        live.agent()?;
        let wanted = if types == 0 { ALL } else { types };
        let mut all = Vec::new();
        for kind in [USERS, SYSTEM, TIMEZONE, HOSTNAME, FILESYSTEM, DISKS, INTERFACES, LOAD] {
            if wanted & kind != 0 {
                all.extend(facts(&live, kind, types != 0)?);
            }
        }
        Ok(all)
    }
}

/// Facts of one kind. One that the agent does not know of is an error only where it was asked for by name.
fn facts(live: &Live, kind: u32, named: bool) -> Result<Vec<TypedParam>> {
    let command = match kind {
        USERS => "guest-get-users",
        SYSTEM => "guest-get-osinfo",
        TIMEZONE => "guest-get-timezone",
        HOSTNAME => "guest-get-host-name",
        FILESYSTEM => "guest-get-fsinfo",
        DISKS => "guest-get-disks",
        INTERFACES => "guest-network-get-interfaces",
        _ => "guest-get-load",
    };
    let answer = match live.ask_agent(command, &Json::Null)? {
        Ok(answer) => answer,
        Err(AgentError::Refused { .. }) if !named => return Ok(Vec::new()),
        Err(cause) => return Err(super::failed(command, &cause)),
    };
    let alias = |place: &answer::Place| super::files::disk_at(&live.domain, place).map(str::to_owned);
    Ok(match kind {
        USERS => answer::users(&answer),
        SYSTEM => answer::system(&answer),
        TIMEZONE => answer::timezone(&answer),
        HOSTNAME => {
            let name = answer.get("host-name").and_then(Json::as_str);
            let param = |name: &str| TypedParam {
                field: "hostname".to_owned(),
                value: TypedValue::String(name.to_owned()),
            };
            name.map(param).into_iter().collect()
        }
        FILESYSTEM => answer::file_systems(&answer::filesystems(&answer), &alias),
        DISKS => answer::disks(&answer, &alias),
        INTERFACES => answer::interfaces(&answer::addresses(&answer)),
        _ => answer::load(&answer),
    })
}
