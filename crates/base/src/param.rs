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
