//! PCI functions that guests get: from their driver to the one that hands them on, and back.

use crate::{Driver, FROM};
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_nodedev::Capability;
use conf_nodedev::capability::pci::Address;
use std::path::PathBuf;

/// The driver that hands functions on.
const VFIO: &str = "vfio-pci";

fn argument(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ARGUMENT_UNSUPPORTED, ErrorDomain::QEMU, text)
}

impl Driver {
    /// Whether the kernel can hand functions on at all.
    fn can_assign(&self) -> bool {
        let groups = std::fs::read_dir(self.root.join("sys/kernel/iommu_groups"));
        self.root.join("dev/vfio/vfio").exists() && groups.is_ok_and(|mut groups| groups.next().is_some())
    }

    fn function(&self, name: &str) -> Result<Address> {
        let known = self.find(name)?;
        let found = known.device.capabilities.iter().find_map(|capability| match capability {
            Capability::Pci(pci) => Some(pci.address),
            _ => None,
        });
        found.ok_or_else(|| {
            let text = format!("device {name} is not a PCI device");
            Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text)
        })
    }

    fn function_file(&self, address: Address, file: &str) -> PathBuf {
        self.root.join(format!("sys/bus/pci/devices/{address}/{file}"))
    }

    fn driver_of(&self, address: Address) -> Option<String> {
        let target = std::fs::read_link(self.function_file(address, "driver")).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Gives a function the driver that its name asks for; an empty name asks for whichever driver knows it.
    fn bind(&self, address: Address, driver: &str) -> Result<()> {
        let write = |path: PathBuf, text: &str| {
            std::fs::write(&path, text).map_err(|error| {
                Error::system(FROM, &error, format!("Unable to write '{text}' to '{}'", path.display()))
            })
        };
        write(self.function_file(address, "driver_override"), &format!("{driver}\n"))?;
        if self.driver_of(address).is_some() {
            write(self.function_file(address, "driver/unbind"), &address.to_string())?;
        }
        write(self.root.join("sys/bus/pci/drivers_probe"), &address.to_string())
    }

    /// Takes a function from its driver. `driver` is the one that hands it on.
    pub(crate) fn detach(&self, name: &str, driver: Option<&str>) -> Result<()> {
        if driver == Some("kvm") {
            return Err(argument("'legacy KVM' device assignment is no longer supported on this system"));
        }
        if !self.can_assign() {
            return Err(argument("VFIO device assignment is currently not supported on this system"));
        }
        let wanted = match driver {
            None | Some("vfio" | "") => VFIO,
            Some(other) if other.starts_with("vfio-") || other.contains("_vfio_pci") => other,
            Some(other) => return Err(argument(format!("unknown driver name '{other}'"))),
        };
        let address = self.function(name)?;
        if self.driver_of(address).as_deref() == Some(wanted) {
            return Ok(());
        }
        self.bind(address, wanted)?;
        match self.driver_of(address) {
            Some(now) if now == wanted => Ok(()),
            _ => Err(Error::internal(
                FROM,
                format!("PCI device {address} could not be bound to the driver '{wanted}'"),
            )),
        }
    }

    /// Gives a function back to its driver.
    pub(crate) fn reattach(&self, name: &str) -> Result<()> {
        let address = self.function(name)?;
        match self.driver_of(address) {
            Some(driver) if driver.contains("vfio") => self.bind(address, ""),
            _ => Ok(()),
        }
    }

    /// Puts a function into the state that it has after power on.
    pub(crate) fn reset(&self, name: &str) -> Result<()> {
        let address = self.function(name)?;
        let refused = |why: &str| {
            let text = format!("Unable to reset PCI device {address}: {why}");
            Error::internal(ErrorDomain::NONE, text)
        };
        // Who hands it on resets it himself.
        if self.driver_of(address).is_some_and(|driver| driver.contains("vfio")) {
            return Ok(());
        }
        let file = self.function_file(address, "reset");
        if !file.exists() {
            return Err(refused("no FLR, PM reset or bus reset available"));
        }
        std::fs::write(file, "1").map_err(|error| refused(&error.to_string()))
    }
}
