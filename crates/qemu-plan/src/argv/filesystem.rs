//! Folders of the host that a guest mounts: 9p served by the emulator, virtiofs served by a program of its own.

use super::chardev::{Backend, Chardev, Socket};
use super::disk::own_order;
use super::piece::Piece;
use super::{Builder, alias_of, comma, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Plans shared folders.
pub(super) fn filesystems(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for filesystem in domain.all("filesystem") {
        let pieces = match filesystem.attr_at("driver", "type").unwrap_or("path") {
            "virtiofs" => virtiofs(b, filesystem),
            driver @ ("path" | "handle") => plan9(b, filesystem, driver),
            other => return Err(unsupported(format!("filesystem driver type '{other}' is not supported"))),
        };
        b.add_all(pieces);
    }
    Ok(())
}

fn tag(filesystem: &Tree) -> &str {
    filesystem.attr_at("target", "dir").unwrap_or_default()
}

fn plan9(b: &Builder<'_>, filesystem: &Tree, driver: &str) -> Vec<Piece> {
    let alias = alias_of(filesystem);
    let mut words = Vec::new();
    if driver == "handle" {
        words.push("handle".to_owned());
    } else {
        words.push("local".to_owned());
        let model = match filesystem.attr("accessmode") {
            Some("mapped") => "mapped",
            Some("squash") => "none",
            _ => "passthrough",
        };
        words.push(format!("security_model={model}"));
        let several = filesystem.attr("multidevs").filter(|several| *several != "default");
        words.extend(several.map(|several| format!("multidevs={several}")));
        for name in ["fmode", "dmode"] {
            let mode = filesystem.attr(name).and_then(|text| u32::from_str_radix(text, 8).ok());
            words.extend(mode.map(|mode| format!("{name}={mode:04o}")));
        }
    }
    if filesystem.attr_at("driver", "wrpolicy") == Some("immediate") {
        words.push("writeout=immediate".to_owned());
    }
    words.push(format!("id=fsdev-{alias}"));
    words.push(format!("path={}", comma(filesystem.attr_at("source", "dir").unwrap_or_default())));
    if filesystem.child("readonly").is_some() {
        words.push("readonly=on".to_owned());
    }
    let json = virtio::device(filesystem, "virtio-9p")
        .put("id", alias)
        .put("fsdev", format!("fsdev-{alias}"))
        .put("mount_tag", tag(filesystem));
    vec![Piece::Plain("-fsdev", words.join(",")), Piece::Device(b.place(json, filesystem))]
}

fn virtiofs(b: &Builder<'_>, filesystem: &Tree) -> Vec<Piece> {
    let alias = alias_of(filesystem);
    let own = format!("{}/{alias}-fs.sock", b.start.private_dir);
    let path = filesystem.attr_at("source", "socket").unwrap_or(&own);
    let name = format!("chr-vu-{alias}");
    let chardev = Chardev::of(name.clone(), Backend::Socket(Socket::connect(path, None)));
    let size = filesystem.attr_at("driver", "queue").and_then(|text| text.parse::<u64>().ok());
    let json = virtio::device(filesystem, "vhost-user-fs")
        .put("id", alias)
        .put("chardev", name)
        .put_opt("queue-size", size.filter(|size| *size > 0))
        .put("tag", tag(filesystem))
        .put_opt("bootindex", own_order(filesystem));
    vec![Piece::Chardev(chardev), Piece::Device(b.place(json, filesystem))]
}
