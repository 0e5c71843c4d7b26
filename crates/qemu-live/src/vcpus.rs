//! Processors of a running guest.
//!
//! The emulator knows *entities* that can be plugged as one (a thread on x86, a core with its threads on POWER) and the
//! processors that run. Numbers of the interface go through the entities in their order.

use crate::Monitor;
use base::{Error, ErrorCode, ErrorDomain, Result};
pub use qemu_replies::vcpus::Place;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use xml::Tree;

const FROM: ErrorDomain = ErrorDomain::QEMU;

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
    /// What it is plugged with, when it is the first of it.
    pub entity: Option<Place>,
}

/// Reads the emulator's two lists, of entities (none on a machine that has none) and of processors that run. `most` is the
/// number of processors the guest may have.
///
/// # Errors
/// When the lists do not make sense.
pub fn interpret(entities: Option<&Json>, running: &Json, most: u32) -> Result<Vec<Vcpu>> {
    let told = qemu_replies::vcpus::vcpus(entities, running, most as usize)
        .map_err(|cause| Error::internal(FROM, cause.to_string()))?;
    let mut vcpus: Vec<Vcpu> = (0u32..)
        .zip(told)
        .map(|(id, told)| Vcpu {
            id,
            online: told.online,
            hotpluggable: told.hotpluggable,
            order: match (&told.place, entities) {
                (Some(place), _) => place.order.unwrap_or(0),
                (None, Some(_)) => 0,
                (None, None) => id + 1,
            },
            thread: told.thread.and_then(|thread| i32::try_from(thread).ok()),
            entity: told.place,
        })
        .collect();
    vcpus.extend((vcpus.len() as u32..most).map(|id| Vcpu { id, ..Vcpu::default() }));
    Ok(vcpus)
}

/// Asks the emulator for its processors.
///
/// # Errors
/// When it does not answer, or not sensibly.
pub fn ask(monitor: &dyn Monitor, most: u32) -> Result<Vec<Vcpu>> {
    let entities = match monitor.command("query-hotpluggable-cpus", Json::Null) {
        Ok(list) => Some(list),
        // Machines whose processors cannot be plugged refuse the question.
        Err(cause) if cause.code() == ErrorCode::INTERNAL_ERROR => None,
        Err(cause) => return Err(cause),
    };
    let running = monitor.command("query-cpus-fast", Json::Null)?;
    interpret(entities.as_ref(), &running, most)
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
    let at = &entity.topology;
    for (name, value) in [
        ("socket-id", at.socket),
        ("die-id", at.die),
        ("cluster-id", at.cluster),
        ("core-id", at.core),
        ("thread-id", at.thread),
        ("node-id", at.node),
    ] {
        if let Some(value) = value {
            arguments.insert(name.to_owned(), json!(value));
        }
    }
    Some(Json::Object(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four processors in two cores of two threads; the first core is built in, the second can be plugged.
    fn cores() -> Vec<Vcpu> {
        let entities = json!([
            {"props": {"core-id": 2}, "vcpus-count": 2, "type": "core"},
            {"props": {"core-id": 0}, "vcpus-count": 2, "type": "core", "qom-path": "/machine/unattached/device[1]"},
        ]);
        let running = json!([
            {"cpu-index": 0, "thread-id": 10, "qom-path": "/machine/unattached/device[1]/thread[0]"},
            {"cpu-index": 1, "thread-id": 11, "qom-path": "/machine/unattached/device[1]/thread[1]"},
        ]);
        interpret(Some(&entities), &running, 4).unwrap()
    }

    #[test]
    fn whole_entities_only() {
        let vcpus = cores();
        assert_eq!(select(&vcpus, 4).unwrap(), (true, vec![2]));
        assert!(select(&vcpus, 3).is_err());
        assert!(select(&vcpus, 1).is_err());
        let map = |ids: &[u32], on| select_map(&vcpus, &ids.iter().copied().collect(), on);
        assert_eq!(map(&[2, 3], true).unwrap(), [2]);
        assert!(map(&[2], true).unwrap_err().message().contains("partially selected"));
        assert!(map(&[0], true).unwrap_err().message().contains("already in requested state"));
        assert!(map(&[0, 1], false).unwrap_err().message().contains("can't be unplugged"));
        assert_eq!(device(&vcpus[2]).unwrap(), json!({"driver": "core", "id": "vcpu2", "core-id": 2}));
    }

    #[test]
    fn listed_when_some_are_off() {
        let mut tree = Tree::new("domain");
        let vcpus = cores();
        write(&mut tree, &vcpus);
        assert_eq!(tree.attr_at("vcpu", "current"), Some("2"));
        let list = tree.child("vcpus").unwrap();
        assert_eq!(list.children.len(), 4);
        assert_eq!(list.children[0].attr("order"), Some("1"));
        assert_eq!(list.children[1].attr("order"), None);
    }
}
