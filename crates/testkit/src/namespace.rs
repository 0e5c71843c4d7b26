//! A test that runs again in namespaces of its own, where it may do to network and mounts what it likes.

use std::process::Command;

/// Runs a test of this program again in a network and a mount namespace of its own; true in there. Says why not, where
/// that is not possible. With `FERROVIRT_TEST_URI` it runs where it is: that daemon has a namespace already.
///
/// # Panics
/// When the test failed in there.
pub fn inside(test: &str) -> bool {
    if std::env::var_os("TEST_STAGE").is_some() {
        return true;
    }
    let mut run = if std::env::var_os("FERROVIRT_TEST_URI").is_some() {
        Command::new("env")
    } else {
        let mut run = Command::new("unshare");
        run.args(["-n", "-m", "--propagation", "private"]);
        run
    };
    run.arg(std::env::current_exe().expect("the test knows its program"));
    run.args(["--exact", test, "--nocapture"]).env("TEST_STAGE", "1");
    let output = run.output().expect("the program of the test runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("unshare failed") || err.contains("Operation not permitted") {
        println!("skipped: namespaces need root");
        return false;
    }
    println!("{out}");
    assert!(output.status.success(), "{out}\n{err}");
    false
}
