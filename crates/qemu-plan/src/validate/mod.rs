//! What QEMU cannot do, on this machine or at all.
//!
//! ```text
//! complete definition ──▶ contradictions no driver accepts (conf-domain) ──▶ whole domain ──▶ each device ──▶ accepted
//! ```
//!
//! The first refusal wins; its words are the reference's.

mod clock;
mod controller;
mod cpu;
mod disk;
mod domain;
mod filesystem;
mod image;
mod interface;
mod iothread;
mod lifecycle;
mod memory;
mod others;
mod pci;
mod shared;
mod vcpu;

pub use lifecycle::check_lifecycle;

use crate::complete::setting::Setting;
use crate::complete::{Site, unsupported};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use conf_domain::validate::Rules;
use std::collections::BTreeSet;
use xml::Tree;

/// Something that contradicts the machine, found while reading.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::QEMU, text)
}

/// Checks what a definition says before anything is filled in.
///
/// # Errors
/// With the first refusal.
pub(crate) fn given(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    domain::firmware_memory(domain, setting)
}

/// Checks what a definition says of controllers and places on PCI, before places are given.
///
/// # Errors
/// With the first refusal.
pub(crate) fn places(domain: &Domain, setting: &Setting<'_>) -> Result<()> {
    pci::given(domain, setting)
}

/// QEMU's rules for complete definitions, on this machine.
pub(crate) struct Qemu<'s> {
    pub(crate) setting: &'s Setting<'s>,
    pub(crate) site: &'s Site,
}

impl Rules for Qemu<'_> {
    fn domain(&self, domain: &Domain) -> Result<()> {
        check_lifecycle(domain)?;
        cpu::check(domain, self.setting)?;
        memory::check(domain, self.setting)?;
        domain::boot(domain)?;
        vcpu::check(domain, self.setting)?;
        for panic in domain.all("panic") {
            others::panic(panic, self.setting)?;
        }
        domain::check(domain, self.setting)?;
        clock::check(domain, self.setting)?;
        others::together(domain)
    }

    fn device(&self, domain: &Domain, device: &Tree) -> Result<()> {
        if device.attr_at("address", "type") == Some("ccw") && !self.setting.is_s390() {
            return Err(unsupported(format!(
                "CCW addresses are not supported by machine type '{}'",
                self.setting.machine
            )));
        }
        pci::identified(device, self.setting)?;
        if device.attr_at("address", "type").is_some_and(|place| place != "pci") {
            if device.child("rom").is_some() {
                return Err(unsupported("ROM tuning is only supported for PCI devices"));
            }
            if device.child("acpi").is_some() {
                return Err(unsupported("ACPI index is only supported for PCI devices"));
            }
        }
        match &*device.name {
            "disk" => disk::check(domain, device, self.setting),
            "filesystem" => filesystem::check(domain, device, self.setting),
            "interface" => interface::check(domain, device),
            "memory" => memory::device(device, self.setting),
            _ => others::check(domain, device, self.setting, self.site),
        }
    }
}

/// Checks what can be known only when the guest is started.
///
/// # Errors
/// With the first refusal.
pub(crate) fn start(
    domain: &Domain,
    setting: &Setting<'_>,
    host_nodes: Option<&BTreeSet<u32>>,
) -> Result<()> {
    cpu::start(domain, setting)?;
    for device in domain.devices() {
        match device.name.as_str() {
            "disk" => disk::start(device, setting)?,
            _ => others::start(domain, device, setting)?,
        }
    }
    memory::start(domain, host_nodes)
}
