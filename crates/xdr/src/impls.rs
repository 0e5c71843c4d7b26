//! The wire forms of basic types and of the values in `base`.

use crate::{Decoder, STRING_MAX, Shape, Xdr, XdrError, put_bytes};
use base::Uuid;
use base::object::{
    DomainCheckpointRef, DomainRef, DomainSnapshotRef, InterfaceRef, NetworkPortRef, NetworkRef,
    NodeDeviceRef, NwfilterBindingRef, NwfilterRef, SecretRef, StoragePoolRef, StorageVolRef,
};
use base::param::{TypedParam, TypedValue};

macro_rules! number {
    ($($rust:ty as $wire:ty),+) => {
        $(impl Xdr for $rust {
            const MIN: usize = size_of::<$wire>();
            const SHAPE: &'static Shape = &Shape::Number {
                bytes: size_of::<$wire>(),
                least: <$rust>::MIN as i128,
                most: <$rust>::MAX as i128,
            };

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&<$wire>::from(*self).to_be_bytes());
            }

            fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
                let wide = <$wire>::from_be_bytes(input.array()?);
                <$rust>::try_from(wide).map_err(|_| XdrError::Range(wide as i64))
            }
        })+
    };
}
number!(i16 as i32, u16 as u32, i32 as i32, u32 as u32, i64 as i64, u64 as u64, u8 as u32);

impl Xdr for i8 {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Char;

    fn encode(&self, out: &mut Vec<u8>) {
        i32::from(*self).encode(out);
    }

    /// Peers disagree on whether a `char` is signed, so both ranges are taken.
    fn decode(input: &mut Decoder<'_>) -> Result<i8, XdrError> {
        match i32::decode(input)? {
            wide @ -128..=255 => Ok(wide as i8),
            wide => Err(XdrError::Range(wide.into())),
        }
    }
}

impl Xdr for f64 {
    const MIN: usize = 8;
    const SHAPE: &'static Shape = &Shape::Double;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn decode(input: &mut Decoder<'_>) -> Result<f64, XdrError> {
        Ok(f64::from_be_bytes(input.array()?))
    }
}

impl Xdr for bool {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Number { bytes: 4, least: 0, most: 1 };

    fn encode(&self, out: &mut Vec<u8>) {
        u32::from(*self).encode(out);
    }

    fn decode(input: &mut Decoder<'_>) -> Result<bool, XdrError> {
        match u32::decode(input)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(XdrError::Range(other.into())),
        }
    }
}

impl Xdr for String {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Text(STRING_MAX);

    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn decode(input: &mut Decoder<'_>) -> Result<String, XdrError> {
        let text = std::str::from_utf8(input.bytes(STRING_MAX)?).map_err(|_| XdrError::Text)?;
        if text.contains('\0') { Err(XdrError::Text) } else { Ok(text.to_owned()) }
    }
}

impl<T: Xdr> Xdr for Option<T> {
    const MIN: usize = 4;
    const SHAPE: &'static Shape = &Shape::Option(T::SHAPE);

    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Option<T>, XdrError> {
        if bool::decode(input)? { T::decode(input).map(Some) } else { Ok(None) }
    }
}

impl<T: Xdr, const N: usize> Xdr for [T; N] {
    const MIN: usize = N * T::MIN;
    const SHAPE: &'static Shape = &Shape::Array(T::SHAPE, N);

    fn encode(&self, out: &mut Vec<u8>) {
        for value in self {
            value.encode(out);
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<[T; N], XdrError> {
        let mut list = Vec::with_capacity(N);
        for _ in 0..N {
            list.push(T::decode(input)?);
        }
        list.try_into().map_err(|_| XdrError::Short)
    }
}

impl Xdr for Uuid {
    const MIN: usize = 16;
    const SHAPE: &'static Shape = &Shape::Fixed(16);

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Uuid, XdrError> {
        Ok(Uuid(input.array()?))
    }
}

/// A value by the number of its type.
const VALUES: &[(i32, &Shape)] = &[
    (1, i32::SHAPE),
    (2, u32::SHAPE),
    (3, i64::SHAPE),
    (4, u64::SHAPE),
    (5, f64::SHAPE),
    (6, &Shape::Truth),
    (7, String::SHAPE),
];

impl Xdr for TypedValue {
    const MIN: usize = 8;
    const SHAPE: &'static Shape = &Shape::Choice(VALUES);

    fn encode(&self, out: &mut Vec<u8>) {
        self.type_number().encode(out);
        match self {
            TypedValue::Int(value) => value.encode(out),
            TypedValue::UInt(value) => value.encode(out),
            TypedValue::LLong(value) => value.encode(out),
            TypedValue::ULLong(value) => value.encode(out),
            TypedValue::Double(value) => value.encode(out),
            TypedValue::Boolean(value) => value.encode(out),
            TypedValue::String(value) => value.encode(out),
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<TypedValue, XdrError> {
        Ok(match i32::decode(input)? {
            1 => TypedValue::Int(Xdr::decode(input)?),
            2 => TypedValue::UInt(Xdr::decode(input)?),
            3 => TypedValue::LLong(Xdr::decode(input)?),
            4 => TypedValue::ULLong(Xdr::decode(input)?),
            5 => TypedValue::Double(Xdr::decode(input)?),
            // The wire has an int here; anything but zero is true.
            6 => TypedValue::Boolean(i32::decode(input)? != 0),
            7 => TypedValue::String(Xdr::decode(input)?),
            other => return Err(XdrError::Range(other.into())),
        })
    }
}

/// The wire form of a structure is that of its fields in order.
macro_rules! in_order {
    ($($name:ident { $($field:ident: $kind:ty),+ })+) => {
        $(impl Xdr for $name {
            const MIN: usize = 0 $(+ <$kind as Xdr>::MIN)+;
            const SHAPE: &'static Shape = &Shape::Record(&[$(<$kind as Xdr>::SHAPE),+]);

            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field.encode(out);)+
            }

            fn decode(input: &mut Decoder<'_>) -> Result<$name, XdrError> {
                Ok($name { $($field: Xdr::decode(input)?),+ })
            }
        })+
    };
}
in_order! {
    TypedParam { field: String, value: TypedValue }
    DomainRef { name: String, uuid: Uuid, id: i32 }
    NetworkRef { name: String, uuid: Uuid }
    NetworkPortRef { net: NetworkRef, uuid: Uuid }
    InterfaceRef { name: String, mac: String }
    StoragePoolRef { name: String, uuid: Uuid }
    StorageVolRef { pool: String, name: String, key: String }
    NodeDeviceRef { name: String }
    SecretRef { uuid: Uuid, usage_type: i32, usage_id: String }
    NwfilterRef { name: String, uuid: Uuid }
    NwfilterBindingRef { portdev: String, filtername: String }
    DomainSnapshotRef { name: String, dom: DomainRef }
    DomainCheckpointRef { name: String, dom: DomainRef }
}
