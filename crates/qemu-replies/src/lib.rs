//! What an emulator's answers mean. Pure: replies in, values out.
//!
//! * [`vcpus`]: the processors of a guest, put together from two answers
//! * [`processor`]: CPUID words of a guest's processor
//! * [`blocks`]: block nodes with their dirty bitmaps
//! * [`jobs`]: block jobs
//! * [`migration`]: parameters of a migration, as replies, documents and commands

pub mod blocks;
pub mod jobs;
pub mod migration;
pub mod processor;
pub mod vcpus;

use serde_json::Value;

/// An answer without the parts that make it one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn number(value: &Value, name: &str) -> Option<u32> {
    value.get(name)?.as_u64()?.try_into().ok()
}

fn list<'a>(value: &'a Value, fault: &'static str) -> Result<&'a [Value], Malformed> {
    value.as_array().map(Vec::as_slice).ok_or(Malformed(fault))
}

#[cfg(test)]
mod tests;
