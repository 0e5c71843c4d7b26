//! Connections to a daemon that this test plays: who is accepted, who is refused and in which words.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tls::files::Files;
use tls::{Wishes, connect};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// An authority whose certificates lie in a folder.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: (String, String),
}

impl Authority {
    fn new(name: &str) -> Outcome<Authority> {
        let folder = std::env::temp_dir().join(format!("tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        std::fs::write(folder.join("cacert.pem"), certificate.pem())?;
        let certificate = certificate.der().clone();
        Ok(Authority { folder, issuer: Issuer::new(params, key), certificate })
    }

    /// A certificate with a common name and alternative names.
    fn issue(&self, common: &str, names: &[&str]) -> Outcome<Certificate> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common);
        for name in names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let pem = (certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::from_pem_slice(pem.1.as_bytes())?;
        Ok(Certificate { chain: vec![certificate.der().clone()], key, pem })
    }

    /// Puts a client's certificate into the folder.
    fn give(&self, certificate: &Certificate) -> Outcome {
        std::fs::write(self.folder.join("clientcert.pem"), &certificate.pem.0)?;
        std::fs::write(self.folder.join("clientkey.pem"), &certificate.pem.1)?;
        Ok(())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A daemon for one connection: it says `word` after the handshake and then echoes what it hears.
fn daemon(authority: &Authority, own: Certificate, word: u8) -> Outcome<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain, own.key)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut socket, _) = listener.accept()?;
        let mut session = ServerConnection::new(Arc::new(config)).map_err(std::io::Error::other)?;
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        stream.write_all(&[word])?;
        let mut chunk = [0; 9000];
        loop {
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                count => stream.write_all(&chunk[..count])?,
            }
        }
    });
    Ok(port)
}

/// Connects and sends a message longer than every buffer on the way; `Err` with the words of a refusal.
fn converse(port: u16, host: &str, folder: &Path, wishes: &Wishes) -> Outcome<Result<(), String>> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    let mut ours = match connect(socket, host, &Files::of_folder(folder), wishes) {
        Ok(ours) => ours,
        Err(error) => return Ok(Err(error.message().to_owned())),
    };
    let message: Vec<u8> = (0..3_000_000u32).map(|at| at as u8).collect();
    let mut reader = ours.try_clone()?;
    let length = message.len();
    let heard = std::thread::spawn(move || {
        let mut heard = vec![0; length];
        reader.read_exact(&mut heard).map(|()| heard)
    });
    ours.write_all(&message)?;
    let heard = heard.join().map_err(|_| "the reader has ended")??;
    assert!(heard == message, "bytes were changed on the way");
    Ok(Ok(()))
}

#[test]
fn acceptance_and_refusals() -> Outcome {
    let (ours, theirs) = (Authority::new("ours")?, Authority::new("theirs")?);
    ours.give(&ours.issue("client", &[])?)?;
    let plain = Wishes::default;
    let lenient = || Wishes { no_verify: true, ..Wishes::default() };
    let verify = "Failed to verify peer's certificate";
    let case =
        |names: &[&str], common: &str, host: &str, wishes: Wishes, word: u8, refusal: &str| -> Outcome {
            let port = daemon(&ours, ours.issue(common, names)?, word)?;
            let outcome = converse(port, host, &ours.folder, &wishes)?;
            match outcome {
                Ok(()) => assert_eq!(refusal, "", "{host} {names:?} {common}"),
                Err(text) => {
                    assert!(!refusal.is_empty() && text.contains(refusal), "{host} {names:?}: {text}");
                }
            }
            Ok(())
        };
    case(&["host.example"], "x", "host.example", plain(), 1, "")?;
    case(&["host.example"], "x", "other.example", plain(), 1, verify)?;
    case(&["host.example"], "other.example", "other.example", plain(), 1, verify)?;
    case(&["host.example"], "x", "other.example", lenient(), 1, "")?;
    case(&[], "host.example", "host.example", plain(), 1, "")?;
    case(&[], "127.0.0.1", "127.0.0.1", plain(), 1, "")?;
    case(&[], "*.example", "host.example", plain(), 1, "")?;
    case(&[], "host.example", "other.example", plain(), 1, verify)?;
    case(&["host.example"], "x", "host.example", plain(), 0, "server verification")?;
    let strange = Wishes { priority: Some("FOO".to_owned()), ..plain() };
    case(&["host.example"], "x", "host.example", strange, 1, "Failed to set TLS session priority to FOO")?;
    let known = Wishes { priority: Some("NORMAL:-VERS-TLS1.0".to_owned()), ..plain() };
    case(&["host.example"], "x", "host.example", known, 1, "")?;

    // Somebody else's authority: for the daemon, and for the client's own certificate.
    let port = daemon(&theirs, theirs.issue("host.example", &["host.example"])?, 1)?;
    let outcome = converse(port, "host.example", &ours.folder, &plain())?;
    assert!(outcome.is_err_and(|text| text.contains(verify)));
    ours.give(&theirs.issue("client", &[])?)?;
    let port = daemon(&ours, ours.issue("host.example", &["host.example"])?, 1)?;
    let outcome = converse(port, "host.example", &ours.folder, &plain())?;
    assert!(outcome.is_err_and(|text| text.contains("hasn't got a known issuer")));
    let port = daemon(&ours, ours.issue("host.example", &["host.example"])?, 1)?;
    let unchecked = Wishes { no_sanity: true, ..plain() };
    let outcome = converse(port, "host.example", &ours.folder, &unchecked)?;
    assert!(outcome.is_err_and(|text| text.starts_with("Unable to read TLS confirmation")));

    // No certificates at all.
    std::fs::remove_file(ours.folder.join("clientkey.pem"))?;
    let port = daemon(&ours, ours.issue("host.example", &["host.example"])?, 1)?;
    let outcome = converse(port, "host.example", &ours.folder, &plain())?;
    assert!(outcome.is_err_and(|text| text.starts_with("Unable to read TLS confirmation")));
    std::fs::remove_file(ours.folder.join("cacert.pem"))?;
    let port = daemon(&theirs, theirs.issue("host.example", &["host.example"])?, 1)?;
    let outcome = converse(port, "host.example", &ours.folder, &plain())?;
    assert!(outcome.is_err_and(|text| text.starts_with("Cannot read CA certificate")));
    Ok(())
}
