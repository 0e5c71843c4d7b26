//! What is told of documents that do not fit: the way of the reference's library for schemas.

use schema::Kind;
use xml::Document;

fn check(kind: Kind, text: &str, lines: &[&str]) {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let told = schema::check(kind, document.root()).err().map(|violation| violation.to_string());
    assert_eq!(told.unwrap_or_default().lines().collect::<Vec<_>>(), lines, "{text}");
}

#[test]
fn violations_in_words_of_libxml2() {
    let network = |inside: &str| format!("<network><name>n</name>{inside}</network>");
    let above = ["Extra element ip in interleave", "Element network failed to validate content"];
    check(Kind::Network, &network("<bridge name='b'/>"), &[]);
    check(Kind::Network, &network("<ipx/>"), &["Element network has extra content: ipx"]);
    check(
        Kind::Network,
        &network("<bridge delay='x'/>"),
        &["Extra element bridge in interleave", "Element network failed to validate content"],
    );
    check(
        Kind::Network,
        &network("<dns/><dns/>"),
        &["Extra element dns in interleave", "Element network failed to validate content"],
    );
    check(
        Kind::Network,
        &network("<ip address='x'/>"),
        &["Invalid attribute address for element ip", above[0], above[1]],
    );
    check(
        Kind::Network,
        "<network/>",
        &[
            "Expecting an element name, got nothing",
            "Invalid sequence in interleave",
            "Element network failed to validate content",
        ],
    );
    check(
        Kind::Network,
        &network("<ip address='10.0.0.1'><dhcp><host mac='x' ip='10.0.0.2'/></dhcp></ip>"),
        &[
            "Invalid attribute mac for element host",
            "Extra element host in interleave",
            "Element dhcp failed to validate content",
            "Extra element dhcp in interleave",
            "Element ip failed to validate content",
            above[0],
            above[1],
        ],
    );
    check(Kind::StoragePool, "<pool><name>p</name></pool>", &["Element pool failed to validate content"]);
}

#[test]
fn documents_of_another_kind_are_refused_by_their_name() {
    let told = schema::validate_text(Kind::Secret, "<volume/>").expect_err("no secret");
    assert_eq!(told.message(), "XML error: expecting root element of 'secret', not 'volume'");
    assert_eq!(schema::validate_text(Kind::Secret, "no document"), Ok(()));
}

#[test]
fn what_is_wrong_in_a_backup_is_told_of_its_parts() {
    let told = |part: &str| {
        [
            format!("Extra element {part} in interleave"),
            "Element domainbackup failed to validate content".to_owned(),
        ]
    };
    let backup = |mode: &str, inside: &str, lines: &[String]| {
        let text = format!("<domainbackup mode='{mode}'>{inside}</domainbackup>");
        check(Kind::DomainBackup, &text, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let disk = |attrs: &str, inside: &str| format!("<disks><disk name='vda' {attrs}>{inside}</disk></disks>");
    let server = |disks: &str| format!("<server name='h'/>{disks}");
    backup("push", &disk("type='file'", "<target file='/x'/><driver type='raw'/>"), &[]);
    backup("push", &disk("", "<target file='/x'/>"), &told("disks"));
    backup("push", &disk("type='file'", "<target/>"), &told("disks"));
    backup("push", &disk("backupmode='full' incremental='c'", ""), &told("disks"));
    backup("push", &server(&disk("", "")), &told("server"));
    backup("pull", &server(&disk("", "<scratch file='/x'/>")), &[]);
    backup("pull", &server(&disk("type='block'", "")), &told("server"));
    backup("pull", &server(&disk("type='file'", "<driver type='qcow2'/>")), &told("server"));
    backup("pull", &server(&disk("backup='yes'", "")), &told("server"));
    backup("pull", &disk("", "<scratch file='/x'/>"), &told("disks"));
    backup("pull", &disk("", ""), &["Invalid attribute mode for element domainbackup".to_owned()]);
}

#[test]
fn order_number_and_likeness_of_children_count() {
    let good = |kind: Kind, text: &str| {
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        schema::check(kind, document.root()).is_ok()
    };
    let usb = |inside: &str| {
        format!("<device><name>d</name><capability type='usb_device'>{inside}</capability></device>")
    };
    let (vendor, product) = ("<vendor id='0x1'/>", "<product id='0x2'>p</product>");
    assert!(good(Kind::NodeDevice, &usb(&format!("<bus>1</bus><device>2</device>{product}{vendor}"))));
    assert!(!good(Kind::NodeDevice, &usb(&format!("<bus>1</bus><device>2</device>{vendor}{product}"))));
    assert!(!good(Kind::NodeDevice, &usb("<bus>x</bus><device>2</device><product>p</product>")));
    let rule = |inside: &str| {
        format!("<filter name='f'><rule action='drop' direction='in'>{inside}</rule></filter>")
    };
    assert!(good(Kind::NwFilter, &rule("<tcp/>")));
    assert!(!good(Kind::NwFilter, &rule("<tcp/><udp/>")));
    let pool = |devices: &str| {
        format!(
            "<pool type='fs'><name>p</name><source>{devices}</source><target><path>/x</path></target></pool>"
        )
    };
    assert!(good(Kind::StoragePool, &pool("<device path='/dev/a'/>")));
    assert!(!good(Kind::StoragePool, &pool("<device path='/dev/a'/><device path='/dev/b'/>")));
    let volume = |path: &str| format!("<volume><name>v</name><target><path>{path}</path></target></volume>");
    assert!(good(Kind::StorageVolume, &volume("pool/v")) && good(Kind::StorageVolume, &volume("file:/v")));
    assert!(!good(Kind::StorageVolume, &volume("00:11")));
}
