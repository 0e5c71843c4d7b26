//! Files and devices that the daemon opens for the emulator, and those that it looks at before the emulator does, so that a
//! refusal says what is missing.

use crate::FROM;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_plan::argv::Start;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use xml::Tree;

/// The file that output goes to; it is emptied unless it is to be continued.
fn output(path: &str, goes_on: bool) -> Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    let opened =
        if goes_on { options.append(true).open(path) } else { options.write(true).truncate(true).open(path) };
    opened
        .map(OwnedFd::from)
        .map_err(|cause| Error::system(FROM, &cause, format!("Failed to create file '{path}'")))
}

/// The file by which a command of a TPM is cancelled; a device without one gets a place where nothing is heard.
fn cancel_file(device: &str) -> String {
    let name = device.rsplit('/').next().unwrap_or_default();
    let places = ["tpm", "misc"].map(|class| format!("/sys/class/{class}/{name}/device/cancel"));
    places.into_iter().find(|path| Path::new(path).exists()).unwrap_or_else(|| "/dev/null".to_owned())
}

/// A TPM of the host and the file that cancels its commands.
fn tpm(path: &str) -> Result<[(&'static str, OwnedFd); 2]> {
    let device = File::options().read(true).write(true).open(path);
    let device =
        device.map_err(|cause| Error::system(FROM, &cause, format!("Could not open TPM device {path}")))?;
    let file = cancel_file(path);
    let cancel = File::options().write(true).open(&file);
    let cancel = cancel.map_err(|cause| {
        Error::system(FROM, &cause, format!("Could not open TPM device's cancel path {file}"))
    })?;
    Ok([("tpm", device.into()), ("cancel", cancel.into())])
}

/// Whether a device is the same as a serial port that is listed before it.
fn shared(device: &Tree) -> bool {
    device.name == "console" && device.attr_at("target", "type").is_none_or(|kind| kind == "serial")
}

fn is_chardev(device: &Tree) -> bool {
    matches!(device.name.as_str(), "serial" | "parallel" | "channel" | "console")
}

/// Opens what a device needs and notes it for the command line.
pub(crate) fn open(device: &Tree, alias: &str, start: &mut Start, fds: &mut Vec<OwnedFd>) -> Result<()> {
    let mut hand = |name: String, fd: OwnedFd| {
        start.passed_fds.insert(name, fd.as_raw_fd());
        fds.push(fd);
    };
    if is_chardev(device) && !shared(device) {
        if let Some(path) = device.attr_at("source", "path").filter(|_| device.is("type", "file")) {
            let goes_on = device.attr_at("source", "append") == Some("on");
            hand(format!("{alias}-source"), output(path, goes_on)?);
        }
        if let Some(path) = device.attr_at("log", "file") {
            let goes_on = device.attr_at("log", "append") == Some("on");
            hand(format!("{alias}-log"), output(path, goes_on)?);
        }
    }
    if device.name == "tpm" && device.attr_at("backend", "type") == Some("passthrough") {
        let path = device.attr_at("backend/device", "path").unwrap_or("/dev/tpm0");
        for (name, fd) in tpm(path)? {
            hand(format!("{alias}-{name}"), fd);
        }
    }
    Ok(())
}

/// The device of the host that a device of the guest leads to.
fn host_device(device: &Tree) -> Option<&str> {
    match device.name.as_str() {
        "rng" if device.attr_at("backend", "model") == Some("random") => Some(
            device.child("backend").map(Tree::body).filter(|path| !path.is_empty()).unwrap_or("/dev/random"),
        ),
        "input" if device.is("type", "passthrough") => device.attr_at("source", "evdev"),
        "input" if device.is("type", "evdev") => device.attr_at("source", "dev"),
        _ if is_chardev(device) && device.is("type", "dev") => device.attr_at("source", "path"),
        _ => None,
    }
}

/// Whether devices of the host can be given to guests.
fn gives_pci() -> bool {
    let groups = std::fs::read_dir("/sys/kernel/iommu_groups");
    groups.is_ok_and(|mut groups| groups.next().is_some()) && Path::new("/dev/vfio/vfio").exists()
}

fn check_device(device: &Tree) -> Result<()> {
    let named = |name: &str| device.attr_at("source", name).unwrap_or_default().to_owned();
    match device.name.as_str() {
        "hostdev" if device.is("mode", "subsystem") && device.is("type", "pci") && !gives_pci() => {
            Err(Error::unsupported(FROM, "host doesn't support passthrough of host PCI devices"))
        }
        // There are no pools to look into.
        "disk" if device.is("type", "volume") => Err(Error::new(
            ErrorCode::NO_STORAGE_POOL,
            ErrorDomain::STORAGE,
            format!("no storage pool with matching name '{}'", named("pool")),
        )),
        // A guest whose packets should be filtered does not run without the filter.
        "interface" => match device.attr_at("filterref", "filter") {
            Some(filter) => {
                let text = format!("referenced filter '{filter}' is missing");
                Err(Error::internal(ErrorDomain::NWFILTER, text))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Refuses what cannot be had, before anything is made for the guest.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    domain.devices().iter().try_for_each(check_device)
}

/// Refuses devices and files of the host that are not there.
pub(crate) fn check_paths(domain: &Domain) -> Result<()> {
    for path in domain.devices().iter().filter_map(host_device) {
        std::fs::metadata(path).map_err(|cause| {
            Error::system(ErrorDomain::CGROUP, &cause, format!("Path '{path}' is not accessible"))
        })?;
    }
    for name in ["kernel", "initrd", "dtb"] {
        let Some(path) =
            domain.tree.at(&format!("os/{name}")).map(Tree::body).filter(|path| !path.is_empty())
        else {
            continue;
        };
        std::fs::metadata(path).map_err(|cause| {
            Error::system(ErrorDomain::SECURITY, &cause, format!("unable to stat: {path}"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_continued_or_emptied() {
        let folder = std::env::temp_dir().join(format!("opened-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("out").display().to_string();
        std::fs::write(&path, "before").unwrap();
        drop(output(&path, true).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        drop(output(&path, false).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn refuses() {
        let disk = Tree::new("disk").with("type", "volume").holding(Tree::new("source").with("pool", "p"));
        assert!(
            check_device(&disk).unwrap_err().to_string().ends_with("no storage pool with matching name 'p'")
        );
        assert_eq!(cancel_file("/dev/nosuch"), "/dev/null");
    }
}
