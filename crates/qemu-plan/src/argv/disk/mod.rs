//! Disks: block nodes and the devices that show them to the guest.

mod device;
mod filter;
pub(crate) mod image;
pub mod nbdkit;
pub(crate) mod node;
pub(crate) mod protocol;
mod sd;

use super::piece::Piece;
use super::{Builder, Json, alias_of};
use base::Result;
use conf_domain::Domain;
use image::Image;
use xml::Tree;

/// Which device gets which place in the boot order.
pub(crate) struct BootOrder {
    /// Words of `<os><boot dev=…>` that have not met their device yet, with their place.
    pending: Vec<(String, u32)>,
}

impl BootOrder {
    pub(crate) fn of(b: &Builder<'_>) -> BootOrder {
        let os = b.domain.tree.child("os");
        let words = os.map(|os| {
            os.all("boot").filter_map(|boot| boot.attr("dev")).map(str::to_owned).collect::<Vec<_>>()
        });
        let words = words.unwrap_or_default();
        BootOrder { pending: words.into_iter().enumerate().map(|(at, word)| (word, at as u32 + 1)).collect() }
    }

    /// The place of the first device of a kind; later ones get none.
    pub(crate) fn take(&mut self, kind: &str) -> Option<u32> {
        let at = self.pending.iter().position(|(word, _)| word == kind)?;
        Some(self.pending.remove(at).1)
    }
}

/// The place a device itself asks for.
pub(crate) fn own_order(device: &Tree) -> Option<u32> {
    device.attr_at("boot", "order").and_then(|text| text.parse().ok())
}

/// The place of a disk in the boot order.
fn order(disk: &Tree, order: &mut BootOrder) -> Option<u32> {
    let kind = match disk.attr("device") {
        Some("cdrom") => "cdrom",
        Some("floppy") => "fd",
        _ => "hd",
    };
    own_order(disk).or_else(|| order.take(kind))
}

/// Writes the numbers of block nodes into a definition that is about to be started, so that its document tells them.
pub fn number_images(domain: &mut Domain) {
    let devices = domain.devices_mut().iter_mut();
    let mut disks: Vec<&mut Tree> = devices.filter(|device| device.name == "disk").collect();
    image::number(&mut disks);
}

/// Disks whose nodes are made by the emulator itself from an old option.
fn built_in(disk: &Tree) -> bool {
    disk.attr_at("target", "bus") == Some("sd")
}

/// A disk whose changes are thrown away while others use its image; it is added when the guest has been started.
fn added_later(disk: &Tree) -> bool {
    disk.attr_at("transient", "shareBacking") == Some("yes")
}

/// A disk with all that was decided about it.
struct Planned<'d> {
    disk: &'d Tree,
    image: Option<Image<'d>>,
    /// Names of the filters that limit its speed, the lowest first, each with its group.
    filters: Vec<(String, &'d str)>,
    boot: Option<u32>,
}

/// The helper that makes reservations for disks that do not name one.
pub(super) fn reservations(b: &mut Builder<'_>) {
    let managed = |disk: &Tree| disk.attr_at("source/reservations", "managed") == Some("yes");
    if b.domain.all("disk").any(managed) {
        let path = format!("{}/pr-helper0.sock", b.start.private_dir);
        b.add(Piece::Object(Json::object("pr-manager-helper", "pr-helper0").put("path", path)));
    }
}

/// The groups of disks that share limits of their speed.
pub(super) fn throttle_groups(b: &mut Builder<'_>) {
    let groups = filter::groups(b.domain);
    b.add_all(groups);
}

/// Plans all disks.
pub(super) fn disks<'d>(b: &mut Builder<'d>) -> Result<()> {
    let domain = b.domain;
    let disks: Vec<&Tree> = domain.all("disk").collect();
    let mut boot = BootOrder::of(b);
    let places: Vec<Option<u32>> = disks.iter().map(|disk| order(disk, &mut boot)).collect();
    // The last disk owns the first nodes.
    let mut planned: Vec<Planned<'d>> = Vec::new();
    for (disk, boot) in disks.into_iter().zip(places).rev() {
        let image = if built_in(disk) { image::built_in(disk) } else { image::chain(b, disk) };
        let filters = filter::names(b, disk);
        planned.push(Planned { disk, image, filters, boot });
    }
    planned.reverse();
    device::drive_order(b, &planned);
    for plan in &planned {
        let pieces = one(b, plan)?;
        b.add_all(pieces);
    }
    Ok(())
}

fn one(b: &Builder<'_>, plan: &Planned<'_>) -> Result<Vec<Piece>> {
    let disk = plan.disk;
    if built_in(disk) {
        return sd::pieces(b, plan);
    }
    if added_later(disk) {
        return Ok(Vec::new());
    }
    if disk.is("type", "vhostuser") {
        let chardev = super::chardev::vhost_user_disk(disk, alias_of(disk));
        return Ok(vec![Piece::Chardev(chardev), Piece::Device(device::device(b, plan, None)?)]);
    }
    let mut pieces = Vec::new();
    let mut top = None;
    if let Some(image) = &plan.image {
        pieces.extend(node::chain(image, b.start)?);
        let mut name = image.top();
        for (filter, group) in &plan.filters {
            pieces.push(Piece::Blockdev(filter::throttle(filter, group, &name)));
            name.clone_from(filter);
        }
        if disk.attr_at("driver", "copy_on_read") == Some("on") {
            let target = disk.attr_at("target", "dev").unwrap_or_default();
            let filter = format!("libvirt-CoR-{target}");
            pieces.push(Piece::Blockdev(filter::copy_on_read(&filter, &name)));
            name = filter;
        }
        top = Some(name);
    }
    pieces.push(Piece::Device(device::device(b, plan, top)?));
    Ok(pieces)
}

/// The node of a disk inside a document.
fn node_of(json: Json, top: Option<String>) -> Json {
    json.put_opt("drive", top)
}
