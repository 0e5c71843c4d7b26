//! Structures with limits at their fields, compactly.

/// Declares structures with their wire form. A field is `{Type}`, `{list Type LIMIT}` or `{bytes LIMIT}`.
///
/// ```
/// xdr::record! {
///     /// What a guest is made of.
///     Parts { count: {u32}, names: {list String 16}, data: {bytes 64} }
/// }
/// let parts = Parts { count: 1, names: vec!["a".to_owned()], data: vec![7] };
/// let bytes = xdr::to_bytes(&parts);
/// assert_eq!(bytes.len(), 4 + (4 + 8) + 8);
/// assert_eq!(xdr::from_bytes::<Parts>(&bytes), Ok(parts));
/// ```
#[macro_export]
macro_rules! record {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: {$($kind:tt)+}),+ $(,)? })+) => {
        $($(#[$meta])*
        #[derive(Clone, PartialEq, Debug)]
        #[allow(missing_docs, reason = "the fields are those of the procedure table")]
        pub struct $name { $(pub $field: $crate::record!(@type $($kind)+)),+ }

        impl $crate::Xdr for $name {
            const MIN: usize = 0 $(+ $crate::record!(@min $($kind)+))+;
            const SHAPE: &'static $crate::Shape =
                &$crate::Shape::Record(&[$($crate::record!(@shape $($kind)+)),+]);

            fn encode(&self, out: &mut Vec<u8>) {
                $($crate::record!(@put self.$field, out, $($kind)+);)+
            }

            fn decode(input: &mut $crate::Decoder<'_>) -> Result<Self, $crate::XdrError> {
                Ok($name { $($field: $crate::record!(@get input, $($kind)+)),+ })
            }
        })+
    };
    (@type bytes $limit:expr) => { Vec<u8> };
    (@type list $kind:ident $limit:expr) => { Vec<$kind> };
    (@type $kind:ty) => { $kind };
    (@min list $kind:ident $limit:expr) => { 4 };
    (@min bytes $limit:expr) => { 4 };
    (@min $kind:ty) => { <$kind as $crate::Xdr>::MIN };
    (@shape list $kind:ident $limit:expr) => { &$crate::Shape::List(<$kind as $crate::Xdr>::SHAPE, $limit) };
    (@shape bytes $limit:expr) => { &$crate::Shape::Bytes($limit) };
    (@shape $kind:ty) => { <$kind as $crate::Xdr>::SHAPE };
    (@put $value:expr, $out:ident, list $kind:ident $limit:expr) => { $crate::put_list(&$value, $out) };
    (@put $value:expr, $out:ident, bytes $limit:expr) => { $crate::put_bytes(&$value, $out) };
    (@put $value:expr, $out:ident, $kind:ty) => { $crate::Xdr::encode(&$value, $out) };
    (@get $input:ident, list $kind:ident $limit:expr) => { $input.list::<$kind>($limit)? };
    (@get $input:ident, bytes $limit:expr) => { $input.bytes($limit)?.to_vec() };
    (@get $input:ident, $kind:ty) => { <$kind as $crate::Xdr>::decode($input)? };
}
