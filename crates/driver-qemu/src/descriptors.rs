//! Descriptors that clients hand over under a name, for images that a guest's definition calls so.

use crate::guest::Guest;
use crate::{Driver, FROM, check_flags, error};
use api::{Call, ConnectionId};
use base::object::DomainRef;
use base::{Error, ErrorCode, Result};
use qemu_plan::argv::{FdGroup, Start};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Descriptors of one name.
#[derive(Debug)]
struct Group {
    fds: Vec<OwnedFd>,
    writable: bool,
    /// They go with the connection that brought them.
    connection: ConnectionId,
}

/// The descriptors of one guest.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<BTreeMap<String, Group>>);

impl Groups {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets those of a connection that has ended.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        self.lock().retain(|_, group| group.connection != connection);
    }

    /// Gives copies of all to a guest that starts.
    pub(crate) fn hand_out(&self, start: &mut Start, fds: &mut Vec<OwnedFd>) -> Result<()> {
        for (name, group) in self.lock().iter() {
            let mut numbers = Vec::new();
            for fd in &group.fds {
                let copy = fd.try_clone().map_err(|cause| {
                    Error::system(FROM, &cause, format!("failed to duplicate fd of '{name}'"))
                })?;
                numbers.push(copy.as_raw_fd());
                fds.push(copy);
            }
            start.fd_groups.insert(name.clone(), FdGroup { fds: numbers, writable: group.writable });
        }
        Ok(())
    }
}

impl Driver {
    pub(crate) fn associate(&self, cx: &Call, dom: &DomainRef, name: &str, flags: u32) -> Result<()> {
        const RESTORE: u32 = 1;
        const WRITABLE: u32 = 2;
        check_flags(flags, RESTORE | WRITABLE, "qemuDomainFDAssociate")?;
        let fds = cx.take_fds();
        if fds.is_empty() {
            return Err(error(ErrorCode::INVALID_ARG, "no descriptors were passed"));
        }
        let guest: std::sync::Arc<Guest> = self.find(dom)?;
        let group = Group { fds, writable: flags & WRITABLE != 0, connection: cx.connection() };
        guest.descriptors.lock().insert(name.to_owned(), group);
        Ok(())
    }
}
