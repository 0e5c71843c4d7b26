//! The client's side: handshake, the daemon's word, and the socket that the caller goes on with.

use crate::files::{Files, Own};
use crate::relay;
use crate::verify::Verifier;
use base::{Error, ErrorCode, ErrorDomain, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// How long the daemon may take for the handshake and for its word.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the user's URI says about certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `no_verify`: any certificate of the daemon will do.
    pub no_verify: bool,
    /// `no_sanity`: our own certificate is not looked at.
    pub no_sanity: bool,
    /// `tls_priority`: which algorithms. Only whether its first word is known is looked at: what is old or weak is
    /// never used, whatever it says.
    pub priority: Option<String>,
}

fn refused(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::AUTH_FAILED, ErrorDomain::RPC, text)
}

fn system(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::SYSTEM_ERROR, ErrorDomain::RPC, text)
}

/// First words of priority strings; `@NAME` is one of the system's, `+`, `-`, `%` and `!` follow them.
const PRIORITIES: [&str; 10] = [
    "NORMAL",
    "PERFORMANCE",
    "SECURE128",
    "SECURE192",
    "SECURE256",
    "SUITEB128",
    "SUITEB192",
    "LEGACY",
    "PFS",
    "NONE",
];

fn check_priority(priority: &str) -> Result<()> {
    let first = priority.split(':').next().unwrap_or_default();
    if first.starts_with('@') || PRIORITIES.contains(&first) {
        return Ok(());
    }
    let text = format!("Failed to set TLS session priority to {priority}: The request is invalid.");
    Err(system(text))
}

/// Whether the authority of the machines that we connect to also stands for us: the daemon would refuse us without a
/// word otherwise.
fn check_own(own: &Own, roots: &Arc<RootCertStore>, files: &Files) -> Result<()> {
    let Ok(verifier) = WebPkiClientVerifier::builder(roots.clone()).build() else { return Ok(()) };
    let Some((first, rest)) = own.chain.split_first() else { return Ok(()) };
    let Err(error) = verifier.verify_client_cert(first, rest, UnixTime::now()) else { return Ok(()) };
    let path = files.certificate.display();
    let rustls::Error::InvalidCertificate(reason) = error else { return Ok(()) };
    let text = match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("The client certificate {path} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("The client certificate {path} is not yet active")
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "Our own certificate {path} failed validation against {}: The certificate hasn't got a known issuer.",
            files.authority.display()
        ),
        // Anything else may be good enough for the daemon, which is the one that decides.
        _ => return Ok(()),
    };
    // The reference's own sanity check has no domain.
    Err(system(text).in_domain(ErrorDomain::NONE))
}

fn config(host: &str, files: &Files, wishes: &Wishes) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(files.read_authority()?);
    if taken == 0 {
        let text = format!("Unable to import CA certificate '{}'", files.authority.display());
        return Err(system(text));
    }
    let roots = Arc::new(roots);
    let own = files.read_own()?;
    if let (Some(own), false) = (&own, wishes.no_sanity) {
        check_own(own, &roots, files)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| system(format!("Unable to use the CA certificate: {error}")))?;
    let verifier = Arc::new(Verifier::new(chain, host, wishes.no_verify));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| system(format!("Unable to initialize TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match own {
        None => Ok(builder.with_no_client_auth()),
        Some(Own { chain, key }) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| system(format!("Unable to use the client certificate: {error}"))),
    }
}

/// Proves and checks who is who over a connected socket, and gives the socket that speaks in clear with the daemon.
///
/// # Errors
/// When certificates cannot be read, the daemon's is not that of `host`, or the daemon refuses ours.
pub fn connect(mut socket: TcpStream, host: &str, files: &Files, wishes: &Wishes) -> Result<UnixStream> {
    if let Some(priority) = &wishes.priority {
        check_priority(priority)?;
    }
    let config = config(host, files, wishes)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| refused(format!("'{host}' cannot be the name of a certificate")))?;
    let mut session = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| system(format!("Unable to initialize TLS: {error}")))?;
    let broken = |error: &std::io::Error| Error::system(ErrorDomain::RPC, error, "Cannot use the socket");
    socket.set_read_timeout(Some(PATIENCE)).map_err(|error| broken(&error))?;
    while session.is_handshaking() {
        if let Err(error) = session.complete_io(&mut socket) {
            return Err(handshake_failed(&error));
        }
    }
    let mut word = [0];
    let unread = |detail: &str| system(format!("Unable to read TLS confirmation: {detail}"));
    // Whatever ends the connection here, the daemon has refused us.
    let got = rustls::Stream::new(&mut session, &mut socket).read(&mut word);
    match got {
        Ok(1) if word == [1] => {}
        Ok(1) => return Err(refused("server verification (of our certificate or IP address) failed")),
        Ok(_) | Err(_) => return Err(unread("Input/output error")),
    }
    socket.set_read_timeout(None).map_err(|error| broken(&error))?;
    relay::start(session, socket).map_err(|error| broken(&error))
}

fn handshake_failed(error: &std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            refused("Failed to verify peer's certificate")
        }
        Some(other) => refused(format!("TLS handshake failed {other}")),
        None => refused(format!("TLS handshake failed {}", base::error::strerror(error))),
    }
}
