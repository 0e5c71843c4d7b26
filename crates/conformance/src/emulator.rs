//! Emulators of the corpus: recorded dialogues, played to a probe.

use crate::manifest::Case;
use qapi::Schema;
use qemu_caps::{Caps, Probe};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

static PLAYED: Mutex<Option<HashMap<String, Arc<Caps>>>> = Mutex::new(None);

/// Capabilities by the dialogue a case names; the path of the program is left empty.
pub(crate) fn of(case: &Case) -> Result<Arc<Caps>, String> {
    let name = case.text("caps").ok_or("the case has no emulator")?;
    let mut played = PLAYED.lock().unwrap_or_else(PoisonError::into_inner);
    let played = played.get_or_insert_default();
    if let Some(caps) = played.get(name) {
        return Ok(caps.clone());
    }
    let caps = Arc::new(play(&case.read_file(name)?, "", name.contains("+hvf"))?);
    played.insert(name.to_owned(), caps.clone());
    Ok(caps)
}

/// The protocol's schema in the dialogue a case names.
pub(crate) fn schema(case: &Case) -> Result<Arc<Schema>, String> {
    static READ: Mutex<Option<HashMap<String, Arc<Schema>>>> = Mutex::new(None);
    let name = case.text("caps").ok_or("the case has no emulator")?;
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let read = read.get_or_insert_default();
    if let Some(schema) = read.get(name) {
        return Ok(schema.clone());
    }
    let text = case.read_file(name)?;
    let mut documents = text.split("\n\n");
    let asked = documents.find(|part| part.contains("\"query-qmp-schema\""));
    let reply = asked.and_then(|_| documents.next()).ok_or("the dialogue has no schema")?;
    let reply: Value = serde_json::from_str(reply).map_err(|error| error.to_string())?;
    let schema = Arc::new(Schema::read(reply.get("return").unwrap_or(&Value::Null)));
    read.insert(name.to_owned(), schema.clone());
    Ok(schema)
}

/// Plays a dialogue: commands and replies in turn, an empty line between documents. Every command must be the
/// recorded one.
pub(crate) fn play(text: &str, binary: &str, hvf: bool) -> Result<Caps, String> {
    let parse = |part: &str| serde_json::from_str::<Value>(part).map_err(|error| error.to_string());
    let mut documents = text.split("\n\n").filter(|part| !part.trim().is_empty());
    let mut probe = Probe::new(binary, hvf);
    loop {
        while let Some(command) = probe.command() {
            let recorded = parse(documents.next().ok_or("the dialogue ends early")?)?;
            let (recorded, asked) = (recorded.to_string(), command.to_string());
            if recorded != asked {
                return Err(format!("asked {asked}\nrecorded {recorded}"));
            }
            let mut reply = parse(documents.next().ok_or("the dialogue ends without a reply")?)?;
            let answer = match reply.get_mut("return") {
                Some(value) => Ok(value.take()),
                None => {
                    let text = reply.pointer("/error/desc").and_then(Value::as_str);
                    Err(text.unwrap_or_default().to_owned())
                }
            };
            probe.reply(answer).map_err(|error| error.to_string())?;
        }
        if !probe.again() {
            break;
        }
        probe.restart();
    }
    match documents.next() {
        None => Ok(probe.finish()),
        Some(left) => Err(format!("not asked: {}", parse(left)?)),
    }
}
