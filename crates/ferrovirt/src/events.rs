//! Events as an iterator.
//!
//! ```text
//! driver ─▶ Hub ─▶ a queue for every iterator ─▶ next: its own queue first, else the connection is read
//! ```

use crate::{Connection, Event, Result};
use api::Session;
use api::event::Kind;
use api::session::Subscription;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The queue of one iterator.
#[derive(Default)]
struct Queue {
    events: Mutex<VecDeque<Event>>,
    changed: Condvar,
}

impl Queue {
    fn events(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands what the driver tells to every iterator.
#[derive(Default, Clone)]
pub(crate) struct Hub {
    queues: Arc<Mutex<Vec<Weak<Queue>>>>,
}

impl Hub {
    /// A hub that hears of a session's events.
    pub(crate) fn listening(session: &Arc<dyn Session>) -> Hub {
        let hub = Hub::default();
        let queues = hub.queues.clone();
        session.on_event(Arc::new(move |_, event| {
            let list = queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for queue in list.iter().filter_map(Weak::upgrade) {
                queue.events().push_back(event.clone());
                queue.changed.notify_one();
            }
        }));
        hub
    }

    fn join(&self) -> Arc<Queue> {
        let queue = Arc::new(Queue::default());
        let mut list = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|queue| queue.strong_count() > 0);
        list.push(Arc::downgrade(&queue));
        queue
    }
}

/// Numbers of the events of each kind.
const ALL: [(Kind, i32); 5] =
    [(Kind::Domain, 28), (Kind::Network, 2), (Kind::Storage, 2), (Kind::NodeDevice, 2), (Kind::Secret, 2)];

/// Events of a connection from when it was made; see [`Connection::events`].
pub struct Events {
    host: Connection,
    queue: Arc<Queue>,
    subscriptions: Vec<(Subscription, i32)>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Events({:?})", self.host)
    }
}

impl Events {
    pub(crate) fn of(host: &Connection) -> Result<Events> {
        let queue = host.shared.hub.join();
        let mut subscriptions = Vec::new();
        let mut refused = None;
        for (kind, count) in ALL {
            for id in 0..count {
                let what = Subscription { kind, id, subject: None, monitor: None };
                match host.shared.session.subscribe(&what) {
                    Ok(number) => subscriptions.push((what, number)),
                    Err(error) => refused = Some(error),
                }
            }
        }
        match refused {
            Some(error) if subscriptions.is_empty() => Err(error),
            _ => Ok(Events { host: host.clone(), queue, subscriptions }),
        }
    }

    /// The next event; `None` when none comes within `limit` or the connection is gone.
    pub fn next_within(&mut self, limit: Duration) -> Option<Event> {
        let deadline = Instant::now() + limit;
        let session = &self.host.shared.session;
        loop {
            if let Some(event) = self.queue.events().pop_front() {
                return Some(event);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.host.is_alive() {
                return None;
            }
            if session.is_local() {
                let events = self.queue.events();
                if events.is_empty() {
                    drop(self.queue.changed.wait_timeout(events, left));
                }
            } else {
                // Another thread may read for us while it waits for an answer: looked at again soon.
                session.listen(left.min(Duration::from_millis(50)));
            }
        }
    }
}

impl Iterator for Events {
    type Item = Event;

    /// Waits for the next event; ends with the connection.
    fn next(&mut self) -> Option<Event> {
        loop {
            match self.next_within(Duration::from_secs(3600)) {
                Some(event) => return Some(event),
                None if self.host.is_alive() => {}
                None => return None,
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        for (what, number) in self.subscriptions.drain(..) {
            let _ = self.host.shared.session.unsubscribe(&what, number);
        }
    }
}
