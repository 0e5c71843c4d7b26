//! Families of procedures that are not served yet: every one answers that it is not supported.

use crate::Driver;
use api::DomainCheckpoint;

impl DomainCheckpoint for Driver {}
