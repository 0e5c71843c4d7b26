//! Typed parameters: named values of one of seven types, used wherever the interface is open-ended.

/// One named value.
#[derive(Clone, PartialEq, Debug)]
pub struct TypedParam {
    /// Name, at most 80 bytes on the wire of old clients.
    pub field: String,
    /// Value.
    pub value: TypedValue,
}

/// The value of a typed parameter.
#[derive(Clone, PartialEq, Debug)]
pub enum TypedValue {
    /// Type 1.
    Int(i32),
    /// Type 2.
    UInt(u32),
    /// Type 3.
    LLong(i64),
    /// Type 4.
    ULLong(u64),
    /// Type 5.
    Double(f64),
    /// Type 6.
    Boolean(bool),
    /// Type 7.
    String(String),
}

impl TypedValue {
    /// The type number of the wire and the C interface.
    pub fn type_number(&self) -> i32 {
        match self {
            TypedValue::Int(_) => 1,
            TypedValue::UInt(_) => 2,
            TypedValue::LLong(_) => 3,
            TypedValue::ULLong(_) => 4,
            TypedValue::Double(_) => 5,
            TypedValue::Boolean(_) => 6,
            TypedValue::String(_) => 7,
        }
    }

    /// The name of the type as error messages spell it.
    pub fn type_name(&self) -> &'static str {
        match self {
            TypedValue::Int(_) => "int",
            TypedValue::UInt(_) => "uint",
            TypedValue::LLong(_) => "llong",
            TypedValue::ULLong(_) => "ullong",
            TypedValue::Double(_) => "double",
            TypedValue::Boolean(_) => "boolean",
            TypedValue::String(_) => "string",
        }
    }
}

macro_rules! from_value {
    ($($rust:ty => $member:ident),+) => {
        $(impl From<$rust> for TypedValue {
            fn from(value: $rust) -> TypedValue {
                TypedValue::$member(value)
            }
        })+
    };
}
from_value!(i32 => Int, u32 => UInt, i64 => LLong, u64 => ULLong, f64 => Double, bool => Boolean, String => String);

impl From<&str> for TypedValue {
    fn from(value: &str) -> TypedValue {
        TypedValue::String(value.to_owned())
    }
}

impl TypedParam {
    /// A parameter from its name and value.
    pub fn new(field: impl Into<String>, value: impl Into<TypedValue>) -> TypedParam {
        TypedParam { field: field.into(), value: value.into() }
    }
}

/// What a call allows: a name, the numbers of the types it may have, and whether it may occur more than once.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// Name of the parameter.
    pub name: &'a str,
    /// The type it must have, by number.
    pub type_number: i32,
    /// May occur more than once.
    pub multiple: bool,
}

/// The name of a type number as error messages spell it.
pub fn type_name(number: i32) -> &'static str {
    match number {
        1 => "int",
        2 => "uint",
        3 => "llong",
        4 => "ullong",
        5 => "double",
        6 => "boolean",
        7 => "string",
        _ => "unknown",
    }
}

/// Checks parameters, given as name and type number, against what a call allows.
///
/// # Errors
/// The first parameter in alphabetical order that is not allowed, occurs too often or has another type.
pub fn validate(params: &[(&str, i32)], allowed: &[Allowed<'_>]) -> crate::Result<()> {
    use crate::{Error, ErrorCode, ErrorDomain};
    let refuse = |code, text: String| Err(Error::new(code, ErrorDomain::NONE, text));
    let mut sorted = params.to_vec();
    sorted.sort_by_key(|(name, _)| *name);
    let mut keys = allowed.to_vec();
    keys.sort_by_key(|key| key.name);
    for (at, (name, number)) in sorted.iter().enumerate() {
        let Some(key) = keys.iter().find(|key| key.name == *name) else {
            let text = format!("parameter '{name}' not supported");
            return refuse(ErrorCode::ARGUMENT_UNSUPPORTED, text);
        };
        if at > 0 && sorted[at - 1].0 == *name && !key.multiple {
            return refuse(ErrorCode::INVALID_ARG, format!("parameter '{name}' occurs multiple times"));
        }
        if key.type_number != *number {
            let text = format!(
                "invalid type '{}' for parameter '{name}', expected '{}'",
                type_name(*number),
                type_name(key.type_number)
            );
            return refuse(ErrorCode::INVALID_ARG, text);
        }
    }
    Ok(())
}

/// Where parameters with a name, and a type if one is asked for, stand.
pub fn filter(params: &[(&str, i32)], name: &str, type_number: Option<i32>) -> Vec<usize> {
    let fits = |(known, number): &(&str, i32)| *known == name && type_number.is_none_or(|t| t == *number);
    params.iter().enumerate().filter(|(_, param)| fits(param)).map(|(at, _)| at).collect()
}

/// A list of texts as parameters of one name.
pub fn string_list<'v>(name: &str, values: impl IntoIterator<Item = &'v str>) -> Vec<TypedParam> {
    values.into_iter().map(|value| TypedParam::new(name, value)).collect()
}
