//! Limits and counters of a group, with the units of the interface.

use super::{Cgroup, CgroupError, Controller, Part, Result, read, write};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// "No limit" of memory in KiB, as the interface says it.
pub const UNLIMITED_KIB: u64 = 9_007_199_254_740_991;

/// A limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Never more.
    Hard,
    /// Not more when others need it.
    Soft,
    /// Memory and swap.
    Swap,
}

/// A limit of transfers of one block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceLimit {
    /// Relative weight.
    Weight,
    /// Reads a second.
    ReadIops,
    /// Writes a second.
    WriteIops,
    /// Bytes read a second.
    ReadBytes,
    /// Bytes written a second.
    WriteBytes,
}

/// Shares the kernel takes in the hierarchy of their own, and the weights of the unified one.
const SHARES: (u64, u64) = (2, 262_144);
const WEIGHTS: (u64, u64) = (1, 10_000);

fn number<T: std::str::FromStr>(path: &Path, text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| {
        CgroupError::Refused(format!("Unable to parse '{text}' of '{}' as an integer", path.display()))
    })
}

/// `8:16` of a block device's node.
fn block_device(path: &str) -> Result<String> {
    let file = |cause: std::io::Error, text: String| CgroupError::File { text, cause };
    let metadata =
        std::fs::metadata(path).map_err(|cause| file(cause, format!("Path '{path}' is not accessible")))?;
    if !metadata.file_type().is_block_device() {
        let cause = std::io::Error::from_raw_os_error(22);
        return Err(file(cause, format!("Path '{path}' must be a block device")));
    }
    let device = metadata.rdev();
    Ok(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
}

impl Cgroup {
    /// Shares of processor time.
    ///
    /// # Errors
    /// When there is no such group or it cannot be read.
    pub fn shares(&self) -> Result<u64> {
        let (folder, unified) = self.folder(Controller::Cpu, Part::Whole)?;
        let path = folder.join(if unified { "cpu.weight" } else { "cpu.shares" });
        number(&path, &read(&path)?)
    }

    /// Sets the shares of processor time.
    ///
    /// # Errors
    /// When there is no such group, the number is out of range, or the kernel refuses.
    pub fn set_shares(&self, shares: u64) -> Result<()> {
        let (folder, unified) = self.folder(Controller::Cpu, Part::Whole)?;
        let (low, high) = if unified { WEIGHTS } else { SHARES };
        if shares < low || shares > high {
            return Err(CgroupError::Range(format!("shares '{shares}' must be in range [{low}, {high}]")));
        }
        write(&folder.join(if unified { "cpu.weight" } else { "cpu.shares" }), &shares.to_string())
    }

    /// Period in microseconds in which the quota may be used, and the quota; -1 is none.
    ///
    /// # Errors
    /// When there is no such group or it cannot be read.
    pub fn bandwidth(&self, part: Part) -> Result<(u64, i64)> {
        let (folder, unified) = self.folder(Controller::Cpu, part)?;
        if unified {
            let path = folder.join("cpu.max");
            let text = read(&path)?;
            let (quota, period) = text.split_once(' ').unwrap_or((&text, "100000"));
            let quota = if quota == "max" { -1 } else { number(&path, quota)? };
            return Ok((number(&path, period)?, quota));
        }
        let (period, quota) = (folder.join("cpu.cfs_period_us"), folder.join("cpu.cfs_quota_us"));
        Ok((number(&period, &read(&period)?)?, number(&quota, &read(&quota)?)?))
    }

    /// Sets the period in microseconds.
    ///
    /// # Errors
    /// As [`Cgroup::set_shares`].
    pub fn set_period(&self, part: Part, period: u64) -> Result<()> {
        if !(1000..=1_000_000).contains(&period) {
            return Err(CgroupError::Range(format!(
                "cfs_period '{period}' must be in range (1000, 1000000)"
            )));
        }
        let (folder, unified) = self.folder(Controller::Cpu, part)?;
        if unified {
            let (_, quota) = self.bandwidth(part)?;
            let quota = if quota < 0 { "max".to_owned() } else { quota.to_string() };
            return write(&folder.join("cpu.max"), &format!("{quota} {period}"));
        }
        write(&folder.join("cpu.cfs_period_us"), &period.to_string())
    }

    /// Sets the quota in microseconds; negative is none.
    ///
    /// # Errors
    /// As [`Cgroup::set_shares`].
    pub fn set_quota(&self, part: Part, quota: i64) -> Result<()> {
        const MOST: i64 = 17_592_186_044_415;
        if quota >= 0 && !(1000..=MOST).contains(&quota) {
            return Err(CgroupError::Range(format!("cfs_quota '{quota}' must be in range (1000, {MOST})")));
        }
        let (folder, unified) = self.folder(Controller::Cpu, part)?;
        if unified {
            let quota = if quota < 0 { "max".to_owned() } else { quota.to_string() };
            return write(&folder.join("cpu.max"), &quota);
        }
        write(&folder.join("cpu.cfs_quota_us"), &quota.to_string())
    }

    /// Sets the processors a part may run on, as a list like `0-3`.
    ///
    /// # Errors
    /// As [`Cgroup::set_shares`].
    pub fn set_cpus(&self, part: Part, cpus: &str) -> Result<()> {
        let (folder, _) = self.folder(Controller::CpuSet, part)?;
        write(&folder.join("cpuset.cpus"), cpus)
    }

    /// The memory nodes a part may use, as a list.
    ///
    /// # Errors
    /// When there is no such group or it cannot be read.
    pub fn mems(&self, part: Part) -> Result<String> {
        let (folder, _) = self.folder(Controller::CpuSet, part)?;
        read(&folder.join("cpuset.mems"))
    }

    /// Sets the memory nodes a part may use, as a list.
    ///
    /// # Errors
    /// As [`Cgroup::set_shares`].
    pub fn set_mems(&self, part: Part, mems: &str) -> Result<()> {
        let (folder, _) = self.folder(Controller::CpuSet, part)?;
        write(&folder.join("cpuset.mems"), mems)
    }

    fn memory_file(&self, limit: Limit) -> Result<std::path::PathBuf> {
        let (folder, unified) = self.folder(Controller::Memory, Part::Whole)?;
        let name = match (limit, unified) {
            (Limit::Hard, false) => "memory.limit_in_bytes",
            (Limit::Soft, false) => "memory.soft_limit_in_bytes",
            (Limit::Swap, false) => "memory.memsw.limit_in_bytes",
            (Limit::Hard, true) => "memory.max",
            (Limit::Soft, true) => "memory.high",
            (Limit::Swap, true) => "memory.swap.max",
        };
        Ok(folder.join(name))
    }

    /// A limit of memory in KiB, [`UNLIMITED_KIB`] for none.
    ///
    /// # Errors
    /// When there is no such group or it cannot be read.
    pub fn memory(&self, limit: Limit) -> Result<u64> {
        let path = self.memory_file(limit)?;
        let text = read(&path)?;
        if text == "max" {
            return Ok(UNLIMITED_KIB);
        }
        let bytes: u64 = number(&path, &text)?;
        // "No limit" is the largest number of whole pages.
        Ok(if bytes / 1024 >= (i64::MAX as u64 >> 10) - 64 { UNLIMITED_KIB } else { bytes / 1024 })
    }

    /// Sets a limit of memory in KiB.
    ///
    /// # Errors
    /// As [`Cgroup::set_shares`].
    pub fn set_memory(&self, limit: Limit, kib: u64) -> Result<()> {
        if kib > UNLIMITED_KIB {
            return Err(CgroupError::Range(format!("Memory '{kib}' must be less than {UNLIMITED_KIB}")));
        }
        let path = self.memory_file(limit)?;
        let unified = path.extension().is_none_or(|_| !path.to_string_lossy().ends_with("_in_bytes"));
        let text = match (kib, unified) {
            (UNLIMITED_KIB, true) => "max".to_owned(),
            (UNLIMITED_KIB, false) => "-1".to_owned(),
            _ => (kib * 1024).to_string(),
        };
        write(&path, &text)
    }

    /// Weight of transfers against others.
    ///
    /// # Errors
    /// When there is no such group or it cannot be read.
    pub fn io_weight(&self) -> Result<u32> {
        let path = self.weight_file()?;
        let text = read(&path)?;
        let line = text.lines().next().unwrap_or_default();
        number(&path, line.strip_prefix("default ").unwrap_or(line))
    }

    /// Sets the weight of transfers.
    ///
    /// # Errors
    /// As [`Cgroup::set_shares`].
    pub fn set_io_weight(&self, weight: u32) -> Result<()> {
        let path = self.weight_file()?;
        let unified = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("io.weight"));
        write(&path, &if unified { format!("default {weight}") } else { weight.to_string() })
    }

    fn weight_file(&self) -> Result<std::path::PathBuf> {
        let (folder, unified) = self.folder(Controller::BlockIo, Part::Whole)?;
        let names: [&str; 2] =
            if unified { ["io.weight", "io.bfq.weight"] } else { ["blkio.weight", "blkio.bfq.weight"] };
        names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.exists())
            .ok_or_else(|| CgroupError::Refused("blkio weight is valid only for bfq or cfq scheduler".into()))
    }

    /// Sets a limit of one block device, given by its node's path; 0 takes it away. Gives the limit as the kernel keeps it.
    ///
    /// # Errors
    /// When there is no such group or device, or the kernel refuses.
    pub fn set_device(&self, limit: DeviceLimit, device: &str, value: u64) -> Result<()> {
        let (folder, unified) = self.folder(Controller::BlockIo, Part::Whole)?;
        if unified {
            let key = match limit {
                DeviceLimit::Weight => {
                    let path = folder.join("io.weight");
                    if !path.exists() {
                        return Err(CgroupError::Refused(
                            "blkio device weight is valid only for cfq scheduler".into(),
                        ));
                    }
                    let text = if value == 0 { "default".to_owned() } else { value.to_string() };
                    return write(&path, &format!("{} {text}", block_device(device)?));
                }
                DeviceLimit::ReadIops => "riops",
                DeviceLimit::WriteIops => "wiops",
                DeviceLimit::ReadBytes => "rbps",
                DeviceLimit::WriteBytes => "wbps",
            };
            let text = if value == 0 { "max".to_owned() } else { value.to_string() };
            return write(&folder.join("io.max"), &format!("{} {key}={text}", block_device(device)?));
        }
        let file = match limit {
            DeviceLimit::Weight => "blkio.weight_device",
            DeviceLimit::ReadIops => "blkio.throttle.read_iops_device",
            DeviceLimit::WriteIops => "blkio.throttle.write_iops_device",
            DeviceLimit::ReadBytes => "blkio.throttle.read_bps_device",
            DeviceLimit::WriteBytes => "blkio.throttle.write_bps_device",
        };
        let path = folder.join(file);
        if limit == DeviceLimit::Weight && !path.exists() {
            return Err(CgroupError::Refused("blkio device weight is valid only for cfq scheduler".into()));
        }
        write(&path, &format!("{} {value}", block_device(device)?))
    }

    /// Nanoseconds of processor time used: all, in programs, in the kernel.
    ///
    /// # Errors
    /// When there is no such group or it cannot be read.
    pub fn cpu_time(&self) -> Result<(u64, u64, u64)> {
        let (folder, unified) = self.folder(Controller::CpuAccounting, Part::Whole)?;
        if unified {
            let text = read(&folder.join("cpu.stat"))?;
            let fields: BTreeMap<&str, u64> = text
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
                .collect();
            let nanoseconds = |name: &str| fields.get(name).copied().unwrap_or(0).saturating_mul(1000);
            return Ok((nanoseconds("usage_usec"), nanoseconds("user_usec"), nanoseconds("system_usec")));
        }
        let usage = folder.join("cpuacct.usage");
        let text = read(&folder.join("cpuacct.stat"))?;
        let ticks = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            line.unwrap_or(0).saturating_mul(10_000_000)
        };
        Ok((number(&usage, &read(&usage)?)?, ticks("user"), ticks("system")))
    }

    /// Nanoseconds used on each processor of the host.
    ///
    /// # Errors
    /// As [`Cgroup::cpu_time`], and where the unified hierarchy counts: it does not count by processor.
    pub fn cpu_time_each(&self, part: Part) -> Result<Vec<u64>> {
        let (folder, unified) = self.folder(Controller::CpuAccounting, part)?;
        if unified {
            return Err(CgroupError::Backend("getCpuacctPercpuUsage"));
        }
        let path = folder.join("cpuacct.usage_percpu");
        read(&path)?.split_whitespace().map(|word| number(&path, word)).collect()
    }
}
