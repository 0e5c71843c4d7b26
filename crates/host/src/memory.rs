//! Memory that the process does not need any more.

/// Gives freed memory back to the system: the allocator keeps what threads that have ended have worked with. Worth it after
/// work that comes once, like reading everything at the start.
pub fn give_back() {
    crate::blocks::give_back();
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer; the allocator locks its own arenas.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Has the allocator ask the system for more memory at a time, and give it back less eagerly, for all threads: each time takes
/// as long as many allocations, and a call that reads a document would ask and give back again and again. What is asked for
/// and not used costs nothing; [`give_back`] gives back all the same. It is to have as many heaps as processors: every heap
/// keeps pieces of what threads have worked with, and more threads than that do not compute at the same time. Called before
/// the first thread.
pub fn prepare() {
    #[cfg(target_env = "gnu")]
    {
        let heaps = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 256) as i32);
        let numbers =
            [(libc::M_TOP_PAD, 256 << 10), (libc::M_TRIM_THRESHOLD, 2 << 20), (libc::M_ARENA_MAX, heaps)];
        for (parameter, number) in numbers {
            // SAFETY: takes no pointer, and changes one number of the allocator.
            unsafe {
                libc::mallopt(parameter, number);
            }
        }
    }
}
