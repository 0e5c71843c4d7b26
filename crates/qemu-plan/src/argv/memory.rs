//! Memory: `-m`, the objects that hold it, and where on the host it comes from.
//!
//! ```text
//! main memory ─┐
//! cell N      ─┼─▶ Need (size, cell, own wishes) ──with <memoryBacking>, <numatune>, host──▶ Backend (object, its thread)
//! module      ─┘
//! ```

use super::address::number;
use super::machine::{Options, main_memory};
use super::{Builder, HugePages, Json, ability, on_off};
use base::Result;
use conf_domain::{Domain, bitmap};
use std::collections::BTreeSet;
use xml::Tree;

/// Pages of the host's usual size need no file of their own.
const USUAL_PAGE_KIB: u64 = 4;

/// A piece of memory the guest needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Need<'d> {
    /// Name of the object.
    pub(super) id: String,
    /// Name of the file, when the memory lies in the guest's folder.
    pub(super) file: String,
    /// Size in KiB.
    pub(super) kib: u64,
    /// Cell of the guest it belongs to.
    pub(super) cell: Option<u32>,
    /// It is the machine's main memory.
    pub(super) main: bool,
    /// The device it is part of.
    pub(super) module: Option<&'d Tree>,
}

/// The objects that hold a piece of memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Backend {
    /// The thread that allocates it, bound to nodes of the host.
    pub(super) thread: Option<Json>,
    /// The memory.
    pub(super) memory: Json,
    /// Nothing about it differs from plain memory.
    pub(super) plain: bool,
    /// It is to be allocated at once; its device does so where the object does not.
    pub(super) at_once: bool,
}

impl Backend {
    pub(super) fn append(self, b: &mut Builder<'_>) {
        if let Some(thread) = self.thread {
            b.object(thread);
        }
        b.object(self.memory);
    }
}

/// The text of an element that is a size in KiB.
pub(super) fn kib(tree: Option<&Tree>) -> Option<u64> {
    number(tree?.body().trim())
}

fn backing<'d>(domain: &'d Domain, name: &str) -> Option<&'d Tree> {
    domain.tree.child("memoryBacking")?.child(name)
}

/// A cell of the guest by its number.
fn cell(domain: &Domain, id: Option<u32>) -> Option<&Tree> {
    let id = id?.to_string();
    domain.tree.at("cpu/numa")?.all("cell").find(|cell| cell.is("id", &id))
}

/// Memory without modules, in KiB.
pub(super) fn initial_kib(domain: &Domain) -> u64 {
    let cells = domain.tree.at("cpu/numa").into_iter().flat_map(|numa| numa.all("cell"));
    let sizes: Vec<u64> = cells.filter_map(|cell| number(cell.attr("memory")?)).collect();
    if !sizes.is_empty() {
        return sizes.into_iter().fold(0, u64::saturating_add);
    }
    let modules: u64 = domain.all("memory").filter_map(|module| kib(module.at("target/size"))).sum();
    domain.memory_kib().saturating_sub(modules)
}

/// Size of the huge pages of a cell, or of the whole memory. Zero stands for the usual huge pages of the host.
fn wanted_page(domain: &Domain, cell: Option<u32>) -> Option<u64> {
    let pages = backing(domain, "hugepages")?;
    let size = |page: &Tree| {
        let unit = page.attr("unit").unwrap_or("KiB");
        Some(base::size::scale(number(page.attr("size")?)?, unit, 1024, u64::MAX)? / 1024)
    };
    let of_cell = |page: &&Tree| {
        let nodes = page.attr("nodeset").and_then(bitmap::parse).unwrap_or_default();
        cell.is_some_and(|cell| nodes.contains(&cell))
    };
    if let Some(page) = pages.all("page").find(of_cell) {
        return size(page);
    }
    match pages.all("page").find(|page| page.attr("nodeset").is_none()) {
        Some(page) => size(page),
        None if pages.child("page").is_none() => Some(0),
        None => None,
    }
}

/// Where pages of a size are mounted, and their size.
fn mount<'b>(b: &'b Builder<'_>, page_kib: u64) -> Result<&'b HugePages> {
    let known = &b.start.host.huge_pages;
    if known.is_empty() {
        return Err(base::Error::internal(
            base::ErrorDomain::QEMU,
            "hugetlbfs filesystem is not mounted or disabled by administrator config",
        ));
    }
    let found =
        known.iter().find(|pages| if page_kib == 0 { pages.default } else { pages.size_kib == page_kib });
    found.ok_or_else(|| {
        base::Error::internal(
            base::ErrorDomain::QEMU,
            format!("Unable to find any usable hugetlbfs mount for {page_kib} KiB"),
        )
    })
}

/// Path of memory in huge pages.
fn huge_path(b: &Builder<'_>, pages: &HugePages) -> String {
    format!("{}/libvirt/qemu/{}", pages.mount, b.start.short_name)
}

/// Nodes of the host for a piece, and how strictly they are kept.
fn placement(b: &Builder<'_>, need: &Need<'_>) -> (Option<BTreeSet<u32>>, &'static str) {
    let tune = b.domain.tree.child("numatune");
    let whole = tune.and_then(|tune| tune.child("memory"));
    let own = need.cell.and_then(|cell| {
        let cell = cell.to_string();
        tune?.all("memnode").find(|node| node.is("cellid", &cell))
    });
    let nodes_of = |tuned: &Tree| {
        if tuned.is("placement", "auto") {
            Some(b.start.host.placement.clone())
        } else {
            tuned.attr("nodeset").and_then(bitmap::parse)
        }
    };
    let wish = need.module.and_then(|module| module.at("source/nodemask")).map(Tree::body);
    let nodes = match wish.and_then(bitmap::parse) {
        Some(nodes) => Some(nodes),
        None => own.or(whole).and_then(nodes_of),
    };
    let policy = match own.or(whole).and_then(|tuned| tuned.attr("mode")).unwrap_or("strict") {
        "preferred" => "preferred",
        "interleave" => "interleave",
        // The process as a whole is bound instead.
        "restrictive" => return (None, ""),
        _ => "bind",
    };
    (nodes.filter(|nodes| !nodes.is_empty()), policy)
}

/// Nodes of the host on which the emulator's own threads may run; `None` when they may run anywhere.
fn emulator_nodes(b: &Builder<'_>) -> Option<BTreeSet<u32>> {
    let tree = &b.domain.tree;
    let pin = tree.at("cputune/emulatorpin").and_then(|pin| pin.attr("cpuset")).and_then(bitmap::parse);
    let vcpu = tree.child("vcpu");
    let automatic = vcpu.is_some_and(|vcpu| vcpu.is("placement", "auto"));
    let cpus = match pin {
        Some(cpus) => cpus,
        None if automatic => return Some(b.start.host.placement.clone()),
        None => bitmap::parse(vcpu?.attr("cpuset")?)?,
    };
    let nodes = b.start.host.node_cpus.iter().filter(|(_, own)| !own.is_disjoint(&cpus));
    Some(nodes.map(|(node, _)| *node).collect())
}

fn list(nodes: &BTreeSet<u32>) -> Vec<u32> {
    nodes.iter().copied().collect()
}

/// What holds a piece of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holder {
    /// Memory of the process.
    Process,
    /// A file that has no name, of huge pages of a size in bytes.
    Nameless(Option<u64>),
    /// A file.
    File(String),
    /// Memory the processor encloses.
    Enclave,
}

/// Everything that is wished for a piece of memory, from the device, the cell, and the definition as a whole.
struct Wishes<'d> {
    model: &'d str,
    path: Option<&'d str>,
    pmem: bool,
    align: Option<u64>,
    /// How it is shared; `None` when nothing is said.
    share: Option<bool>,
    discard: Option<bool>,
    page: Option<u64>,
    at_once: bool,
    threads: Option<u64>,
    /// `file`, `memfd` or `anonymous`.
    kind: &'d str,
}

fn wishes<'d>(domain: &'d Domain, need: &Need<'d>) -> Wishes<'d> {
    let module = need.module;
    let source = |name: &str| module.and_then(|module| module.child("source")).and_then(|s| s.child(name));
    let own_cell = cell(domain, need.cell);
    let of_module = |name: &str| module.and_then(|module| module.attr(name));
    let of_cell = |name: &str| own_cell.and_then(|cell| cell.attr(name));
    let access = of_module("access")
        .or_else(|| of_cell("memAccess"))
        .or_else(|| backing(domain, "access").and_then(|access| access.attr("mode")));
    let discard = on_off(of_module("discard").or_else(|| of_cell("discard")));
    let allocation = backing(domain, "allocation");
    let path = source("path").map(Tree::body);
    let general = if path.is_some() { None } else { wanted_page(domain, need.cell) };
    Wishes {
        model: of_module("model").unwrap_or_default(),
        path,
        pmem: source("pmem").is_some(),
        align: kib(source("alignsize")).map(|kib| kib.saturating_mul(1024)),
        share: access.map(|mode| mode == "shared"),
        discard: discard.or_else(|| backing(domain, "discard").map(|_| true)),
        page: kib(source("pagesize")).or(general).filter(|page| *page != USUAL_PAGE_KIB),
        at_once: allocation.is_some_and(|allocation| allocation.is("mode", "immediate")),
        threads: allocation.and_then(|allocation| allocation.attr("threads")).and_then(number),
        kind: backing(domain, "source").and_then(|source| source.attr("type")).unwrap_or_default(),
    }
}

/// What holds the memory, and whether it is to be allocated at once.
fn holder(b: &Builder<'_>, need: &Need<'_>, wishes: &Wishes<'_>) -> Result<(Holder, bool)> {
    if wishes.model == "sgx-epc" {
        return Ok((Holder::Enclave, true));
    }
    if let Some(path) = wishes.path {
        let lasting = wishes.model == "nvdimm" && !wishes.pmem;
        return Ok((Holder::File(path.to_owned()), wishes.at_once || lasting));
    }
    let huge = wishes.page.map(|page| mount(b, page)).transpose()?;
    let at_once = wishes.at_once || huge.is_some();
    let holder = match huge {
        _ if wishes.kind == "memfd" => {
            Holder::Nameless(huge.map(|pages| pages.size_kib.saturating_mul(1024)))
        }
        Some(pages) => Holder::File(huge_path(b, pages)),
        None if wishes.kind == "file" || wishes.share.is_some() => {
            Holder::File(format!("{}/{}", b.start.host.memory_dir, need.file))
        }
        None => Holder::Process,
    };
    Ok((holder, at_once))
}

/// Decides which objects hold a piece of memory.
pub(super) fn backend(b: &Builder<'_>, need: &Need<'_>) -> Result<Backend> {
    let wishes = wishes(b.domain, need);
    let (holder, at_once) = holder(b, need, &wishes)?;
    let (nodes, policy) = placement(b, need);
    let plain = holder == Holder::Process && nodes.is_none();
    let share = if wishes.model == "virtio-pmem" { Some(true) } else { wishes.share };
    let id = need.id.clone();
    let json = match holder {
        Holder::Process => Json::object("memory-backend-ram", id),
        Holder::Enclave => Json::object("memory-backend-epc", id),
        Holder::Nameless(page) => Json::object("memory-backend-memfd", id)
            .put_true("hugetlb", page.is_some())
            .put_opt("hugetlbsize", page)
            .put_opt("share", share),
        Holder::File(ref path) => Json::object("memory-backend-file", id)
            .put("mem-path", path.clone())
            .put_opt("discard-data", wishes.discard)
            .put_opt("share", share),
    };
    let is_file = matches!(holder, Holder::File(_) | Holder::Nameless(_));
    let json =
        if need.main && is_file { json.put("x-use-canonical-path-for-ramblock-id", false) } else { json };
    // Memory of virtio-mem is allocated by its device, when it is plugged; that of virtio-pmem is there.
    let prealloc = at_once && !matches!(wishes.model, "virtio-mem" | "virtio-pmem");
    let json = if wishes.model == "virtio-mem" { json.put("reserve", false) } else { json };
    let json = json.put_true("prealloc", prealloc);
    let json = json.put_opt("prealloc-threads", wishes.threads.filter(|_| prealloc));
    let json = json.put("size", need.kib.saturating_mul(1024));
    let mut memory = json.put_opt("align", wishes.align).put_true("pmem", wishes.pmem);
    let mut thread = None;
    if let Some(nodes) = nodes {
        memory = memory.put("host-nodes", list(&nodes)).put("policy", policy);
        let allowed = emulator_nodes(b);
        let affinity = allowed.map_or(nodes.clone(), |allowed| &allowed & &nodes);
        if prealloc && ability::thread_context(b.caps) && !affinity.is_empty() {
            let id = format!("tc-{}", need.id);
            memory = memory.put("prealloc-context", id.clone());
            thread = Some(Json::object("thread-context", id).put("node-affinity", list(&affinity)));
        }
    }
    Ok(Backend { thread, memory, plain, at_once })
}

/// Size and slots of the memory.
fn size(domain: &Domain) -> String {
    let mut options = Options::new(&format!("size={}k", initial_kib(domain)));
    if let Some(most) = domain.tree.child("maxMemory") {
        options.put_opt("slots", most.attr("slots"));
        options.put("maxmem", format_args!("{}k", most.body().trim()));
    }
    options.text()
}

/// Memory of a machine that does not take it as an object.
pub(super) fn old_backing(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let huge = match wanted_page(domain, None).filter(|page| *page != USUAL_PAGE_KIB) {
        Some(page) => {
            let pages = mount(b, page)?;
            Some(huge_path(b, pages))
        }
        None => None,
    };
    let at_once = backing(domain, "allocation").is_some_and(|allocation| allocation.is("mode", "immediate"));
    if at_once || huge.is_some() {
        b.flag("-mem-prealloc");
    }
    if let Some(path) = huge {
        b.option("-mem-path", path);
    }
    Ok(())
}

pub(super) fn memory(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let cells = domain.tree.at("cpu/numa/cell").is_some();
    b.option("-m", size(domain));
    match main_memory(b) {
        Some(id) => {
            let need = Need { file: id.clone(), id, kib: initial_kib(domain), main: true, ..Need::default() };
            let backend = backend(b, &need)?;
            backend.append(b);
        }
        None if !cells => old_backing(b)?,
        None => {}
    }
    let locked = backing(domain, "locked").is_some();
    b.option("-overcommit", if locked { "mem-lock=on" } else { "mem-lock=off" });
    Ok(())
}
