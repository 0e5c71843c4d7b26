//! Families of procedures that are not served yet: every one answers that it is not supported.

use crate::Driver;
use api::{DomainAgent, DomainCheckpoint, DomainSnapshot};

impl DomainAgent for Driver {}
impl DomainCheckpoint for Driver {}
impl DomainSnapshot for Driver {}
