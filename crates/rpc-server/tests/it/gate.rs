//! Every procedure of every program on a read-only connection is refused or served exactly as the table says.

use crate::server::Running;
use base::{ErrorCode, ErrorDomain};
use driver_remote::Remote;
use proto::generated::table;
use proto::row::Program;

/// Calls every procedure of a program with a payload that fits none; what comes back tells how far the call got.
fn check(remote: &Remote, program: &'static Program, read_only: bool) {
    let mut wrong = Vec::new();
    for row in program.procedures.iter().filter(|row| !row.server) {
        let error = remote.raw(program, row.number, &[0xff; 3]).unwrap_err();
        let refused = error.code() == ErrorCode::OPERATION_DENIED;
        let expected = row.write && read_only;
        if refused != expected {
            wrong.push(format!("{}: {error}", row.name));
        }
        if refused {
            assert_eq!(
                error.message(),
                format!("operation forbidden: read only access prevents {}", row.c_name)
            );
            assert_eq!(error.domain(), ErrorDomain(row.error_domain), "{}", row.name);
        } else {
            // Let through, and then the bytes do not decode: arguments are looked at only now.
            assert_eq!(error.message(), "Unable to decode message payload", "{}", row.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn read_only_connections() {
    let server = Running::start();
    let remote = Remote::open(&server.socket("ro"), "test:///nothing", false).unwrap();
    for program in [&table::REMOTE, &table::QEMU, &table::LXC] {
        check(&remote, program, true);
    }
    // A flag does the same on the other socket.
    let remote = Remote::open(&server.socket("rw"), "test:///nothing", true).unwrap();
    check(&remote, &table::REMOTE, true);
}

#[test]
fn read_write_connections() {
    let server = Running::start();
    let remote = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    for program in [&table::REMOTE, &table::QEMU, &table::LXC] {
        check(&remote, program, false);
    }
    let admin = Remote::connect(&server.socket("admin")).unwrap();
    check(&admin, &table::ADMIN, false);
}

/// Zeros are valid arguments of any length that fits: empty texts, no lists, no flags.
#[test]
fn every_procedure_that_is_not_served_says_so() {
    let server = Running::start();
    let remote = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    let admin = Remote::connect(&server.socket("admin")).unwrap();
    for (program, remote) in
        [(&table::REMOTE, &remote), (&table::QEMU, &remote), (&table::LXC, &remote), (&table::ADMIN, &admin)]
    {
        for row in program.procedures.iter().filter(|row| !row.server) {
            let mut answers =
                (0..60).map(|words| remote.raw(program, row.number, &vec![0; words * 4]).unwrap_err());
            let fitting = answers.find(|error| error.code() != ErrorCode::RPC);
            let error = fitting.unwrap_or_else(|| panic!("{}: no payload of zeros fits", row.name));
            let expected = format!("this function is not supported by the connection driver: {}", row.c_name);
            assert_eq!((error.code(), error.message()), (ErrorCode::NO_SUPPORT, &*expected), "{}", row.name);
        }
    }
}

#[test]
fn what_no_driver_serves_is_unsupported() {
    use api::{Call, DomainLifecycle, DomainLookup, Host, Network, Storage};
    let server = Running::start();
    let remote = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    let cx = Call::internal();
    let dom = base::object::DomainRef { name: "x".to_owned(), uuid: base::Uuid::default(), id: -1 };
    for (error, function) in [
        (remote.connect_get_version(&cx).unwrap_err(), "virConnectGetVersion"),
        (remote.domain_create(&cx, &dom).unwrap_err(), "virDomainCreate"),
        (remote.domain_lookup_by_name(&cx, "x").unwrap_err(), "virDomainLookupByName"),
        (remote.connect_list_all_networks(&cx, 1, 0).unwrap_err(), "virConnectListAllNetworks"),
        (remote.connect_list_all_storage_pools(&cx, 1, 0).unwrap_err(), "virConnectListAllStoragePools"),
    ] {
        assert_eq!(error.code(), ErrorCode::NO_SUPPORT);
        assert_eq!(
            error.message(),
            format!("this function is not supported by the connection driver: {function}")
        );
    }
}

#[test]
fn secrets_are_not_for_readers() {
    use api::DomainConfig;
    let server = Running::start();
    let remote = Remote::open(&server.socket("ro"), "test:///nothing", false).unwrap();
    let dom = base::object::DomainRef { name: "x".to_owned(), uuid: base::Uuid::default(), id: -1 };
    let cx = api::Call::internal();
    let error = remote.domain_get_xml_desc(&cx, &dom, 1).unwrap_err();
    assert_eq!(error.message(), "operation forbidden: virDomainGetXMLDesc with secure flag");
    let error = remote.domain_get_xml_desc(&cx, &dom, 2).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NO_SUPPORT);
}
