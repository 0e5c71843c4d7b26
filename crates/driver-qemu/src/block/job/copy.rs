//! Copies of disks: the guest goes on with the original until the copy is made the disk's image.

use super::begin::{BYTES, COPY, DEVICE, RAW, REUSE, SHALLOW, known_nodes, node_of, put, subject};
use super::{BlockJob, Kind, Stage, check_idle, speed, unknown_node};
use crate::block::disk::{self, images};
use crate::block::{links, overlay};
use crate::{Driver, FROM, chain, check_flags, error};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, Result};
use conf_domain::domain::read_device;
use engine::JobKind;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering;
use xml::Tree;

/// The domain may be stored: the copy ends with the run.
const TRANSIENT: u32 = 4;
/// The guest waits until a write is in both.
const SYNCHRONOUS: u32 = 8;

/// How a copy is made.
#[derive(Debug, Default, Clone, Copy)]
struct How {
    shallow: bool,
    reuse: bool,
    device: bool,
    synchronous: bool,
    speed: u64,
    granularity: u32,
    buffer: u64,
}

fn invalid(text: impl Into<String>) -> Error {
    error(ErrorCode::INVALID_ARG, text)
}

/// Refuses files that would be overwritten, or that should be there and are not.
fn check_destination(copy: &Tree, target: &str, how: How) -> Result<()> {
    let Some(path) = chain::local(copy) else { return Ok(()) };
    let metadata = std::fs::metadata(path);
    let device = host::image::extent(Path::new(path)).is_ok_and(|extent| extent.device);
    if how.device && !device {
        let text =
            format!("blockdev flag requested for disk {target}, but file '{path}' is not a block device");
        return Err(invalid(text));
    }
    match metadata {
        Err(cause) if how.reuse || how.device => {
            Err(Error::system(FROM, &cause, format!("missing destination file for disk {target}: {path}")))
        }
        Ok(metadata) if !how.reuse && !device && metadata.len() > 0 => {
            let text = format!(
                "external destination file for disk {target} already exists and is not a block device: {path}"
            );
            Err(invalid(text))
        }
        _ => Ok(()),
    }
}

impl Driver {
    pub(in crate::block) fn rebase(
        &self,
        dom: &DomainRef,
        path: &str,
        base: Option<&str>,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 127, "qemuDomainBlockRebase")?;
        if flags & COPY == 0 {
            if flags & (SHALLOW | REUSE | RAW | DEVICE) != 0 {
                let text = "flags of a copy are of no use to a rebase";
                return Err(invalid(text));
            }
            return self.pull(dom, path, base, bandwidth, flags);
        }
        let Some(base) = base else { return Err(invalid("base in virDomainBlockRebase must not be NULL")) };
        let mut copy = Tree::new("disk");
        let (kind, attribute) = if flags & DEVICE != 0 { ("block", "dev") } else { ("file", "file") };
        copy.set("type", kind);
        copy.children.push(Tree::new("source").with(attribute, base));
        if flags & RAW != 0 {
            copy.children.push(Tree::new("driver").with("type", "raw"));
        }
        let how = How {
            shallow: flags & SHALLOW != 0,
            reuse: flags & REUSE != 0,
            device: flags & DEVICE != 0,
            speed: speed(bandwidth, flags & BYTES != 0)?,
            ..How::default()
        };
        self.copy_disk(dom, path, copy, how, true)
    }

    pub(in crate::block) fn copy(
        &self,
        dom: &DomainRef,
        path: &str,
        document: &str,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, SHALLOW | REUSE | TRANSIENT | SYNCHRONOUS, "qemuDomainBlockCopy")?;
        let mut how = How {
            shallow: flags & SHALLOW != 0,
            reuse: flags & REUSE != 0,
            synchronous: flags & SYNCHRONOUS != 0,
            ..How::default()
        };
        for TypedParam { field, value } in params {
            match (field.as_str(), value) {
                ("bandwidth", TypedValue::ULLong(number)) => how.speed = speed(*number, true)?,
                ("granularity", TypedValue::UInt(number)) => {
                    if *number != 0 && !number.is_power_of_two() {
                        return Err(invalid("granularity must be power of 2"));
                    }
                    how.granularity = *number;
                }
                ("buf-size", TypedValue::ULLong(number)) => how.buffer = *number,
                (name, _) => return Err(invalid(format!("parameter '{name}' not supported"))),
            }
        }
        let copy = read_device(document)?;
        if copy.name != "disk" {
            return Err(Error::new(ErrorCode::XML_ERROR, base::ErrorDomain::DOMAIN, "expecting a disk"));
        }
        self.copy_disk(dom, path, copy, how, flags & TRANSIENT != 0)
    }

    fn copy_disk(
        &self,
        dom: &DomainRef,
        path: &str,
        copy: Tree,
        mut how: How,
        transient: bool,
    ) -> Result<()> {
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "block copy")?;
        let live = guest.live()?;
        let subject = subject(&live, path)?;
        let target = disk::target(subject).to_owned();
        check_idle(&live, &target)?;
        if guest.value().config.is_some() && !transient {
            return Err(Error::operation_invalid(FROM, "domain is not transient"));
        }
        let top = images(subject).first().map_or(0, |(_, index)| *index);
        how.shallow &= links::below(subject, top).is_some();
        let mut copy = copy;
        copy.default_to("type", "file");
        if copy.attr_at("driver", "type").is_none() {
            let probed = chain::local(&copy).filter(|_| how.reuse).and_then(|path| {
                Some(image::probe(&host::image::head(Path::new(path), image::HEAD).ok()?).to_owned())
            });
            let own = chain::format_of(subject).unwrap_or("raw").to_owned();
            copy.child_or_new("driver").set("type", probed.unwrap_or(own));
        }
        let format = copy.attr_at("driver", "type").unwrap_or("raw").to_owned();
        if how.shallow && format == "raw" && chain::format_of(subject) != Some("raw") {
            return Err(invalid(format!("raw shallow copy of non-raw disk '{target}' not possible")));
        }
        check_destination(&copy, &target, how)?;
        let size = self.capacity_of(&live, subject);
        let base = links::below(subject, top).filter(|_| how.shallow);
        let base = base.and_then(|index| links::element(subject, index)).cloned();
        if !how.reuse {
            overlay::make(&copy, size, base.as_ref())?;
        }
        // What the copy is based on: what the original is, nothing, or what its own header says.
        copy.remove("backingStore");
        match base {
            Some(base) if !how.reuse => copy.children.push(base),
            _ if how.reuse => chain::of_disk(&mut copy)?,
            _ => copy.children.push(Tree::new("backingStore")),
        }
        let shared = how.shallow && !how.reuse;
        let first = self.next_node(&live);
        let next = number_copy(&mut copy, first, shared);
        live.session.nodes.fetch_max(next, Ordering::AcqRel);
        let element = links::as_base(&copy);
        let (handed, node) = self.hand_images(&live, &links::with_top(subject, &element))?;
        let known = known_nodes(&live)?;
        let device = self.top_node(&live, subject).ok_or_else(|| unknown_node(&target))?;
        let name = format!("copy-{}-{}", disk::alias(subject), node_of(&known, top).unwrap_or(&device));
        let mut arguments = json!({
            "job-id": name,
            "device": device,
            "target": node.ok_or_else(|| unknown_node(&target))?,
            "speed": how.speed,
            "sync": if how.shallow { "top" } else { "full" },
            "auto-finalize": true,
            "auto-dismiss": false,
        });
        if how.granularity != 0 {
            put(&mut arguments, "granularity", json!(how.granularity));
        }
        if how.buffer != 0 {
            put(&mut arguments, "buf-size", json!(how.buffer));
        }
        if how.synchronous {
            put(&mut arguments, "copy-mode", json!("write-blocking"));
        }
        let job = BlockJob {
            name,
            disk: target.clone(),
            kind: Kind::Copy,
            stage: Stage::Running,
            top,
            base: None,
            delete: false,
            copy: Some(element.clone()),
            nodes: handed.node_names(),
            shallow: shared,
        };
        if let Err(cause) = self.start_job(&guest, &live, job, "blockdev-mirror", arguments) {
            handed.take_back(&live);
            return Err(cause);
        }
        self.note_mirror(&guest, &target, &element, "copy")
    }
}

/// Numbers the images of a copy; what it shares with the original has its numbers.
fn number_copy(copy: &mut Tree, first: u32, shared: bool) -> u32 {
    if !shared {
        return disk::number(copy, first);
    }
    copy.child_or_new("source").set("index", first.to_string());
    first + 1
}
