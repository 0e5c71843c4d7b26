//! Definitions: defining, undefining, documents, metadata, autostart.

use crate::guest::{Guest, Value};
use crate::{Driver, FROM, check_flags, error};
use api::consts::domain_state as state;
use api::consts::{
    domain_event_defined_detail_type as defined, domain_event_type as kind,
    domain_event_undefined_detail_type as undefined,
};
use api::event::Event;
use api::{Call, DomainConfig};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};
use conf_domain::{Domain, FormatFlags, ParseFlags};
use engine::JobKind;
use qemu_plan::{Caps, complete};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use xml::{Tree, Writer};

/// Bytes that a stored definition mostly has room in.
const USUAL_LENGTH: usize = 8 << 10;

/// What precedes a stored document.
pub(crate) fn header(name: &str) -> String {
    format!(
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\nOVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n  virsh edit {name}\nor other application using the libvirt API.\n-->\n\n"
    )
}

impl Driver {
    /// What the emulator of a definition can do.
    pub(crate) fn caps_for(&self, domain: &Domain) -> Result<Arc<Caps>> {
        match domain.all("emulator").next() {
            Some(emulator) => self.emulators.get(Path::new(emulator.body())),
            None => self.emulators.of_arch(complete::arch(domain)),
        }
    }

    /// Reads and completes a document.
    pub(crate) fn parse(&self, xml: &str, flags: ParseFlags) -> Result<Domain> {
        let mut random = host::random::Source::new();
        let mut domain = Domain::parse(xml, flags, &mut || random.take())?;
        let caps = self.caps_for(&domain)?;
        if !matches!(domain.kind(), "qemu" | "kvm" | "hvf") {
            return Err(error(
                ErrorCode::CONFIG_UNSUPPORTED,
                format!("Emulator '{}' does not support virt type '{}'", caps.binary, domain.kind()),
            ));
        }
        let site = self.site(&domain);
        complete::complete(&mut domain, &caps, &site, flags)?;
        Ok(domain)
    }

    pub(crate) fn config_file(&self, name: &str) -> PathBuf {
        self.config_dir().join(format!("{name}.xml"))
    }

    /// Stores a definition.
    pub(crate) fn store(&self, domain: &Domain) -> Result<()> {
        let mut w = Writer::sized(USUAL_LENGTH);
        w.verbatim(&header(&domain.name));
        domain.format_into(&mut w, FormatFlags::STORED);
        let text = w.finish();
        let path = self.config_file(&domain.name);
        host::store::write(&path, text.as_bytes(), 0o600).map_err(|cause| {
            Error::system(FROM, &cause, format!("cannot write config file '{}'", path.display()))
        })
    }

    pub(crate) fn lifecycle(&self, guest: &Guest, event: i32, detail: i32) {
        let payload = api::event::DomainEventLifecycleMsg { dom: guest.reference(), event, detail };
        self.events.publish(Event::DomainLifecycle(payload));
    }

    /// Refuses a definition whose name or UUID belongs to another domain; gives the domain it redefines.
    pub(crate) fn conflict(&self, domain: &Domain, start: bool) -> Result<Option<Arc<Guest>>> {
        let taken = |text: String| Err(Error::new(ErrorCode::OPERATION_FAILED, ErrorDomain::DOMAIN, text));
        if let Some(guest) = self.guests.by_uuid(domain.uuid) {
            let value = guest.value();
            if value.name != domain.name {
                return taken(format!(
                    "domain '{}' is already defined with uuid {}",
                    value.name, domain.uuid
                ));
            }
            if start && value.live.is_some() {
                return Err(Error::operation_invalid(
                    ErrorDomain::DOMAIN,
                    format!("domain '{}' is already active", value.name),
                ));
            }
            return Ok(Some(guest));
        }
        match self.guests.by_name(&domain.name) {
            Some(guest) => taken(format!("domain '{}' already exists with uuid {}", domain.name, guest.uuid)),
            None => Ok(None),
        }
    }

    fn define(&self, xml: &str, flags: u32) -> Result<DomainRef> {
        check_flags(flags, 1, "virDomainDefineXMLFlags")?;
        let parse = ParseFlags { inactive: true, abi_update: true, ..ParseFlags::default() };
        let domain = Arc::new(self.parse(xml, parse)?);
        let (guest, detail) = self.guests.exclusively(|| {
            let existing = self.conflict(&domain, false)?;
            self.store(&domain)?;
            match existing {
                Some(guest) => {
                    let detail =
                        if guest.value().config.is_some() { defined::UPDATED } else { defined::ADDED };
                    guest.change(|value| value.config = Some(domain.clone()));
                    Ok::<_, Error>((guest, detail))
                }
                None => {
                    let value = Value {
                        name: domain.name.clone(),
                        config: Some(domain.clone()),
                        live: None,
                        autostart: false,
                        autostart_once: false,
                        state: (state::SHUTOFF, 0),
                    };
                    let guest = Arc::new(Guest::new(domain.uuid, value));
                    self.guests.insert(guest.clone());
                    Ok((guest, defined::ADDED))
                }
            }
        })?;
        self.lifecycle(&guest, kind::DEFINED, detail);
        Ok(guest.reference())
    }

    /// Removes what is kept beside a domain, or refuses to leave it behind.
    fn take_along(&self, guest: &Guest, flags: u32) -> Result<()> {
        const MANAGED_SAVE: u32 = 1;
        const SNAPSHOTS: u32 = 2;
        // What runs on without its definition keeps its moments until it ends.
        let count = guest.snapshots().len();
        if guest.value().live.is_none() && count > 0 {
            if flags & SNAPSHOTS == 0 {
                let text = format!("cannot delete inactive domain with {count} snapshots");
                return Err(Error::operation_invalid(FROM, text));
            }
            self.forget_all_snapshots(guest);
        }
        const CHECKPOINTS: u32 = 16;
        let count = guest.checkpoints().len();
        if guest.value().live.is_none() && count > 0 {
            if flags & CHECKPOINTS == 0 {
                let text = format!("cannot delete inactive domain with {count} checkpoints");
                return Err(Error::operation_invalid(FROM, text));
            }
            self.forget_all_checkpoints(guest);
        }
        if self.is_saved(&guest.value().name) {
            if flags & MANAGED_SAVE == 0 {
                let text = "Refusing to undefine while domain managed save image exists";
                return Err(Error::operation_invalid(FROM, text));
            }
            let path = self.managed_file(&guest.value().name);
            std::fs::remove_file(&path).map_err(|_| {
                let text = format!("Failed to remove domain managed save image: {}", path.display());
                Error::internal(FROM, text)
            })?;
        }
        Ok(())
    }

    fn undefine(&self, dom: &DomainRef, flags: u32) -> Result<()> {
        check_flags(flags, UNDEFINE_FLAGS, "qemuDomainUndefineFlags")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "undefine")?;
        let value = guest.value();
        let Some(config) = value.config.clone() else {
            return Err(Error::operation_invalid(FROM, "cannot undefine transient domain"));
        };
        self.take_along(&guest, flags)?;
        const NVRAM: u32 = 4;
        const KEEP_NVRAM: u32 = 8;
        let nvram = config.tree.at("os/nvram").map(|nvram| PathBuf::from(nvram.body()));
        if flags & NVRAM != 0 && flags & KEEP_NVRAM != 0 {
            return Err(error(ErrorCode::OPERATION_INVALID, "cannot both keep and delete nvram"));
        }
        if let Some(path) = nvram.filter(|path| !path.as_os_str().is_empty() && path.exists()) {
            if flags & NVRAM != 0 {
                host::store::remove(&path).map_err(|cause| {
                    Error::system(FROM, &cause, format!("failed to remove nvram: {}", path.display()))
                })?;
            } else if flags & KEEP_NVRAM == 0 {
                return Err(Error::operation_invalid(FROM, "cannot undefine domain with nvram"));
            }
        }
        self.guests.exclusively(|| {
            let remove = |path: &Path| {
                host::store::remove(path).map_err(|cause| {
                    Error::system(FROM, &cause, format!("cannot remove config '{}'", path.display()))
                })
            };
            for once in [false, true] {
                remove(&self.autostart_dir().join(link_name(&value.name, once)))?;
            }
            remove(&self.config_file(&value.name))?;
            let reference = guest.reference();
            if value.live.is_some() {
                guest.change(|value| {
                    value.config = None;
                    value.autostart = false;
                    value.autostart_once = false;
                });
            } else {
                self.guests.remove(guest.uuid);
            }
            let payload = api::event::DomainEventLifecycleMsg {
                dom: reference,
                event: kind::UNDEFINED,
                detail: undefined::REMOVED,
            };
            self.events.publish(Event::DomainLifecycle(payload));
            Ok(())
        })
    }

    /// Changes the stored definition and stores it.
    pub(crate) fn change_config(
        &self,
        guest: &Guest,
        change: impl FnOnce(&mut Domain) -> Result<()>,
    ) -> Result<()> {
        let Some(config) = guest.value().config.clone() else {
            return Err(Error::operation_invalid(
                FROM,
                "transient domains do not have any persistent config",
            ));
        };
        let mut next = (*config).clone();
        change(&mut next)?;
        next.sort();
        self.store(&next)?;
        let next = Arc::new(next);
        guest.change(|value| value.config = Some(next));
        Ok(())
    }

    /// Reads the stored definitions.
    pub(crate) fn load(&self) {
        let mut found = Vec::new();
        for (name, text) in host::store::files(&self.config_dir(), "xml") {
            let flags = ParseFlags { inactive: true, skip_validate: true, ..ParseFlags::default() };
            match Domain::parse(&text, flags, &mut host::random::bytes::<16>) {
                Ok(domain) => {
                    if domain.name != name {
                        log::warn!("{name}.xml holds the definition of '{}'", domain.name);
                    }
                    let linked = |once: bool| {
                        self.autostart_dir().join(link_name(&name, once)).symlink_metadata().is_ok()
                    };
                    let (autostart, autostart_once) = (linked(false), linked(true));
                    let (uuid, name) = (domain.uuid, domain.name.clone());
                    let config = Some(Arc::new(domain));
                    let state = (state::SHUTOFF, 0);
                    let value = Value { name, config, live: None, autostart, autostart_once, state };
                    let mut guest = Guest::new(uuid, value);
                    guest.fresh = Mutex::new(true);
                    self.load_snapshots(&guest);
                    self.load_checkpoints(&guest);
                    found.push(Arc::new(guest));
                }
                Err(cause) => log::error!("{name}.xml is left alone: {cause}"),
            }
        }
        self.guests.extend(found);
    }

    /// Completes the stored definitions as when they were defined. What this daemon stored is complete already; files
    /// that were written by hand or by an older release need not be. Runs beside everything else, since it has to
    /// wait for the emulators to be asked what they can do.
    pub(crate) fn complete_loaded(&self) {
        for guest in self.guests.snapshot().values() {
            if self.stopping() {
                return;
            }
            self.complete_stored(guest);
        }
    }

    /// Completes one stored definition, if that was not done since it was read. Whoever asks for it waits for this.
    pub(crate) fn complete_stored(&self, guest: &Guest) {
        let mut fresh = guest.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut *fresh) {
            return;
        }
        let flags = ParseFlags { inactive: true, skip_validate: true, ..ParseFlags::default() };
        let Some(config) = guest.value().config.clone() else { return };
        let mut domain = (*config).clone();
        let site = self.site(&domain);
        let completed =
            self.caps_for(&domain).and_then(|caps| complete::complete(&mut domain, &caps, &site, flags));
        if let Err(cause) = completed {
            log::warn!("the stored definition of '{}' stays as it is: {cause}", domain.name);
            return;
        }
        if domain == *config {
            return;
        }
        let domain = Arc::new(domain);
        guest.change(|value| {
            if value.config.as_ref().is_some_and(|current| Arc::ptr_eq(current, &config)) {
                value.config = Some(domain);
            }
        });
    }
}

fn affected(flags: u32, active: bool) -> (bool, bool) {
    match flags & 3 {
        0 => (active, !active),
        bits => (bits & 1 != 0, bits & 2 != 0),
    }
}

/// What undefining may take along: the managed save image, metadata of snapshots and of checkpoints, the variable
/// store of the firmware (or leave it), the state of the TPM (or leave it).
const UNDEFINE_FLAGS: u32 = 0x7f;

/// How an autostart link is called; one that counts once has a longer name.
fn link_name(name: &str, once: bool) -> String {
    if once { format!("{name}.xml.once") } else { format!("{name}.xml") }
}

impl Driver {
    /// Makes or removes an autostart link.
    fn link(&self, guest: &Guest, once: bool, wanted: bool) -> Result<()> {
        let name = guest.value().name.clone();
        let path = self.autostart_dir().join(link_name(&name, once));
        if wanted {
            host::store::folder(&self.autostart_dir(), 0o755).map_err(|cause| {
                let folder = self.autostart_dir();
                Error::system(
                    FROM,
                    &cause,
                    format!("cannot create autostart directory '{}'", folder.display()),
                )
            })?;
            return host::store::link(&self.config_file(&name), &path).map_err(|cause| {
                Error::system(FROM, &cause, format!("Failed to create symlink '{}'", path.display()))
            });
        }
        host::store::remove(&path).map_err(|cause| {
            Error::system(FROM, &cause, format!("Unable to delete symlink '{}'", path.display()))
        })
    }

    /// Whether the guest starts with the next boot of the host, that time only.
    pub(crate) fn set_autostart_once(&self, guest: &Guest, wanted: bool) -> Result<()> {
        self.link(guest, true, wanted)?;
        guest.change(|value| value.autostart_once = wanted);
        Ok(())
    }
}

impl DomainConfig for Driver {
    fn domain_define_xml(&self, _cx: &Call, xml: &str) -> Result<DomainRef> {
        self.define(xml, 0)
    }

    fn domain_define_xml_flags(&self, _cx: &Call, xml: &str, flags: u32) -> Result<DomainRef> {
        if flags & 1 != 0 {
            conf_domain::domain::validate(xml)?;
        }
        self.define(xml, flags)
    }

    fn domain_undefine(&self, _cx: &Call, dom: &DomainRef) -> Result<()> {
        self.undefine(dom, 0)
    }

    fn domain_undefine_flags(&self, _cx: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        self.undefine(dom, flags)
    }

    fn domain_get_xml_desc(&self, cx: &Call, dom: &DomainRef, flags: u32) -> Result<String> {
        check_flags(flags, 15, "qemuDomainGetXMLDesc")?;
        let guest = self.find(dom)?;
        let complete = guest.fresh.try_lock().is_ok_and(|fresh| !*fresh);
        if !complete || flags & 4 != 0 {
            cx.may_wait()?;
        }
        self.complete_stored(&guest);
        let value = guest.value();
        let inactive = flags & 2 != 0;
        let domain: &Domain = match (&value.live, &value.config) {
            (Some(_), Some(config)) if inactive => config,
            (Some(live), None) if inactive => &live.base,
            (Some(live), _) => &live.domain,
            (None, Some(config)) => config,
            (None, None) => return Err(crate::not_running()),
        };
        if flags & 8 != 0 {
            let domain = match &value.live {
                Some(live) if !inactive => crate::portable::kept(live),
                _ => domain.clone(),
            };
            return Ok(crate::portable::document(&domain, flags & 1 != 0));
        }
        let running = value.live.is_some() && !inactive;
        let format = FormatFlags {
            secure: flags & 1 != 0,
            inactive: !running,
            update_cpu: flags & 4 != 0,
            migratable: flags & 8 != 0,
            ..FormatFlags::default()
        };
        if flags & 4 != 0 {
            let mut updated = domain.clone();
            self.update_cpu(&mut updated)?;
            return Ok(updated.format(format));
        }
        Ok(domain.format(format))
    }

    fn domain_get_autostart(&self, _cx: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(self.find(dom)?.value().autostart.into())
    }

    fn domain_set_autostart(&self, _cx: &Call, dom: &DomainRef, autostart: i32) -> Result<()> {
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set autostart")?;
        let value = guest.value();
        if value.config.is_none() {
            return Err(Error::operation_invalid(FROM, "cannot set autostart for transient domain"));
        }
        let wanted = autostart != 0;
        if value.autostart == wanted {
            return Ok(());
        }
        self.link(&guest, false, wanted)?;
        guest.change(|value| value.autostart = wanted);
        Ok(())
    }

    fn domain_get_autostart_once(&self, _cx: &Call, dom: &DomainRef) -> Result<i32> {
        Ok(self.find(dom)?.value().autostart_once.into())
    }

    fn domain_set_autostart_once(&self, _cx: &Call, dom: &DomainRef, autostart: i32) -> Result<()> {
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set autostart once")?;
        let value = guest.value();
        if value.config.is_none() {
            return Err(Error::operation_invalid(FROM, "cannot set autostart for transient domain"));
        }
        let wanted = autostart != 0;
        if value.autostart_once == wanted { Ok(()) } else { self.set_autostart_once(&guest, wanted) }
    }

    fn domain_set_metadata(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        type_: i32,
        metadata: Option<&str>,
        key: Option<&str>,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        check_flags(flags, 3, "qemuDomainSetMetadata")?;
        known_metadata(type_)?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "set metadata")?;
        let active = guest.value().live.is_some();
        let (on_live, on_config) = affected(flags, active);
        if on_live && !active {
            return Err(crate::not_running());
        }
        if type_ == 1 && metadata.is_some_and(|title| title.contains('\n')) {
            return Err(Error::invalid_arg(
                ErrorDomain::DOM,
                "virDomainSetMetadata",
                "metadata",
                "metadata title can't contain newlines",
            ));
        }
        if on_config {
            self.change_config(&guest, |domain| set_metadata(domain, type_, metadata, key, uri))?;
        }
        if on_live {
            self.change_live(&guest, |domain| set_metadata(domain, type_, metadata, key, uri))?;
        }
        let payload = api::event::DomainEventCallbackMetadataChangePayload {
            dom: guest.reference(),
            type_,
            nsuri: uri.map(str::to_owned),
        };
        self.events.publish(Event::DomainMetadataChange(payload));
        Ok(())
    }

    fn domain_get_metadata(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        type_: i32,
        uri: Option<&str>,
        flags: u32,
    ) -> Result<String> {
        if flags & !3 != 0 {
            return Err(Error::unsupported_flags(ErrorDomain::DOMAIN, "virDomainObjGetMetadata", flags & !3));
        }
        let domain = self.find(dom)?.value().definition(flags)?;
        let none = || {
            Error::new(
                ErrorCode::NO_DOMAIN_METADATA,
                ErrorDomain::DOMAIN,
                "Requested metadata element is not present",
            )
        };
        match type_ {
            0 => domain.tree.text_of("description").map(str::to_owned).ok_or_else(none),
            1 => domain.tree.text_of("title").map(str::to_owned).ok_or_else(none),
            2 => {
                let uri = uri.unwrap_or_default();
                let found =
                    domain.metadata.iter().find(|(namespace, _)| namespace == uri).ok_or_else(none)?;
                conf_domain::domain::without_namespace(&found.1)
            }
            other => {
                known_metadata(other)?;
                Err(none())
            }
        }
    }

    fn domain_rename(&self, _cx: &Call, dom: &DomainRef, new_name: Option<&str>, flags: u32) -> Result<i32> {
        check_flags(flags, 0, "qemuDomainRename")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Modify, "rename")?;
        let value = guest.value();
        let new = new_name.unwrap_or_default();
        if new.is_empty() {
            return Err(Error::invalid_arg(
                ErrorDomain::DOM,
                "virDomainRename",
                "new_name",
                "string new_name in virDomainRename must not be empty",
            ));
        }
        if new.contains('/') {
            return Err(error(ErrorCode::XML_ERROR, format!("name {new} cannot contain '/'")));
        }
        if value.live.is_some() {
            return Err(Error::operation_invalid(FROM, "cannot rename active domain"));
        }
        let Some(config) = value.config.clone() else {
            return Err(Error::operation_invalid(FROM, "cannot rename a transient domain"));
        };
        self.guests.exclusively(|| {
            if new == value.name {
                return Err(Error::operation_invalid(ErrorDomain::DOMAIN, "Can't rename domain to itself"));
            }
            if self.guests.by_name(new).is_some() {
                return Err(Error::operation_invalid(
                    ErrorDomain::DOMAIN,
                    format!("domain with name '{new}' already exists"),
                ));
            }
            let mut next = (*config).clone();
            next.name = new.to_owned();
            self.store(&next)?;
            let old = self.config_file(&value.name);
            if let Err(cause) = host::store::remove(&old) {
                let _ = host::store::remove(&self.config_file(new));
                return Err(Error::system(FROM, &cause, format!("cannot remove file '{}'", old.display())));
            }
            self.move_kept(&value.name, new);
            for (once, linked) in [(false, value.autostart), (true, value.autostart_once)] {
                let links = self.autostart_dir();
                let moved = || {
                    host::store::link(&self.config_file(new), &links.join(link_name(new, once)))?;
                    host::store::remove(&links.join(link_name(&value.name, once)))
                };
                if linked && let Err(cause) = moved() {
                    log::error!("autostart link of '{new}': {cause}");
                }
            }
            self.lifecycle(&guest, kind::UNDEFINED, undefined::RENAMED);
            let next = Arc::new(next);
            self.guests.rename(&guest, new, || {
                guest.change(|value| {
                    value.name = new.to_owned();
                    value.config = Some(next);
                });
            });
            self.lifecycle(&guest, kind::DEFINED, defined::RENAMED);
            Ok(0)
        })
    }
}

/// Refuses kinds of metadata beyond those that are known.
fn known_metadata(kind: i32) -> Result<()> {
    if kind > 2 {
        let text = format!("unknown metadata type '{kind}'");
        return Err(Error::new(ErrorCode::INVALID_ARG, ErrorDomain::DOMAIN, text));
    }
    Ok(())
}

fn set_metadata(
    domain: &mut Domain,
    kind: i32,
    text: Option<&str>,
    key: Option<&str>,
    uri: Option<&str>,
) -> Result<()> {
    let text = text.filter(|text| !text.is_empty());
    match kind {
        0 | 1 => {
            let name = if kind == 0 { "description" } else { "title" };
            domain.tree.remove(name);
            if let Some(text) = text {
                domain.tree.children.push(Tree::leaf(name, text));
            }
        }
        2 => {
            let (uri, key) = (uri.unwrap_or_default(), key.unwrap_or_default());
            let new = text.map(|text| conf_domain::domain::with_namespace(text, key, uri)).transpose()?;
            domain.metadata.retain(|(namespace, _)| namespace != uri);
            domain.metadata.extend(new.map(|text| (uri.to_owned(), text)));
        }
        // The reference takes these, and does nothing.
        _ => {}
    }
    domain.sort();
    Ok(())
}
