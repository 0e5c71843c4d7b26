//! Bandwidth of a guest's network interface.

use super::params::{self, STRING_OKAY, kind};
use crate::nic::{self, Owner};
use crate::{Driver, check_flags};
use api::domain_tuning::DomainGetInterfaceParametersRet;
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use engine::JobKind;
use xml::Tree;

/// Parameters in the order in which clients get them: direction and attribute.
const KNOBS: [(&str, &str, &str); 7] = [
    ("inbound.average", "inbound", "average"),
    ("inbound.peak", "inbound", "peak"),
    ("inbound.burst", "inbound", "burst"),
    ("inbound.floor", "inbound", "floor"),
    ("outbound.average", "outbound", "average"),
    ("outbound.peak", "outbound", "peak"),
    ("outbound.burst", "outbound", "burst"),
];

/// An interface by its address or the name of its device on the host.
pub(crate) fn find<'d>(domain: &'d Domain, device: &str) -> Result<&'d Tree> {
    let fault = |code: ErrorCode, text: String| Error::new(code, ErrorDomain::DOMAIN, text);
    let is_address = device.split(':').count() == 6;
    if is_address {
        let mut found = domain.all("interface").filter(|interface| {
            interface.attr_at("mac", "address").is_some_and(|mac| mac.eq_ignore_ascii_case(device))
        });
        let first = found.next();
        if found.next().is_some() {
            let text = format!("multiple devices matching MAC address {device} found");
            return Err(fault(ErrorCode::OPERATION_FAILED, text));
        }
        let unknown =
            || fault(ErrorCode::INVALID_ARG, format!("no device matching MAC address {device} found"));
        return first.ok_or_else(unknown);
    }
    domain
        .all("interface")
        .find(|interface| interface.attr_at("target", "dev") == Some(device))
        .ok_or_else(|| fault(ErrorCode::INVALID_ARG, format!("'{device}' is not a known interface")))
}

/// A direction with the parameters that state something about it; `None` when none does.
fn direction(list: &[TypedParam], name: &str) -> Option<Tree> {
    let mut tree = Tree::new(name);
    let mut stated = false;
    for (param, side, attribute) in KNOBS {
        if side != name {
            continue;
        }
        if let Some(TypedValue::UInt(value)) = params::find(list, param) {
            stated = true;
            if *value != 0 {
                tree.set(attribute, value.to_string());
            }
        }
    }
    stated.then_some(tree)
}

/// Puts the stated directions in the place of those an interface has. Without an average or floor a direction has no limit.
fn merge(old: Option<&Tree>, wish: &[Tree]) -> Tree {
    let mut bandwidth = old.cloned().unwrap_or_else(|| Tree::new("bandwidth"));
    for side in wish {
        bandwidth.remove(&side.name);
        if side.attr("average").is_some() || side.attr("floor").is_some() {
            bandwidth.children.push(side.clone());
        }
    }
    bandwidth
}

fn state(domain: &mut Domain, device: &str, bandwidth: &Tree) -> Result<()> {
    let address = find(domain, device)?.attr_at("mac", "address").unwrap_or_default().to_owned();
    let interfaces = domain.devices_mut().iter_mut().filter(|device| device.name == "interface");
    for interface in interfaces.filter(|interface| interface.attr_at("mac", "address") == Some(&address)) {
        state_in(interface, bandwidth);
    }
    Ok(())
}

/// States limits in an interface, and in what it is really connected to.
fn state_in(interface: &mut Tree, bandwidth: &Tree) {
    if let Some(actual) = interface.child_mut("actual") {
        state_in(actual, bandwidth);
    }
    let had = interface.child("bandwidth").is_some();
    interface.remove("bandwidth");
    if had || !bandwidth.children.is_empty() {
        interface.children.push(bandwidth.clone());
    }
}

impl Driver {
    pub(super) fn set_interface_parameters(
        &self,
        dom: &DomainRef,
        device: &str,
        list: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetInterfaceParameters")?;
        params::validate(list, &KNOBS.map(|(name, ..)| (name, kind::UINT)))?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set interface parameters")?;
        let value = guest.value();
        let target = value.target(flags)?;
        let wish: Vec<Tree> =
            ["inbound", "outbound"].into_iter().filter_map(|side| direction(list, side)).collect();
        if let Some(config) = value.config.as_ref().filter(|_| target.config) {
            find(config, device)?;
        }
        if target.live {
            let live = guest.live()?;
            let interface = find(&live.domain, device)?;
            let bandwidth = merge(interface.child("bandwidth"), &wish);
            nic::check_floor(interface, &bandwidth)?;
            let owner = Owner::of(&live.domain);
            let mut wanted = interface.clone();
            state_in(&mut wanted, &bandwidth);
            self.nics.shape(&owner, &wanted).inspect_err(|_| drop(self.nics.shape(&owner, interface)))?;
            self.change_live(&guest, |domain| state(domain, device, &bandwidth))?;
        }
        if target.config {
            self.change_config(&guest, |domain| {
                let bandwidth = merge(find(domain, device)?.child("bandwidth"), &wish);
                state(domain, device, &bandwidth)
            })?;
        }
        Ok(())
    }

    pub(super) fn interface_parameters(
        &self,
        dom: &DomainRef,
        device: &str,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetInterfaceParametersRet> {
        check_flags(flags, 3 | STRING_OKAY, "qemuDomainGetInterfaceParameters")?;
        let domain = self.find(dom)?.value().definition(flags)?;
        if nparams == 0 {
            return Ok(DomainGetInterfaceParametersRet { params: Vec::new(), nparams: KNOBS.len() as i32 });
        }
        let interface = find(&domain, device)?;
        let number = |side: &str, attribute: &str| {
            let text = interface.at("bandwidth")?.attr_at(side, attribute)?;
            text.parse::<u32>().ok()
        };
        let found: Vec<TypedParam> = KNOBS
            .iter()
            .map(|(name, side, attribute)| TypedParam::new(*name, number(side, attribute).unwrap_or(0)))
            .collect();
        let params = params::room(found, nparams);
        Ok(DomainGetInterfaceParametersRet { nparams: params.len() as i32, params })
    }
}
