//! What tests of the whole need: the workspace, a daemon of one's own, stock virsh, a guest that boots.
//!
//! A [`Daemon`] lives below a temporary root (`ferrovirtd --root DIR`), so tests run side by side and leave nothing
//! behind. With `FERROVIRT_TEST_URI` set, the same tests talk to a daemon that already serves that URI instead: that is
//! how they are validated against the reference.

#![allow(clippy::print_stdout, reason = "what is skipped is said")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed and says why")]

pub mod daemon;
pub mod guest;
pub mod namespace;
pub mod virsh;

pub use daemon::Daemon;
pub use virsh::{Answer, Virsh};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A program of this workspace in the profile under which the tests run, built when it is missing.
///
/// # Panics
/// When cargo cannot build it.
pub fn program(package: &str, name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/test-HASH
    let profile = test.ancestors().nth(2).map(Path::to_owned).unwrap_or_default();
    let path = profile.join(name);
    if !path.exists() {
        let mut build =
            std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", package]).current_dir(workspace());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().is_ok_and(|status| status.success());
        assert!(built && path.exists(), "cannot build {}", path.display());
    }
    path
}

/// How much longer than on an idle machine something may take here: tasks that want to run per processor, 1 to 12.
fn patience() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let wanting: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(1.0);
    let processors = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    (wanting / processors).clamp(1.0, 12.0)
}

/// Asks `what` every few milliseconds until it answers or the time is over. Limits are those of an idle machine; where many
/// tasks want to run, they are longer.
pub fn wait_for<T>(limit: Duration, mut what: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = what() {
            return Some(answer);
        }
        let passed = begin.elapsed();
        if passed > limit && passed > limit.mul_f64(patience()) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
