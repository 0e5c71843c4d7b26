//! Families of procedures that are not served yet: every one answers that it is not supported.

use crate::Driver;
use api::{DomainCheckpoint, DomainSnapshot};

impl DomainCheckpoint for Driver {}
impl DomainSnapshot for Driver {}
