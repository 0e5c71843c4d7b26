//! Transfers of block devices of the host: weight and limits of the control group.

use super::params::{self, STRING_OKAY, kind};
use crate::guest::Live;
use crate::placement::{DEVICE_LIMITS, refusal};
use crate::{Driver, FROM, check_flags};
use api::domain_tuning::DomainGetBlkioParametersRet;
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use engine::JobKind;
use host::cgroup::{Cgroup, Controller, DeviceLimit};
use xml::Tree;

/// Parameters: name, element of a device, limit. The order is that in which clients get them.
fn device_params() -> impl Iterator<Item = (String, &'static str, DeviceLimit)> {
    DEVICE_LIMITS.into_iter().map(|(element, limit)| (format!("device_{element}"), element, limit))
}

fn group(live: &Live) -> Result<&Cgroup> {
    live.cgroup
        .as_ref()
        .filter(|group| group.has(Controller::BlockIo))
        .ok_or_else(|| Error::operation_invalid(FROM, "blkio cgroup isn't mounted"))
}

/// `path,number,path,number`.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, u64)>> {
    let wrong = || {
        let text = format!("unable to parse blkio device '{name}' '{text}'");
        Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text)
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let most = if name.ends_with("bytes_sec") { u64::MAX } else { u32::MAX.into() };
    let words: Vec<&str> = text.split(',').collect();
    let mut found = Vec::new();
    for pair in words.chunks(2) {
        let [path, number] = pair else { return Err(wrong()) };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        if path.is_empty() || number > most {
            return Err(wrong());
        }
        found.push(((*path).to_owned(), number));
    }
    Ok(found)
}

/// What is set, one thing at a time, as a running guest's group takes it.
enum Change {
    Weight(u32),
    Device(&'static str, DeviceLimit, String, u64),
}

fn changes(list: &[TypedParam]) -> impl Iterator<Item = Result<Change>> + '_ {
    list.iter().flat_map(|param| match &param.value {
        TypedValue::UInt(weight) => vec![Ok(Change::Weight(*weight))],
        TypedValue::String(text) => {
            let Some((_, element, limit)) = device_params().find(|(name, ..)| *name == param.field) else {
                return Vec::new();
            };
            match pairs(&param.field, text) {
                Err(cause) => vec![Err(cause)],
                Ok(pairs) => pairs
                    .into_iter()
                    .map(|(path, number)| Ok(Change::Device(element, limit, path, number)))
                    .collect(),
            }
        }
        _ => Vec::new(),
    })
}

fn state(domain: &mut Domain, change: &Change) {
    let tune = domain.tree.child_or_new("blkiotune");
    match change {
        Change::Weight(0) => tune.remove("weight"),
        Change::Weight(weight) => tune.child_or_new("weight").text = Some(weight.to_string()),
        Change::Device(element, _, path, number) => {
            let known = tune.all_mut("device").any(|device| device.text_of("path") == Some(path));
            if !known {
                tune.children.push(Tree::new("device").holding(Tree::leaf("path", path.clone())));
            }
            for device in tune.all_mut("device").filter(|device| device.text_of("path") == Some(path)) {
                device.remove(element);
                if *number != 0 {
                    device.children.push(Tree::leaf(element, number.to_string()));
                }
            }
            // A device with nothing but its path says nothing.
            tune.children.retain(|child| child.name != "device" || child.children.len() > 1);
        }
    }
    if domain.tree.child("blkiotune").is_some_and(|tune| tune.children.is_empty()) {
        domain.tree.remove("blkiotune");
    }
}

impl Driver {
    pub(super) fn set_blkio_parameters(
        &self,
        dom: &DomainRef,
        list: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetBlkioParameters")?;
        let names: Vec<String> = device_params().map(|(name, ..)| name).collect();
        let mut known = vec![("weight", kind::UINT)];
        known.extend(names.iter().map(|name| (name.as_str(), kind::STRING)));
        params::validate(list, &known)?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set transfer parameters")?;
        let target = guest.value().target(flags)?;
        if target.live {
            let live = guest.live()?;
            let group = group(&live)?;
            let mut done = Vec::new();
            let mut failed = None;
            for change in changes(list) {
                let outcome = change.and_then(|change| {
                    let set = match &change {
                        Change::Weight(weight) => group.set_io_weight(*weight),
                        Change::Device(_, limit, path, number) => group.set_device(*limit, path, *number),
                    };
                    set.map(|()| change).map_err(|cause| refusal(&cause))
                });
                match outcome {
                    Ok(change) => done.push(change),
                    Err(cause) => failed = Some(cause),
                }
            }
            if !done.is_empty() {
                self.change_live(&guest, |domain| {
                    done.iter().for_each(|change| state(domain, change));
                    Ok(())
                })?;
            }
            if let Some(cause) = failed {
                return Err(cause);
            }
        }
        if target.config {
            let all: Vec<Change> = changes(list).collect::<Result<_>>()?;
            self.change_config(&guest, |domain| {
                all.iter().for_each(|change| state(domain, change));
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn blkio_parameters(
        &self,
        dom: &DomainRef,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainGetBlkioParametersRet> {
        check_flags(flags, 3 | STRING_OKAY, "qemuDomainGetBlkioParameters")?;
        let value = self.find(dom)?.value();
        let domain = value.definition(flags)?;
        if nparams == 0 {
            return Ok(DomainGetBlkioParametersRet { params: Vec::new(), nparams: 6 });
        }
        let live = value.live.as_ref().filter(|_| flags & 3 != 2);
        let tune = domain.tree.child("blkiotune");
        let weight: u32 = match live {
            Some(live) => group(live)?.io_weight().map_err(|cause| refusal(&cause))?,
            None => tune
                .and_then(|tune| tune.text_of("weight"))
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
        };
        let mut found = vec![TypedParam::new("weight", weight)];
        for (name, element, _) in device_params() {
            let stated = |device: &Tree| {
                let number = device.text_of(element)?.trim();
                (number != "0").then(|| format!("{},{number}", device.text_of("path").unwrap_or_default()))
            };
            let devices = tune.into_iter().flat_map(|tune| tune.all("device"));
            let all: Vec<String> = devices.filter_map(stated).collect();
            found.push(TypedParam::new(name, all.join(",")));
        }
        let params = params::room(found, nparams);
        Ok(DomainGetBlkioParametersRet { nparams: params.len() as i32, params })
    }
}
