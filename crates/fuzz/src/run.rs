//! Many inputs, one after the other, each with its time and its memory.

use crate::corpus;
use crate::dice::Dice;
use crate::mutate::{Stock, mutate};
use crate::targets::Target;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time one input may take, compiled for speed.
pub const SLOW: Duration = Duration::from_secs(1);
/// Bytes one input may have allocated at a time.
pub const LARGE: usize = 100 << 20;
/// Inputs that are kept because their outcome was new.
const POOL: usize = 4096;
/// Findings after which a run ends.
const ENOUGH: usize = 20;

/// Tells how much memory was in use: a counting allocator, where the program has one.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Begins anew from what is in use now.
    pub reset: fn(),
    /// Most bytes in use since then.
    pub peak: fn() -> usize,
    /// Bytes in use now.
    pub current: fn() -> usize,
}

impl Memory {
    /// Nobody counts.
    pub const UNKNOWN: Memory = Memory { reset: || {}, peak: || 0, current: || 0 };
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Inputs besides those of the corpus.
    pub runs: u64,
    /// When to end, whatever was done until then.
    pub end: Option<Instant>,
    /// Start of the dice.
    pub seed: u64,
    /// How memory is measured.
    pub memory: Memory,
    /// Time one input may take.
    pub slow: Duration,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It panicked: where and with which words.
    Panic(String),
    /// It took that long.
    Slow(Duration),
    /// It had that many bytes allocated at a time.
    Large(usize),
}

/// An input that is not borne.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was wrong.
    pub what: What,
    /// The input.
    pub input: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Inputs that were tried.
    pub runs: u64,
    /// Different kinds of outcome.
    pub kinds: usize,
    /// The longest any took.
    pub slowest: Duration,
    /// Most memory any took, in bytes.
    pub largest: usize,
    /// Inputs that were not borne, one for each place and kind.
    pub findings: Vec<Finding>,
}

/// Where the last panic was and what it said.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Lets panics be noted instead of being printed; for programs that do nothing else.
pub fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let words = panic.payload();
        let text =
            words.downcast_ref::<String>().map(String::as_str).or(words.downcast_ref::<&str>().copied());
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("{place}: {}", text.unwrap_or_default());
    }));
}

/// Tries one input: what was wrong with it, else which kind of outcome it had.
pub fn one(
    target: &Target,
    input: &[u8],
    memory: Memory,
    slow: Duration,
    report: &mut Report,
) -> Result<u64, What> {
    (memory.reset)();
    let (before, begin) = ((memory.current)(), Instant::now());
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let (time, grown) = (begin.elapsed(), (memory.peak)().saturating_sub(before));
    report.runs += 1;
    report.slowest = report.slowest.max(time);
    report.largest = report.largest.max(grown);
    match outcome {
        Err(_) => Err(What::Panic(LAST.lock().unwrap_or_else(PoisonError::into_inner).clone())),
        // The machine may have had other work: once more.
        Ok(kind) if time > slow => {
            let begin = Instant::now();
            (target.run)(input);
            let time = begin.elapsed().min(time);
            if time > slow { Err(What::Slow(time)) } else { Ok(kind) }
        }
        Ok(_) if grown > LARGE => Err(What::Large(grown)),
        Ok(kind) => Ok(kind),
    }
}

/// Runs the corpus of a target, then inputs made of it; `before` hears of each input before it is tried.
pub fn run(target: &Target, plan: Plan, before: &mut dyn FnMut(u64, &[u8])) -> Report {
    let mut report = Report::default();
    let mut pool = corpus::inputs(target);
    let words = corpus::words(target, &pool);
    let seeds = pool.len();
    let mut kinds = HashSet::new();
    let mut known = HashSet::new();
    let mut dice = Dice::new(plan.seed);
    let mut input = Vec::new();
    let mut round = 0;
    while round < seeds as u64 + plan.runs && report.findings.len() < ENOUGH {
        let from_corpus = usize::try_from(round).ok().filter(|at| *at < seeds);
        input.clear();
        match from_corpus {
            Some(at) => input.extend_from_slice(pool.get(at).map(Vec::as_slice).unwrap_or_default()),
            None => {
                // Every second one starts from the corpus, or the pool would drift away from it.
                let of = if dice.once_in(2) { seeds } else { pool.len() };
                let at = dice.below(of);
                match target.fresh.filter(|_| pool.is_empty() || dice.once_in(4)) {
                    Some(fresh) => input = fresh(&mut dice),
                    None => input.extend_from_slice(pool.get(at).map(Vec::as_slice).unwrap_or_default()),
                }
                let at = dice.below(pool.len());
                let other = pool.get(at).map(Vec::as_slice).unwrap_or_default();
                let stock = Stock { other, words: &words, most: target.most };
                if !dice.once_in(16) {
                    mutate(&mut input, target.form, stock, &mut dice);
                }
            }
        }
        round += 1;
        before(round, &input);
        match one(target, &input, plan.memory, plan.slow, &mut report) {
            Ok(kind) => {
                if kinds.insert(kind) && from_corpus.is_none() {
                    if pool.len() < seeds + POOL {
                        pool.push(input.clone());
                    } else {
                        let at = seeds + dice.below(POOL);
                        if let Some(place) = pool.get_mut(at) {
                            place.clone_from(&input);
                        }
                    }
                }
            }
            Err(what) => {
                let place = match &what {
                    // One for each place in the source.
                    What::Panic(text) => text.split(": ").next().unwrap_or_default().to_owned(),
                    What::Slow(_) => "slow".to_owned(),
                    What::Large(_) => "large".to_owned(),
                };
                if known.insert(place) {
                    report.findings.push(Finding { what, input: input.clone() });
                }
            }
        }
        if round % 256 == 0 && plan.end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    report.kinds = kinds.len();
    report
}
