//! The C library: `libvirt.so.0`, and what `libvirt-qemu.so.0`, `libvirt-lxc.so.0`, `libvirt-admin.so.0` pass on to it.
//!
//! ```text
//! C function ─▶ entry: last error, checks, panics ─▶ handle table ─▶ driver traits (any driver) ─▶ memory for the caller
//! ```
//!
//! Functions that only check and ask are generated from `protocol/` ([`generated`]); the rest is written here, one file a
//! subject. `cargo xtask capi` links the shared libraries, with their version nodes.
//!
//! *Invariant:* a pointer to an object is never followed, only looked up ([`handle`]); a panic never crosses the boundary.
//! *Invariant:* the library has no thread and no lock is held while a caller's function runs.

#![allow(non_snake_case, non_upper_case_globals, reason = "the names are those of C")]
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "every function of the interface takes pointers on its contract"
)]

mod admin;
mod auth;
mod callbacks;
mod connection;
mod deliver;
mod domain;
mod entry;
mod event_loop;
mod fd_stream;
pub mod generated;
mod handle;
mod last_error;
mod lifetime;
mod lists;
mod memory;
mod migration;
mod node;
mod object;
mod params;
mod poll_loop;
mod reports;
mod stream;

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Everything that is not generated is written somewhere here.
    #[test]
    fn every_function_exists() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
        let text: String = files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        let word = |name: &&str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == *name);
        let missing: Vec<_> = super::generated::BY_HAND.iter().filter(|name| !word(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
