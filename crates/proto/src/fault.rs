//! The boundary error on the wire (`remote_error`).

use base::error::{ErrorLevel, Fields};
use base::object::{DomainRef, NetworkRef};
use base::{Error, ErrorCode, ErrorDomain};
use xdr::{Decoder, Shape, Xdr, XdrError};

/// An error as a message payload. The references to a domain and a network are read but never written.
#[derive(Clone, PartialEq, Debug)]
pub struct Fault(pub Error);

impl Xdr for Fault {
    const MIN: usize = 44;
    const SHAPE: &'static Shape = &Shape::Record(&[
        i32::SHAPE,
        i32::SHAPE,
        <Option<String>>::SHAPE,
        i32::SHAPE,
        <Option<DomainRef>>::SHAPE,
        <Option<String>>::SHAPE,
        <Option<String>>::SHAPE,
        <Option<String>>::SHAPE,
        i32::SHAPE,
        i32::SHAPE,
        <Option<NetworkRef>>::SHAPE,
    ]);

    fn encode(&self, out: &mut Vec<u8>) {
        let fields = self.0.fields();
        fields.code.0.encode(out);
        fields.domain.0.encode(out);
        true.encode(out);
        fields.message.encode(out);
        (fields.level as i32).encode(out);
        None::<DomainRef>.encode(out);
        fields.str1.encode(out);
        fields.str2.encode(out);
        fields.str3.encode(out);
        fields.int1.encode(out);
        fields.int2.encode(out);
        None::<NetworkRef>.encode(out);
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Fault, XdrError> {
        let code = ErrorCode(Xdr::decode(input)?);
        let domain = ErrorDomain(Xdr::decode(input)?);
        let message: Option<String> = Xdr::decode(input)?;
        let level = match i32::decode(input)? {
            0 => ErrorLevel::None,
            1 => ErrorLevel::Warning,
            _ => ErrorLevel::Error,
        };
        let _: Option<DomainRef> = Xdr::decode(input)?;
        let (str1, str2, str3) = (Xdr::decode(input)?, Xdr::decode(input)?, Xdr::decode(input)?);
        let (int1, int2) = (Xdr::decode(input)?, Xdr::decode(input)?);
        let _: Option<NetworkRef> = Xdr::decode(input)?;
        let message = message.unwrap_or_else(|| "No error message provided".to_owned());
        Ok(Fault(Error::from_fields(Fields { code, domain, level, message, str1, str2, str3, int1, int2 })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let error = Error::new(ErrorCode::NO_DOMAIN, ErrorDomain::QEMU, "no domain with matching name 'x'");
        let bytes = xdr::to_bytes(&Fault(error.clone()));
        assert_eq!(xdr::from_bytes::<Fault>(&bytes), Ok(Fault(error)));
    }
}
