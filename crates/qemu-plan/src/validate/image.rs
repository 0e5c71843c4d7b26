//! Images of disks and those behind them: formats, protocols, encryption.

use crate::complete::setting::Setting;
use crate::complete::unsupported;
use base::Result;
use qemu_caps::Flag;
use xml::Tree;

/// Checks the image of a disk with all images behind it.
pub(super) fn chain(disk: &Tree, setting: &Setting<'_>) -> Result<()> {
    let (mut holder, mut format) = (Some(disk), disk.attr_at("driver", "type"));
    let mut cache = disk.at("driver/metadata_cache/max_size").is_some();
    while let Some(image) = holder {
        one(image, format, cache, setting)?;
        holder = image.child("backingStore").filter(|behind| !behind.children.is_empty());
        format = holder.and_then(|behind| behind.attr_at("format", "type"));
        cache = holder.is_some_and(|behind| behind.at("format/metadata_cache/max_size").is_some());
    }
    Ok(())
}

fn one(image: &Tree, format: Option<&str>, cache: bool, setting: &Setting<'_>) -> Result<()> {
    let source = image.child("source");
    formats(image, format)?;
    let encryption =
        source.and_then(|source| source.child("encryption")).or_else(|| image.child("encryption"));
    if let Some(encryption) = encryption {
        let rbd = source.is_some_and(|source| source.attr("protocol") == Some("rbd"));
        self::encryption(encryption, rbd, format, setting)?;
    }
    if cache && format != Some("qcow2") {
        return Err(unsupported("metadata cache max size control is supported only with qcow2 images"));
    }
    let kind = image.attr("type").unwrap_or_default();
    if kind == "nvme" && !setting.caps.has(Flag::DriveNvme) {
        return Err(unsupported("NVMe disks are not supported with this QEMU binary"));
    }
    if kind == "vhostuser" && !setting.caps.has(Flag::VhostUserBlk) {
        return Err(unsupported("vhostuser disk is not supported with this QEMU binary"));
    }
    if kind == "vhostvdpa" && !setting.caps.has(Flag::VirtioBlkVhostVdpa) {
        return Err(unsupported("vhostvdpa disk is not supported with this QEMU binary"));
    }
    source.map_or(Ok(()), |source| protocol(source, setting))
}

fn formats(image: &Tree, format: Option<&str>) -> Result<()> {
    let folder = image.is("type", "dir");
    match format {
        Some("cow" | "qed-old") => {
            let name = format.unwrap_or_default();
            Err(unsupported(format!("'{name}' storage format is not supported")))
        }
        Some("iso") => {
            Err(unsupported("storage format 'iso' is not directly supported by QEMU, use 'raw' instead"))
        }
        Some("dir") => Err(unsupported(
            "'directory' storage format is not directly supported by QEMU, use 'dir' disk type instead",
        )),
        Some("fat") if !folder => {
            Err(unsupported("storage format 'fat' is supported only with 'dir' storage type"))
        }
        _ if folder && format != Some("fat") => {
            Err(unsupported("storage type 'dir' requires use of storage format 'fat'"))
        }
        _ => Ok(()),
    }
}

fn encryption(encryption: &Tree, rbd: bool, format: Option<&str>, setting: &Setting<'_>) -> Result<()> {
    let kind = encryption.attr("format").unwrap_or_default();
    if matches!(kind, "default" | "qcow") {
        return Err(unsupported("old qcow/qcow2 encryption is not supported"));
    }
    if !encryption.is("engine", "librbd") {
        if kind == "luks2" || kind == "luks-any" {
            return Err(unsupported(format!(
                "'{kind}' is currently not supported by the qemu encryption engine"
            )));
        }
        if encryption.all("secret").count() > 1 {
            return Err(unsupported("qemu encryption engine expects only a single secret"));
        }
        if let Some(format) = format
            && !matches!(format, "raw" | "qcow2" | "none")
        {
            return Err(unsupported("encryption is supported only with 'raw' and 'qcow2' image format"));
        }
        return Ok(());
    }
    if !setting.caps.has(Flag::RbdEncryption) {
        return Err(unsupported("librbd encryption is not supported by this QEMU binary"));
    }
    if kind == "luks-any" && !setting.caps.has(Flag::RbdEncryptionLuksAny) {
        return Err(unsupported("luks-any encryption is not supported by this QEMU binary"));
    }
    if encryption.all("secret").count() > 1 && !setting.caps.has(Flag::RbdEncryptionLayering) {
        return Err(unsupported("librbd encryption layering is not supported by this QEMU binary"));
    }
    if !rbd {
        return Err(unsupported("librbd encryption is supported only with RBD backed disks"));
    }
    Ok(())
}

fn protocol(source: &Tree, setting: &Setting<'_>) -> Result<()> {
    let protocol = source.attr("protocol").unwrap_or_default();
    match protocol {
        "tftp" | "vxhs" if protocol == "tftp" => {
            return Err(unsupported(format!("'{protocol}' protocol is not supported with this QEMU binary")));
        }
        "nfs" => {
            let hosts: Vec<&Tree> = source.all("host").collect();
            let [host] = hosts.as_slice() else {
                return Err(unsupported("'nfs' protocol requires the usage of exactly one host"));
            };
            if host.attr("transport").is_some_and(|transport| transport != "tcp") {
                return Err(unsupported("'nfs' host must use TCP protocol"));
            }
            if host.attr("port").is_some() {
                return Err(unsupported("port cannot be specified in 'nfs' protocol host"));
            }
        }
        _ => {}
    }
    if source.attr("tlsHostname").is_some() {
        if protocol != "nbd" {
            return Err(unsupported("'tlsHostname' field is supported only with NBD disks"));
        }
        if !setting.caps.has(Flag::BlockdevNbdTlsHostname) {
            return Err(unsupported("'tlsHostname' field is not supported by this QEMU"));
        }
    }
    Ok(())
}
