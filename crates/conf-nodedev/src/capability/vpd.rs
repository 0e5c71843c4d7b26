//! `vpd`: what a PCI device says of itself in its vital product data.

use base::Result;
use conf_domain::fault;
use xml::{Node, Writer};

use crate::read::{Part, invalid};

/// Fields with names that cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadOnly {
    /// Version of the engineering.
    pub change_level: Option<String>,
    /// Who made it.
    pub manufacture_id: Option<String>,
    /// Number of the part.
    pub part_number: Option<String>,
    /// Serial number.
    pub serial_number: Option<String>,
    /// The vendor's own, by the sign of their index.
    pub vendor_fields: Vec<(char, String)>,
}

/// Fields that owners write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadWrite {
    /// The owner's mark.
    pub asset_tag: Option<String>,
    /// The vendor's own, by the sign of their index.
    pub vendor_fields: Vec<(char, String)>,
    /// The system's own, by the sign of their index.
    pub system_fields: Vec<(char, String)>,
}

/// Vital product data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vpd {
    /// Name of the product.
    pub name: Option<String>,
    /// What cannot be written.
    pub read_only: Option<ReadOnly>,
    /// What can.
    pub read_write: Option<ReadWrite>,
}

fn indexed(node: Node<'_>, element: &str) -> Result<Vec<(char, String)>> {
    node.children(element)
        .map(|field| {
            let index = field.attr("index").ok_or_else(|| fault::missing(element, "index"))?;
            let mut signs = index.chars();
            match (signs.next(), signs.next()) {
                (Some(sign), None) => Ok((sign, field.text())),
                _ => Err(invalid(format!("'{element}' 'index' value '{index}' malformed"))),
            }
        })
        .collect()
}

impl Vpd {
    pub(crate) fn parse(part: Part<'_>) -> Result<Vpd> {
        let mut vpd = Vpd { name: part.text("name"), ..Vpd::default() };
        for node in part.node.children("fields") {
            let fields = part.of(node);
            let access = node.attr("access").ok_or_else(|| fault::missing("fields", "access"))?;
            match access {
                "readonly" => {
                    vpd.read_only = Some(ReadOnly {
                        change_level: fields.text("change_level"),
                        manufacture_id: fields.text("manufacture_id"),
                        part_number: fields.text("part_number"),
                        serial_number: fields.text("serial_number"),
                        vendor_fields: indexed(node, "vendor_field")?,
                    });
                }
                "readwrite" => {
                    vpd.read_write = Some(ReadWrite {
                        asset_tag: fields.text("asset_tag"),
                        vendor_fields: indexed(node, "vendor_field")?,
                        system_fields: indexed(node, "system_field")?,
                    });
                }
                other => return Err(invalid(format!("Unsupported VPD field access type '{other}'"))),
            }
        }
        Ok(vpd)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        let indexed = |name: &str, fields: &[(char, String)], w: &mut Writer| {
            for (index, value) in fields {
                w.element(name).attr("index", index).text(value);
            }
        };
        w.element("capability").attr("type", "vpd").children(|w| {
            w.leaf_opt("name", self.name.as_ref());
            if let Some(fields) = &self.read_only {
                w.element("fields").attr("access", "readonly").children(|w| {
                    w.leaf_opt("change_level", fields.change_level.as_ref());
                    w.leaf_opt("manufacture_id", fields.manufacture_id.as_ref());
                    w.leaf_opt("part_number", fields.part_number.as_ref());
                    w.leaf_opt("serial_number", fields.serial_number.as_ref());
                    indexed("vendor_field", &fields.vendor_fields, w);
                });
            }
            if let Some(fields) = &self.read_write {
                w.element("fields").attr("access", "readwrite").children(|w| {
                    w.leaf_opt("asset_tag", fields.asset_tag.as_ref());
                    indexed("vendor_field", &fields.vendor_fields, w);
                    indexed("system_field", &fields.system_fields, w);
                });
            }
        });
    }
}
