//! `<domstatus>`: state, monitor, threads, jobs and private parts of a running guest.

use crate::upgrade;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::elements::{self, Elements};
use conf_domain::{Domain, FormatFlags, ParseFlags, Reader, fault};
use conf_snapshot::Backup;
use xml::{Document, Tree, Writer};

/// How the definition inside is read.
pub const READ: ParseFlags =
    ParseFlags { status: true, skip_validate: true, allow_post_parse_fail: true, ..ParseFlags::NONE };

/// How the definition inside is printed.
pub const SHOWN: FormatFlags = FormatFlags {
    secure: true,
    inactive: false,
    update_cpu: false,
    migratable: false,
    status: true,
    actual_net: true,
    pci_orig_states: true,
    clock_adjust: true,
    volume_translated: true,
};

/// Most characters of a guest's name in the names of its folders.
const SHORT: usize = 20;

/// Completes a definition for an emulator with these capabilities.
pub type CompleteNoted<'c> = dyn Fn(&mut Domain, ParseFlags, &[String]) -> Result<()> + 'c;

/// A status document.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// The element with everything but the definition, in order.
    pub parts: Tree,
    /// The backup that runs.
    pub backup: Option<Backup>,
    /// The running definition, with the driver's private parts.
    pub domain: Domain,
}

/// Number and shortened name, of which the names of a running guest's folders are made.
pub fn short_name(id: i32, name: &str) -> String {
    let short: String = name.chars().take(SHORT).collect();
    format!("{id}-{short}")
}

impl Status {
    /// Reads a document. `memory_dir` is the driver's folder for memory in files, for documents that do not tell it. The
    /// definition is completed for the emulator that runs, whose capabilities the document tells.
    ///
    /// # Errors
    /// When it is no status document or its definition cannot be read.
    pub fn parse(
        text: &str,
        memory_dir: &str,
        random: &mut dyn FnMut() -> [u8; 16],
        complete: &CompleteNoted<'_>,
    ) -> Result<Status> {
        let document = Document::parse(text).map_err(|error| fault::malformed(text, &error))?;
        let root = document.root();
        let internal = |text: String| Error::internal(ErrorDomain::DOMAIN, text);
        if root.name() != "domstatus" {
            let text = format!("expecting root element of 'domstatus', not '{}'", root.name());
            return Err(Error::new(ErrorCode::XML_ERROR, ErrorDomain::XML, text));
        }
        let node = root.child("domain").ok_or_else(|| internal("no domain config".to_owned()))?;
        let flags = root.child("qemuCaps").into_iter().flat_map(|caps| caps.children("flag"));
        let capabilities: Vec<String> =
            flags.filter_map(|flag| flag.attr("name")).map(str::to_owned).collect();
        let complete = |domain: &mut Domain, flags: ParseFlags| complete(domain, flags, &capabilities);
        let mut domain = Reader { random, complete: &complete }.definition(node, READ)?;
        let place = place();
        let mut parts = place.read_all(root);
        for name in ["state", "pid"] {
            if parts.attr(name).is_none() {
                return Err(internal(format!("missing domain {name}")));
            }
        }
        parts
            .attr("pid")
            .filter(|pid| pid.parse::<i32>().is_ok())
            .ok_or_else(|| internal(format!("invalid pid '{}'", parts.attr("pid").unwrap_or_default())))?;
        upgrade::parts(&mut parts, root);
        let short = short_name(domain.id.unwrap_or(-1), &domain.name);
        parts.child_or_new("memoryBackingDir").default_to("path", &format!("{memory_dir}/{short}"));
        upgrade::devices(&mut domain);
        domain.sort();
        place.sort(&mut parts);
        let backup = root.descend("backups/domainbackup");
        let backup = backup.map(|node| Backup::read(node, true)).transpose()?;
        Ok(Status { parts, backup, domain })
    }

    /// The document.
    pub fn format(&self) -> String {
        let mut w = Writer::new();
        let mut element = w.element("domstatus");
        for (name, value) in self.parts.attrs.iter() {
            element = element.attr(name, value);
        }
        // A backup stands behind the block jobs it consists of.
        let behind = |part: &&Tree| LAST.contains(&part.name.as_str());
        element.children(|w| {
            let (last, first): (Vec<&Tree>, Vec<&Tree>) = self.parts.children.iter().partition(behind);
            first.iter().for_each(|part| write(part, w));
            if let Some(backup) = &self.backup {
                w.element("backups").children(|w| backup.write(true, w));
            }
            last.iter().for_each(|part| write(part, w));
            self.domain.format_into(w, SHOWN);
        });
        w.finish()
    }

    /// Process of the emulator.
    pub fn pid(&self) -> Option<i32> {
        self.parts.attr("pid")?.parse().ok()
    }

    /// Path of the monitor's socket.
    pub fn monitor(&self) -> Option<&str> {
        self.parts.attr_at("monitor", "path")
    }

    /// Folder of the guest's private files.
    pub fn private_dir(&self) -> Option<&str> {
        self.parts.attr_at("libDir", "path")
    }
}

const LAST: &[&str] = &["preMigrationMemlock", "originalMemlock", "preMigrationState", "schedCore"];

/// Lists are opened and closed even when they are empty.
fn write(part: &Tree, w: &mut Writer) {
    if part.children.is_empty() && matches!(part.name.as_str(), "qemuCaps" | "devices" | "vcpus") {
        w.element(&part.name).text("\n  ");
    } else {
        elements::write(part, w);
    }
}

fn place() -> elements::Place {
    let table = Elements::domain();
    let found = table.place("domstatus").or_else(|| table.place("domain"));
    found.unwrap_or_else(|| unreachable!("the table has a root"))
}
