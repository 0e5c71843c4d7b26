//! A driver over a tree of devices that the test makes, through the trait.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed and says why"
)]

use api::event::Event;
use api::{Call, EventSink, NodeDevice};
use driver_nodedev::{Driver, Setup};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Deaf;

impl EventSink for Deaf {
    fn publish(&self, _event: Event) {}
}

/// A folder of a device: files with their contents, links with their targets (which begin with `>`).
fn device(root: &Path, path: &str, link: &str, files: &[(&str, &str)]) {
    let folder = root.join(path);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        match text.strip_prefix('>') {
            Some(target) => {
                fs::create_dir_all(root.join(target)).unwrap();
                symlink(root.join(target), file).unwrap();
            }
            None => fs::write(file, text).unwrap(),
        }
    }
    let link = root.join(link);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(&folder, link).unwrap();
}

fn host(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("nodedev-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    let function = "sys/devices/pci0000:00/0000:00:02.0";
    device(
        &root,
        function,
        "sys/bus/pci/devices/0000:00:02.0",
        &[
            ("uevent", "PCI_CLASS=10000\nPCI_SLOT_NAME=0000:00:02.0\n"),
            ("vendor", "0x1234\n"),
            ("device", "0x5678\n"),
            ("numa_node", "0\n"),
            ("subsystem", ">sys/bus/pci"),
            ("driver", ">sys/bus/pci/drivers/some"),
            ("sriov_totalvfs", "4\n"),
            ("mdev_supported_types/t-1/device_api", "vfio-pci\n"),
            ("mdev_supported_types/t-1/available_instances", "3\n"),
        ],
    );
    let adapter = format!("{function}/host7");
    device(
        &root,
        &adapter,
        "sys/bus/scsi/devices/host7",
        &[("uevent", "DEVTYPE=scsi_host\n"), ("subsystem", ">sys/bus/scsi")],
    );
    device(
        &root,
        &format!("{adapter}/fc_host/host7"),
        "sys/class/fc_host/host7",
        &[
            ("node_name", "0x2000000000000001\n"),
            ("port_name", "0x2000000000000002\n"),
            ("vport_create", ""),
            ("max_npiv_vports", "9\n"),
            ("npiv_vports_inuse", "1\n"),
            ("subsystem", ">sys/class/fc_host"),
        ],
    );
    let disk = format!("{adapter}/target7:0:0/7:0:0:0/block/sda");
    device(
        &root,
        &disk,
        "sys/class/block/sda",
        &[
            ("uevent", "MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\n"),
            ("dev", "8:0\n"),
            ("size", "2048\n"),
            ("queue/logical_block_size", "512\n"),
            ("subsystem", ">sys/class/block"),
        ],
    );
    let data = root.join("run/udev/data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("b8:0"), "S:disk/by-id/x\nE:ID_TYPE=disk\nE:ID_BUS=scsi\nE:ID_SERIAL=ab-1\n")
        .unwrap();
    fs::create_dir_all(root.join("usr/share/misc")).unwrap();
    fs::write(root.join("usr/share/misc/pci.ids"), "1234  Maker\n\t5678  Thing\n").unwrap();
    root
}

fn start(root: &Path) -> Arc<Driver> {
    let layout = host::Layout::of(root);
    Driver::start(Setup { layout, events: Arc::new(Deaf), host_uuid: None }).unwrap()
}

#[test]
fn a_tree_becomes_devices_with_names_and_parents() {
    let root = host("tree");
    let driver = start(&root);
    let cx = Call::internal();
    let mut names = driver.node_list_devices(&cx, None, 100, 0).unwrap();
    names.sort();
    assert_eq!(names, ["block_sda_ab_1", "computer", "pci_0000_00_02_0", "scsi_host7"]);
    let parent = |name: &str| driver.node_device_get_parent(&cx, name).unwrap().unwrap_or_default();
    assert_eq!(parent("block_sda_ab_1"), "scsi_host7");
    assert_eq!(parent("scsi_host7"), "pci_0000_00_02_0");
    assert_eq!(parent("pci_0000_00_02_0"), "computer");
    assert_eq!(parent("computer"), "");
    let document = |name: &str| driver.node_device_get_xml_desc(&cx, name, 0).unwrap();
    let disk = document("block_sda_ab_1");
    assert!(disk.contains("<devnode type='link'>/dev/disk/by-id/x</devnode>"), "{disk}");
    assert!(disk.contains("<size>1048576</size>"), "{disk}");
    let function = document("pci_0000_00_02_0");
    for part in [
        "<class>0x010000</class>",
        "<product id='0x5678'>Thing</product>",
        "<capability type='virt_functions' maxCount='4'/>",
        "<availableInstances>3</availableInstances>",
        "<numa node='0'/>",
        "<name>some</name>",
    ] {
        assert!(function.contains(part), "{part} is not in {function}");
    }
    let caps = driver.node_device_list_caps(&cx, "scsi_host7", 9).unwrap();
    assert_eq!(caps, ["scsi_host", "fc_host", "vports"]);
    driver.stop();
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn lists_lookups_and_refusals() {
    let root = host("lists");
    let driver = start(&root);
    let cx = Call::internal();
    let listed = |flags: u32| {
        let found = driver.connect_list_all_node_devices(&cx, 1, flags).unwrap();
        found.devices.into_iter().map(|device| device.name).collect::<Vec<_>>()
    };
    assert_eq!(listed(1 << 9), ["scsi_host7"]);
    assert_eq!(listed(1 << 13), ["pci_0000_00_02_0"]);
    assert_eq!(listed(1 << 28), ["computer"]);
    assert_eq!(listed(1 << 30), Vec::<String>::new());
    let found =
        driver.node_device_lookup_scsi_host_by_wwn(&cx, "2000000000000001", "2000000000000002", 0).unwrap();
    assert_eq!(found.name, "scsi_host7");
    let told = |outcome: base::Result<()>| outcome.unwrap_err().message().to_owned();
    assert!(told(driver.node_device_destroy(&cx, "computer")).contains("Unsupported device type"));
    assert!(told(driver.node_device_create(&cx, "computer", 0)).contains("Device is already active"));
    assert!(told(driver.node_device_dettach(&cx, "pci_0000_00_02_0")).contains("VFIO"));
    assert!(told(driver.node_device_reset(&cx, "computer")).contains("is not a PCI device"));
    driver.stop();
    fs::remove_dir_all(root).unwrap();
}
