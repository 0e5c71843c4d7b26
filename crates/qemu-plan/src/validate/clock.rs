//! Timers.

use crate::complete::setting::Setting;
use crate::complete::unsupported;
use base::{Error, Result};
use conf_domain::Domain;
use qemu_caps::Flag;

/// The last second of the year 9999.
const LATEST: u64 = 253_402_300_799;

fn elsewhere(name: &str, setting: &Setting<'_>) -> Error {
    unsupported(format!(
        "Configuring the '{name}' timer is not supported for virtType={} arch={} machine={} guests",
        setting.kind, setting.arch, setting.machine
    ))
}

pub(super) fn check(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    let Some(clock) = domain.tree.child("clock") else { return Ok(()) };
    for timer in clock.all("timer") {
        let policy = timer.attr("tickpolicy");
        let track = timer.attr("track");
        match timer.attr("name").unwrap_or_default() {
            name @ "platform" => {
                return Err(unsupported(format!("unsupported timer type (name) '{name}'")));
            }
            "rtc" => {
                if let Some(track @ "boot") = track {
                    return Err(unsupported(format!("unsupported rtc timer track '{track}'")));
                }
                if let Some(policy @ ("merge" | "discard")) = policy {
                    return Err(unsupported(format!("unsupported rtc timer tickpolicy '{policy}'")));
                }
            }
            "pit" => {
                let refused = match policy {
                    Some("catchup") => !setting.is_x86(),
                    policy => policy == Some("merge"),
                };
                if let Some(policy) = policy.filter(|_| refused) {
                    return Err(unsupported(format!("unsupported pit tickpolicy '{policy}'")));
                }
            }
            name @ "armvtimer" => {
                if setting.kind != "kvm" || !setting.is_arm_virt() {
                    return Err(elsewhere(name, setting));
                }
                if !setting.has(Flag::CpuKvmNoAdjvtime) {
                    return Err(unsupported(format!(
                        "Configuring the '{name}' timer is not supported with this QEMU binary"
                    )));
                }
            }
            "hpet" if timer.is("present", "yes") && !setting.is_x86() => {
                return Err(unsupported("hpet timer is not supported by this architecture"));
            }
            name @ ("tsc" | "kvmclock" | "hypervclock")
                if timer.is("present", "yes") && !setting.is_x86() =>
            {
                return Err(elsewhere(name, setting));
            }
            _ => {}
        }
    }
    let start = clock.attr("start").and_then(|start| start.parse::<u64>().ok());
    if clock.is("offset", "absolute") && start.is_some_and(|start| start > LATEST) {
        return Err(unsupported(format!(
            "The maximum 'start' value for <clock offset='absolute'> is {LATEST}"
        )));
    }
    Ok(())
}
