//! Disks that are volumes of storage pools: the emulator is told the volume's place, documents keep the names.

use crate::{Driver, FROM};
use api::Call;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::Domain;
use qemu_plan::prepare::{self, Volume};
use std::borrow::Cow;
use xml::{Document, Tree};

/// What volumes are, by the numbers that pools tell.
const KINDS: [&str; 5] = ["file", "block", "dir", "network", "netdir"];

fn is_volume(device: &Tree) -> bool {
    device.name == "disk" && device.is("type", "volume")
}

impl Driver {
    /// Completes the chains of disks that are volumes.
    ///
    /// # Errors
    /// When a pool is not active, there is no such volume, or its chain is broken.
    pub(crate) fn follow_volumes(&self, domain: &mut Domain) -> Result<()> {
        for disk in domain.devices_mut().iter_mut().filter(|device| is_volume(device)) {
            disk.child_or_new("driver").default_to("type", "raw");
            let mut placed = disk.clone();
            self.place(&mut placed)?;
            crate::chain::of_disk(&mut placed)?;
            if disk.child("backingStore").is_none() {
                disk.children.extend(placed.child("backingStore").cloned());
            }
        }
        Ok(())
    }

    /// The definition with places instead of volumes, for the emulator.
    ///
    /// # Errors
    /// When a pool is not active, or there is no such volume.
    pub(crate) fn with_places<'d>(&self, domain: &'d Domain) -> Result<Cow<'d, Domain>> {
        if !domain.all("disk").any(is_volume) {
            return Ok(Cow::Borrowed(domain));
        }
        let mut placed = domain.clone();
        for disk in placed.devices_mut().iter_mut().filter(|device| is_volume(device)) {
            self.place(disk)?;
        }
        Ok(Cow::Owned(placed))
    }

    /// Puts the place of its volume into a disk.
    fn place(&self, disk: &mut Tree) -> Result<()> {
        let cx = Call::internal();
        let attr = |name: &str| disk.attr_at("source", name).unwrap_or_default().to_owned();
        let (pool_name, name) = (attr("pool"), attr("volume"));
        let pool = self.storage.storage_pool_lookup_by_name(&cx, &pool_name)?;
        if self.storage.storage_pool_is_active(&cx, &pool)? == 0 {
            let text = format!("storage pool '{pool_name}' containing volume '{name}' is not active");
            return Err(Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::DOMAIN, text));
        }
        let volume = self.storage.storage_vol_lookup_by_name(&cx, &pool, &name)?;
        let kind = self.storage.storage_vol_get_info(&cx, &volume)?.type_;
        let path = self.storage.storage_vol_get_path(&cx, &volume)?;
        let text = self.storage.storage_pool_get_xml_desc(&cx, &pool, 0)?;
        let document = Document::parse(&text)
            .map_err(|error| Error::internal(FROM, format!("document of pool '{pool_name}': {error}")))?;
        let kind = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind)).copied().unwrap_or("file");
        prepare::volume(disk, &Tree::of(document.root()), &Volume { kind: kind.to_owned(), path })?;
        if disk.is("type", "dir") && disk.child("readonly").is_none() {
            let text = "virtual FAT storage can't be accessed in read-write mode";
            return Err(Error::unsupported(FROM, text));
        }
        Ok(())
    }
}
