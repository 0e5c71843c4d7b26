//! Commands as values, and the processes they become.

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command as StdCommand, Stdio};
use std::time::{Duration, Instant};

/// What to run. A value: it can be printed, compared and recorded before anything happens.
#[derive(Debug, Default)]
pub struct Command {
    /// Program with its path.
    pub program: PathBuf,
    /// Arguments without the program.
    pub args: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads on standard input.
    pub input: Vec<u8>,
    /// Descriptors the program gets, under the numbers they have here.
    pub fds: Vec<OwnedFd>,
}

/// Output of a command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// Exit status; `None` after a signal.
    pub status: Option<i32>,
    /// Standard output, at most [`OUTPUT_MAX`] bytes.
    pub out: Vec<u8>,
    /// Standard error, at most [`OUTPUT_MAX`] bytes.
    pub err: Vec<u8>,
}

/// Most output that is kept of a command.
pub const OUTPUT_MAX: u64 = 16 << 20;

impl Command {
    /// A command line with a minimal environment.
    pub fn new(program: impl Into<PathBuf>, args: &[&str]) -> Command {
        Command {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            env: vec![("LC_ALL".into(), "C".into()), ("PATH".into(), crate::program::path())],
            input: Vec::new(),
            fds: Vec::new(),
        }
    }

    fn prepare(&self, detach: bool) -> StdCommand {
        let mut command = StdCommand::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        let numbers: Vec<i32> = self.fds.iter().map(AsRawFd::as_raw_fd).collect();
        // A child with nothing to do before it becomes the program need not be a copy of this process.
        if !detach && numbers.is_empty() {
            return command;
        }
        // SAFETY: runs between fork and exec in a process with one thread; only makes system calls, allocates
        // nothing and takes no lock. The descriptors are open: `self.fds` is kept until the child was started.
        unsafe {
            command.pre_exec(move || {
                if detach {
                    rustix::process::setsid()?;
                    // The program's files may be written by its group.
                    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o002));
                }
                for number in &numbers {
                    let fd = std::os::fd::BorrowedFd::borrow_raw(*number);
                    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
                }
                Ok(())
            });
        }
        command
    }

    /// Starts the program in a session of its own, its files writable for its group; its standard output and error go to
    /// `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_detached(self, log: &File) -> io::Result<Child> {
        let mut command = self.prepare(true);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).current_dir("/");
        faults::at(faults::Point::Spawn)?;
        let child = command.spawn();
        drop(self.fds);
        let _ = faults::at(faults::Point::Spawned);
        child
    }

    /// Starts the program so that it reads a file; gives what it writes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn read_through(self, input: File) -> io::Result<(OwnedFd, Child)> {
        let mut command = self.prepare(false);
        let mut child = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok((output.into(), child))
    }

    /// Runs the program to its end, at most for `limit`.
    ///
    /// # Errors
    /// When it cannot be started, or does not end in time and was killed.
    pub fn run(self, limit: Duration) -> io::Result<Finished> {
        faults::at(faults::Point::Spawn)?;
        let mut command = self.prepare(false);
        let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let end = Instant::now() + limit;
        let exchanged = exchange(&mut child, &self.input, end).and_then(|said| {
            let process = i32::try_from(child.id()).ok().and_then(Process::of);
            let left = end.saturating_duration_since(Instant::now());
            if process.is_none_or(|process| process.wait(left)) { Ok(said) } else { Err(late()) }
        });
        match exchanged {
            Ok([out, err]) => Ok(Finished { status: child.wait()?.code(), out, err }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Runs the program and talks to it, at most for `limit`: what it writes is handed to `answer`, which tells what
    /// to write back, or ends the talk. Then the program is ended.
    ///
    /// # Errors
    /// When it cannot be started, or does not get to the end of the talk in time.
    pub fn converse(
        self,
        limit: Duration,
        mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> io::Result<Finished> {
        faults::at(faults::Point::Spawn)?;
        let mut command = self.prepare(false);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        end_with_caller(&mut command);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let err = child.stderr.take().map(|stream| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stream.take(OUTPUT_MAX).read_to_end(&mut bytes);
                bytes
            })
        });
        let talked = match (stdin, stdout) {
            (Some(stdin), Some(stdout)) => talk(stdin, stdout, limit, &mut answer),
            _ => Ok(()),
        };
        let _ = child.kill();
        let status = child.wait()?.code();
        let err = err.and_then(|thread| thread.join().ok()).unwrap_or_default();
        talked?;
        Ok(Finished { status, out: Vec::new(), err })
    }
}

/// A program that is only talked to must not outlive a caller that was killed: it would wait for words for ever.
fn end_with_caller(command: &mut StdCommand) {
    let caller = rustix::process::getpid();
    // SAFETY: runs between fork and exec in a process with one thread; only makes system calls.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            // The caller may have died before that.
            if rustix::process::getppid() == Some(caller) {
                Ok(())
            } else {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        });
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the command did not end in time")
}

/// Gives a program its input and takes what it writes, both streams to their end.
fn exchange(child: &mut Child, mut input: &[u8], end: Instant) -> io::Result<[Vec<u8>; 2]> {
    let mut stdin = child.stdin.take();
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    if let Some(stdin) = &stdin {
        // The program may answer before it has read everything.
        rustix::io::ioctl_fionbio(stdin, true)?;
    }
    let mut said = [Vec::new(), Vec::new()];
    while out.is_some() || err.is_some() {
        let mut fds = Vec::with_capacity(3);
        fds.extend(out.as_ref().map(|out| PollFd::new(out, PollFlags::IN)));
        fds.extend(err.as_ref().map(|err| PollFd::new(err, PollFlags::IN)));
        fds.extend(stdin.as_ref().map(|stdin| PollFd::new(stdin, PollFlags::OUT)));
        let left = end.saturating_duration_since(Instant::now());
        if !ready(&mut fds, left)? {
            return Err(late());
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
        let mut is_ready = |there: bool| there && ready.next().unwrap_or(false);
        let (out_ready, err_ready) = (is_ready(out.is_some()), is_ready(err.is_some()));
        let stdin_ready = is_ready(stdin.is_some());
        if out_ready && out.as_mut().is_some_and(|stream| !take(stream, &mut said[0])) {
            out = None;
        }
        if err_ready && err.as_mut().is_some_and(|stream| !take(stream, &mut said[1])) {
            err = None;
        }
        if stdin_ready && let Some(stream) = &mut stdin {
            match stream.write(input) {
                Ok(count) => input = input.get(count..).unwrap_or_default(),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // It does not want to know more.
                Err(_) => input = &[],
            }
            if input.is_empty() {
                stdin = None;
            }
        }
    }
    Ok(said)
}

/// Takes a piece of what a program writes; false at the end.
fn take(stream: &mut impl Read, said: &mut Vec<u8>) -> bool {
    let mut piece = [0; 1 << 13];
    match stream.read(&mut piece) {
        Ok(0) => false,
        Ok(count) => {
            let room = usize::try_from(OUTPUT_MAX).unwrap_or(usize::MAX).saturating_sub(said.len());
            said.extend(piece.iter().take(count.min(room)));
            true
        }
        Err(error) => error.kind() == io::ErrorKind::Interrupted,
    }
}

/// Waits until there is something to read; false when the time is up.
pub(crate) fn readable(fd: &impl AsFd, limit: Duration) -> io::Result<bool> {
    ready(&mut [PollFd::new(fd, PollFlags::IN)], limit)
}

/// Waits until something is ready; false when the time is up.
fn ready(fds: &mut [PollFd<'_>], limit: Duration) -> io::Result<bool> {
    let timeout = rustix::event::Timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    loop {
        match rustix::event::poll(fds, Some(&timeout)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
}

/// Hands on what arrives until the talk is over, the program ends or the time is up.
fn talk(
    mut stdin: std::process::ChildStdin,
    mut stdout: std::process::ChildStdout,
    limit: Duration,
    answer: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let end = Instant::now() + limit;
    let mut piece = vec![0; 1 << 16];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if !readable(&stdout, left)? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
        }
        let count = stdout.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        match answer(&piece[..count]) {
            None => return Ok(()),
            // The program may be gone already; what it said before counts.
            Some(bytes) => drop(stdin.write_all(&bytes)),
        }
    }
}

/// A process, child or not. Holds on to the very process: a reused number is another one.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    fd: OwnedFd,
}

impl Process {
    /// The process with this number, if it runs.
    pub fn of(pid: i32) -> Option<Process> {
        let fd = rustix::process::pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Process { pid, fd })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until it has ended; false when the time is over.
    pub fn wait(&self, limit: Duration) -> bool {
        readable(&self.fd, limit).unwrap_or(false)
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.fd, Signal::TERM);
    }

    /// Has it read its files again, as programs of the old school understand it.
    pub fn hang_up(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.fd, Signal::HUP);
    }

    /// Ends it.
    pub fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.fd, Signal::KILL);
    }
}

/// Numbers and words of the command lines of all processes.
pub fn command_lines() -> Vec<(i32, Vec<String>)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
            Some((pid, words.collect()))
        })
        .collect()
}

/// The control group of a process in the unified hierarchy, as a path below `/sys/fs/cgroup`.
pub fn cgroup(pid: i32) -> Option<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(PathBuf::from("/sys/fs/cgroup").join(path))
}

/// Clock ticks a process has used (user, system) and its start time in ticks since boot.
pub fn times(pid: i32) -> Option<(u64, u64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so count from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((number(11)?, number(12)?, number(19)?))
}

/// Resident memory of a process in KiB.
pub fn resident_kib(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
