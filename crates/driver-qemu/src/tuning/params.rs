//! Parameters of clients: names and types.

use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};

/// Types a parameter may have; the numbers are those of the interface.
pub(crate) mod kind {
    pub(crate) const INT: i32 = 1;
    pub(crate) const UINT: i32 = 2;
    pub(crate) const LLONG: i32 = 3;
    pub(crate) const ULLONG: i32 = 4;
    pub(crate) const BOOLEAN: i32 = 6;
    pub(crate) const STRING: i32 = 7;
}

/// Names of types, by number.
const NAMES: [&str; 8] = ["unknown", "int", "uint", "llong", "ullong", "double", "boolean", "string"];

/// Strings are understood by the client that asks.
pub(crate) const STRING_OKAY: u32 = 4;

/// Refuses parameters of other names or types, and those that are there twice.
pub(crate) fn validate(params: &[TypedParam], known: &[(&str, i32)]) -> Result<()> {
    validate_repeating(params, known, &[])
}

/// The same where some parameters may be there several times.
pub(crate) fn validate_repeating(
    params: &[TypedParam],
    known: &[(&str, i32)],
    repeating: &[&str],
) -> Result<()> {
    let fault = |code: ErrorCode, text: String| Err(Error::new(code, ErrorDomain::NONE, text));
    for (at, param) in params.iter().enumerate() {
        let name = param.field.as_str();
        let Some((_, kind)) = known.iter().find(|(known, _)| *known == name) else {
            return fault(ErrorCode::ARGUMENT_UNSUPPORTED, format!("parameter '{name}' not supported"));
        };
        if param.value.type_number() != *kind {
            let expected = usize::try_from(*kind).ok().and_then(|kind| NAMES.get(kind)).unwrap_or(&"unknown");
            let text = format!(
                "invalid type '{}' for parameter '{name}', expected '{expected}'",
                param.value.type_name()
            );
            return fault(ErrorCode::INVALID_ARG, text);
        }
        let twice = params.iter().skip(at + 1).any(|other| other.field == name);
        if twice && !repeating.contains(&name) {
            return fault(ErrorCode::INVALID_ARG, format!("parameter '{name}' occurs multiple times"));
        }
    }
    Ok(())
}

/// A parameter of this name.
pub(crate) fn find<'p>(params: &'p [TypedParam], name: &str) -> Option<&'p TypedValue> {
    params.iter().find(|param| param.field == name).map(|param| &param.value)
}

/// An unsigned number of 64 bits.
pub(crate) fn ulong(params: &[TypedParam], name: &str) -> Option<u64> {
    match find(params, name)? {
        TypedValue::ULLong(value) => Some(*value),
        TypedValue::UInt(value) => Some((*value).into()),
        _ => None,
    }
}

/// A string.
pub(crate) fn string<'p>(params: &'p [TypedParam], name: &str) -> Option<&'p str> {
    match find(params, name)? {
        TypedValue::String(value) => Some(value),
        _ => None,
    }
}

/// A flag.
pub(crate) fn boolean(params: &[TypedParam], name: &str) -> Option<bool> {
    match find(params, name)? {
        TypedValue::Boolean(value) => Some(*value),
        _ => None,
    }
}

/// The first `most` of the parameters: as many as the client has room for.
pub(crate) fn room(mut params: Vec<TypedParam>, most: i32) -> Vec<TypedParam> {
    params.truncate(usize::try_from(most).unwrap_or(0));
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types() {
        let known = [("a", kind::ULLONG), ("b", kind::STRING)];
        let check =
            |params: &[TypedParam]| validate(params, &known).map_err(|error| error.message().to_owned());
        assert_eq!(check(&[TypedParam::new("a", 1u64), TypedParam::new("b", "x")]), Ok(()));
        assert_eq!(
            check(&[TypedParam::new("c", 1u64)]).unwrap_err(),
            "argument unsupported: parameter 'c' not supported"
        );
        assert_eq!(
            check(&[TypedParam::new("a", 1i32)]).unwrap_err(),
            "invalid argument: invalid type 'int' for parameter 'a', expected 'ullong'"
        );
        assert_eq!(
            check(&[TypedParam::new("a", 1u64), TypedParam::new("a", 2u64)]).unwrap_err(),
            "invalid argument: parameter 'a' occurs multiple times"
        );
    }
}
