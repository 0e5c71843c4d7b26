//! What runs on machines: one who answers, one who asks.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The variable that makes this program play a role.
pub(crate) const ROLE: &str = "PACKETS_ROLE";
const PORT: u16 = 7777;
/// How long an answer is waited for: everything is on one machine.
const PATIENCE: Duration = Duration::from_millis(400);

/// One who runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Player(Child);

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(machine: &str, role: &str) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = if machine.is_empty() {
        Command::new(exe)
    } else {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", machine]).arg(exe);
        command
    };
    command.args(["--exact", "iptables", "--nocapture"]).env(ROLE, role);
    command
}

/// Starts one who answers.
pub(crate) fn answerer(machine: &str) -> Player {
    let mut child = command(machine, "answer").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut seen = String::new();
    let mut byte = [0];
    while !seen.contains("ready\n") && out.read(&mut byte).unwrap_or(0) == 1 {
        seen.push(char::from(byte[0]));
    }
    std::thread::spawn(move || drop(std::io::copy(&mut out, &mut std::io::sink())));
    Player(child)
}

/// Asks others from a machine: for each, whether it answers over TCP and UDP, and as whom it sees the asker.
pub(crate) fn ask(machine: &str, others: &[IpAddr]) -> Vec<Option<IpAddr>> {
    let list: Vec<String> = others.iter().map(IpAddr::to_string).collect();
    let output = command(machine, &format!("ask {}", list.join(" "))).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<Option<IpAddr>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("answer "))
        .map(|line| if line.contains("mixed") { panic!("{machine}: {text}") } else { line.parse().ok() })
        .collect();
    assert_eq!(answers.len(), others.len(), "{machine}: {text}");
    answers
}

pub(crate) fn play(role: &str) {
    match role.split_once(' ') {
        Some(("ask", others)) => {
            let asked: Vec<_> = others
                .split(' ')
                .map(|other| other.parse::<IpAddr>().unwrap())
                .map(|other| {
                    std::thread::spawn(move || {
                        let (tcp, udp) = (tcp(other), udp(other));
                        match (tcp, udp) {
                            (Some(one), Some(two)) if one == two => one.to_string(),
                            (None, None) => "none".to_owned(),
                            other => format!("mixed {other:?}"),
                        }
                    })
                })
                .collect();
            for thread in asked {
                println!("\nanswer {}", thread.join().unwrap());
            }
        }
        Some(("hold", other)) => hold(other.parse().unwrap()),
        _ => answer(),
    }
}

fn tcp(other: IpAddr) -> Option<IpAddr> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(other, PORT), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 64];
    stream.write_all(b"?").ok()?;
    let length = stream.read(&mut buffer).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()?.parse().ok()
}

fn udp(other: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = if other.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(SocketAddr::new(other, PORT)).ok()?;
    socket.send(b"?").ok()?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()?.parse().ok()
}

fn answer() {
    let listener = TcpListener::bind(("::", PORT)).unwrap();
    let socket = UdpSocket::bind(("::", PORT)).unwrap();
    println!("\nready");
    std::io::stdout().flush().unwrap();
    let named = |peer: SocketAddr| peer.ip().to_canonical().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(named(peer).as_bytes(), peer);
        }
    });
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let (mut stream, mut byte) = (stream, [0]);
            while let (Ok(1), Ok(peer)) = (stream.read(&mut byte), stream.peer_addr()) {
                if stream.write_all(named(peer).as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

/// A connection that stays; every line read makes it ask once more.
fn hold(other: IpAddr) {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(other, PORT), PATIENCE * 4).unwrap();
    stream.set_read_timeout(Some(PATIENCE * 10)).unwrap();
    for line in std::io::stdin().lines() {
        let mut buffer = [0; 64];
        let answered =
            line.is_ok() && stream.write_all(b"?").is_ok() && stream.read(&mut buffer).is_ok_and(|n| n > 0);
        println!("held {answered}");
        std::io::stdout().flush().unwrap();
    }
}

/// A connection from a machine to another that is kept.
#[derive(Debug)]
pub(crate) struct Held(Child);

impl Held {
    pub(crate) fn open(machine: &str, other: IpAddr) -> Held {
        let mut run = command(machine, &format!("hold {other}"));
        let mut held = Held(run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        assert!(held.answers(), "a connection to {other}");
        held
    }

    /// Whether the other side still answers.
    pub(crate) fn answers(&mut self) -> bool {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let out = self.0.stdout.as_mut().unwrap();
        let (mut text, mut byte) = (String::new(), [0]);
        while out.read(&mut byte).unwrap_or(0) == 1 {
            text.push(char::from(byte[0]));
            if text.ends_with("held true\n") || text.ends_with("held false\n") {
                return text.ends_with("true\n");
            }
        }
        false
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
