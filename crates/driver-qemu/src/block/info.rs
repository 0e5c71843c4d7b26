//! Sizes and counters of disks.

use super::disk;
use crate::guest::Live;
use crate::{Driver, chain, check_flags, error};
use api::domain_info::{DomainBlockStatsFlagsRet, DomainBlockStatsRet, DomainGetBlockInfoRet};
use base::object::DomainRef;
use base::param::TypedParam;
use base::{Error, ErrorCode, ErrorDomain, Result};
use host::image::Extent;
use serde_json::{Value as Json, json};
use std::path::Path;
use xml::Tree;

/// Counters: name of the parameter, field of the emulator. The order is that in which clients get them.
const COUNTERS: [(&str, &str); 8] = [
    ("wr_bytes", "wr_bytes"),
    ("wr_operations", "wr_operations"),
    ("rd_bytes", "rd_bytes"),
    ("rd_operations", "rd_operations"),
    ("flush_operations", "flush_operations"),
    ("wr_total_times", "wr_total_time_ns"),
    ("rd_total_times", "rd_total_time_ns"),
    ("flush_total_times", "flush_total_time_ns"),
];

/// The size of an image as its own header tells it, or its length.
pub(crate) fn capacity(path: &str, format: &str, extent: Extent) -> u64 {
    let header = chain::header(path, format).unwrap_or_default();
    header.capacity.unwrap_or(extent.physical)
}

/// What the emulator counts of one disk.
fn counters<'a>(answer: &'a Json, disk_element: &Tree) -> Option<&'a Json> {
    answer.as_array()?.iter().find(|entry| disk::is_about(entry, disk_element))?.get("stats")
}

impl Driver {
    /// Sums of counters of one disk, or of all when none is named.
    fn counted(&self, live: &Live, path: &str) -> Result<Vec<u64>> {
        let chosen: Vec<&Tree> = if path.is_empty() {
            live.domain.all("disk").collect()
        } else {
            let found = disk::find(&live.domain, path);
            vec![found.ok_or_else(|| error(ErrorCode::INVALID_ARG, format!("invalid path: {path}")))?]
        };
        let answer = live.command("query-blockstats", Json::Null)?;
        let mut sums = vec![0u64; COUNTERS.len()];
        for element in chosen {
            let Some(stats) = counters(&answer, element) else {
                if path.is_empty() {
                    continue;
                }
                let name = disk::alias(element);
                return Err(Error::internal(
                    crate::FROM,
                    format!("cannot find statistics for device '{name}'"),
                ));
            };
            for (sum, (_, field)) in sums.iter_mut().zip(COUNTERS) {
                *sum = sum.saturating_add(stats.get(field).and_then(Json::as_u64).unwrap_or(0));
            }
        }
        Ok(sums)
    }

    pub(crate) fn block_stats(&self, dom: &DomainRef, path: &str) -> Result<DomainBlockStatsRet> {
        let live = self.find(dom)?.live()?;
        let sums = self.counted(&live, path)?;
        let of = |name: &str| {
            let at = COUNTERS.iter().position(|(known, _)| *known == name);
            at.and_then(|at| sums.get(at)).map_or(-1, |value| i64::try_from(*value).unwrap_or(i64::MAX))
        };
        Ok(DomainBlockStatsRet {
            rd_req: of("rd_operations"),
            rd_bytes: of("rd_bytes"),
            wr_req: of("wr_operations"),
            wr_bytes: of("wr_bytes"),
            errs: -1,
        })
    }

    pub(crate) fn block_stats_flags(
        &self,
        dom: &DomainRef,
        path: &str,
        nparams: i32,
        flags: u32,
    ) -> Result<DomainBlockStatsFlagsRet> {
        check_flags(flags, crate::tuning::params::STRING_OKAY, "qemuDomainBlockStatsFlags")?;
        let live = self.find(dom)?.live()?;
        let sums = self.counted(&live, path)?;
        if nparams == 0 {
            return Ok(DomainBlockStatsFlagsRet { params: Vec::new(), nparams: COUNTERS.len() as i32 });
        }
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let all = COUNTERS.iter().zip(sums).map(|((name, _), sum)| TypedParam::new(*name, number(sum)));
        let params = crate::tuning::params::room(all.collect(), nparams);
        Ok(DomainBlockStatsFlagsRet { nparams: params.len() as i32, params })
    }

    pub(crate) fn block_info(
        &self,
        dom: &DomainRef,
        path: &str,
        flags: u32,
    ) -> Result<DomainGetBlockInfoRet> {
        check_flags(flags, 0, "qemuDomainGetBlockInfo")?;
        let value = self.find(dom)?.value();
        let domain = value.current()?;
        let element = disk::find(&domain, path).ok_or_else(|| {
            error(ErrorCode::INVALID_ARG, format!("invalid path {path} not assigned to domain"))
        })?;
        if element.child("source").is_none() {
            let text = format!("disk '{path}' does not currently have a source assigned");
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        let image = chain::local(element);
        let format = chain::format_of(element).unwrap_or("raw");
        let Some(live) = &value.live else {
            let image = image.ok_or_else(|| {
                Error::new(ErrorCode::OPERATION_INVALID, ErrorDomain::STORAGE, "the image is not local")
            })?;
            let extent = extent(image)?;
            return Ok(DomainGetBlockInfoRet {
                allocation: extent.allocated,
                capacity: capacity(image, format, extent),
                physical: extent.physical,
            });
        };
        let (capacity, allocated, highest) = self.running_size(live, element)?;
        match image.map(|image| host::image::extent(Path::new(image))) {
            Some(Ok(extent)) if extent.device => Ok(DomainGetBlockInfoRet {
                allocation: if format == "raw" { extent.physical } else { highest },
                capacity,
                physical: extent.physical,
            }),
            Some(Ok(extent)) => Ok(DomainGetBlockInfoRet {
                allocation: extent.allocated,
                capacity,
                physical: extent.physical,
            }),
            _ => Ok(DomainGetBlockInfoRet { allocation: allocated, capacity, physical: capacity }),
        }
    }

    /// Size of a running disk, bytes allocated, and the end of what was written, as the emulator knows them.
    fn running_size(&self, live: &Live, element: &Tree) -> Result<(u64, u64, u64)> {
        let answer = live.command("query-block", Json::Null)?;
        let entry = answer.as_array().into_iter().flatten().find(|entry| disk::is_about(entry, element));
        let image = entry.and_then(|entry| entry.pointer("/inserted/image"));
        let number = |name: &str| image.and_then(|image| image.get(name)).and_then(Json::as_u64).unwrap_or(0);
        let stats = live.command("query-blockstats", Json::Null)?;
        let about = stats.as_array().into_iter().flatten().find(|entry| disk::is_about(entry, element));
        let highest = about
            .and_then(|entry| {
                entry
                    .pointer("/parent/stats/wr_highest_offset")
                    .or_else(|| entry.pointer("/stats/wr_highest_offset"))
            })
            .and_then(Json::as_u64)
            .unwrap_or(0);
        Ok((number("virtual-size"), number("actual-size"), highest))
    }

    pub(super) fn resize(&self, dom: &DomainRef, name: &str, size: u64, flags: u32) -> Result<()> {
        const BYTES: u32 = 1;
        const WHOLE: u32 = 2;
        check_flags(flags, BYTES | WHOLE, "qemuDomainBlockResize")?;
        let guest = self.find(dom)?;
        let too_large = || error(ErrorCode::OVERFLOW, "size must be less than 18014398509481983");
        let mut bytes =
            if flags & BYTES != 0 { size } else { size.checked_mul(1024).ok_or_else(too_large)? };
        let _job = guest.begin(engine::JobKind::Modify, "resize disk")?;
        let live = guest.live()?;
        let element = disk::find(&live.domain, name).ok_or_else(|| {
            error(ErrorCode::INVALID_ARG, format!("disk '{name}' was not found in the domain config"))
        })?;
        let format = chain::format_of(element).unwrap_or("raw").to_owned();
        if flags & WHOLE != 0 {
            let device = element.is("type", "block") && format == "raw";
            let path = chain::local(element).filter(|_| device).ok_or_else(|| {
                let text = "block resize to full capacity supported only with 'raw' local block-based disks";
                error(ErrorCode::OPERATION_INVALID, text)
            })?;
            let own = extent(path)?.physical;
            if size != 0 && bytes != own {
                let text = format!("Requested resize to '{bytes}' but device size is '{own}'");
                return Err(error(ErrorCode::INVALID_ARG, text));
            }
            bytes = own;
        }
        // Formats with sectors have no part of one.
        if matches!(format.as_str(), "qcow2" | "qed") {
            bytes = bytes.checked_add(511).ok_or_else(too_large)? & !511;
        }
        let (storage, layer) = disk::nodes(disk::images(element).first().map_or(0, |(_, index)| *index));
        let node = self.top_node(&live, element).unwrap_or(if format == "raw" { storage } else { layer });
        live.command("block_resize", json!({"node-name": node, "size": bytes})).map(drop)
    }

    /// The size of a running guest's disk.
    pub(crate) fn capacity_of(&self, live: &Live, element: &Tree) -> u64 {
        let answer = live.command("query-block", Json::Null).unwrap_or_default();
        let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let entry = entries.iter().find(|entry| disk::is_about(entry, element));
        let size = entry.and_then(|entry| entry.pointer("/inserted/image/virtual-size")?.as_u64());
        size.unwrap_or_else(|| {
            let path = chain::local(element).unwrap_or_default();
            let extent = host::image::extent(std::path::Path::new(path)).unwrap_or_default();
            capacity(path, chain::format_of(element).unwrap_or("raw"), extent)
        })
    }

    /// The emulator's name of the node a disk reads from.
    pub(crate) fn top_node(&self, live: &Live, element: &Tree) -> Option<String> {
        let answer = live.command("query-block", Json::Null).ok()?;
        let entry = answer.as_array()?.iter().find(|entry| disk::is_about(entry, element))?;
        Some(entry.pointer("/inserted/node-name")?.as_str()?.to_owned())
    }

    pub(crate) fn block_peek(
        &self,
        dom: &DomainRef,
        path: &str,
        offset: u64,
        size: u32,
        flags: u32,
    ) -> Result<Vec<u8>> {
        check_flags(flags, 0, "qemuDomainBlockPeek")?;
        let domain = self.find(dom)?.value().current()?;
        let element = disk::wanted(&domain, path)?;
        let format = chain::format_of(element).unwrap_or("raw");
        if format != "raw" {
            let text = format!("peeking is only supported for disk with 'raw' format not '{format}'");
            return Err(error(ErrorCode::ARGUMENT_UNSUPPORTED, text));
        }
        let image = chain::local(element).ok_or_else(|| disk::empty(element))?;
        if i64::try_from(offset).is_err() {
            let cause = std::io::Error::from_raw_os_error(rustix::io::Errno::INVAL.raw_os_error());
            return Err(Error::system(ErrorDomain::STORAGE, &cause, format!("cannot seek into '{image}'")));
        }
        let bytes = host::image::peek(Path::new(image), offset, size.into()).map_err(|cause| {
            Error::system(ErrorDomain::STORAGE, &cause, format!("Unable to read '{image}'"))
        })?;
        if bytes.len() < size as usize {
            let text = format!("'{path}' starting from {offset} has only {} bytes available", bytes.len());
            return Err(error(ErrorCode::INVALID_ARG, text));
        }
        Ok(bytes)
    }

    pub(crate) fn disk_errors(
        &self,
        dom: &DomainRef,
        most: u32,
        flags: u32,
    ) -> Result<(Vec<(String, i32)>, i32)> {
        check_flags(flags, 0, "qemuDomainGetDiskErrors")?;
        let live = self.find(dom)?.live()?;
        if most == 0 {
            return Ok((Vec::new(), live.domain.all("disk").count() as i32));
        }
        let answer = live.command("query-block", Json::Null)?;
        let word = |element: &Tree| {
            let entry = answer.as_array()?.iter().find(|entry| disk::is_about(entry, element))?;
            // 1 is an error of no kind, 2 is no space.
            match entry.get("io-status")?.as_str()? {
                "failed" => Some(1),
                "nospace" => Some(2),
                _ => None,
            }
        };
        let found: Vec<(String, i32)> = live
            .domain
            .all("disk")
            .filter_map(|element| Some((disk::target(element).to_owned(), word(element)?)))
            .take(most as usize)
            .collect();
        let count = found.len() as i32;
        Ok((found, count))
    }
}

fn extent(path: &str) -> Result<Extent> {
    host::image::extent(Path::new(path))
        .map_err(|cause| Error::system(ErrorDomain::STORAGE, &cause, format!("cannot stat file '{path}'")))
}
