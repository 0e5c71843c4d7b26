//! A few rounds of each trouble in every test run; `cargo xtask crash` has many.

use crash::{Daemon, Options, Trouble, run};
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
    for (number, (name, trouble)) in Trouble::ALL.into_iter().enumerate() {
        let root = std::env::temp_dir().join(format!("fc{}-{number}", std::process::id()));
        let mut daemon = Daemon::new(program.join("ferrovirtd"), root).unwrap();
        if trouble == Trouble::Full
            && let Err(cause) = daemon.on_a_small_disk()
        {
            println!("{name}: skipped: {cause}");
            continue;
        }
        let (rounds, clients) = if trouble == Trouble::Kill { (6, 24) } else { (2, 12) };
        let options = Options { trouble, rounds, clients, seed: 7 };
        let total =
            run(&mut daemon, options, &mut |_, _| {}).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        println!("{name}: {total:?}");
        assert!(total.acknowledged > 0, "{name}: {total:?}");
        match trouble {
            Trouble::Kill => assert!(total.cut_off > 0, "{name}: {total:?}"),
            // When it dies, or whether the disk was full at the moment of a write, is left to chance.
            Trouble::Die | Trouble::Full => {}
            Trouble::Fail | Trouble::Panic => assert!(total.failed > 0, "{name}: {total:?}"),
        }
    }
}
