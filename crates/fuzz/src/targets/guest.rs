//! What emulators and guests say.

use super::{Target, kind, nothing};
use crate::mutate::Form;
use qemu_replies::{jobs, migration, processor, vcpus};
use qga::answer;
use qmp::Message;
use qmp::message::Lines;
use serde_json::Value;

const fn lines(name: &'static str, run: fn(&[u8]) -> u64) -> Target {
    Target { name, form: Form::Json, most: 8 << 10, run, seeds: nothing, words: nothing, fresh: None }
}

/// The monitor's lines.
pub(super) const QMP: Target = lines("qmp", monitor);
/// Answers of emulators.
pub(super) const REPLIES: Target = lines("replies", replies);
/// The lines of the agent in a guest and its answers.
pub(super) const AGENT: Target = lines("agent", agent);

fn monitor(bytes: &[u8]) -> u64 {
    let all = Lines::default().feed(bytes);
    // In pieces it is the same, up to where it stops to be the protocol.
    let (mut lines, mut pieces, mut broken) = (Lines::default(), Vec::new(), None);
    for piece in bytes.chunks(7) {
        match lines.feed(piece) {
            Ok(more) => pieces.extend(more),
            Err(garbage) => {
                broken = Some(garbage);
                break;
            }
        }
    }
    match all {
        Err(garbage) => {
            assert_eq!(broken, Some(garbage), "garbage whole, but not in pieces");
            2
        }
        Ok(messages) => {
            assert_eq!(broken, None, "garbage in pieces, but not whole");
            assert_eq!(messages, pieces, "pieces say something else");
            messages.iter().fold(3, |outcome: u64, message| {
                let number = match message {
                    Message::Greeting { .. } => 1,
                    Message::Reply { result: Ok(_), .. } => 2,
                    Message::Reply { result: Err((class, _)), .. } => kind(class),
                    Message::Event(event) => kind(&event.name) & 0xff,
                    Message::Unknown => 3,
                };
                outcome.wrapping_mul(31).wrapping_add(number)
            })
        }
    }
}

fn replies(bytes: &[u8]) -> u64 {
    let mut documents =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let Some(first) = documents.next() else { return 0 };
    let second = documents.next();
    let mut outcome = 1;
    let mut note = |ok: bool| outcome = outcome << 1 | u64::from(ok);
    note(jobs::jobs(&first).is_ok());
    note(processor::feature_words(&first).is_ok());
    note(vcpus::vcpus(second.as_ref(), &first, 64).is_ok());
    let parameters = migration::Parameters::read(&first);
    note(parameters.iter().next().is_some());
    assert_eq!(
        migration::Parameters::read(&parameters.json()).json(),
        parameters.json(),
        "parameters of a migration are not stable"
    );
    outcome
}

fn agent(bytes: &[u8]) -> u64 {
    let (mut lines, mut outcome, mut count) = (qga::Lines::default(), 1_u64, 0);
    for piece in bytes.chunks(13) {
        lines.feed(piece);
        loop {
            let answer = match lines.document() {
                Ok(Some(document)) => document,
                Ok(None) => break,
                Err(error) => {
                    outcome = outcome.wrapping_mul(31).wrapping_add(kind(&error.0));
                    continue;
                }
            };
            count += 1;
            outcome = outcome.wrapping_mul(31).wrapping_add(answers(answer.get("return").unwrap_or(&answer)));
        }
    }
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(count <= ends, "{count} documents of {ends} lines");
    outcome
}

/// Everything the answers may be read as; the number tells what was found.
fn answers(answer: &Value) -> u64 {
    let none = |_: &answer::Place| None;
    let some = |_: &answer::Place| Some("vda".to_owned());
    let systems = answer::filesystems(answer);
    let interfaces = answer::addresses(answer);
    let found = [
        answer::users(answer).len(),
        answer::system(answer).len(),
        answer::timezone(answer).len(),
        answer::file_systems(&systems, &some).len(),
        answer::disks(answer, &none).len(),
        answer::interfaces(&interfaces).len(),
        answer::load(answer).len(),
        usize::from(answer::moment(answer).is_some()),
        answer::vcpus(answer).len(),
    ];
    found.iter().fold(0, |number, count| number << 3 | (*count).min(7) as u64)
}
