//! Threads, mostly of other processes: where they may run, where they run, what they have used.

use rustix::process::Pid;
use rustix::thread::CpuSet;
use std::collections::BTreeSet;
use std::fs;
use std::io;

/// Lets a thread run only on these processors of the host.
///
/// # Errors
/// When the kernel refuses, e.g. because none of them is there.
pub fn set_affinity(thread: i32, cpus: &BTreeSet<u32>) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus.iter().filter(|cpu| (**cpu as usize) < CpuSet::MAX_CPU) {
        set.set(*cpu as usize);
    }
    Ok(rustix::thread::sched_setaffinity(Pid::from_raw(thread), &set)?)
}

/// The processors of the host a thread may run on.
///
/// # Errors
/// When the thread is gone.
pub fn affinity(thread: i32) -> io::Result<BTreeSet<u32>> {
    let set = rustix::thread::sched_getaffinity(Pid::from_raw(thread))?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(|cpu| cpu as u32).collect())
}

/// What a thread has used and waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time in nanoseconds.
    pub time: u64,
    /// The processor of the host it was last seen on.
    pub cpu: i32,
    /// Nanoseconds it waited for something.
    pub wait: Option<u64>,
    /// Nanoseconds it was ready but not run.
    pub delay: Option<u64>,
}

/// What a thread of a process has used.
pub fn usage(process: i32, thread: i32) -> Option<Usage> {
    let folder = format!("/proc/{process}/task/{thread}");
    let stat = fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name in parentheses may hold anything, so count from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let text = |file: &str| fs::read_to_string(format!("{folder}/{file}")).ok();
    let delay = text("schedstat").and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    Some(Usage {
        time: (ticks(11)? + ticks(12)?).saturating_mul(10_000_000),
        cpu: fields.get(36)?.parse().ok()?,
        // A kernel that does not add them up counts as one without waits.
        wait: text("sched").map(|text| wait_sum(&text).unwrap_or(0)),
        delay,
    })
}

/// Whether a thread of this process waits for something; one that is gone does as well.
pub fn sleeps(thread: i32) -> bool {
    let mut start = [0; 64];
    let mut read = || {
        use std::io::Read;
        fs::File::open(format!("/proc/self/task/{thread}/stat"))?.read(&mut start)
    };
    let count = read().unwrap_or(0);
    let start = start.get(..count).unwrap_or_default();
    // The state is the letter after the name in parentheses, which may hold anything but is short.
    let end = start.iter().rposition(|byte| *byte == b')');
    end.and_then(|end| start.get(end + 2)) != Some(&b'R')
}

/// The sum of waiting in the kernel's report on a thread, given there in milliseconds with six digits after the point.
fn wait_sum(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| {
        let name = line.split(':').next().unwrap_or_default().trim();
        name == "wait_sum" || name.ends_with(".wait_sum")
    })?;
    let (whole, part) = line.split_once(':')?.1.trim().split_once('.')?;
    let part: u64 = format!("{part:0<6}").get(..6)?.parse().ok()?;
    Some(whole.parse::<u64>().ok()?.saturating_mul(1_000_000) + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let cpus = affinity(thread).unwrap();
        assert!(!cpus.is_empty());
        set_affinity(thread, &cpus).unwrap();
        assert!(!sleeps(thread));
        let usage = usage(std::process::id() as i32, thread).unwrap();
        assert!(usage.cpu >= 0);
        assert_eq!(wait_sum("se.statistics.wait_sum    :      12.034567\n"), Some(12_034_567));
        assert_eq!(wait_sum("wait_sum : 1.5\n"), Some(1_500_000));
        assert_eq!(wait_sum("nothing"), None);
    }
}
