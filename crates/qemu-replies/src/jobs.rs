//! Jobs of the block layer.

use crate::{Malformed, list, text};
use serde_json::Value;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// What it does, e.g. `commit`.
    pub kind: String,
    /// How far it is, e.g. `running`, `concluded`.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What is done, in the job's own measure.
    pub current: u64,
    /// What there is to do, in the same measure.
    pub total: u64,
}

/// Jobs that `query-jobs` tells.
///
/// # Errors
/// When a job has no name, kind or status.
pub fn jobs(reply: &Value) -> Result<Vec<Job>, Malformed> {
    let one = |job: &Value| {
        let size = |name: &str| job.get(name).and_then(Value::as_u64).unwrap_or(0);
        Ok(Job {
            id: text(job, "id").ok_or(Malformed("job without id"))?,
            kind: text(job, "type").ok_or(Malformed("job without type"))?,
            status: text(job, "status").ok_or(Malformed("job without status"))?,
            error: text(job, "error"),
            current: size("current-progress"),
            total: size("total-progress"),
        })
    };
    list(reply, "job reply was not an array")?.iter().map(one).collect()
}
