//! Processors of the guest and the threads of the emulator beside them: `-smp`, I/O threads, the main loop.

use super::address::number;
use super::machine::Options;
use super::{Builder, Json, ability};
use xml::Tree;

/// Threads are numbered up to this at most.
const MOST_THREADS: usize = 1 << 12;

/// Processors that are there from the start; those that can be unplugged are plugged before the guest runs.
fn at_start(b: &Builder<'_>) -> u32 {
    match b.domain.tree.child("vcpus") {
        Some(list) => {
            let fixed =
                list.all("vcpu").filter(|vcpu| vcpu.is("enabled", "yes") && !vcpu.is("hotpluggable", "yes"));
            u32::try_from(fixed.count()).unwrap_or(u32::MAX)
        }
        None => b.domain.vcpus(),
    }
}

pub(super) fn processors(b: &mut Builder<'_>) {
    let (current, most) = (at_start(b), b.domain.vcpus_max());
    let mut options = Options::new(&current.to_string());
    if current != most {
        options.put("maxcpus", most);
    }
    match b.domain.tree.at("cpu/topology") {
        Some(topology) => {
            for name in ["sockets", "dies", "clusters", "cores", "threads"] {
                if name != "clusters" || ability::clusters(b.caps) {
                    options.put_opt(name, topology.attr(name));
                }
            }
        }
        None => {
            options.put("sockets", most);
            options.put("cores", 1);
            options.put("threads", 1);
        }
    }
    b.option("-smp", options.text());
}

/// Limits of a pool of workers.
fn pool(json: Json, element: &Tree) -> Json {
    json.put_opt("thread-pool-min", element.attr("thread_pool_min").and_then(number))
        .put_opt("thread-pool-max", element.attr("thread_pool_max").and_then(number))
}

/// One thread.
pub(super) fn thread(id: &str, element: Option<&Tree>, with_pool: bool) -> Json {
    let json = Json::object("iothread", format!("iothread{id}"));
    let Some(element) = element else { return json };
    let json = if with_pool { pool(json, element) } else { json };
    let poll = |name: &str| element.child("poll").and_then(|poll| poll.attr(name)).and_then(number);
    json.put_opt("poll-max-ns", poll("max"))
        .put_opt("poll-grow", poll("grow"))
        .put_opt("poll-shrink", poll("shrink"))
}

/// All threads of a definition with their numbers.
pub(super) fn threads(b: &Builder<'_>) -> Vec<Json> {
    let tree = &b.domain.tree;
    let with_pool = ability::thread_pool(b.caps);
    let named: Vec<(&str, &Tree)> = tree
        .child("iothreadids")
        .into_iter()
        .flat_map(|ids| ids.all("iothread"))
        .filter_map(|element| Some((element.attr("id")?, element)))
        .collect();
    let counted = tree.text_of("iothreads").and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
    let mut objects: Vec<Json> =
        named.iter().map(|(id, element)| thread(id, Some(element), with_pool)).collect();
    let mut free =
        (1..).map(|id: usize| id.to_string()).filter(|id| !named.iter().any(|(taken, _)| taken == id));
    while objects.len() < counted.min(MOST_THREADS) {
        let Some(id) = free.next() else { break };
        objects.push(thread(&id, None, with_pool));
    }
    objects
}

pub(super) fn iothreads(b: &mut Builder<'_>) {
    threads(b).into_iter().for_each(|object| b.object(object));
    let main = b.domain.tree.child("defaultiothread");
    if let Some(main) = main.filter(|_| ability::thread_pool(b.caps)) {
        b.object(pool(Json::object("main-loop", "main-loop"), main));
    }
}
