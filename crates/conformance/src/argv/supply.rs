//! Makes what a line names: images, sockets, pipes, kernels, keys.

use super::descriptors::Descriptors;
use super::image::{self, Shape};
use super::peer::{self, Peers};
use host::process::Command;
use qemu_plan::argv::Line;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Makes everything, peers into `peers`; the error tells what could not be made.
pub(super) fn supply(line: &Line, descriptors: &Descriptors, peers: &mut Peers) -> Result<(), String> {
    let options: Vec<(&str, &str)> = line
        .args
        .iter()
        .zip(line.args.iter().skip(1))
        .filter(|(option, _)| option.starts_with('-'))
        .map(|(option, value)| (option.as_str(), value.as_str()))
        .collect();
    let mut failures = Vec::new();
    let mut note = |outcome: Result<(), String>| failures.extend(outcome.err());
    let nodes: Vec<Value> = options
        .iter()
        .filter(|(option, _)| *option == "-blockdev")
        .filter_map(|(_, value)| serde_json::from_str(value).ok())
        .collect();
    let sets = sets(&options, descriptors);
    for node in &nodes {
        note(block(node, &nodes, &sets));
    }
    for (option, value) in &options {
        note(match *option {
            "-device" => {
                serde_json::from_str(value).map_or(Ok(()), |json: Value| match text(&json, "romfile") {
                    "" => Ok(()),
                    path => write(path, &[0; 4096]),
                })
            }
            "-object" => serde_json::from_str(value).map_or(Ok(()), |json: Value| object(&json)),
            "-chardev" => chardev(value, peers),
            "-kernel" => write(value, &kernel()),
            "-initrd" | "-dtb" => write(value, &[0; 4096]),
            "-bios" => write(value, &[0; 256 << 10]),
            "-acpitable" => plain(value).1.get("file").map_or(Ok(()), |path| write(path, &table())),
            "-fw_cfg" => plain(value).1.get("file").map_or(Ok(()), |path| write(path, b"x")),
            "-drive" => plain(value).1.get("file").map_or(Ok(()), |path| {
                let format = plain(value).1.get("format").cloned().unwrap_or_else(|| "raw".to_owned());
                image::make(path, &Shape { format, ..Shape::default() })
            }),
            "-fsdev" => plain(value).1.get("path").map_or(Ok(()), |path| folder(path)),
            "-netdev" => serde_json::from_str(value).map_or(Ok(()), |json: Value| netdev(&json, peers)),
            _ => Ok(()),
        });
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

/// Takes away what takes room: images, and files in which guests have their memory.
pub(super) fn clear(line: &Line) {
    for (option, value) in line.args.iter().zip(line.args.iter().skip(1)) {
        let Ok(json) = serde_json::from_str::<Value>(value) else { continue };
        let path = match option.as_str() {
            "-blockdev" if text(&json, "driver") == "file" => text(&json, "filename"),
            "-object" => text(&json, "mem-path"),
            _ => continue,
        };
        let installed = path.starts_with("/usr/") || path.starts_with("/dev/fdset/");
        if path.is_empty() || installed {
            continue;
        }
        if Path::new(path).is_dir() {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.for_each(|entry| drop(std::fs::remove_file(entry.path())));
        } else if Path::new(path).is_file() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// An option in the emulator's own notation: its first word, its members.
fn plain(value: &str) -> (String, BTreeMap<String, String>) {
    let spaced = value.replace(",,", "\0");
    let mut parts = spaced.split(',').map(|part| part.replace('\0', ","));
    let first = parts.next().unwrap_or_default();
    let pair = |part: String| part.split_once('=').map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut members: BTreeMap<String, String> = parts.filter_map(pair).collect();
    if let Some((name, text)) = first.split_once('=') {
        members.insert(name.to_owned(), text.to_owned());
    }
    (first, members)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn folder(path: &str) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|error| format!("{path}: {error}"))
}

fn write(path: &str, bytes: &[u8]) -> Result<(), String> {
    if let Some(parent) = Path::new(path).parent() {
        folder(&parent.display().to_string())?;
    }
    if Path::new(path).exists() && !Path::new(path).is_file() {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(|error| format!("{path}: {error}"))
}

/// Files by the sets of descriptors they are in.
fn sets(options: &[(&str, &str)], descriptors: &Descriptors) -> BTreeMap<String, String> {
    let mut sets = BTreeMap::new();
    for (_, value) in options.iter().filter(|(option, _)| *option == "-add-fd") {
        let (_, members) = plain(value);
        let fd = members.get("fd").and_then(|text| text.parse::<i32>().ok());
        let file = fd.and_then(|fd| descriptors.files.get(&fd));
        if let (Some(set), Some(file)) = (members.get("set"), file) {
            sets.insert(format!("/dev/fdset/{set}"), file.clone());
        }
    }
    sets
}

/// How a node's contents are read by the nodes above it.
fn shape(name: &str, nodes: &[Value], sets: &BTreeMap<String, String>) -> Shape {
    let raw = || Shape { format: "raw".to_owned(), ..Shape::default() };
    let Some(above) = nodes.iter().find(|node| text(node, "file") == name) else {
        // A file of data is as its owner has it.
        return raw();
    };
    let number = |name: &str| above.get(name).and_then(Value::as_u64).unwrap_or(0);
    if text(above, "driver") == "raw" {
        let mut shape = shape(text(above, "node-name"), nodes, sets);
        shape.least = number("offset") + number("size");
        return shape;
    }
    let encrypt = above.get("encrypt");
    let data = nodes
        .iter()
        .find(|node| {
            let file = text(node, "node-name");
            !file.is_empty() && (file == text(above, "data-file") || storage_of(above, node, nodes))
        })
        .map(|node| text(node, "filename"))
        .filter(|path| !path.is_empty());
    Shape {
        format: text(above, "driver").to_owned(),
        key: [text(above, "key-secret"), encrypt.map_or("", |encrypt| text(encrypt, "key-secret"))]
            .into_iter()
            .find(|key| !key.is_empty())
            .map(str::to_owned),
        lock: encrypt.map(|encrypt| text(encrypt, "format").to_owned()),
        data: data.map(|path| sets.get(path).map_or(path, String::as_str).to_owned()),
        ..Shape::default()
    }
}

/// The node holds the file that a raw node in front of it hands to `above` as its data.
fn storage_of(above: &Value, node: &Value, nodes: &[Value]) -> bool {
    let between = nodes
        .iter()
        .find(|other| text(other, "driver") == "raw" && text(other, "node-name") == text(above, "data-file"));
    between.is_some_and(|between| text(between, "file") == text(node, "node-name"))
}

fn block(node: &Value, nodes: &[Value], sets: &BTreeMap<String, String>) -> Result<(), String> {
    let path = text(node, "filename");
    match text(node, "driver") {
        "file" => {
            let mut shape = shape(text(node, "node-name"), nodes, sets);
            let path = sets.get(path).map_or(path, String::as_str);
            // Firmware is as it is installed; chips have sizes of their own.
            if text(node, "node-name").contains("pflash") {
                if Path::new(path).exists() {
                    return Ok(());
                }
                if shape.format == "raw" {
                    return write(path, &vec![0; 512 << 10]);
                }
                shape.small = true;
            }
            image::make(path, &shape)
        }
        "host_device" | "host_cdrom" => image::device(path, &shape(text(node, "node-name"), nodes, sets)),
        "vvfat" => folder(text(node, "dir")),
        _ => {
            for pointer in ["/server/host", "/server/0/host", "/server/1/host"] {
                peer::name(node.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
            }
            Ok(())
        }
    }
}

fn object(object: &Value) -> Result<(), String> {
    match text(object, "qom-type") {
        "secret" if !text(object, "file").is_empty() => {
            let key: Vec<u8> = (0..32).collect();
            write(text(object, "file"), &key)
        }
        "memory-backend-file" => {
            let path = text(object, "mem-path");
            // The folder of a guest's memory takes a file of any name; other paths are files of their size.
            if path.contains("hugepages") || !text(object, "id").starts_with("mem") {
                let parent = Path::new(path).parent().map(|parent| parent.display().to_string());
                return folder(if path.contains("hugepages") {
                    path
                } else {
                    parent.as_deref().unwrap_or("/")
                });
            }
            let size = object.get("size").and_then(Value::as_u64).unwrap_or(0);
            image::make(path, &Shape { format: "raw".to_owned(), least: size, ..Shape::default() })
        }
        "pr-manager-helper" => peer::greet(text(object, "path"), &[0; 4]),
        "rng-random" => {
            let path = text(object, "filename");
            if Path::new(path).exists() {
                return Ok(());
            }
            std::os::unix::fs::symlink("/dev/urandom", path).map_err(|error| format!("{path}: {error}"))
        }
        _ => Ok(()),
    }
}

fn netdev(json: &Value, peers: &mut Peers) -> Result<(), String> {
    if text(json, "type") != "stream" {
        return Ok(());
    }
    match json.pointer("/addr/path").and_then(Value::as_str) {
        Some(path) => peers.unix(path),
        None => Ok(()),
    }
}

fn chardev(value: &str, peers: &mut Peers) -> Result<(), String> {
    let (kind, members) = plain(value);
    let get = |name: &str| members.get(name).map(String::as_str).unwrap_or_default();
    match kind.as_str() {
        "socket" if members.contains_key("fd") => Ok(()),
        "socket" if get("server") == "on" => parent(get("path")),
        "socket" if !get("path").is_empty() => peers.unix(get("path")),
        "socket" => {
            peer::name(get("host"));
            get("port").parse().map_or(Ok(()), |port| peers.tcp(port))
        }
        "udp" => {
            peer::name(get("host"));
            peer::name(get("localaddr"));
            Ok(())
        }
        "pipe" => {
            let path = get("path");
            parent(path)?;
            let _ = std::fs::remove_file(path);
            let made = Command::new("/usr/bin/mkfifo", &[path]).run(Duration::from_secs(5));
            made.map(drop).map_err(|error| format!("{path}: {error}"))
        }
        "file" => parent(get("path")),
        _ => Ok(()),
    }
}

fn parent(path: &str) -> Result<(), String> {
    match Path::new(path).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => folder(&parent.display().to_string()),
        _ => Ok(()),
    }
}

/// A kernel that is loaded but does nothing: a boot sector with a header, one sector of set-up code.
fn kernel() -> Vec<u8> {
    let mut kernel = vec![0; 16 << 10];
    kernel[0x1f1] = 1;
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&0x0203_u16.to_le_bytes());
    kernel[0x211] = 1;
    kernel
}

/// A table of the kind that licenses come in.
fn table() -> Vec<u8> {
    let mut table = vec![0; 64];
    table[..4].copy_from_slice(b"SLIC");
    table[4..8].copy_from_slice(&64_u32.to_le_bytes());
    table[8] = 1;
    let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    table[9] = 0_u8.wrapping_sub(sum);
    table
}
