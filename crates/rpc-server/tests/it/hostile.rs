//! Clients that do not behave cost only themselves.

use crate::server::Running;
use driver_remote::Remote;
use proto::generated::table;
use proto::message::Header;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn connect(server: &Running) -> UnixStream {
    let stream = UnixStream::connect(server.socket("rw")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// The daemon has closed the connection.
fn is_closed(mut stream: UnixStream) -> bool {
    matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_))
}

fn still_serves(server: &Running) {
    let remote = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    assert!(remote.raw(&table::REMOTE, 110, &[]).is_ok());
}

#[test]
fn lengths_out_of_bounds_end_the_connection() {
    let server = Running::start();
    for word in [0u32, 3, 27, 33_554_437, u32::MAX] {
        let mut stream = connect(&server);
        stream.write_all(&word.to_be_bytes()).unwrap();
        // The server may have hung up already.
        let _ = stream.write_all(&[0; 64]);
        assert!(is_closed(stream), "{word}");
    }
    still_serves(&server);
}

#[test]
fn half_messages_and_sudden_ends() {
    let server = Running::start();
    let whole =
        Header { program: table::REMOTE.number, version: 1, procedure: 66, kind: 0, serial: 0, status: 0 }
            .message(&[]);
    for count in 0..whole.len() {
        let mut stream = connect(&server);
        stream.write_all(&whole[..count]).unwrap();
    }
    // One byte at a time is slow, but good.
    let mut stream = connect(&server);
    for byte in &whole {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = [0; 36];
    stream.read_exact(&mut answer).unwrap();
    still_serves(&server);
}

#[test]
fn protocol_errors_have_their_words() {
    let server = Running::start();
    let call = |program: u32, version: u32, procedure: i32, status: u32| {
        let mut stream = connect(&server);
        let header = Header { program, version, procedure, kind: 0, serial: 9, status };
        stream.write_all(&header.message(&[])).unwrap();
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).unwrap();
        let header = Header::read(&answer[..count]).unwrap();
        assert_eq!((header.kind, header.serial, header.status), (1, 9, 1));
        xdr::from_bytes::<proto::fault::Fault>(&answer[28..count]).unwrap().0.message().to_owned()
    };
    let remote = table::REMOTE.number;
    assert_eq!(call(1234, 1, 1, 0), "Cannot find program 1234 version 1");
    assert_eq!(call(remote, 7, 1, 0), format!("Cannot find program {remote} version 7"));
    assert_eq!(call(remote, 1, 100_000, 0), "unknown procedure: 100000");
    assert_eq!(call(remote, 1, -1, 0), "unknown procedure: -1");
    assert_eq!(call(remote, 1, 66, 1), "Unexpected message status 1");
    assert_eq!(call(remote, 1, 9, 0), "internal error: hypervisor connection not open");
}

#[test]
fn who_does_not_read_is_cut_off_and_delays_nobody() {
    let server = Running::start();
    let mut deaf = connect(&server);
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let header =
        Header { program: table::REMOTE.number, version: 1, procedure: 9, kind: 0, serial: 1, status: 0 };
    let flood: Vec<u8> = (0..1000).flat_map(|_| header.message(&[])).collect();
    let end = Instant::now() + Duration::from_secs(20);
    let mut worst = Duration::ZERO;
    let remote = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    while Instant::now() < end && deaf.write_all(&flood).is_ok() {
        let start = Instant::now();
        remote.raw(&table::REMOTE, 110, &[]).unwrap();
        worst = worst.max(start.elapsed());
    }
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    still_serves(&server);
}

#[test]
fn who_reads_late_is_not_served_meanwhile_and_gets_all_answers() {
    let server = Running::start();
    let mut late = connect(&server);
    late.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let header =
        Header { program: table::REMOTE.number, version: 1, procedure: 9, kind: 0, serial: 1, status: 0 };
    let message = header.message(&[]);
    let flood: Vec<u8> = message.iter().copied().cycle().take(message.len() * 1000).collect();
    let mut sent = 0;
    // A daemon that took all calls would have answered with megabytes by the time it gives up.
    while sent < 64 << 20 {
        match late.write(&flood[sent % message.len()..]) {
            Ok(count) => sent += count,
            Err(cause) => {
                assert!(
                    matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
                    "{cause}"
                );
                break;
            }
        }
    }
    assert!(sent < 16 << 20, "{sent} bytes of calls were taken");
    let whole = sent / message.len();
    let mut length = [0; 4];
    for at in 0..whole {
        late.read_exact(&mut length).unwrap_or_else(|cause| panic!("answer {at} of {whole}: {cause}"));
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        late.read_exact(&mut rest).unwrap();
    }
    still_serves(&server);
}

#[test]
fn keepalive_is_answered() {
    let server = Running::start();
    let mut stream = connect(&server);
    let ping = Header { program: 0x6b65_6570, version: 1, procedure: 1, kind: 2, serial: 0, status: 0 };
    stream.write_all(&ping.message(&[])).unwrap();
    let mut answer = [0; 28];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(Header::read(&answer), Some(Header { procedure: 2, ..ping }));
}

#[test]
fn limits_hold() {
    let limits = rpc_server::Limits { max_clients: 2, ..rpc_server::Limits::default() };
    let server = Running::with(limits);
    let first = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    let _second = Remote::open(&server.socket("rw"), "test:///nothing", false).unwrap();
    // The third waits until one of them goes.
    let path = server.socket("rw");
    let third = std::thread::spawn(move || Remote::open(&path, "test:///nothing", false).map(drop));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.handle().clients().len(), 2);
    assert!(!third.is_finished());
    drop(first);
    third.join().unwrap().unwrap();
}
