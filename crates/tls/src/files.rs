//! Which files hold the certificates.
//!
//! | | CA | certificate | key |
//! |---|---|---|---|
//! | machine | `/etc/pki/CA/cacert.pem` | `/etc/pki/libvirt/clientcert.pem` | `/etc/pki/libvirt/private/clientkey.pem` |
//! | user | `~/.pki/libvirt/cacert.pem` | `~/.pki/libvirt/clientcert.pem` | `~/.pki/libvirt/clientkey.pem` |
//! | `pkipath=DIR` | `DIR/cacert.pem` | `DIR/clientcert.pem` | `DIR/clientkey.pem` |

use base::{Error, ErrorCode, ErrorDomain, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// The files of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the authority.
    pub authority: PathBuf,
    /// Our certificate and its chain.
    pub certificate: PathBuf,
    /// The key of our certificate.
    pub key: PathBuf,
}

impl Files {
    /// All in one folder.
    pub fn of_folder(folder: &Path) -> Files {
        Files {
            authority: folder.join("cacert.pem"),
            certificate: folder.join("clientcert.pem"),
            key: folder.join("clientkey.pem"),
        }
    }

    /// Those of the machine, under a root for its configuration.
    pub fn of_machine(etc: &Path) -> Files {
        Files {
            authority: etc.join("pki/CA/cacert.pem"),
            certificate: etc.join("pki/libvirt/clientcert.pem"),
            key: etc.join("pki/libvirt/private/clientkey.pem"),
        }
    }

    /// Those of a user where they are there, else the machine's; certificate and key only together.
    pub fn of_user(home: &Path, etc: &Path) -> Files {
        let own = Files::of_folder(&home.join(".pki/libvirt"));
        let machine = Files::of_machine(etc);
        let pair = own.certificate.exists() && own.key.exists();
        Files {
            authority: if own.authority.exists() { own.authority } else { machine.authority },
            certificate: if pair { own.certificate } else { machine.certificate },
            key: if pair { own.key } else { machine.key },
        }
    }

    /// The authority's certificates.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_authority(&self) -> Result<Vec<CertificateDer<'static>>> {
        let path = &self.authority;
        if let Err(error) = std::fs::metadata(path) {
            let text = format!("Cannot read CA certificate '{}'", path.display());
            return Err(Error::system(ErrorDomain::RPC, &error, text));
        }
        certificates(path, "CA certificate")
    }

    /// Our certificate and key; `None` when one of them is not there.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn read_own(&self) -> Result<Option<Own>> {
        if !self.certificate.exists() || !self.key.exists() {
            return Ok(None);
        }
        let chain = certificates(&self.certificate, "client certificate")?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            let path = self.key.display();
            Error::new(
                ErrorCode::SYSTEM_ERROR,
                ErrorDomain::RPC,
                format!("Unable to load private key '{path}': {error}"),
            )
        })?;
        Ok(Some(Own { chain, key }))
    }
}

/// A certificate with its chain, and the key that belongs to it.
#[derive(Debug)]
pub struct Own {
    /// The certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |detail: String| {
        let text = format!("Unable to import {what} '{}': {detail}", path.display());
        Error::new(ErrorCode::SYSTEM_ERROR, ErrorDomain::RPC, text)
    };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unreadable(error.to_string()))?;
    if found.is_empty() {
        return Err(unreadable("no certificate is in it".to_owned()));
    }
    Ok(found)
}
