//! Every target bears its corpus and some thousand inputs made of it.

use fuzz::TARGETS;
use fuzz::run::{Memory, Plan, note_panics, run};
use peak_alloc::PeakAlloc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One test for all: memory is counted for the whole process.
#[test]
fn targets_bear_their_corpus_and_more() {
    note_panics();
    let memory = Memory {
        reset: || ALLOCATOR.reset_peak_usage(),
        peak: || ALLOCATOR.peak_usage(),
        current: || ALLOCATOR.current_usage(),
    };
    let mut wrong = Vec::new();
    for target in TARGETS {
        let begin = Instant::now();
        // The limit is for endless ones: nothing here is compiled for speed.
        let end = Some(begin + Duration::from_secs(20));
        let plan = Plan { runs: 2000, end, seed: 7, memory, slow: Duration::from_secs(30) };
        let report = run(target, plan, &mut |_, _| {});
        println!("{}: {} inputs, {} kinds, {:?}", target.name, report.runs, report.kinds, begin.elapsed());
        if report.kinds < 3 {
            wrong.push(format!("{}: only {} kinds of outcome", target.name, report.kinds));
        }
        for finding in report.findings {
            wrong.push(format!("{}: {:?}\n{}", target.name, finding.what, finding.input.escape_ascii()));
        }
    }
    // The hook keeps quiet: tell by leaving.
    if !wrong.is_empty() {
        println!("{}", wrong.join("\n"));
        std::process::exit(1);
    }
}
