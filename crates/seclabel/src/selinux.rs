//! SELinux: a context for each file.

use crate::{Labelled, Range, Role, Subject, all, of_guest};
use conf_domain::Domain;

/// Contexts that a policy has for guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contexts {
    /// Of a guest's process.
    pub process: String,
    /// Of a guest's process without hardware acceleration.
    pub emulated: String,
    /// Of what a guest writes to, before it gets the guest's categories.
    pub image: String,
    /// Of what guests only read.
    pub content: String,
}

impl Default for Contexts {
    fn default() -> Contexts {
        Contexts {
            process: "system_u:system_r:svirt_t:s0".to_owned(),
            emulated: "system_u:system_r:svirt_tcg_t:s0".to_owned(),
            image: "system_u:object_r:svirt_image_t:s0".to_owned(),
            content: "system_u:object_r:virt_content_t:s0".to_owned(),
        }
    }
}

/// The contexts of a guest's files.
pub fn selinux(domain: &Domain, subjects: &[Subject<'_>], contexts: &Contexts) -> Vec<Labelled> {
    all(of_guest(domain, "selinux"), "selinux", subjects, |subject, image| {
        let content = || Some(contexts.content.clone());
        match subject.role {
            Role::Image { shared: true, .. } => Some(contexts.image.clone()),
            Role::Image { read_only: true, .. } | Role::Behind | Role::Content => content(),
            Role::Image { .. } | Role::Owned => image.map(str::to_owned),
        }
    })
}

/// The contexts of a process and of its images that have a range of their own, e.g. `s0:c41,c264`: `base` is the context
/// that the definition asks for, if it does. `None` when a context is malformed.
pub fn dynamic(
    contexts: &Contexts,
    accelerated: bool,
    base: Option<&str>,
    range: &str,
) -> Option<(String, String)> {
    let usual = if accelerated { &contexts.process } else { &contexts.emulated };
    let process = Range::put(base.unwrap_or(usual), range)?;
    Some((process, Range::put(&contexts.image, range)?))
}
