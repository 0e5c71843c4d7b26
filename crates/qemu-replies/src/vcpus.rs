//! The processors of a guest.
//!
//! `query-hotpluggable-cpus` tells the places for processors, `query-cpus-fast` the threads that run. A place may hold
//! several processors (the threads of a POWER core); processors are numbered by places, the first place first.

use crate::{Malformed, list, number, text};
use serde_json::Value;

/// Where a processor sits in its guest; what the machine does not have is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Topology {
    /// Socket.
    pub socket: Option<u32>,
    /// Die in the socket.
    pub die: Option<u32>,
    /// Cluster in the die.
    pub cluster: Option<u32>,
    /// Core in the cluster.
    pub core: Option<u32>,
    /// Thread in the core.
    pub thread: Option<u32>,
    /// NUMA node.
    pub node: Option<u32>,
}

/// A place for processors, told by the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Type of the device.
    pub kind: String,
    /// Path of the device in the emulator; `None` when the place is empty.
    pub path: Option<String>,
    /// Alias of a device that was plugged in, so that it can be unplugged.
    pub alias: Option<String>,
    /// Where it is.
    pub topology: Topology,
    /// Processors in it.
    pub count: u32,
    /// The how-many-th place to be filled, from 1; `None` when it is empty.
    pub order: Option<u32>,
}

/// A processor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vcpu {
    /// It runs.
    pub online: bool,
    /// It can be unplugged or, when it does not run, plugged in.
    pub hotpluggable: bool,
    /// The host's number of its thread.
    pub thread: Option<u32>,
    /// The emulator's number.
    pub index: Option<u32>,
    /// It stands still; only some architectures tell.
    pub halted: Option<bool>,
    /// Its place, at the first processor of the place.
    pub place: Option<Place>,
}

/// Processors that one answer may speak of.
const MOST: usize = 1 << 16;

struct Thread {
    path: Option<String>,
    thread: Option<u32>,
    index: Option<u32>,
    halted: Option<bool>,
}

fn threads(reply: &Value) -> Result<Vec<Thread>, Malformed> {
    let entries = list(reply, "cpu reply was not an array")?;
    let one = |entry: &Value| Thread {
        path: text(entry, "qom-path"),
        thread: number(entry, "thread-id"),
        index: number(entry, "cpu-index"),
        halted: text(entry, "cpu-state").map(|state| matches!(state.as_str(), "stopped" | "check-stop")),
    };
    Ok(entries.iter().take(MOST).map(one).collect())
}

fn place(entry: &Value) -> Result<Place, Malformed> {
    let props = entry.get("props").ok_or(Malformed("query-hotpluggable-cpus didn't return device props"))?;
    let path = text(entry, "qom-path");
    let plugged = path.as_deref().and_then(|path| path.strip_prefix("/machine/peripheral/"));
    Ok(Place {
        kind: text(entry, "type").ok_or(Malformed("query-hotpluggable-cpus didn't return device type"))?,
        alias: plugged.map(|rest| rest.split('/').next().unwrap_or_default().to_owned()),
        path,
        topology: Topology {
            socket: number(props, "socket-id"),
            die: number(props, "die-id"),
            cluster: number(props, "cluster-id"),
            core: number(props, "core-id"),
            thread: number(props, "thread-id"),
            node: number(props, "node-id"),
        },
        count: number(entry, "vcpus-count")
            .filter(|count| *count > 0)
            .ok_or(Malformed("query-hotpluggable-cpus didn't return vcpus-count"))?,
        order: None,
    })
}

/// Processors by the answers to `query-hotpluggable-cpus`, where the machine has that, and `query-cpus-fast`; at most
/// `most` of them.
///
/// # Errors
/// When an answer makes no sense, or speaks of more processors than there can be.
pub fn vcpus(places: Option<&Value>, cpus: &Value, most: usize) -> Result<Vec<Vcpu>, Malformed> {
    let threads = threads(cpus)?;
    let Some(places) = places else {
        let one = |thread: Thread| Vcpu {
            online: true,
            thread: thread.thread,
            index: thread.index,
            halted: thread.halted,
            ..Vcpu::default()
        };
        return Ok(threads.into_iter().take(most).map(one).collect());
    };
    let entries = list(places, "query-hotpluggable-cpus reply was not an array")?;
    // The emulator tells the last place first.
    let mut places = entries.iter().rev().map(place).collect::<Result<Vec<_>, _>>()?;
    let mut starts = Vec::with_capacity(places.len());
    let mut total = 0usize;
    for place in &places {
        starts.push(total);
        total = total.saturating_add(place.count as usize);
    }
    if total > most {
        return Err(Malformed("query-hotpluggable-cpus returned more vcpus than the domain may have"));
    }
    let mut vcpus = vec![Vcpu::default(); total];
    let mut filled = vec![0usize; places.len()];
    let mut order = 0;
    for thread in threads {
        let Some(path) = thread.path.as_deref() else { continue };
        let holds = |place: &Place| {
            place
                .path
                .as_deref()
                .and_then(|own| path.strip_prefix(own))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let Some(at) = places.iter().position(holds) else { continue };
        let (Some(place), Some(start), Some(used)) = (places.get_mut(at), starts.get(at), filled.get_mut(at))
        else {
            continue;
        };
        if *used >= place.count as usize {
            continue;
        }
        if place.order.is_none() {
            order += 1;
            place.order = Some(order);
        }
        if let Some(vcpu) = vcpus.get_mut(start + *used) {
            vcpu.online = true;
            vcpu.thread = thread.thread;
            vcpu.index = thread.index;
            vcpu.halted = thread.halted;
        }
        *used += 1;
    }
    for (place, start) in places.into_iter().zip(starts) {
        let removable = place.path.is_none() || place.alias.is_some();
        for vcpu in vcpus.iter_mut().skip(start).take(place.count as usize) {
            vcpu.hotpluggable = removable;
        }
        if let Some(first) = vcpus.get_mut(start) {
            first.place = Some(place);
        }
    }
    Ok(vcpus)
}
