//! Whether the certificate that a daemon shows is the one of the machine that was asked for.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The verifier of one connection.
#[derive(Debug)]
pub(crate) struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    /// What the user called the machine.
    host: String,
    /// Any certificate will do.
    lenient: bool,
}

impl Verifier {
    pub(crate) fn new(chain: Arc<WebPkiServerVerifier>, host: &str, lenient: bool) -> Verifier {
        Verifier { chain, host: host.to_owned(), lenient }
    }
}

/// Certificates made by hand often have a common name only: it counts when there are no other names.
fn common_name_is(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    if certificate.subject_alternative_name().is_ok_and(|names| names.is_some()) {
        return false;
    }
    certificate.subject().iter_common_name().any(|name| name.as_str().is_ok_and(|name| matches(name, host)))
}

/// A name, or a first label of `*` that stands for one label.
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(host),
        Some(domain) => host
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(domain)),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.chain.verify_server_cert(certificate, intermediates, name, stapled, now);
        match verdict {
            // Names are looked at last, so the chain is good here.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if common_name_is(certificate, &self.host) => Ok(ServerCertVerified::assertion()),
            Err(_) if self.lenient => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names() {
        for (pattern, host, fits) in [
            ("host", "HOST", true),
            ("host", "host.example", false),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example", false),
            ("*.example", ".example", false),
            ("*.example", "example", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
        }
    }
}
