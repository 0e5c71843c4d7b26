//! Devices through the public seams: what is read is printed, what is not understood is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed and says why"
)]

use conf_nodedev::device::FormatFlags;
use conf_nodedev::{Capability, Device, Kind, Origin};

fn document(body: &str) -> String {
    format!("<device><name>d</name><parent>computer</parent>{body}</device>")
}

/// A device that is printed as it came.
fn kept(body: &str, kinds: &[Kind]) {
    let text = document(body);
    let mut device = Device::parse(&text, Origin::Existing, false).expect(body);
    if let Some(mdev) = device.mediated_mut() {
        mdev.run_as_defined();
    }
    let printed: String = device.format(FormatFlags::default()).lines().map(str::trim).collect();
    assert_eq!(printed, text);
    assert_eq!(device.kinds(), kinds, "{body}");
}

fn refused(body: &str, message: &str) {
    let error = Device::parse(&document(body), Origin::New, false).expect_err(body);
    assert_eq!(error.message(), message, "{body}");
}

#[test]
fn devices_are_printed_as_they_came() {
    kept(
        "<capability type='system'><product>p</product><hardware><vendor>v</vendor><uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid></hardware><firmware><version>1</version></firmware></capability>",
        &[Kind::System],
    );
    kept(
        "<capability type='pci'><class>0x020000</class><domain>0</domain><bus>1</bus><slot>2</slot><function>3</function><product id='0x0001'/><vendor id='0x8086'>I</vendor><capability type='virt_functions' maxCount='2'/><capability type='cardbus-bridge'/><capability type='mdev_types'><type id='t'><name>n</name><deviceAPI>vfio-pci</deviceAPI><availableInstances>1</availableInstances></type></capability><numa node='1'/><pci-express><link validity='cap' port='2' speed='64' width='16'/><link validity='sta' width='0'/></pci-express></capability>",
        &[Kind::Pci, Kind::MdevTypes],
    );
    kept(
        "<capability type='net'><interface>e</interface><link speed='10' state='lowerlayerdown'/><feature name='ufo'/><feature name='lro'/><capability type='80211'/></capability>",
        &[Kind::Net],
    );
    kept(
        "<capability type='scsi_host'><host>1</host><unique_id>0</unique_id><capability type='fc_host'><wwnn>1</wwnn><wwpn>2</wwpn></capability></capability>",
        &[Kind::ScsiHost, Kind::FcHost],
    );
    kept(
        "<capability type='scsi_target'><target>t</target><capability type='fc_remote_port'><rport>r</rport><wwpn>w</wwpn></capability></capability>",
        &[Kind::ScsiTarget],
    );
    kept(
        "<capability type='storage'><block>/b</block><capability type='removable'><media_available>1</media_available><media_size>5</media_size><media_label>l</media_label></capability><capability type='hotpluggable'/></capability>",
        &[Kind::Storage],
    );
    kept(
        "<capability type='mdev'><type id='t'/><uuid>8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11</uuid><parent_addr>0.0.0052</parent_addr><iommuGroup number='3'/><attr name='a' value='1'/><attr name='a' value='2'/></capability>",
        &[Kind::Mdev],
    );
    kept(
        "<capability type='ccwgroup'><state>offline</state><cssid>0x0</cssid><ssid>0x1</ssid><devno>0x00ff</devno><members><ccw_device ref='cdev0'>c</ccw_device></members><capability type='qeth_layer3'><card_type>k</card_type></capability></capability>",
        &[Kind::CcwGroup],
    );
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_reference() {
    let cases = [
        ("", "internal error: no device capabilities for 'new device'"),
        (
            "<capability type='x'/>",
            "XML error: Invalid value for attribute 'type' in element 'capability': 'x'.",
        ),
        ("<capability type='vpd'/>", "internal error: unknown capability type '21' for 'new device'"),
        ("<capability type='net'/>", "internal error: no network interface supplied for 'new device'"),
        (
            "<capability type='css'><cssid>z</cssid></capability>",
            "unsupported configuration: invalid cssid value 'z' for 'new device'",
        ),
        (
            "<capability type='mdev'/>",
            "unsupported configuration: missing type id attribute for 'new device'",
        ),
        (
            "<capability type='mdev'><type id='t'/><uuid>zz</uuid></capability>",
            "internal error: Invalid uuid 'zz' for new mdev device",
        ),
        ("<capability type='drm'/>", "unsupported configuration: unknown drm type '(null)' for 'new device'"),
        (
            "<capability type='storage'><block>/x</block></capability>",
            "internal error: no size supplied for 'new device'",
        ),
        ("<capability/>", "XML error: Missing required attribute 'type' in element 'capability'"),
        (
            "<capability type='vport_ops'/>",
            "XML error: Invalid value for attribute 'type' in element 'capability': 'vport_ops'.",
        ),
        (
            "<devnode/><capability type='mdev'><type id='t'/></capability>",
            "XML error: Missing required attribute 'type' in element 'devnode'",
        ),
        (
            "<capability type='mdev'><type id='t'/><iommuGroup number='x'/></capability>",
            "internal error: invalid iommuGroup number attribute for 'new device'",
        ),
        (
            "<capability type='net'><interface>e</interface><feature/></capability>",
            "XML error: missing network device feature name",
        ),
        (
            "<capability type='net'><interface>e</interface><feature name='q'/></capability>",
            "XML error: unknown network device feature 'q'",
        ),
        (
            "<capability type='net'><interface>e</interface><capability type='q'/></capability>",
            "unsupported configuration: invalid network type supplied for 'new device'",
        ),
        (
            "<capability type='ccwgroup'><cssid>0</cssid><ssid>0</ssid><devno>1</devno><state>q</state></capability>",
            "unsupported configuration: unknown state 'q' for 'new device'",
        ),
        (
            "<capability type='ccwgroup'><cssid>0</cssid><ssid>0</ssid><devno>1</devno><state>online</state><members><ccw_device/></members></capability>",
            "XML error: Missing ref property on ccw_device in members for 'new device'",
        ),
        (
            "<capability type='ccwgroup'><cssid>0</cssid><ssid>0</ssid><devno>1</devno><state>online</state><capability/></capability>",
            "XML error: Missing required attribute 'type' in element 'capability'",
        ),
        ("<capability type='ap_matrix'><capability/></capability>", "XML error: Missing capability type"),
    ];
    for (body, message) in cases {
        refused(body, message);
    }
    let types = |inside: &str| {
        format!(
            "<capability type='ap_matrix'><capability type='mdev_types'>{inside}</capability></capability>"
        )
    };
    let missing = "XML error: missing 'id' attribute for mediated device's <type> element";
    refused(&types("<type/>"), missing);
    let missing = "XML error: missing device API for mediated device type 'a'";
    refused(&types("<type id='a'/>"), missing);
    let missing = "XML error: missing number of available instances for mediated device type 'a'";
    refused(&types("<type id='a'><deviceAPI>x</deviceAPI></type>"), missing);
}

#[test]
fn parts_of_pci_functions_are_checked() {
    let function = |inside: &str| {
        format!(
            "<capability type='pci'><domain>0</domain><bus>2</bus><slot>16</slot><function>7</function>\
             <product id='0x10ca'/><vendor id='0x8086'/>{inside}</capability>"
        )
    };
    let physical = |place: &str| {
        function(&format!("<capability type='phys_function'><address domain='0' {place}/></capability>"))
    };
    let cases = [
        (function("<capability/>"), "XML error: Missing capability type"),
        (
            function("<capability type='phys_function'/>"),
            "XML error: Missing address in 'phys_function' capability",
        ),
        (physical("bus='256'"), "XML error: Invalid PCI address bus='0x100', must be <= 0xFF"),
        (physical("slot='2147483648'"), "XML error: Invalid PCI address slot='0x80000000', must be <= 0x1F"),
        (physical("function='8'"), "XML error: Invalid PCI address function=0x8, must be <= 7"),
        (
            function("<capability type='virt_functions' maxCount='x'/>"),
            "XML error: Malformed 'maxCount' parameter",
        ),
        (function("<iommuGroup/>"), "XML error: Missing required attribute 'number' in element 'iommuGroup'"),
        (
            function("<iommuGroup number='x'/>"),
            "XML error: Invalid value for attribute 'number' in element 'iommuGroup': 'x'. Expected non-negative integer value",
        ),
        (
            function("<pci-express><link validity='cap' port='x'/></pci-express>"),
            "XML error: Missing required attribute 'width' in element 'link'",
        ),
    ];
    for (body, message) in cases {
        refused(&body, message);
    }
    assert!(
        Device::parse(&document(&function("<pci-express><link/></pci-express>")), Origin::New, false).is_ok()
    );
}

#[test]
fn addresses_name_parents() {
    let css = "<capability type='css'><cssid>0x0</cssid><ssid>0x0</ssid><devno>0x0052</devno></capability>";
    let device = Device::parse(&document(css), Origin::Existing, true).unwrap();
    assert_eq!(device.address().as_deref(), Some("0.0.0052"));
    assert!(matches!(device.capabilities.as_slice(), [Capability::Css(_)]));
}
