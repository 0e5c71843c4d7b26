//! `api`: the events a driver can publish, with both wire forms.
//!
//! An event of a domain may have an old form, a bare message, and a form with the number of the callback in front.
//! What it tells is the same: the payload is that of the old form where there is one.

use super::Output;
use super::model::{Event, Field, Kind, Model};
use super::words::{camel, imports};
use std::path::Path;

/// One event with its forms.
struct Pair<'m> {
    variant: String,
    payload: String,
    object: &'m str,
    id: i32,
    program: &'m str,
    legacy: Option<u32>,
    callback: u32,
    /// Integers between the callback's number and the payload; always zero.
    fillers: usize,
    fields: &'m [Field],
}

/// The payload of an event that has no old form.
pub(crate) fn own_payload(event: &Event) -> Option<&[Field]> {
    let callback = event.msg.first().is_some_and(|field| field.name == "callback_id");
    (callback && !event.msg.iter().any(|field| field.name == "msg")).then(|| &event.msg[1..])
}

fn variant(name: &str) -> String {
    camel(&name.replace("_event_callback", "").replace("_event", ""))
}

fn pairs(model: &Model) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    for program in &model.programs {
        let events: Vec<&Event> = program.families.iter().flat_map(|f| &f.events).collect();
        for event in &events {
            let Some(first) = event.msg.first().filter(|field| field.name == "callback_id") else { continue };
            let _ = first;
            let at = event.msg.iter().position(|field| field.name == "msg");
            let (payload, legacy, fields) = match at {
                Some(at) => {
                    let Kind::Plain(kind) = &event.msg[at].kind else { continue };
                    let old = events.iter().find(|e| format!("{}_msg", e.name) == *kind);
                    let Some(old) = old else { continue };
                    (camel(kind), Some(old.number), &old.msg[..])
                }
                None => (format!("{}Payload", camel(&event.name)), None, &event.msg[1..]),
            };
            pairs.push(Pair {
                variant: variant(&event.name),
                payload,
                object: &event.object,
                id: event.id,
                program: &program.name,
                legacy,
                callback: event.number,
                fillers: at.map_or(0, |at| at - 1),
                fields,
            });
        }
    }
    pairs
}

pub(crate) fn file(model: &Model) -> Output {
    let pairs = pairs(model);
    let mut text = String::from(
        "/// Something that happened to an object.\n#[derive(Clone, PartialEq, Debug)]\npub enum Event {\n",
    );
    for p in &pairs {
        text.push_str(&format!(
            "    /// Event {} of kind `{}`.\n    {}({}),\n",
            p.id, p.object, p.variant, p.payload
        ));
    }
    text.push_str("}\n\nimpl Event {\n");
    text.push_str("    /// Kind of object and number of the event within that kind.\n    pub fn id(&self) -> (Kind, i32) {\n        match self {\n");
    for p in &pairs {
        text.push_str(&format!(
            "            Event::{}(_) => (Kind::{}, {}),\n",
            p.variant,
            camel(p.object),
            p.id
        ));
    }
    text.push_str("        }\n    }\n\n    /// The old form's procedure number, where there is one.\n    pub fn legacy_procedure(&self) -> Option<u32> {\n        match self {\n");
    for p in pairs.iter().filter(|p| p.legacy.is_some()) {
        text.push_str(&format!("            Event::{}(_) => Some({}),\n", p.variant, p.legacy.unwrap_or(0)));
    }
    text.push_str("            _ => None,\n        }\n    }\n\n    /// Program and procedure number of the form with a callback number.\n    pub fn callback_procedure(&self) -> (&'static Program, u32) {\n        match self {\n");
    for p in &pairs {
        text.push_str(&format!(
            "            Event::{}(_) => (&table::{}, {}),\n",
            p.variant,
            p.program.to_uppercase(),
            p.callback
        ));
    }
    text.push_str("        }\n    }\n\n    /// Appends the payload, which is the whole old form.\n    pub fn encode_payload(&self, out: &mut Vec<u8>) {\n        match self {\n");
    for p in &pairs {
        text.push_str(&format!("            Event::{}(payload) => payload.encode(out),\n", p.variant));
    }
    text.push_str("        }\n    }\n\n    /// Appends the form with a callback number.\n    pub fn encode_callback(&self, callback: i32, out: &mut Vec<u8>) {\n        callback.encode(out);\n");
    let filled: Vec<_> =
        pairs.iter().filter(|p| p.fillers > 0).map(|p| format!("Event::{}(_)", p.variant)).collect();
    text.push_str(&format!("        if matches!(self, {}) {{\n            0i32.encode(out);\n        }}\n        self.encode_payload(out);\n    }}\n", filled.join(" | ")));
    for (method, kind, doc) in [
        ("domain", "domain", "The domain it happened to."),
        ("network", "network", "The network it happened to."),
        ("storage_pool", "storage_pool", "The storage pool it happened to."),
        ("node_device", "node_device", "The node device it happened to."),
        ("secret", "secret", "The secret it happened to."),
    ] {
        let element = super::words::element(kind);
        text.push_str(&format!(
            "\n    /// {doc}\n    pub fn {method}(&self) -> Option<&{element}> {{\n        match self {{\n"
        ));
        for p in &pairs {
            if let Some(field) = p.fields.iter().find(|f| f.kind == Kind::Plain(kind.to_owned())) {
                text.push_str(&format!(
                    "            Event::{}(payload) => Some(&payload.{}),\n",
                    p.variant, field.name
                ));
            }
        }
        text.push_str("            _ => None,\n        }\n    }\n");
    }
    text.push_str("\n    /// Reads an event that a server sent with a callback number.\n    ///\n    /// # Errors\n    /// When the message does not decode.\n    pub fn decode_callback(program: &Program, procedure: u32, payload: &[u8]) -> Result<Option<(i32, Event)>, XdrError> {\n        let mut input = Decoder::new(payload);\n        let event = match (program.name, procedure) {\n");
    for p in &pairs {
        let skip = "i32::decode(&mut input)?; ".repeat(p.fillers);
        text.push_str(&format!(
            "            ({:?}, {}) => {{ let callback = i32::decode(&mut input)?; {skip}(callback, Event::{}(Xdr::decode(&mut input)?)) }}\n",
            p.program, p.callback, p.variant
        ));
    }
    text.push_str("            _ => return Ok(None),\n        };\n        input.finish()?;\n        Ok(Some(event))\n    }\n}\n");
    let mut kinds: Vec<&str> = pairs.iter().map(|p| p.object).collect();
    kinds.dedup();
    kinds.sort_unstable();
    kinds.dedup();
    text.push_str("\n/// Kinds of objects that events happen to.\n#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]\npub enum Kind {\n");
    for kind in kinds {
        text.push_str(&format!("    /// `{kind}`\n    {},\n", camel(kind)));
    }
    text.push_str("}\n");
    let head = "//! Events with their wire forms.\n\npub use proto::generated::qemu::*;\npub use proto::generated::remote_event::*;\npub use proto::generated::remote_shared::*;\nuse proto::generated::table;\nuse proto::row::Program;\nuse xdr::{Decoder, Xdr, XdrError};\n";
    (
        Path::new("crates/api/src/generated/event.rs").to_owned(),
        format!("{head}{}\n{text}", imports(&text, model)),
    )
}
