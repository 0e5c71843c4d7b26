//! Processor models: what a model means, whether one processor can stand in for another, and what to call the one
//! at hand.
//!
//! | module | noun |
//! |---|---|
//! | [`database`] | the table of models, features and vendors, read once from `data/*.txt` |
//! | [`feature_set`] | a set of x86 features as a bitmap in table order |
//! | [`definition`] | the `<cpu>` element |
//! | [`raw`] | CPUID leaves and MSRs as read from a machine or a document |
//! | [`decode`] | raw facts → model and feature list |
//! | [`compare`] | does a host satisfy a guest |
//! | [`baseline`] | the best model several hosts share |
//! | [`update`] | relative definitions made absolute, models renamed, features expanded |
//! | [`live`] | a definition corrected by what the emulator really switched on |
//! | [`qmp`] | the emulator's answers about models |
//! | [`host`] | the `<cpu>` of host capabilities |
//! | [`api`] | XML in, XML out, with the errors of the connection calls |
//!
//! Everything here is a function of its arguments.

pub mod api;
pub mod baseline;
pub mod compare;
pub mod database;
pub mod decode;
pub mod definition;
pub mod feature_set;
pub mod host;
pub mod live;
pub mod qmp;
pub mod raw;
pub mod update;

pub use compare::{Comparison, compare};
pub use database::{Database, Family};
pub use definition::{CpuDef, Fallback, Feature, Kind, Match, Mode, Policy};
pub use feature_set::FeatureSet;
pub use qmp::HypervisorModel;
