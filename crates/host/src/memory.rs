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

/// Has the allocator ask the system for more memory at a time, and give it back less eagerly, for all threads: each time takes
/// as long as many allocations, and a call that reads a document would ask and give back again and again. What is asked for
/// and not used costs nothing; [`give_back`] gives back all the same. Called before the first thread.
pub fn prepare() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in [(libc::M_TOP_PAD, 256 << 10), (libc::M_TRIM_THRESHOLD, 2 << 20)] {
        // SAFETY: takes no pointer, and changes one number of the allocator.
        unsafe {
            libc::mallopt(parameter, bytes);
        }
    }
}
