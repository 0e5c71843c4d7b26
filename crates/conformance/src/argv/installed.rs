//! What the emulator of this host says of itself.

use host::process::Command;
use qemu_caps::{Caps, Probe};
use qmp::message::{Lines, Message};
use std::path::Path;
use std::time::Duration;

/// Time that one dialogue may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks an emulator, once or twice.
pub(super) fn probe(path: &Path) -> Result<Caps, String> {
    let mut probe = Probe::new(&path.display().to_string(), false);
    talk(path, &mut probe)?;
    if probe.again() {
        probe.restart();
        talk(path, &mut probe)?;
    }
    let mut caps = probe.finish();
    caps.binary = path.display().to_string();
    Ok(caps)
}

fn talk(path: &Path, probe: &mut Probe) -> Result<(), String> {
    let mut arguments = probe.arguments();
    arguments.extend(["-qmp".to_owned(), "stdio".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut lines = Lines::default();
    let mut outcome = None;
    let finished =
        Command::new(path, &arguments).converse(LIMIT, |arrived| match step(probe, &mut lines, arrived) {
            Ok(Some(bytes)) => Some(bytes),
            Ok(None) => {
                outcome = Some(Ok(()));
                None
            }
            Err(text) => {
                outcome = Some(Err(text));
                None
            }
        });
    let finished = finished.map_err(|error| format!("{}: {error}", path.display()))?;
    outcome.unwrap_or_else(|| Err(String::from_utf8_lossy(&finished.err).into_owned()))
}

fn step(probe: &mut Probe, lines: &mut Lines, arrived: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut send = Vec::new();
    for message in lines.feed(arrived).map_err(|garbage| garbage.to_string())? {
        match message {
            Message::Greeting { .. } => {}
            Message::Reply { result, .. } => {
                probe.reply(result.map_err(|(_, text)| text)).map_err(|cause| cause.to_string())?;
            }
            Message::Event(_) | Message::Unknown => continue,
        }
        let Some(command) = probe.command() else { return Ok(None) };
        send.extend_from_slice(command.to_string().as_bytes());
        send.push(b'\n');
    }
    Ok(Some(send))
}
