//! How the thread that leads waits for what comes next.
//!
//! Waking a sleeping thread takes some 25 µs where processors are virtual and idle, several times what a call takes. A client
//! that makes one call after the other sends the next one sooner than that. So after a wait that was shorter than
//! [`LINGER`] the next one begins by looking again and again, and giving way to others, for as long as that; a wait that was
//! longer ends it. An idle daemon, or one that is asked now and then, never lingers.

use mio::{Events, Poll};
use std::io;
use std::time::{Duration, Instant};

/// How long it looks before it sleeps.
const LINGER: Duration = Duration::from_micros(100);

/// Pauses between two looks, a fraction of a microsecond together.
const PAUSES: u32 = 4;

#[derive(Debug, Default)]
pub(crate) struct Linger {
    /// The last wait was a short one.
    chatty: bool,
}

impl Linger {
    /// Waits for events like [`Poll::poll`].
    pub(crate) fn poll(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout < LINGER) {
            return poll.poll(events, timeout);
        }
        let since = Instant::now();
        while self.chatty {
            poll.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                return Ok(());
            }
            self.chatty = since.elapsed() < LINGER;
            // Who has to run on this processor does; another processor of the same core is not held up.
            std::thread::yield_now();
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
        }
        let outcome = poll.poll(events, timeout);
        self.chatty = since.elapsed() < LINGER;
        outcome
    }
}
