//! Trying what was built: C programs against our headers and, where they are installed, against the reference's.
//!
//! ```text
//! layout.c (generated): sizes and offsets of every structure, numbers of every enumeration ── our headers, theirs
//! smoke.c: every kind of object once ── our library; under valgrind when that is installed
//! ```

use super::table::Table;
use super::{run, write};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Where the reference's headers are when they are installed.
const THEIRS: &str = "/usr/include/libvirt/libvirt.h";

/// Assertions about the layout of everything that crosses the boundary.
fn layout(table: &Table) -> String {
    let mut out =
        String::from("#define VIR_ENUM_SENTINELS\n#include <stddef.h>\n#include <libvirt/libvirt.h>\n");
    out.push_str("#include <libvirt/virterror.h>\n#include <libvirt/libvirt-qemu.h>\n#include <libvirt/libvirt-admin.h>\n");
    for header in &table.headers {
        for item in &header.structs {
            let _ = writeln!(out, "_Static_assert(sizeof({0}) == {1}, \"{0}\");", item.name, item.size);
            for field in &item.fields {
                let _ = writeln!(
                    out,
                    "size_t {0}_{1}(void) {{ return offsetof({0}, {1}); }}",
                    item.name, field.name
                );
            }
        }
        for (name, _, _) in header.enums.iter().flat_map(|group| &group.members) {
            if let Some(number) = table.value(name) {
                let _ = writeln!(out, "_Static_assert((long long){name} == {number}LL, \"{name}\");");
            }
        }
        for item in &header.macros {
            let _ = match item.value.starts_with('"') {
                true => writeln!(
                    out,
                    "_Static_assert(sizeof({0}) == sizeof({1}), \"{0}\");",
                    item.name, item.value
                ),
                false => {
                    writeln!(out, "_Static_assert((long long){0} == {1}LL, \"{0}\");", item.name, item.value)
                }
            };
        }
        // A second declaration must agree with the header's.
        for function in &header.functions {
            let params = super::header::list(&function.params);
            let _ = writeln!(out, "{} {}({params});", function.returns, function.name);
        }
    }
    out
}

/// Compiles and tries; random calls from many threads for so many seconds.
pub(crate) fn run_all(table: &Table, workspace: &Path, out: &Path, seconds: u32) -> Result<(), String> {
    let source = out.join("build/layout.c");
    write(&source, &layout(table))?;
    let ours = out.join("include");
    let compile = |includes: Option<&Path>| {
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-Wall", "-Werror", "-Wno-deprecated-declarations", "-c", "-o", "/dev/null"])
            .arg(&source);
        if let Some(includes) = includes {
            cc.arg("-I").arg(includes);
        }
        run(&mut cc).map(drop)
    };
    compile(Some(&ours))?;
    println!("layout: our headers agree with the table");
    if Path::new(THEIRS).exists() {
        compile(None)?;
        println!("layout: the reference's headers agree with the table");
    }
    let smoke = out.join("build/smoke");
    let tests = workspace.join("crates/capi/tests/c");
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-g", "-Wall", "-Wextra", "-Wno-cast-function-type", "-Werror"]);
    cc.arg("-I").arg(&ours).arg(tests.join("smoke.c")).arg("-L").arg(out).arg("-lvirt").arg("-o").arg(&smoke);
    run(&mut cc)?;
    run(Command::new(&smoke).env("LD_LIBRARY_PATH", out))?;
    println!("smoke: every kind of object");
    if seconds > 0 {
        let stress = out.join("build/stress");
        let mut cc = Command::new("cc");
        cc.args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Wno-cast-function-type", "-Werror"]);
        cc.arg("-I").arg(&ours).arg(tests.join("stress.c")).arg("-L").arg(out);
        run(cc.args(["-lvirt", "-lpthread", "-o"]).arg(&stress))?;
        let told = run(Command::new(&stress).arg(seconds.to_string()).env("LD_LIBRARY_PATH", out))?;
        print!("stress: {told}");
        if told.contains("no progress") {
            return Err("a thread stood still".to_owned());
        }
    }
    if Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["-q", "--leak-check=full", "--error-exitcode=3"]);
        valgrind.arg("--errors-for-leak-kinds=definite,indirect,possible");
        valgrind.arg(format!("--suppressions={}", tests.join("valgrind.supp").display()));
        run(valgrind.arg(&smoke).env("LD_LIBRARY_PATH", out))?;
        println!("smoke: clean under valgrind");
    }
    Ok(())
}
