//! Events of the test driver: how many of each come after steps.

use super::{Verdict, whole};
use crate::manifest::Case;
use api::event::Event;
use api::session::{Session, Subject};
use api::{Call, DomainConfig, DomainLifecycle, NodeDevice, Storage};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(steps(case))
}

const LIFE: [&str; 9] = [
    "defined",
    "undefined",
    "started",
    "suspended",
    "resumed",
    "stopped",
    "shutdown",
    "pmsuspended",
    "crashed",
];
const POOL: [&str; 6] = ["defined", "undefined", "started", "stopped", "created", "deleted"];
const DEVICE: [&str; 2] = ["created", "deleted"];

/// The kind of an event and its name.
fn name(event: &Event) -> Option<(&'static str, &'static str)> {
    let pick = |names: &[&'static str], number: i32| names.get(usize::try_from(number).ok()?).copied();
    Some(match event {
        Event::DomainLifecycle(m) => ("domain", pick(&LIFE, m.event)?),
        Event::StoragePoolLifecycle(m) => ("pool", pick(&POOL, m.event)?),
        Event::NodeDeviceLifecycle(m) => ("node device", pick(&DEVICE, m.event)?),
        _ => return None,
    })
}

type Wish = (&'static str, Option<Subject>);

fn steps(case: &Case) -> Result<(), String> {
    let text = |error: base::Error| error.message().to_owned();
    let test = driver_test::open_alone().map_err(text)?;
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let sink = events.clone();
    // Who is not registered yet does not hear of it later.
    let open = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let listening = open.clone();
    test.on_event(Arc::new(move |_, event| {
        if listening.load(std::sync::atomic::Ordering::Relaxed) {
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
    }));
    let cx = Call::internal();
    let mut wishes: Vec<Wish> = Vec::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut domain = None;
    let mut pool = None;
    let mut device = None;
    let list = case.facts["input"]["steps"].as_array().ok_or("the case has no steps")?;
    for step in list.iter().filter_map(Value::as_str) {
        let has = |words: &[&str]| words.iter().all(|word| step.contains(word));
        if has(&["register"]) {
            let kind = if has(&["pool"]) {
                "pool"
            } else if has(&["node device"]) {
                "node device"
            } else {
                "domain"
            };
            let subject = if has(&["that domain"]) { domain.clone().map(Subject::Domain) } else { None };
            wishes.push((kind, subject));
            open.store(true, std::sync::atomic::Ordering::Relaxed);
        } else if has(&["run"]) {
            for event in std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner)) {
                let Some((kind, name)) = name(&event) else { continue };
                let heard = wishes.iter().filter(|(known, subject)| {
                    *known == kind && subject.as_ref().is_none_or(|subject| subject.of(&event))
                });
                *counts.entry(name).or_default() += heard.count() as u64;
            }
        } else if has(&["create", "domain"]) {
            domain = Some(test.domain_create_xml(&cx, &case.read_file("domainDef.xml")?, 0).map_err(text)?);
        } else if has(&["create", "pool"]) {
            pool = Some(
                test.storage_pool_create_xml(&cx, &case.read_file("storagePoolDef.xml")?, 0).map_err(text)?,
            );
        } else if has(&["create", "device"]) {
            device = Some(
                test.node_device_create_xml(&cx, &case.read_file("nodeDeviceDef.xml")?, 0).map_err(text)?,
            );
        } else if has(&["destroy"]) {
            test.node_device_destroy(&cx, &device.take().ok_or("no device")?.name).map_err(text)?;
        } else if has(&["undefine"]) {
            match (&domain, &pool) {
                (Some(dom), _) => test.domain_undefine(&cx, dom).map_err(text)?,
                (_, Some(pool)) => test.storage_pool_undefine(&cx, pool).map_err(text)?,
                _ => return Err("nothing to undefine".to_owned()),
            }
        } else if has(&["define", "domain"])
            || (has(&["define"]) && wishes.iter().all(|(kind, _)| *kind == "domain"))
        {
            domain = Some(test.domain_define_xml(&cx, &case.read_file("domainDef.xml")?).map_err(text)?);
        } else if has(&["define"]) || has(&["build"]) {
            let xml = case.read_file("storagePoolDef.xml")?;
            pool = Some(test.storage_pool_define_xml(&cx, &xml, 0).map_err(text)?);
            if has(&["build"]) {
                events.lock().unwrap_or_else(PoisonError::into_inner).clear();
                test.storage_pool_build(&cx, pool.as_ref().ok_or("no pool")?, 0).map_err(text)?;
            }
        } else {
            return Err(format!("unknown step: {step}"));
        }
    }
    // What the case does not count may happen too.
    let wanted = case.facts["expected"].as_object().ok_or("the case expects nothing")?;
    for (name, count) in wanted {
        let got = counts.get(name.as_str()).copied().unwrap_or(0);
        if *count != json!(got) {
            return Err(format!("expected {count} of {name}, got {counts:?}"));
        }
    }
    Ok(())
}
