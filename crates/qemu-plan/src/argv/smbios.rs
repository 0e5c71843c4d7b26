//! What tells the guest about its machine: SMBIOS tables, values of `fw_cfg`, the generation of the guest.

use super::machine::Options;
use super::{Builder, Json, comma};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Entries of a table: their names in a definition and in the option, in the option's order.
type Fields = &'static [(&'static str, &'static str)];

const BIOS: Fields =
    &[("vendor", "vendor"), ("version", "version"), ("date", "date"), ("release", "release")];

const SYSTEM: Fields = &[
    ("manufacturer", "manufacturer"),
    ("product", "product"),
    ("version", "version"),
    ("serial", "serial"),
    ("uuid", "uuid"),
    ("sku", "sku"),
    ("family", "family"),
];

const BOARD: Fields = &[
    ("manufacturer", "manufacturer"),
    ("product", "product"),
    ("version", "version"),
    ("serial", "serial"),
    ("asset", "asset"),
    ("location", "location"),
];

const CHASSIS: Fields = &[
    ("manufacturer", "manufacturer"),
    ("version", "version"),
    ("serial", "serial"),
    ("asset", "asset"),
    ("sku", "sku"),
];

/// Tables by their sections: number and fields.
const TABLES: &[(&str, u32, Fields)] =
    &[("bios", 0, BIOS), ("system", 1, SYSTEM), ("baseBoard", 2, BOARD), ("chassis", 3, CHASSIS)];

/// Number of the table of free texts.
const OEM: u32 = 11;

fn table(section: &Tree, number: u32, fields: Fields) -> String {
    let mut options = Options::new(&format!("type={number}"));
    for (entry, field) in fields {
        let found = section.all("entry").find(|e| e.is("name", entry));
        options.put_opt(field, found.map(|entry| comma(entry.body())));
    }
    options.text()
}

/// The options of all tables.
fn tables(info: &Tree) -> Vec<String> {
    let mut texts = Vec::new();
    for (name, number, fields) in TABLES {
        texts.extend(info.all(name).map(|section| table(section, *number, fields)));
    }
    if let Some(oem) = info.child("oemStrings") {
        let mut options = Options::new(&format!("type={OEM}"));
        oem.all("entry").for_each(|entry| options.put("value", comma(entry.body())));
        texts.push(options.text());
    }
    texts
}

fn generation(b: &mut Builder<'_>) {
    if let Some(genid) = b.domain.tree.text_of("genid") {
        let json = Json::driver("vmgenid").put("guid", genid).put("id", "vmgenid0");
        b.device(json);
    }
}

/// Tables and values, after the number of the guest's generation.
pub(super) fn smbios(b: &mut Builder<'_>) -> Result<()> {
    generation(b);
    let domain = b.domain;
    let of_kind = |kind: &'static str| {
        domain.tree.children.iter().filter(move |child| child.name == "sysinfo" && child.is("type", kind))
    };
    let info = match domain.tree.attr_at("os/smbios", "mode") {
        Some("sysinfo") => Some(
            of_kind("smbios")
                .next()
                .ok_or_else(|| unsupported(format!("Domain '{}' sysinfo are not available", domain.name)))?,
        ),
        Some("host") => {
            let host = b.start.host.host_tables.as_ref();
            Some(host.ok_or_else(|| unsupported("Host SMBIOS information is not available"))?)
        }
        _ => None,
    };
    for text in info.map(tables).unwrap_or_default() {
        b.option("-smbios", text);
    }
    for entry in of_kind("fwcfg").flat_map(|info| info.all("entry")) {
        let mut options = Options::new("");
        options.put("name", comma(entry.attr("name").unwrap_or_default()));
        match entry.attr("file") {
            Some(file) => options.put("file", comma(file)),
            None => options.put("string", comma(entry.body())),
        }
        let text = options.text();
        b.option("-fw_cfg", text.trim_start_matches(','));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_list_their_fields_in_order() {
        let entry = |name: &str, text: &str| Tree::leaf("entry", text).with("name", name);
        let bios = Tree::new("bios").holding(entry("version", "1,2")).holding(entry("vendor", "V"));
        let oem = Tree::new("oemStrings").holding(Tree::leaf("entry", "a")).holding(Tree::leaf("entry", "b"));
        let info = Tree::new("sysinfo").holding(oem).holding(bios);
        assert_eq!(tables(&info), ["type=0,vendor=V,version=1,,2", "type=11,value=a,value=b"]);
    }
}
