//! Faults on purpose: every write, rename, spawn and command can fail, be the last thing that happens, or panic.
//!
//! ```text
//! FERROVIRT_FAULTS="seed=7 fail=40 die=0 panic=0 points=write,rename"
//!                    │      └ one in 40 of what passes a point fails; 0: never
//!                    └ the same dice for the same seed, as far as threads allow
//! ```
//!
//! Whoever is about to do something that can go wrong asks [`at`] first. Without the variable that costs one load of a flag
//! that never changes. The variable is read once, by [`arm`]; it is meant for tests of crashes and for nothing else.
//!
//! Failures begin with the first call of a client: a daemon that comes up is not to lose guests over an order it did not get
//! through. Being the last thing that happens can hit it there too.
//!
//! *Invariant:* a panic is raised only in a call of a client ([`in_call`]), because that is what a panic may cost.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Name of the variable.
pub const VARIABLE: &str = "FERROVIRT_FAULTS";

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Point {
    /// Creating or opening a file to write.
    Open,
    /// Writing to one.
    Write,
    /// Making it durable.
    Sync,
    /// Putting it in its place.
    Rename,
    /// What follows a rename: the folder is not durable yet. It cannot fail, but be the last thing.
    Renamed,
    /// Removing a file.
    Remove,
    /// Making a folder.
    Folder,
    /// Making a link.
    Link,
    /// Starting a program.
    Spawn,
    /// What follows a start: nobody knows of the program yet. It cannot fail, but be the last thing.
    Spawned,
    /// Writing to a control group.
    Cgroup,
    /// A command to an emulator.
    Command,
    /// An emulator has answered: nobody knows yet. It cannot fail, but be the last thing.
    Answered,
    /// Announcing something to clients. It cannot fail, but be the last thing.
    Announce,
}

const POINTS: [(&str, Point); 14] = [
    ("open", Point::Open),
    ("write", Point::Write),
    ("sync", Point::Sync),
    ("rename", Point::Rename),
    ("renamed", Point::Renamed),
    ("remove", Point::Remove),
    ("folder", Point::Folder),
    ("link", Point::Link),
    ("spawn", Point::Spawn),
    ("spawned", Point::Spawned),
    ("cgroup", Point::Cgroup),
    ("command", Point::Command),
    ("answered", Point::Answered),
    ("announce", Point::Announce),
];

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(POINTS.iter().find(|(_, point)| point == self).map_or("", |(name, _)| name))
    }
}

/// How often what happens. A number says one in how many; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// Start of the dice.
    pub seed: u64,
    /// It fails.
    pub fail: u64,
    /// The process ends before it, as if it were killed.
    pub die: u64,
    /// The call panics.
    pub panic: u64,
    /// Points, as bits; all when there are none.
    points: u32,
}

impl Plan {
    /// Reads the words of the variable; what is not understood counts for nothing.
    pub fn parse(text: &str) -> Plan {
        let mut plan = Plan::default();
        for (name, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
            let number = value.parse().unwrap_or(0);
            match name {
                "seed" => plan.seed = number,
                "fail" => plan.fail = number,
                "die" => plan.die = number,
                "panic" => plan.panic = number,
                "points" => {
                    let named = |name: &str| POINTS.iter().find(|(known, _)| *known == name);
                    let points = value.split(',').filter_map(named);
                    plan.points = points.fold(0, |bits, (_, point)| bits | 1 << *point as u32);
                }
                _ => {}
            }
        }
        plan
    }

    fn concerns(&self, point: Point) -> bool {
        self.points == 0 || self.points & (1 << point as u32) != 0
    }
}

static ARMED: AtomicBool = AtomicBool::new(false);
/// A client has called: what happens before that, while the daemon comes up, does not fail.
static SERVING: AtomicBool = AtomicBool::new(false);
static PLAN: OnceLock<Plan> = OnceLock::new();
static ROLLS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static CALL: Cell<bool> = const { Cell::new(false) };
}

/// Reads the variable. Called once, when the process is ready to work.
pub fn arm() {
    if let Ok(text) = std::env::var(VARIABLE) {
        let plan = *PLAN.get_or_init(|| Plan::parse(&text));
        log::warn!("faults on purpose: {plan:?}");
        ARMED.store(true, Ordering::Release);
    }
}

/// Something is about to be done: an error when it is to fail.
///
/// # Errors
/// When faults are on and the dice say so.
#[inline]
pub fn at(point: Point) -> io::Result<()> {
    if ARMED.load(Ordering::Relaxed) { meet(point) } else { Ok(()) }
}

/// Runs a call of a client: what panics in it costs the call alone.
pub fn in_call<T>(call: impl FnOnce() -> T) -> T {
    if !ARMED.load(Ordering::Relaxed) {
        return call();
    }
    /// Says that the call is over, however it ends.
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            CALL.set(false);
        }
    }
    SERVING.store(true, Ordering::Relaxed);
    CALL.set(true);
    let _over = Over;
    call()
}

#[cold]
fn meet(point: Point) -> io::Result<()> {
    let Some(plan) = PLAN.get().filter(|plan| plan.concerns(point)) else { return Ok(()) };
    let roll = mixed(plan.seed.wrapping_add(ROLLS.fetch_add(1, Ordering::Relaxed)));
    let once_in = |times: u64, part: u32| times > 0 && roll.rotate_right(part).is_multiple_of(times);
    if once_in(plan.die, 0) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
    // What follows something that was done cannot undo it.
    let done = matches!(point, Point::Renamed | Point::Spawned | Point::Answered | Point::Announce);
    // Behind a rename there is no code that could panic; and what unwinds already must not panic again.
    if once_in(plan.panic, 20) && point != Point::Renamed && CALL.get() && !std::thread::panicking() {
        panic!("on purpose, at {point}");
    }
    if once_in(plan.fail, 40) && !done && SERVING.load(Ordering::Relaxed) {
        return Err(io::Error::other(format!("fault on purpose, at {point}")));
    }
    Ok(())
}

/// A number that looks random (splitmix64).
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test that arms, because it cannot be undone.
    #[test]
    fn faults_come_as_planned() {
        assert!(at(Point::Write).is_ok());
        let plan = Plan::parse("seed=7 fail=3 nonsense panic=x points=write,rename,unknown");
        assert_eq!((plan.seed, plan.fail, plan.die, plan.panic), (7, 3, 0, 0));
        assert!(plan.concerns(Point::Rename) && !plan.concerns(Point::Spawn));
        PLAN.get_or_init(|| Plan { panic: 2, ..plan });
        ARMED.store(true, Ordering::Release);
        assert!((0..100).all(|_| at(Point::Write).is_ok()));
        SERVING.store(true, Ordering::Release);
        let failed = (0..3000).filter(|_| at(Point::Write).is_err()).count();
        assert!((800..1200).contains(&failed), "{failed} of 3000");
        assert!((0..100).all(|_| at(Point::Spawn).is_ok()));
        // In a call, and only there, it may panic.
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let panicked =
            (0..100).filter(|_| std::panic::catch_unwind(|| in_call(|| at(Point::Write))).is_err());
        let panicked = panicked.count();
        std::panic::set_hook(quiet);
        assert!((20..80).contains(&panicked), "{panicked} of 100");
        assert!((0..100).all(|_| std::panic::catch_unwind(|| at(Point::Write)).is_ok()));
    }
}
