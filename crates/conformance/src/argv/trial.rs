//! One start: the emulator comes up stopped, answers on its monitor and is told to quit.

use super::descriptors::{Descriptors, MONITOR};
use host::process::{Command, Process};
use qemu_plan::argv::Line;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::Duration;

/// What is told of an emulator that does not come up.
pub(super) const SILENT: &str = "its monitor says nothing";

/// Time until the monitor must speak, and until the emulator must be gone.
const LIMIT: Duration = Duration::from_secs(15);

/// The same for one that first touches all its memory.
const LONG: Duration = Duration::from_secs(60);

/// What the emulator writes goes here.
const LOG: &str = "/run/argv.log";

/// Starts a line; the error is the emulator's own words.
pub(super) fn start(line: &Line, descriptors: Descriptors) -> Result<(), String> {
    let log = File::create(LOG).map_err(|error| error.to_string())?;
    let command = Command {
        program: line.program.clone().into(),
        args: line.args.iter().map(Into::into).collect(),
        env: line.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        input: Vec::new(),
        fds: descriptors.fds,
    };
    let mut child = command.spawn_detached(&log).map_err(|error| error.to_string())?;
    let touches = line.args.iter().any(|arg| arg.contains("prealloc") || arg == "mem-lock=on");
    let outcome = talk(if touches { LONG } else { LIMIT });
    if outcome.is_err() {
        let _ = child.kill();
    }
    let gone = ended(&mut child);
    match outcome {
        Ok(_) if gone => Ok(()),
        Ok(_) => Err("it does not quit".to_owned()),
        Err(what) => Err(words().unwrap_or(what)),
    }
}

/// The connection must stay: what comes on one that is closed is not read.
fn talk(limit: Duration) -> Result<UnixStream, String> {
    let text = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock => SILENT.to_owned(),
        _ => error.to_string(),
    };
    let stream = UnixStream::connect(MONITOR).map_err(text)?;
    stream.set_read_timeout(Some(limit)).map_err(text)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(text)?);
    let mut stream = stream;
    let mut said = String::new();
    for command in ["qmp_capabilities", "quit"] {
        said.clear();
        if reader.read_line(&mut said).map_err(text)? == 0 {
            return Err("it ended without a word".to_owned());
        }
        writeln!(stream, "{{\"execute\":\"{command}\"}}").map_err(text)?;
    }
    Ok(stream)
}

/// Waits for its end, or ends it.
fn ended(child: &mut Child) -> bool {
    let process = i32::try_from(child.id()).ok().and_then(Process::of);
    let gone = process.is_none_or(|process| process.wait(LIMIT));
    if !gone {
        let _ = child.kill();
    }
    let _ = child.wait();
    gone
}

/// The last line of the log that is an error.
fn words() -> Option<String> {
    let text = std::fs::read(LOG).ok()?;
    let text = String::from_utf8_lossy(&text);
    let noise = ["warning:", "info:", "char device redirected"];
    let lines: Vec<&str> =
        text.lines().filter(|line| !noise.iter().any(|part| line.contains(part))).collect();
    // A hint stands behind the error, and sometimes alone.
    let error = lines.iter().rev().find(|line| !line.starts_with("Perhaps")).or(lines.last())?;
    let error = error
        .split_once("qemu-system-")
        .map_or(*error, |(_, rest)| rest.split_once(": ").map_or(rest, |(_, rest)| rest));
    Some(short(error))
}

/// An error without the value of the option it begins with.
fn short(error: &str) -> String {
    let option = error.split_once(' ').filter(|(option, _)| option.starts_with('-'));
    let said = error.rsplit_once("}: ").or_else(|| error.split_once(": ")).map(|(_, said)| said);
    match (option, said) {
        (Some((option, _)), Some(said)) => format!("{option}: {said}"),
        _ => error.chars().take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn errors_lose_their_options() {
        assert_eq!(short("-device {\"a\":{\"b\":1}}: no: thing"), "-device: no: thing");
        assert_eq!(short("-vnc [::]:3,x: Failed"), "-vnc: Failed");
        assert_eq!(short("plain: words"), "plain: words");
    }
}
