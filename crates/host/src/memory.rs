//! Memory that the process does not need any more.

/// Gives freed memory back to the system: the allocator keeps what threads that have ended have worked with. Worth it after
/// work that comes once, like reading everything at the start.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer; the allocator locks its own arenas.
    unsafe {
        libc::malloc_trim(0);
    }
}
