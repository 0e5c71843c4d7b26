//! Runs every case of every class, in parallel, each guarded against panics.

use crate::classes::{self, Verdict};
use crate::{Options, manifest};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts of one class or of one part of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) total: usize,
}

/// What a class achieved.
#[derive(Debug, Default)]
pub(crate) struct ClassResult {
    pub(crate) name: String,
    pub(crate) count: Count,
    pub(crate) parts: BTreeMap<&'static str, Count>,
    /// (case, part, diff or error), in order of the manifest.
    pub(crate) failures: Vec<(String, &'static str, String)>,
}

pub(crate) fn walk(options: &Options) -> Result<Vec<ClassResult>, String> {
    let support = options.support.as_ref().unwrap_or(&options.corpus);
    let mut names = manifest::classes(&options.corpus)?;
    for asked in &options.classes {
        if !names.contains(asked) {
            return Err(format!("no class '{asked}' in {}", options.corpus.display()));
        }
    }
    if !options.classes.is_empty() {
        names.retain(|name| options.classes.contains(name));
    }
    // A panic is reported as the failure of its case; its text on stderr would only disturb the list.
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let results = names.into_iter().map(|name| class(&options.corpus, support, name)).collect();
    std::panic::set_hook(quiet);
    results
}

fn class(corpus: &std::path::Path, support: &std::path::Path, name: String) -> Result<ClassResult, String> {
    let cases = manifest::cases(corpus, support, &name)?;
    let mut result = ClassResult { count: Count { passed: 0, total: cases.len() }, ..ClassResult::default() };
    if let Some(runner) = classes::runner(&name) {
        let verdicts = Mutex::new(Vec::with_capacity(cases.len()));
        let next = AtomicUsize::new(0);
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                // Deep documents need room; the default of a thread is small.
                let builder = std::thread::Builder::new().stack_size(16 << 20);
                let spawned = builder.spawn_scoped(scope, || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(index) else { break };
                        let verdict =
                            catch_unwind(AssertUnwindSafe(|| runner(case))).unwrap_or_else(|panic| {
                                vec![("", Err(format!("panic: {}", panic_text(&*panic))))]
                            });
                        if let Ok(mut verdicts) = verdicts.lock() {
                            verdicts.push((index, verdict));
                        }
                    }
                });
                if let Err(error) = spawned {
                    eprintln!("conformance: {error}");
                }
            }
        });
        let mut verdicts = verdicts.into_inner().map_err(|e| e.to_string())?;
        verdicts.sort_by_key(|(index, _)| *index);
        for (index, verdict) in verdicts {
            result.add(&cases[index].id, verdict);
        }
    }
    result.name = name;
    Ok(result)
}

impl ClassResult {
    fn add(&mut self, id: &str, verdict: Verdict) {
        let mut good = !verdict.is_empty();
        for (part, outcome) in verdict {
            let mut passed = 1;
            if let Err(text) = outcome {
                good = false;
                passed = 0;
                self.failures.push((id.to_owned(), part, text));
            }
            if !part.is_empty() {
                let count = self.parts.entry(part).or_default();
                count.total += 1;
                count.passed += passed;
            }
        }
        self.count.passed += usize::from(good);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)").to_owned()
}
