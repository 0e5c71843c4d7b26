//! A few deaths of the daemon in every test run; `cargo xtask crash` has many.

use crash::{Daemon, Options, run};
use std::path::Path;
use std::process::Command;

#[test]
fn every_domain_is_in_its_old_or_its_new_state() {
    if !Path::new("/usr/bin/qemu-system-x86_64").exists() || !Path::new("/proc/self/ns/net").exists() {
        println!("no emulator: skipped");
        return;
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "daemon"])
        .current_dir(&workspace)
        .status();
    assert!(built.unwrap().success(), "the daemon builds");
    let target = std::env::current_exe().unwrap();
    let program =
        target.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release")).unwrap();
    let root = std::env::temp_dir().join(format!("fc{}", std::process::id()));
    let mut daemon = Daemon::new(program.join("ferrovirtd"), root).unwrap();
    let options = Options { rounds: 6, clients: 24, seed: 7 };
    let total = run(&mut daemon, options, &mut |_, _| {}).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(total.acknowledged > 0 && total.cut_off > 0, "{total:?}");
}
