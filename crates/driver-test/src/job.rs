//! Saved guests and dumps. A file begins with a mark and the length of the document that follows.

use crate::world::{RUNNING, World, life, parse_domain};
use crate::{Test, invalid, known};
use api::{Call, DomainJob};
use base::object::DomainRef;
use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorDomain, Result};
use conf_domain::FormatFlags;

const MARK: &[u8] = b"TestGuestMagic\0";
/// The longest document in a file.
const LENGTH_MAX: usize = 1 << 22;

fn system(error: &std::io::Error, text: String) -> Error {
    Error::system(ErrorDomain::TEST, error, text)
}

fn internal(text: &str) -> Error {
    Error::internal(ErrorDomain::TEST, text)
}

fn write(path: &str, text: &str) -> Result<()> {
    let mut bytes = MARK.to_vec();
    bytes.extend_from_slice(&(text.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(text.as_bytes());
    std::fs::write(path, bytes)
        .map_err(|error| system(&error, format!("saving domain to '{path}': open failed")))
}

fn read(path: &str) -> Result<String> {
    let bytes =
        std::fs::read(path).map_err(|error| system(&error, format!("cannot read domain image '{path}'")))?;
    let rest = bytes.strip_prefix(MARK).ok_or_else(|| internal("mismatched header magic"))?;
    let (length, text) =
        rest.split_first_chunk::<4>().ok_or_else(|| internal("failed to read metadata length"))?;
    let length = u32::from_ne_bytes(*length) as usize;
    if !(1..=LENGTH_MAX).contains(&length) {
        return Err(internal("length of metadata out of range"));
    }
    let text = text.get(..length).ok_or_else(|| internal("incomplete metadata"))?;
    String::from_utf8(text.to_vec()).map_err(|_| internal("incomplete metadata"))
}

fn save(world: &mut World, dom: &DomainRef, path: &str) -> Result<()> {
    let found = world.running(dom)?;
    let text = found.def.format(FormatFlags { secure: true, ..FormatFlags::default() });
    write(path, &text)?;
    let now = found.reference();
    world.stop(dom.uuid, 6);
    world.happened(now, life::STOPPED, 4);
    Ok(())
}

fn restore(world: &mut World, path: &str, xml: Option<&str>, flags: u32) -> Result<()> {
    let text = match xml {
        Some(xml) => xml.to_owned(),
        None => read(path)?,
    };
    let def = parse_domain(&text, true)?;
    let (at, _) = world.take(def.clone(), true)?;
    world.domains[at].run_as(def);
    let now = world.start(at, 3);
    world.happened(now.clone(), life::STARTED, 2);
    if flags & 4 != 0 {
        world.domains[at].state = 3;
        world.domains[at].reason = 1;
        world.happened(now, life::SUSPENDED, 0);
    }
    Ok(())
}

fn file_of(params: &[TypedParam]) -> Result<&str> {
    let found = params.iter().find_map(|param| match (&param.field[..], &param.value) {
        ("file", TypedValue::String(file)) => Some(file.as_str()),
        _ => None,
    });
    found.ok_or_else(|| {
        Error::new(base::ErrorCode::OPERATION_INVALID, ErrorDomain::TEST, "missing path to save image")
    })
}

impl Test {
    fn dump(&self, dom: &DomainRef, to: &str, flags: u32) -> Result<()> {
        self.change(|world| {
            let found = world.running(dom)?;
            std::fs::write(to, MARK).map_err(|error| {
                system(&error, format!("domain '{}' coredump: failed to open {to}", dom.name))
            })?;
            let now = found.reference();
            if flags & 1 != 0 {
                world.stop(dom.uuid, 3);
                world.happened(now, life::STOPPED, 2);
            } else if flags & 8 != 0 {
                found.state = RUNNING;
            }
            Ok(())
        })
    }
}

impl DomainJob for Test {
    fn domain_save(&self, _: &Call, dom: &DomainRef, to: &str) -> Result<()> {
        self.change(|world| save(world, dom, to))
    }

    fn domain_save_flags(
        &self,
        _: &Call,
        dom: &DomainRef,
        to: &str,
        dxml: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        known(flags, 0, "testDomainSaveFlags")?;
        if dxml.is_some() {
            let text = "xml modification unsupported";
            return Err(Error::new(base::ErrorCode::ARGUMENT_UNSUPPORTED, ErrorDomain::TEST, text));
        }
        self.change(|world| save(world, dom, to))
    }

    fn domain_save_params(&self, _: &Call, dom: &DomainRef, params: &[TypedParam], flags: u32) -> Result<()> {
        known(flags, 0, "testDomainSaveParams")?;
        self.change(|world| save(world, dom, file_of(params)?))
    }

    fn domain_restore(&self, _: &Call, from: &str) -> Result<()> {
        self.change(|world| restore(world, from, None, 0))
    }

    fn domain_restore_flags(&self, _: &Call, from: &str, dxml: Option<&str>, flags: u32) -> Result<()> {
        known(flags, 6, "testDomainRestoreFlags")?;
        self.change(|world| restore(world, from, dxml, flags))
    }

    fn domain_restore_params(&self, _: &Call, params: &[TypedParam], flags: u32) -> Result<()> {
        known(flags, 6, "testDomainRestoreParams")?;
        self.change(|world| restore(world, file_of(params)?, None, flags))
    }

    fn domain_save_image_get_xml_desc(&self, _: &Call, file: &str, flags: u32) -> Result<String> {
        known(flags, 1, "testDomainSaveImageGetXMLDesc")?;
        let how = FormatFlags { secure: flags & 1 != 0, inactive: true, ..FormatFlags::default() };
        Ok(parse_domain(&read(file)?, true)?.format(how))
    }

    fn domain_save_image_define_xml(&self, _: &Call, file: &str, dxml: &str, flags: u32) -> Result<()> {
        known(flags, 6, "testDomainSaveImageDefineXML")?;
        read(file)?;
        let def = parse_domain(dxml, true)?;
        write(file, &def.format(FormatFlags::STORED))
    }

    fn domain_core_dump(&self, _: &Call, dom: &DomainRef, to: &str, flags: u32) -> Result<()> {
        known(flags, 1, "testDomainCoreDumpWithFormat")?;
        self.dump(dom, to, flags)
    }

    fn domain_core_dump_with_format(
        &self,
        _: &Call,
        dom: &DomainRef,
        to: &str,
        format: u32,
        flags: u32,
    ) -> Result<()> {
        known(flags, 1, "testDomainCoreDumpWithFormat")?;
        if format != 0 {
            return Err(Error::new(
                base::ErrorCode::ARGUMENT_UNSUPPORTED,
                ErrorDomain::TEST,
                "kdump-compressed format is not supported here",
            ));
        }
        self.dump(dom, to, flags)
    }

    fn domain_managed_save(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 7, "testDomainManagedSave")?;
        self.change(|world| {
            let found = world.running(dom)?;
            if !found.persistent {
                return invalid("cannot do managed save for transient domain");
            }
            found.managed_save = true;
            let now = found.reference();
            world.stop(dom.uuid, 6);
            world.happened(now, life::STOPPED, 4);
            Ok(())
        })
    }

    fn domain_has_managed_save_image(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<i32> {
        known(flags, 0, "testDomainHasManagedSaveImage")?;
        Ok(i32::from(self.world().dom(dom)?.managed_save))
    }

    fn domain_managed_save_remove(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 0, "testDomainManagedSaveRemove")?;
        self.world().dom(dom)?.managed_save = false;
        Ok(())
    }
}
