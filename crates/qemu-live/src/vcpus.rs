//! Processors of a running guest.
//!
//! The emulator knows *entities* that can be plugged as one (a thread on x86, a core with its threads on POWER) and the
//! processors that run. Numbers of the interface go through the entities in their order.

use crate::Monitor;
use base::{Error, ErrorCode, ErrorDomain, Result};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use xml::Tree;

const FROM: ErrorDomain = ErrorDomain::QEMU;

/// Most processors of one guest that are believed.
const MOST: usize = 1 << 14;

/// Something that is plugged as one. It belongs to the first of its processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Type of the device.
    pub kind: String,
    /// Its name, when it was plugged or made to be.
    pub alias: Option<String>,
    /// Where it lies in the emulator's tree of objects, when it is plugged.
    pub path: Option<String>,
    /// Where it goes: properties of the device.
    pub place: Map<String, Json>,
    /// Processors in it.
    pub count: u32,
}

/// One processor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vcpu {
    /// Number, from 0.
    pub id: u32,
    /// It is switched on.
    pub online: bool,
    /// It may be switched off while the guest runs.
    pub hotpluggable: bool,
    /// Place in the order in which entities were plugged, from 1; 0 when it is not plugged or not first of its entity.
    pub order: u32,
    /// Thread of the emulator.
    pub thread: Option<i32>,
    /// The emulator's own number.
    pub index: Option<u64>,
    /// It waits for an interrupt.
    pub halted: bool,
    /// What it is plugged with, when it is the first of it.
    pub entity: Option<Entity>,
}

fn text(value: &Json, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn entity(value: &Json) -> Option<Entity> {
    let path = text(value, "qom-path");
    let alias = path.as_deref().and_then(|path| path.strip_prefix("/machine/peripheral/")).map(str::to_owned);
    Some(Entity {
        kind: text(value, "type")?,
        alias,
        path,
        place: value.get("props")?.as_object()?.clone(),
        count: u32::try_from(value.get("vcpus-count")?.as_u64()?).ok()?,
    })
}

/// Whether an object lies at or below a place of the emulator's tree.
fn within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reads the emulator's two lists, of entities (empty when it has none) and of processors that run. `most` is the number of
/// processors the guest may have.
///
/// # Errors
/// When the lists do not fit together.
pub fn interpret(entities: &Json, running: &Json, most: u32) -> Result<Vec<Vcpu>> {
    let wrong = |what: &str| Error::internal(FROM, format!("query-cpus-fast reply {what}"));
    let most = most as usize;
    if most > MOST {
        return Err(wrong("has too many processors"));
    }
    let mut vcpus: Vec<Vcpu> = (0..most as u32).map(|id| Vcpu { id, ..Vcpu::default() }).collect();
    let running = running.as_array().ok_or_else(|| wrong("data is missing"))?;
    // The emulator lists the entity that goes last first.
    let entities: Vec<Entity> =
        entities.as_array().map(|list| list.iter().rev().filter_map(entity).collect()).unwrap_or_default();
    if entities.is_empty() {
        for (vcpu, cpu) in vcpus.iter_mut().zip(running) {
            switch_on(vcpu, cpu);
            vcpu.order = vcpu.id + 1;
        }
        return Ok(vcpus);
    }
    let mut first = 0usize;
    let mut starts = Vec::with_capacity(entities.len());
    for entity in entities {
        let count = entity.count as usize;
        let hotpluggable = entity.alias.is_some() || entity.path.is_none();
        let part = vcpus.get_mut(first..first.saturating_add(count)).unwrap_or_default();
        for vcpu in part.iter_mut() {
            vcpu.hotpluggable = hotpluggable;
        }
        if let Some(vcpu) = part.first_mut() {
            starts.push((first, count, entity.path.clone()));
            vcpu.entity = Some(entity);
        }
        first += count;
    }
    let mut order = 0u32;
    for cpu in running {
        let path = text(cpu, "qom-path").ok_or_else(|| wrong("is missing qom-path"))?;
        let found = starts.iter().find(|(.., place)| place.as_deref().is_some_and(|place| within(&path, place)));
        let Some((start, count, _)) = found else { continue };
        let part = vcpus.get_mut(*start..start + count).unwrap_or_default();
        if let Some(head) = part.first_mut().filter(|head| head.order == 0) {
            order += 1;
            head.order = order;
        }
        if let Some(vcpu) = part.iter_mut().find(|vcpu| !vcpu.online) {
            switch_on(vcpu, cpu);
        }
    }
    Ok(vcpus)
}

fn switch_on(vcpu: &mut Vcpu, cpu: &Json) {
    vcpu.online = true;
    vcpu.thread = cpu.get("thread-id").and_then(Json::as_i64).and_then(|thread| i32::try_from(thread).ok());
    vcpu.index = cpu.get("cpu-index").and_then(Json::as_u64);
    vcpu.halted = cpu.get("halted").and_then(Json::as_bool).unwrap_or(false);
}

/// Asks the emulator for its processors.
///
/// # Errors
/// When it does not answer, or not sensibly.
pub fn ask(monitor: &dyn Monitor, most: u32) -> Result<Vec<Vcpu>> {
    let entities = match monitor.command("query-hotpluggable-cpus", Json::Null) {
        Ok(list) => list,
        // Machines whose processors cannot be plugged refuse the question.
        Err(cause) if cause.code() == ErrorCode::INTERNAL_ERROR => Json::Null,
        Err(cause) => return Err(cause),
    };
    interpret(&entities, &monitor.command("query-cpus-fast", Json::Null)?, most)
}

/// Writes into a running definition which processors it has. A guest that has all of them from the start and always had
/// is not listed one by one.
pub fn write(tree: &mut Tree, vcpus: &[Vcpu]) {
    let online = vcpus.iter().filter(|vcpu| vcpu.online).count();
    let vcpu = tree.child_or_new("vcpu");
    if online == vcpus.len() {
        vcpu.unset("current");
        if tree.child("vcpus").is_none() {
            return;
        }
    } else {
        vcpu.set("current", online.to_string());
    }
    let word = |set: bool| if set { "yes" } else { "no" };
    let list = tree.child_or_new("vcpus");
    list.children.clear();
    for vcpu in vcpus {
        let mut element = Tree::new("vcpu")
            .with("id", vcpu.id.to_string())
            .with("enabled", word(vcpu.online))
            .with("hotpluggable", word(vcpu.hotpluggable));
        if vcpu.order != 0 {
            element.set("order", vcpu.order.to_string());
        }
        list.children.push(element);
    }
}

/// The entities that have to be plugged or unplugged, each by its first processor, to get from the present number of
/// processors to another.
///
/// # Errors
/// When the number cannot be reached with whole entities.
pub fn select(vcpus: &[Vcpu], wanted: u32) -> Result<(bool, Vec<u32>)> {
    let mut current = vcpus.iter().filter(|vcpu| vcpu.online).count() as u32;
    let plug = wanted > current;
    let mut chosen = Vec::new();
    let fits = |vcpu: &&Vcpu| vcpu.entity.is_some() && vcpu.online != plug;
    let candidates: Vec<&Vcpu> = if plug {
        vcpus.iter().filter(fits).collect()
    } else {
        // What was plugged last goes first; the processor a machine starts with stays.
        vcpus.iter().rev().filter(fits).filter(|vcpu| vcpu.hotpluggable).collect()
    };
    for vcpu in candidates {
        let count = vcpu.entity.as_ref().map_or(1, |entity| entity.count);
        if current == wanted {
            break;
        }
        let fits = if plug { current + count <= wanted } else { current >= wanted + count };
        if !fits {
            continue;
        }
        current = if plug { current + count } else { current - count };
        chosen.push(vcpu.id);
    }
    if current != wanted {
        return Err(Error::unsupported(
            FROM,
            "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count",
        ));
    }
    Ok((plug, chosen))
}

/// The entities that a set of single processors makes up.
///
/// # Errors
/// When the set does not consist of whole entities that can be switched.
pub fn select_map(vcpus: &[Vcpu], map: &BTreeSet<u32>, on: bool) -> Result<Vec<u32>> {
    let invalid = |text: String| Err(Error::new(ErrorCode::INVALID_ARG, FROM, text));
    for id in map {
        match vcpus.get(*id as usize) {
            None => return invalid(format!("vcpu {id} is not present in live config")),
            Some(vcpu) if vcpu.online == on => {
                return invalid(format!("vcpu '{id}' is already in requested state"));
            }
            Some(vcpu) if !on && !vcpu.hotpluggable => {
                let text = format!("vcpu '{id}' can't be unplugged");
                return Err(Error::new(ErrorCode::OPERATION_UNSUPPORTED, FROM, text));
            }
            Some(_) => {}
        }
    }
    let mut chosen = Vec::new();
    for vcpu in vcpus.iter() {
        let Some(entity) = &vcpu.entity else { continue };
        let own: BTreeSet<u32> = (vcpu.id..vcpu.id.saturating_add(entity.count)).collect();
        match own.difference(map).next() {
            None => chosen.push(vcpu.id),
            Some(_) if own.is_disjoint(map) => {}
            Some(missing) => {
                let last = vcpu.id + entity.count.saturating_sub(1);
                return invalid(format!(
                    "vcpu '{missing}' was not selected but it belongs to hotpluggable entity '{}-{last}' which was partially selected",
                    vcpu.id
                ));
            }
        }
    }
    Ok(chosen)
}

/// The arguments of `device_add` for a processor that is to be plugged.
pub fn device(vcpu: &Vcpu) -> Option<Json> {
    let entity = vcpu.entity.as_ref()?;
    let mut arguments = Map::new();
    arguments.insert("driver".to_owned(), json!(entity.kind));
    arguments.insert("id".to_owned(), json!(format!("vcpu{}", vcpu.id)));
    // Places are given in the order of the levels of a machine.
    for name in ["node-id", "socket-id", "die-id", "cluster-id", "module-id", "core-id", "thread-id"] {
        if let Some(value) = entity.place.get(name) {
            arguments.insert(name.to_owned(), value.clone());
        }
    }
    Some(Json::Object(arguments))
}
