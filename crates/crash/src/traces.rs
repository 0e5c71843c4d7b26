//! What a daemon leaves on the host: processes, files, control groups.

use host::cgroup::Hierarchies;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Emulators whose files lie below a root: process and name of the guest.
pub(crate) fn emulators(root: &Path) -> Vec<(i32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let below = format!("\"{}/", root.display());
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let name = text.split("guest=").nth(1)?.split([',', '\0']).next()?.to_owned();
            text.contains(&below).then_some((pid, name))
        })
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Domain whose run-time folder this is: `1-name`.
fn owner(short: &str) -> &str {
    short.split_once('-').map_or(short, |(_, name)| name)
}

/// Control groups of guests of this run, `own`, that do not run.
pub(crate) fn groups(own: &BTreeSet<String>, running: &BTreeSet<String>) -> Vec<PathBuf> {
    let machine = Hierarchies::machine();
    let mounts = machine.own.values().chain(machine.unified.iter().map(|(mount, _)| mount));
    let folders = mounts.flat_map(|mount| ["machine", "machine.slice"].map(|part| mount.join(part)));
    let mut found = Vec::new();
    for folder in folders {
        for name in names(&folder) {
            let guest = guest_of(&name);
            if guest.is_some_and(|guest| own.contains(&guest) && !running.contains(&guest)) {
                found.push(folder.join(name));
            }
        }
    }
    found
}

/// The guest that a group is of: `qemu-1-name.libvirt-qemu` or `machine-qemu\\x2d1\\x2dname.scope`.
fn guest_of(group: &str) -> Option<String> {
    let plain = group.replace("\\x2d", "-");
    let stem = plain
        .strip_suffix(".libvirt-qemu")
        .or_else(|| plain.strip_suffix(".scope")?.strip_prefix("machine-"))?;
    Some(owner(stem.strip_prefix("qemu-")?).to_owned())
}

/// Files and folders that belong to no domain of `running` and no definition of `stored`.
pub(crate) fn leftovers(root: &Path, stored: &BTreeSet<String>, running: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut note = |folder: &Path, wrong: &dyn Fn(&str) -> bool| {
        found.extend(names(folder).into_iter().filter(|name| wrong(name)).map(|name| folder.join(name)));
    };
    let stem = |name: &str, ending: &str| name.strip_suffix(ending).map(str::to_owned);
    note(&root.join("etc/libvirt/qemu"), &|name| {
        name.ends_with(".new") || stem(name, ".xml").is_some_and(|name| !stored.contains(&name))
    });
    note(&root.join("run/libvirt/qemu"), &|name| {
        let status = stem(name, ".xml").or_else(|| stem(name, ".pid").filter(|name| name != "driver"));
        name.ends_with(".new") || status.is_some_and(|name| !running.contains(&name))
    });
    note(&root.join("run/libvirt/qemu/channel"), &|name| !running.contains(owner(name)));
    note(&root.join("var/lib/libvirt/qemu"), &|name| {
        name.strip_prefix("domain-").is_some_and(|short| !running.contains(owner(short)))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_tell_their_guests() {
        for group in ["qemu-12-crash-7-3.libvirt-qemu", "machine-qemu\\x2d12\\x2dcrash\\x2d7\\x2d3.scope"] {
            assert_eq!(guest_of(group).as_deref(), Some("crash-7-3"), "{group}");
        }
        assert_eq!(guest_of("user.slice"), None);
    }
}
