//! What connects a guest with programs of the host and with other guests: sockets, shared memory, cryptography, storage
//! for a guest's last words.

use super::chardev::{Backend, Chardev, Socket};
use super::piece::Piece;
use super::{Builder, Json, alias_of, on_off, virtio};
use crate::complete::unsupported;
use base::Result;
use base::size::scale;
use xml::Tree;

/// Sockets between host and guest.
pub(super) fn vsocks(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for vsock in domain.all("vsock") {
        let alias = alias_of(vsock);
        let fd = b.start.vhost_fds.get(alias).and_then(|fds| fds.first());
        let fd = fd.ok_or_else(|| unsupported(format!("no descriptor of vhost-vsock for '{alias}'")))?;
        let cid = vsock.attr_at("cid", "address").and_then(|text| text.parse::<u64>().ok());
        let cid = cid.or_else(|| b.start.guest_cid.map(u64::from)).unwrap_or(0);
        let json = virtio::device(vsock, "vhost-vsock")
            .put("id", alias)
            .put("guest-cid", cid)
            .put("vhostfd", fd.to_string());
        let json = b.place(json, vsock);
        b.add(Piece::Device(json));
    }
    Ok(())
}

/// The bytes of an element with a unit; without one it is counted in units of `default` bytes.
fn bytes(element: &Tree, default: u64) -> Option<u64> {
    let number = element.body().trim().parse().ok()?;
    scale(number, element.attr("unit").unwrap_or_default(), default, u64::MAX)
}

/// Memory shared with other guests.
pub(super) fn shared_memory(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for shmem in domain.all("shmem") {
        let pieces = match shmem.attr_at("model", "type").unwrap_or("ivshmem") {
            "ivshmem-plain" => plain(b, shmem),
            "ivshmem-doorbell" => doorbell(b, shmem),
            model => {
                let text = format!("{model} device is not supported with this QEMU binary");
                return Err(unsupported(text));
            }
        };
        b.add_all(pieces);
    }
    Ok(())
}

/// Size of shared memory when a definition does not say.
const SHARED: u64 = 4 << 20;

fn plain(b: &Builder<'_>, shmem: &Tree) -> Vec<Piece> {
    let alias = alias_of(shmem);
    let id = format!("shmmem-{alias}");
    let path = format!("/dev/shm/{}", shmem.attr("name").unwrap_or_default());
    let size = shmem.child("size").and_then(|size| bytes(size, 1)).unwrap_or(SHARED);
    let object = Json::object("memory-backend-file", id.clone())
        .put("mem-path", path)
        .put("size", size)
        .put("share", true);
    let master = match shmem.attr("role") {
        Some("master") => Some("on"),
        Some("peer") => Some("off"),
        _ => None,
    };
    let json = Json::driver("ivshmem-plain").put("id", alias).put("memdev", id).put_opt("master", master);
    vec![Piece::Object(object), Piece::Device(b.place(json, shmem))]
}

fn doorbell(b: &Builder<'_>, shmem: &Tree) -> Vec<Piece> {
    let alias = alias_of(shmem);
    let id = format!("char{alias}");
    let vectors = shmem.attr_at("msi", "vectors").and_then(|text| text.parse::<u64>().ok());
    let json = Json::driver("ivshmem-doorbell")
        .put("id", alias)
        .put("chardev", id.clone())
        .put_opt("vectors", vectors.filter(|vectors| *vectors > 0))
        .put_opt("ioeventfd", on_off(shmem.attr_at("msi", "ioeventfd")));
    let own = format!("/var/lib/libvirt/shmem-{}-sock", shmem.attr("name").unwrap_or_default());
    let path = shmem.attr_at("server", "path").unwrap_or(&own);
    let chardev = Chardev::of(id, Backend::Socket(Socket::connect(path, None)));
    vec![Piece::Device(b.place(json, shmem)), Piece::Chardev(chardev)]
}

/// Devices that do cryptography for the guest.
pub(super) fn cryptos(b: &mut Builder<'_>) {
    let domain = b.domain;
    for crypto in domain.all("crypto") {
        let alias = alias_of(crypto);
        let id = format!("obj{alias}");
        let kind = match crypto.attr_at("backend", "model") {
            Some("lkcf") => "cryptodev-backend-lkcf",
            _ => "cryptodev-backend-builtin",
        };
        let queues = crypto.attr_at("backend", "queues").and_then(|text| text.parse::<u64>().ok());
        b.add(Piece::Object(Json::object(kind, id.clone()).put_opt("queues", queues)));
        let json = virtio::device(crypto, "virtio-crypto").put("cryptodev", id).put("id", alias);
        let json = b.place(json, crypto);
        b.add(Piece::Device(json));
    }
}

/// Storage that outlives a crash of the guest.
pub(super) fn stores(b: &mut Builder<'_>) {
    let domain = b.domain;
    for store in domain.all("pstore") {
        let alias = alias_of(store);
        let id = format!("mem{alias}");
        let size = store.child("size").and_then(|size| bytes(size, 1024)).unwrap_or(0);
        let object = Json::object("memory-backend-file", id.clone())
            .put("mem-path", store.text_of("path").unwrap_or_default())
            .put("size", size)
            .put("share", true);
        b.add(Piece::Object(object));
        let json = b.place(Json::driver("acpi-erst").put("id", alias).put("memdev", id), store);
        b.add(Piece::Device(json));
    }
}
