//! Messages as they arrive, and the types they carry.

use super::{Target, nothing};
use crate::dice::Dice;
use crate::mutate::Form;
use proto::fault::Fault;
use proto::generated::table;
use proto::generated::types::TYPES as ROWS;
use proto::message::{Frame, Header, LENGTH_MAX, Status, Type};
use proto::row::{Program, WireType};
use std::collections::HashMap;
use std::sync::OnceLock;
use xdr::XdrError;

/// A stream of messages, with the arguments of each call.
pub(super) const MESSAGE: Target = Target {
    name: "message",
    form: Form::Binary,
    most: 16 << 10,
    run: messages,
    seeds: nothing,
    words: nothing,
    fresh: Some(conversation),
};

/// Every type of the wire: two bytes choose one, the others are its value.
pub(super) const TYPES: Target = Target {
    name: "types",
    form: Form::Binary,
    most: 8 << 10,
    run: value,
    seeds: nothing,
    words: nothing,
    fresh: Some(some_value),
};

const PROGRAMS: [&Program; 4] = [&table::REMOTE, &table::QEMU, &table::LXC, &table::ADMIN];

/// Types by name; a name that two programs have stands for the later one.
fn by_name(name: &str) -> Option<&'static WireType> {
    static NAMES: OnceLock<HashMap<&'static str, &'static WireType>> = OnceLock::new();
    NAMES.get_or_init(|| ROWS.iter().map(|row| (row.name, row)).collect()).get(name).copied()
}

/// The type of a procedure's arguments or results, or of a message.
fn carried(procedure: &str, what: &str) -> Option<&'static WireType> {
    let words = procedure.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    by_name(&(words.collect::<String>() + what))
}

fn refusal(error: XdrError) -> u64 {
    match error {
        XdrError::Short => 2,
        XdrError::TooLong { .. } => 3,
        XdrError::TooMany(_) => 4,
        XdrError::Text => 5,
        XdrError::Range(_) => 6,
    }
}

/// Reads a value; what was written of it is read and written again.
fn again(kind: &WireType, bytes: &[u8]) -> u64 {
    match (kind.again)(bytes) {
        Err(error) => refusal(error),
        Ok(written) => {
            assert!(
                written.len() <= bytes.len(),
                "{} grows from {} bytes to {}",
                kind.name,
                bytes.len(),
                written.len()
            );
            assert_eq!((kind.again)(&written).as_ref(), Ok(&written), "{} is not stable", kind.name);
            1
        }
    }
}

fn messages(bytes: &[u8]) -> u64 {
    let (mut rest, mut outcome) = (bytes, 0_u64);
    // A peer that is not known yet may send short messages only.
    let most = if bytes.len().is_multiple_of(2) { LENGTH_MAX } else { 65_536 };
    loop {
        let frame = match Frame::cut(rest, most) {
            Ok(Some(frame)) => frame,
            Ok(None) => return outcome,
            Err(_) => return outcome.wrapping_mul(31).wrapping_add(1),
        };
        assert!(
            frame.total >= 28 && frame.payload.len() + 28 <= frame.total,
            "a frame is larger than itself"
        );
        let header = frame.header;
        assert_eq!(Header::read(&header.message(frame.payload)), Some(header), "a header is not stable");
        let read = payload(&header, frame.payload);
        outcome = outcome.wrapping_mul(31).wrapping_add(u64::from(header.kind.min(8)) << 8 | read);
        rest = rest.get(frame.total..).unwrap_or_default();
    }
}

fn payload(header: &Header, payload: &[u8]) -> u64 {
    if header.status == Status::Error as u32 {
        return xdr::from_bytes::<Fault>(payload).map_or_else(refusal, |_| 1);
    }
    let Some(program) = PROGRAMS.iter().find(|program| program.number == header.program) else { return 10 };
    let Ok(number) = u32::try_from(header.procedure) else { return 11 };
    let name = match Type::from_number(header.kind) {
        Some(Type::Message) => {
            program.events.iter().find(|row| row.number == number).map(|row| (row.name, "Msg"))
        }
        Some(Type::Call | Type::CallWithFds) => {
            program.procedures.iter().find(|row| row.number == number).map(|row| (row.name, "Args"))
        }
        Some(Type::Reply | Type::ReplyWithFds) => {
            program.procedures.iter().find(|row| row.number == number).map(|row| (row.name, "Ret"))
        }
        _ => return 12,
    };
    let kind = name.and_then(|(name, what)| carried(name, what));
    kind.map_or(13, |kind| again(kind, payload))
}

fn conversation(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=dice.below(3) {
        let program = PROGRAMS[dice.below(PROGRAMS.len())];
        let kind = dice.below(7) as u32;
        let number = dice.pick(program.procedures).map_or(1, |row| row.number);
        let status = u32::from(dice.once_in(6));
        let header = Header {
            program: program.number,
            version: program.version,
            procedure: number as i32,
            kind,
            serial: dice.below(9) as u32,
            status,
        };
        let what = if kind == Type::Reply as u32 { "Ret" } else { "Args" };
        let row = program.procedures.iter().find(|row| row.number == number);
        let mut body = Vec::new();
        if matches!(Type::from_number(kind), Some(Type::CallWithFds | Type::ReplyWithFds)) {
            body.extend_from_slice(&(dice.below(3) as u32).to_be_bytes());
        }
        if let Some(kind) = row.and_then(|row| carried(row.name, what)) {
            kind.shape.write(&mut |bound| dice.roll() % bound, &mut body);
        }
        bytes.extend(header.message(&body));
    }
    bytes
}

fn value(bytes: &[u8]) -> u64 {
    let Some((choice, value)) = bytes.split_first_chunk::<2>() else { return 0 };
    let number = usize::from(u16::from_be_bytes(*choice)) % ROWS.len();
    let Some(kind) = ROWS.get(number) else { return 0 };
    (number as u64) << 8 | again(kind, value)
}

fn some_value(dice: &mut Dice) -> Vec<u8> {
    let number = dice.below(ROWS.len());
    let mut bytes = (number as u16).to_be_bytes().to_vec();
    if let Some(kind) = ROWS.get(number) {
        if dice.once_in(8) {
            let wrong = kind.shape.wrong();
            bytes.extend_from_slice(dice.pick(&wrong).map(Vec::as_slice).unwrap_or_default());
        } else {
            kind.shape.write(&mut |bound| dice.roll() % bound, &mut bytes);
        }
    }
    bytes
}
