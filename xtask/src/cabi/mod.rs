//! `cargo xtask capi`: the C libraries with everything that a program needs to be built on them.
//!
//! ```text
//! protocol/c/*.idl ──▶ headers, version scripts, API descriptions, pkg-config files
//! crates/capi ── cargo build ──▶ libcapi.a ── cc -shared, version script ──▶ libvirt.so.0
//!                          generated C that passes calls on ── cc -shared ──▶ libvirt-{qemu,lxc,admin}.so.0
//! ```
//!
//! The Rust part is a static library linked by the C compiler, because rustc gives every shared library a version script
//! of its own. The result is checked: what the dynamic symbol table says must be what the table says, both ways.

mod api_xml;
mod check;
mod header;
mod script;
pub(crate) mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use table::Table;

pub(crate) use script::PRIVATE;

const LIBRARIES: [&str; 4] = ["libvirt", "libvirt-qemu", "libvirt-lxc", "libvirt-admin"];

/// The release whose interface this is.
const VERSION: &str = "11.3.0";

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn target(workspace: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}

fn pkg_config(library: &str, out: &Path) -> String {
    let name = library.trim_start_matches("libvirt");
    let own = library.replace('-', "_");
    let mut text = format!(
        "prefix={0}\nexec_prefix=${{prefix}}\nlibdir=${{prefix}}\nincludedir=${{prefix}}/include\n\n{own}_api=${{prefix}}/api/{library}-api.xml\n",
        out.display()
    );
    if library == "libvirt" {
        text.push_str("libvirt_qemu_api=${prefix}/api/libvirt-qemu-api.xml\nlibvirt_lxc_api=${prefix}/api/libvirt-lxc-api.xml\n");
    }
    let requires = if library == "libvirt" { "" } else { "libvirt" };
    text + &format!(
        "\nName: {library}\nVersion: {VERSION}\nDescription: {library} library\nRequires: {requires}\nLibs: -L${{libdir}} -lvirt{name}\nCflags: -I${{includedir}}\n"
    )
}

/// Builds everything into `target/capi`.
pub(crate) fn build(workspace: &Path, release: bool, check: Option<u32>) -> Result<(), String> {
    let table = Table::read(&workspace.join("protocol/c"))?;
    let target = target(workspace);
    let out = target.join("capi");
    for (name, text) in header::files(&table) {
        write(&out.join("include/libvirt").join(name), &text)?;
    }
    for library in LIBRARIES {
        write(&out.join(format!("api/{library}-api.xml")), &api_xml::document(&table, library))?;
        write(&out.join(format!("pkgconfig/{library}.pc")), &pkg_config(library, &out))?;
        write(&out.join(format!("build/{library}.map")), &script::version_script(&table, library))?;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--package", "capi", "--lib"]).current_dir(workspace);
    if release {
        cargo.arg("--release");
    }
    if !cargo.status().map_err(|e| e.to_string())?.success() {
        return Err("cargo build failed".to_owned());
    }
    let archive = target.join(if release { "release" } else { "debug" }).join("libcapi.a");
    for library in LIBRARIES {
        link(&table, library, &archive, &out)?;
        compare(&table, library, &out)?;
    }
    println!("{}", out.display());
    match check {
        Some(seconds) => check::run_all(&table, workspace, &out, seconds),
        None => Ok(()),
    }
}

fn link(table: &Table, library: &str, archive: &Path, out: &Path) -> Result<(), String> {
    let soname = format!("{library}.so.0");
    let made = out.join(format!("build/{soname}"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-Wl,--gc-sections,-O1,--strip-debug,-z,relro,-z,now,-z,nodelete"]);
    cc.arg(format!("-Wl,-soname,{soname}"));
    cc.arg(format!("-Wl,--version-script,{}", out.join(format!("build/{library}.map")).display()));
    if library == "libvirt" {
        cc.arg("-Wl,--whole-archive").arg(archive).arg("-Wl,--no-whole-archive");
        cc.args(["-lgcc_s", "-lpthread", "-ldl", "-lm", "-lc"]);
    } else {
        let source = out.join(format!("build/{library}.c"));
        write(&source, &script::shims(table, library))?;
        cc.arg("-I").arg(out.join("include")).arg(&source).arg(out.join("libvirt.so.0"));
    }
    run(cc.arg("-o").arg(&made))?;
    // Whoever runs with the old library keeps it: the new one takes its place at once.
    std::fs::rename(&made, out.join(&soname)).map_err(|e| e.to_string())?;
    let link = out.join(format!("{library}.so"));
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(&soname, &link).map_err(|e| e.to_string())
}

/// What a shared library exports: names with version nodes, without private ones.
fn exported(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = run(Command::new("readelf").args(["-W", "--dyn-syms"]).arg(path))?;
    let mut out = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, kind, bind, _, section, name, ..] = words[..] else { continue };
        if !matches!(kind, "FUNC" | "OBJECT") || bind == "LOCAL" || matches!(section, "UND" | "ABS") {
            continue;
        }
        let (name, node) = name.split_once("@@").or_else(|| name.split_once('@')).unwrap_or((name, ""));
        if !node.contains("PRIVATE") {
            out.push((name.to_owned(), node.to_owned()));
        }
    }
    out.sort();
    Ok(out)
}

fn compare(table: &Table, library: &str, out: &Path) -> Result<(), String> {
    let want = script::symbols(table, library);
    let got = exported(&out.join(format!("{library}.so.0")))?;
    let show = |(name, node): &(String, String)| format!("{name}@{node}");
    let missing: Vec<String> = want.iter().filter(|symbol| !got.contains(symbol)).map(show).collect();
    let extra: Vec<String> = got.iter().filter(|symbol| !want.contains(symbol)).map(show).collect();
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{library}: {} symbols missing: {}\n{} too many: {}",
        missing.len(),
        missing.join(" "),
        extra.len(),
        extra.join(" ")
    ))
}
