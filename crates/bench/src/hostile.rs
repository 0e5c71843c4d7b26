//! Clients that mean harm, and what others notice of them.
//!
//! ```text
//!  victim: ping, ping, ping … ──▶ daemon ◀── garbage, half messages, huge lengths, thousands of connections,
//!     │ 99th percentile             │        answers that nobody reads, events that nobody reads, floods of calls
//!     ▼                             ▼
//!  below 5 ms                   resident memory: afterwards what it was before
//! ```

use crate::subject::Subject;
use api::{Call, DomainConfig, Host};
use driver_remote::Remote;
use proto::generated::remote_connection::{ConnectDomainEventCallbackRegisterAnyArgs, ConnectOpenArgs};
use proto::generated::table;
use proto::message::{Header, LENGTH_MAX, Status, Type};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time others may have to wait for an answer, at the 99th percentile, in milliseconds.
const PATIENCE: f64 = 5.0;
/// Growth of the daemon's memory that is left behind.
const GROWTH: f64 = 1.1;

/// What an attack works with.
#[derive(Debug)]
struct Field<'f> {
    socket: &'f Path,
    end: Instant,
    over: &'f AtomicBool,
}

impl Field<'_> {
    fn goes_on(&self) -> bool {
        Instant::now() < self.end && !self.over.load(Ordering::Relaxed)
    }

    /// Keeps connections until it is over.
    fn hold<T>(&self, held: T) {
        while self.goes_on() {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(held);
    }

    /// A connection, if there is one to be had at once.
    fn dial(&self) -> Option<UnixStream> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        let address = SocketAddrUnix::new(self.socket).ok()?;
        rustix::net::connect(&socket, &address).ok()?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false).ok()?;
        Some(stream)
    }

    /// An open connection, spoken to by hand.
    fn open(&self) -> Option<UnixStream> {
        let mut stream = self.dial()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let args = ConnectOpenArgs { name: Some("qemu:///system".to_owned()), flags: 0 };
        for (name, payload) in [("auth_list", Vec::new()), ("connect_open", xdr::to_bytes(&args))] {
            stream.write_all(&call(name, 1, &payload)).ok()?;
            let mut length = [0; 4];
            stream.read_exact(&mut length).ok()?;
            let mut rest = vec![0; (u32::from_be_bytes(length) as usize).clamp(4, 1 << 20) - 4];
            stream.read_exact(&mut rest).ok()?;
        }
        Some(stream)
    }
}

/// A call as bytes.
fn call(name: &str, serial: u32, payload: &[u8]) -> Vec<u8> {
    let row = table::REMOTE.procedures.iter().find(|row| row.name == name);
    let header = Header {
        program: table::REMOTE.number,
        version: table::REMOTE.version,
        procedure: row.map_or(0, |row| row.number as i32),
        kind: Type::Call as u32,
        serial,
        status: Status::Ok as u32,
    };
    header.message(payload)
}

type Attack = fn(&Field<'_>);

/// Name, how many at a time, attack.
const ATTACKS: &[(&str, usize, Attack)] = &[
    ("garbage", 4, garbage),
    ("half-messages", 2, half_messages),
    ("huge-lengths", 2, huge_lengths),
    ("connections", 2, connections),
    ("never-reads", 4, never_reads),
    ("sleeping-subscriber", 2, sleeping_subscriber),
    ("floods", 4, floods),
];

/// Random bytes, over and over.
fn garbage(field: &Field<'_>) {
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    while field.goes_on() {
        let Some(mut stream) = field.dial() else { continue };
        let mut bytes = Vec::new();
        for _ in 0..64 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&(number >> 16).to_be_bytes());
        }
        // Now and again what begins like a message.
        if number >> 60 < 8 {
            bytes[..8].copy_from_slice(&[0, 0, 2, 0, 0x20, 0, 0x80, 0x86]);
        }
        let _ = stream.write_all(&bytes);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Connections that begin a message and never end it.
fn half_messages(field: &Field<'_>) {
    let begin = |mut stream: UnixStream| {
        stream.write_all(&call("connect_get_lib_version", 1, &[0; 60_000])[..30_000]).ok()?;
        Some(stream)
    };
    let held: Vec<_> = (0..200).filter_map(|_| field.dial().and_then(begin)).collect();
    field.hold(held);
}

/// Connections that claim to send more than there can be, or as much as there can be.
fn huge_lengths(field: &Field<'_>) {
    let lengths = [u32::MAX, LENGTH_MAX as u32, LENGTH_MAX as u32 + 1, 0x7fff_ffff, 27, 0];
    let claim = |(mut stream, length): (UnixStream, u32)| {
        let mut bytes = call("connect_get_lib_version", 1, &[]);
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        stream.write_all(&bytes).ok()?;
        Some(stream)
    };
    while field.goes_on() {
        let held: Vec<_> = (0..120)
            .filter_map(|at| Some((field.dial()?, lengths[at % lengths.len()])))
            .filter_map(claim)
            .collect();
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
    }
}

/// Half of ten thousand connections, more than a daemon takes.
fn connections(field: &Field<'_>) {
    let mut held = Vec::new();
    while field.goes_on() && held.len() < 5000 {
        // The queue of the listening socket may be full, which is how a daemon says that it has enough.
        match field.dial() {
            Some(stream) => held.push(stream),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    field.hold(held);
}

/// Asks for much and reads nothing.
fn never_reads(field: &Field<'_>) {
    while field.goes_on() {
        let Some(mut stream) = field.open() else { continue };
        let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
        let ask = call("connect_get_capabilities", 2, &[]);
        let mut full = 0;
        while field.goes_on() && full < 5 {
            match stream.write(&ask) {
                Ok(_) => full = 0,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => full += 1,
                Err(_) => break,
            }
        }
    }
}

/// Wants to hear of everything, and hears nothing; somebody else makes things happen.
fn sleeping_subscriber(field: &Field<'_>) {
    let args = xdr::to_bytes(&ConnectDomainEventCallbackRegisterAnyArgs { event_id: 0, dom: None });
    let subscribe = |mut stream: UnixStream| {
        for _ in 0..50 {
            stream.write_all(&call("connect_domain_event_callback_register_any", 3, &args)).ok()?;
        }
        Some(stream)
    };
    let held: Vec<_> = (0..20).filter_map(|_| field.open().and_then(subscribe)).collect();
    if let Ok(remote) = Remote::open(field.socket, "qemu:///system", false) {
        let cx = Call::internal();
        let name = format!("hostile-{:?}", std::thread::current().id()).replace(['(', ')'], "-");
        let text = format!(
            "<domain type='qemu'><name>{name}</name><memory>1024</memory><os><type arch='x86_64'>hvm</type></os></domain>"
        );
        while field.goes_on() {
            if let Ok(dom) = remote.domain_define_xml_flags(&cx, &text, 0) {
                let _ = remote.domain_undefine_flags(&cx, &dom, 0);
            }
        }
    }
    drop(held);
}

/// Sends calls without waiting for answers, as fast as the daemon takes them, and reads what comes.
fn floods(field: &Field<'_>) {
    let Some(mut stream) = field.open() else { return };
    let Ok(mut reading) = stream.try_clone() else { return };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut chunk = vec![0; 1 << 16];
            while reading.read(&mut chunk).is_ok_and(|count| count > 0) {}
        });
        let slow = call("connect_get_all_domain_stats", 4, &[0; 12]);
        let slower = call("connect_get_capabilities", 5, &[]);
        while field.goes_on() {
            if stream.write_all(&slow).is_err() || stream.write_all(&slower).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
}

/// Pings until it is over; the 99th percentile and the longest, in milliseconds.
fn victim(remote: &Remote, over: &AtomicBool) -> Result<(f64, f64), String> {
    let cx = Call::internal();
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        remote.connect_get_lib_version(&cx).map_err(|error| error.to_string())?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_micros(300));
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| {
        times.get(((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1))).copied()
    };
    Ok((at(0.99).unwrap_or_default(), times.last().copied().unwrap_or_default()))
}

/// One attack: what a victim noticed, and the most memory the daemon had in KiB.
fn one(
    subject: &Subject,
    attackers: usize,
    attack: Attack,
    span: Duration,
) -> Result<(f64, f64, f64), String> {
    let remote = subject.open()?;
    let pid = subject.pid()?;
    let over = AtomicBool::new(false);
    let peak = Mutex::new(0.0_f64);
    let field = Field { socket: &subject.socket, end: Instant::now() + span, over: &over };
    let noticed = std::thread::scope(|scope| {
        for _ in 0..attackers {
            scope.spawn(|| attack(&field));
        }
        scope.spawn(|| {
            while field.goes_on() {
                let now = subject.resident_of(pid).unwrap_or_default();
                let mut peak = peak.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *peak = peak.max(now);
                drop(peak);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let noticed = scope.spawn(|| victim(&remote, &over));
        std::thread::sleep(span);
        over.store(true, Ordering::Relaxed);
        noticed.join().unwrap_or_else(|_| Err("the victim panicked".to_owned()))
    })?;
    let peak = peak.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok((noticed.0, noticed.1, peak))
}

/// Runs all attacks, with `times` the usual number of attackers, and prints what came of them; an error when somebody else
/// suffered.
pub(crate) fn run(
    subject: &Subject,
    quick: bool,
    times: usize,
    only: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    // Thousands of connections are held from here.
    let most = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    let span = Duration::from_millis(if quick { 1000 } else { 5000 });
    let mut wrong = Vec::new();
    let (calm, longest, _) = one(subject, 1, |field| field.hold(()), span)?;
    println!("calm-p99 {calm:.2} ms (longest {longest:.1})");
    for (name, attackers, attack) in ATTACKS.iter().filter(|(name, ..)| only(name)) {
        let attackers = attackers.saturating_mul(times);
        // The first time brings threads and buffers that stay; what grows after that would grow for ever.
        one(subject, attackers, *attack, span / 2)?;
        let before = settled(subject)?;
        let (p99, longest, peak) = one(subject, attackers, *attack, span)?;
        let after = settled(subject)?;
        println!("{name}-p99 {p99:.2} ms (longest {longest:.1}, {:.1} times calm)", p99 / calm);
        println!("{name}-rss {before:.0} {after:.0} KiB ratio {:.2} (at most {peak:.0})", after / before);
        if p99 > PATIENCE {
            wrong.push(format!("{name}: others waited {p99:.1} ms"));
        }
        if after > before * GROWTH {
            wrong.push(format!("{name}: memory grew from {before:.0} to {after:.0} KiB"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Memory once the daemon has noticed that everybody is gone.
fn settled(subject: &Subject) -> Result<f64, String> {
    std::thread::sleep(Duration::from_millis(500));
    subject.resident()
}
