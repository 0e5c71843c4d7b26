//! Images of disks, made with `qemu-img` in the format in which a line opens them.

use host::process::Command;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How an image is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Name of the emulator's driver.
    pub(super) format: String,
    /// Key by which it is opened.
    pub(super) key: Option<String>,
    /// `luks` or `aes`, for formats that have several.
    pub(super) lock: Option<String>,
    /// The file that holds its data.
    pub(super) data: Option<String>,
    /// Bytes that must be there.
    pub(super) least: u64,
    /// It must fit into a chip.
    pub(super) small: bool,
}

/// Size of an image that need not have a certain one, in bytes.
const SIZE: u64 = 64 << 20;

/// What every secret says.
const SECRET: &str = "AQCVn5hO6HzFAhAAq0NCv8jtJcIcE+HOBlMQ1A";

fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let program = host::program::find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let finished = Command::new(program, args)
        .run(Duration::from_secs(20))
        .map_err(|error| format!("{}: {error}", args.join(" ")))?;
    if finished.status == Some(0) {
        return Ok(String::from_utf8_lossy(&finished.out).trim().to_owned());
    }
    Err(format!("{}: {}", args.join(" "), String::from_utf8_lossy(&finished.err).trim()))
}

/// Makes an image.
pub(super) fn make(path: &str, shape: &Shape) -> Result<(), String> {
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    // What is there and no file is as good.
    if Path::new(path).exists() && !Path::new(path).is_file() {
        return Ok(());
    }
    let size = if shape.small { 512 << 10 } else { SIZE.max(shape.least) };
    if shape.format == "raw" {
        let file = std::fs::File::options().write(true).create(true).truncate(true).open(path);
        return file.and_then(|file| file.set_len(size)).map_err(|error| format!("{path}: {error}"));
    }
    let size = size.to_string();
    let secret = format!("secret,id=key,data={SECRET}");
    let mut options = Vec::new();
    if shape.key.is_some() {
        match (shape.format.as_str(), shape.lock.as_deref()) {
            ("luks", _) => options.push("key-secret=key".to_owned()),
            (_, lock) => {
                options.push(format!("encrypt.format={}", lock.unwrap_or("luks")));
                options.push("encrypt.key-secret=key".to_owned());
            }
        }
        options.push(match shape.format.as_str() {
            "luks" => "iter-time=10".to_owned(),
            _ if shape.lock.as_deref() == Some("aes") => String::new(),
            _ => "encrypt.iter-time=10".to_owned(),
        });
    }
    if let Some(data) = &shape.data {
        options.push(format!("data_file={data},data_file_raw=on"));
    }
    options.retain(|option| !option.is_empty());
    let options = options.join(",");
    let mut args = vec!["create", "-q", "-f", &shape.format];
    if shape.key.is_some() {
        args.extend(["--object", &secret]);
    }
    if !options.is_empty() {
        args.extend(["-o", &options]);
    }
    args.extend([path, &size]);
    run("qemu-img", &args).map(drop)
}

/// A block device with an image of a format on it, under a path.
pub(super) fn device(path: &str, shape: &Shape) -> Result<(), String> {
    static LOOPS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    if Path::new(path).exists() && !path.starts_with("/dev/loop") {
        let _ = std::fs::remove_file(path);
    }
    let mut loops = LOOPS.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("{shape:?}");
    let device = match loops.get(&name) {
        Some(device) => device.clone(),
        None => {
            let backing = format!("/run/argv-loop-{}", loops.len());
            make(&backing, shape)?;
            let device = run("losetup", &["--find", "--show", &backing])?;
            loops.insert(name, device.clone());
            device
        }
    };
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    run("cp", &["-a", &device, path]).map(drop)
}

/// Gives all block devices back.
pub(super) fn release() {
    for number in 0..64 {
        if let Ok(found) = run("losetup", &["--associated", &format!("/run/argv-loop-{number}")])
            && let Some((device, _)) = found.split_once(':')
        {
            let _ = run("losetup", &["--detach", device]);
        }
    }
}
