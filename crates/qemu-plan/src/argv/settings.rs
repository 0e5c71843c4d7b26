//! Settings of the daemon that a line depends on (`qemu.conf`).

use super::Json;
use super::piece::Piece;
use super::secret::{Named, Secrets, Vault};
use crate::complete::unsupported;
use base::Result;

/// Certificates for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Connections are encrypted unless their definition says otherwise.
    pub on: bool,
    /// Folder of the certificates.
    pub dir: String,
    /// A server asks its clients for their certificates.
    pub verify: bool,
    /// UUID of the secret that opens the private key.
    pub secret: Option<String>,
}

impl Tls {
    /// Off, with the certificates in a folder.
    pub fn at(dir: &str) -> Tls {
        Tls { on: false, dir: dir.to_owned(), verify: false, secret: None }
    }

    /// The objects of one end of a connection; the credentials go by `id`, their password by `password_id`.
    pub(crate) fn objects(
        &self,
        id: &str,
        password_id: &str,
        listens: bool,
        vault: Option<&Vault>,
        secrets: &Secrets,
    ) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let named = self.secret.clone().map(Named::Uuid);
        if let Some(named) = &named {
            pieces.push(Piece::Object(sealed(password_id, named, vault, secrets)?));
        }
        let json = Json::object("tls-creds-x509", id)
            .put("dir", self.dir.clone())
            .put("endpoint", if listens { "server" } else { "client" })
            .put("verify-peer", !listens || self.verify)
            .put_opt("passwordid", named.map(|_| password_id.to_owned()));
        pieces.push(Piece::Object(json));
        Ok(pieces)
    }
}

/// The object of a secret that a definition names.
pub(crate) fn sealed(id: &str, named: &Named, vault: Option<&Vault>, secrets: &Secrets) -> Result<Json> {
    let Some(vault) = vault else { return Err(unsupported("encrypted secrets are not supported")) };
    let value = secrets.0.get(named);
    let value = value.ok_or_else(|| unsupported(format!("the secret of '{id}' was not looked up")))?;
    Ok(vault.object(id, value))
}

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Certificates of character devices.
    pub chardev_tls: Tls,
    /// Certificates of NBD clients.
    pub nbd_tls: Tls,
    /// Certificates of VxHS clients.
    pub vxhs_tls: Tls,
    /// Certificates of VNC servers.
    pub vnc_tls: Tls,
    /// Certificates of SPICE servers.
    pub spice_tls: Tls,
    /// Folder of the configuration of SASL for VNC, when clients prove who they are with it.
    pub vnc_sasl: Option<String>,
    /// Folder of the configuration of SASL for SPICE, when clients prove who they are with it.
    pub spice_sasl: Option<String>,
    /// VNC listens on a socket in the guest's folder unless a definition says otherwise.
    pub vnc_auto_socket: bool,
    /// SPICE listens on a socket in the guest's folder unless a definition says otherwise.
    pub spice_auto_socket: bool,
    /// Address VNC listens on when a definition names none.
    pub vnc_listen: String,
    /// Address SPICE listens on when a definition names none.
    pub spice_listen: String,
    /// Clients of VNC need a password although the definition has none.
    pub vnc_password: bool,
    /// Clients of SPICE need a password although the definition has none.
    pub spice_password: bool,
    /// Guests with VNC may play sound on the host.
    pub vnc_host_audio: bool,
    /// Level of the log of Gluster's library.
    pub gluster_debug: u32,
    /// Kinds of storage that an NBD server of the host reaches instead of the emulator: `curl`, `ssh`.
    pub nbdkit: Vec<String>,
    /// Folder of the sockets of passt.
    pub passt_dir: String,
    /// Folder of the buses that show guests over D-Bus.
    pub dbus_dir: String,
    /// Folder of the sockets of the RDP server.
    pub rdp_dir: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            chardev_tls: Tls::at("/etc/pki/qemu"),
            nbd_tls: Tls::at("/etc/pki/qemu"),
            vxhs_tls: Tls::at("/etc/pki/qemu"),
            vnc_tls: Tls::at("/etc/pki/libvirt-vnc"),
            spice_tls: Tls::at("/etc/pki/libvirt-spice"),
            vnc_sasl: None,
            spice_sasl: None,
            vnc_auto_socket: false,
            spice_auto_socket: false,
            vnc_listen: "127.0.0.1".to_owned(),
            spice_listen: "127.0.0.1".to_owned(),
            vnc_password: false,
            spice_password: false,
            vnc_host_audio: false,
            gluster_debug: 4,
            nbdkit: Vec::new(),
            passt_dir: "/run/libvirt/qemu/passt".to_owned(),
            dbus_dir: "/run/libvirt/qemu/dbus".to_owned(),
            rdp_dir: "/run/libvirt/qemu/rdp".to_owned(),
        }
    }
}
