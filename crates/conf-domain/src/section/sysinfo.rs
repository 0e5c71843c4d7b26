//! `<sysinfo>`: what the guest is told of its machine.

use crate::fault::invalid;
use crate::{Domain, domain, values};
use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::Tree;

/// Tables with the names of their entries, in the order in which they are printed.
const TABLES: &[(&str, &[&str])] = &[
    ("bios", &["vendor", "version", "date", "release"]),
    ("system", &["manufacturer", "product", "version", "serial", "uuid", "sku", "family"]),
    ("baseBoard", &["manufacturer", "product", "version", "serial", "asset", "location"]),
    ("chassis", &["manufacturer", "version", "serial", "asset", "sku"]),
];

fn detail(text: &str) -> Error {
    Error::new(ErrorCode::XML_DETAIL, ErrorDomain::DOMAIN, text)
}

pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    values::read(domain::place("domain"), tree, "sysinfo")?;
    for info in tree.all_mut("sysinfo") {
        if info.is("type", "fwcfg") {
            info.children.retain(|child| child.name == "entry");
            info.children.iter_mut().try_for_each(file)?;
        } else {
            info.remove("entry");
            info.children.iter_mut().try_for_each(table)?;
        }
    }
    Ok(())
}

/// A file that firmware finds: its name, and its content or where that is.
fn file(entry: &mut Tree) -> Result<()> {
    if entry.attr("name").is_none() {
        return Err(invalid("Firmware entry is missing 'name' attribute"));
    }
    if entry.attr("file").is_some_and(|file| !file.is_empty()) {
        entry.text = None;
    } else if entry.body().is_empty() {
        return Err(invalid("Firmware entry must have either value or 'file' attribute"));
    }
    Ok(())
}

fn table(table: &mut Tree) -> Result<()> {
    let Some((_, names)) = TABLES.iter().find(|(name, _)| *name == table.name) else { return Ok(()) };
    let given = std::mem::take(&mut table.children);
    for name in *names {
        let entry = given.iter().find(|entry| entry.is("name", name) && !entry.body().is_empty());
        table.children.extend(entry.cloned());
    }
    let text = |name: &str| table.children.iter().find(|entry| entry.is("name", name)).map(Tree::body);
    if text("date").is_some_and(|date| !is_date(date)) {
        return Err(detail("Invalid BIOS 'date' format"));
    }
    if text("uuid").is_some_and(|uuid| uuid.parse::<Uuid>().is_err()) {
        return Err(detail("malformed <sysinfo> uuid element"));
    }
    Ok(())
}

/// Month, day and year, as firmware writes them.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [month, day, year] = parts.as_slice() else { return false };
    let number = |text: &str| values::decimal(text).unwrap_or(0);
    (1..=12).contains(&number(month))
        && (1..=31).contains(&number(day))
        && values::decimal(year).is_some_and(|year| year < 100 || (1900..10000).contains(&year))
}

/// Checks the identity that the guest is told against its own.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let told = domain
        .tree
        .all("sysinfo")
        .filter_map(|info| info.child("system"))
        .flat_map(|system| system.all("entry"))
        .find(|entry| entry.is("name", "uuid"))
        .and_then(|entry| entry.body().parse::<Uuid>().ok());
    match told {
        Some(uuid) if uuid != domain.uuid => Err(detail("UUID mismatch between <uuid> and <sysinfo>")),
        _ => Ok(()),
    }
}
