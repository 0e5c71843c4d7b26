//! `scsi_host`, `scsi_target`, `scsi`, `scsi_generic`: the levels of a SCSI tree.

use base::Result;
use xml::Writer;

use crate::device::Origin;
use crate::read::{Part, internal};

/// A host adapter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// Number of the adapter; none for one that is not there yet.
    pub host: Option<u32>,
    /// Number that is the same after a restart.
    pub unique_id: Option<u32>,
    /// Names on a fibre channel.
    pub fibre_channel: Option<FibreChannel>,
    /// It can have virtual ports.
    pub vports: Option<Vports>,
}

/// Names of an adapter on a fibre channel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FibreChannel {
    /// World wide name of the node.
    pub wwnn: Option<String>,
    /// World wide name of the port.
    pub wwpn: Option<String>,
    /// World wide name of the fabric.
    pub fabric_wwn: Option<String>,
}

/// Virtual ports of an adapter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vports {
    /// How many it can have.
    pub most: u64,
    /// How many it has.
    pub present: u64,
}

impl Host {
    pub(crate) fn parse(part: Part<'_>, origin: Origin) -> Result<Host> {
        let host = match origin {
            Origin::Existing => Some(part.needed_u32("host", "SCSI host ID")?),
            Origin::New => None,
        };
        let unique_id = part.loose_number("unique_id").and_then(|number| u32::try_from(number).ok());
        let mut found = Host { host, unique_id, ..Host::default() };
        for (word, inner) in part.inner() {
            match word {
                "vport_ops" => {
                    let first = inner.loose_number("max_vports");
                    let second = inner.loose_number("vports");
                    // The reference keeps the last number it reads as the one that bounds.
                    let most = second.or(first).unwrap_or(0);
                    found.vports = Some(Vports { most, present: 0 });
                }
                "fc_host" => {
                    let (wwnn, wwpn) = (inner.text("wwnn"), inner.text("wwpn"));
                    if origin == Origin::Existing {
                        inner.needed("wwnn", "WWNN")?;
                        inner.needed("wwpn", "WWPN")?;
                    }
                    let fabric_wwn = inner.text("fabric_wwn");
                    found.fibre_channel = Some(FibreChannel { wwnn, wwpn, fabric_wwn });
                }
                "" => return Err(part.complaint("missing SCSI host capability type")),
                other => {
                    let text = format!("unknown SCSI host capability type '{other}' for '{}'", part.device);
                    return Err(internal(text));
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf_opt("host", self.host);
        w.leaf_opt("unique_id", self.unique_id);
        if let Some(names) = &self.fibre_channel {
            w.element("capability").attr("type", "fc_host").children_always(|w| {
                w.leaf_opt("wwnn", names.wwnn.as_ref());
                w.leaf_opt("wwpn", names.wwpn.as_ref());
                w.leaf_opt("fabric_wwn", names.fabric_wwn.as_ref());
            });
        }
        if let Some(vports) = self.vports {
            w.element("capability").attr("type", "vport_ops").children_always(|w| {
                w.leaf("max_vports", vports.most);
                w.leaf("vports", vports.present);
            });
        }
    }
}

/// A target.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// The kernel's name.
    pub name: String,
    /// The remote port behind it: the kernel's name and its world wide name.
    pub remote: Option<(String, Option<String>)>,
}

impl Target {
    pub(crate) fn parse(part: Part<'_>) -> Result<Target> {
        let name = part.needed("target", "target name")?;
        let mut remote = None;
        for (word, inner) in part.inner() {
            match word {
                "fc_remote_port" => {
                    remote = Some((inner.text("rport").unwrap_or_default(), inner.text("wwpn")));
                }
                "" => return Err(part.complaint("missing type for SCSI target capability")),
                other => {
                    let text = format!("unknown SCSI target capability type '{other}' for '{}'", part.device);
                    return Err(internal(text));
                }
            }
        }
        Ok(Target { name, remote })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("target", &self.name);
        if let Some((port, name)) = &self.remote {
            w.element("capability").attr("type", "fc_remote_port").children_always(|w| {
                w.leaf("rport", port);
                w.leaf_opt("wwpn", name.as_ref());
            });
        }
    }
}

/// A logical unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unit {
    /// Adapter.
    pub host: u32,
    /// Bus of the adapter.
    pub bus: u32,
    /// Target on the bus.
    pub target: u32,
    /// Unit of the target.
    pub lun: u64,
    /// What it is: `disk`, `cdrom` …
    pub kind: Option<String>,
}

impl Unit {
    pub(crate) fn parse(part: Part<'_>) -> Result<Unit> {
        Ok(Unit {
            host: part.needed_u32("host", "SCSI host ID")?,
            bus: part.needed_u32("bus", "SCSI bus ID")?,
            target: part.needed_u32("target", "SCSI target ID")?,
            lun: part.needed_number("lun", "SCSI LUN ID")?,
            kind: part.text("type"),
        })
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("host", self.host);
        w.leaf("bus", self.bus);
        w.leaf("target", self.target);
        w.leaf("lun", self.lun);
        w.leaf_opt("type", self.kind.as_ref());
    }
}

/// The character device of a unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Generic {
    /// Its file.
    pub path: String,
}

impl Generic {
    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("char", &self.path);
    }
}
