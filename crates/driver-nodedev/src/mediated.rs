//! Mediated devices that mdevctl keeps: definitions, starts and stops.

use crate::tree::Known;
use crate::watch::lifecycle;
use crate::{Driver, FROM, error, internal, sysfs, unsupported};
use base::object::NodeDeviceRef;
use base::{Error, ErrorCode, Result, Uuid};
use conf_nodedev::capability::mdev::Mdev;
use conf_nodedev::mdevctl::{self, Command, Verb};
use conf_nodedev::{Device, Kind};
use host::{process, program};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

/// How long mdevctl may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a device that was started may take to appear.
const PATIENCE: Duration = Duration::from_secs(5);

/// What mdevctl's files look like: folders with the times of their last changes.
pub(crate) type Fingerprint = Vec<(PathBuf, Option<SystemTime>)>;

/// A defined device that is there as well.
pub(crate) fn merged(defined: &Known, running: &Known) -> Known {
    let mut device = (*running.device).clone();
    if let (Some(mdev), Some(kept)) = (device.mediated_mut(), defined.device.mediated()) {
        mdev.active.attributes.clone_from(&kept.active.attributes);
        if mdev.active.attributes.is_empty() && mdev.active.kind == kept.defined.kind {
            mdev.active.attributes.clone_from(&kept.defined.attributes);
        }
        mdev.defined = kept.defined.clone();
        mdev.autostart = kept.autostart;
    }
    Known { device: Arc::new(device), active: true, persistent: true, autostart: defined.autostart }
}

/// A defined device that is there no more.
pub(crate) fn stopped(known: &Known) -> Known {
    let mut device = (*known.device).clone();
    device.sysfs_path = None;
    device.devnode = None;
    device.devlinks.clear();
    device.driver = None;
    Known { device: Arc::new(device), active: false, ..known.clone() }
}

/// A device that is only defined.
fn defined(mut device: Device) -> Known {
    let autostart = device.mediated().is_some_and(|mdev| mdev.autostart);
    if let Some(mdev) = device.mediated_mut() {
        mdev.run_as_defined();
    }
    Known { device: Arc::new(device), active: false, persistent: true, autostart }
}

impl Driver {
    /// Runs mdevctl. `what` is what it should do, for the complaint.
    fn mdevctl(&self, command: &Command, what: &str) -> Result<String> {
        let failed = |text: &str| internal(format!("Unable to {what} mediated device: {text}"));
        let program = program::find(mdevctl::PROGRAM)
            .ok_or_else(|| internal(format!("Cannot find '{}' in path", mdevctl::PROGRAM)))?;
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        let mut run = process::Command::new(program, &args);
        run.input = command.input.as_bytes().to_vec();
        let done = run.run(LIMIT).map_err(|error| failed(&error.to_string()))?;
        if done.status != Some(0) {
            let said = String::from_utf8_lossy(&done.err);
            return Err(failed(if said.is_empty() { "Unknown error" } else { &said }));
        }
        Ok(String::from_utf8_lossy(&done.out).into_owned())
    }

    fn fingerprint(&self) -> Fingerprint {
        let folder = self.root.join("etc/mdevctl.d");
        let mut paths = sysfs::children(&folder);
        let files: Vec<PathBuf> = paths.iter().flat_map(|path| sysfs::children(path)).collect();
        paths.extend(files);
        paths.push(folder);
        let time = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
        paths.into_iter().map(|path| (path.clone(), time(&path))).collect()
    }

    /// Takes over what mdevctl has written down, when its files have changed.
    pub(crate) fn read_defined(&self, first: bool) {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.fingerprint();
        if listed.as_ref() == Some(&seen) {
            return;
        }
        *listed = Some(seen.clone());
        // Without any folder of a parent there is nothing to list.
        if seen.len() <= 1 && first || program::find(mdevctl::PROGRAM).is_none() {
            return;
        }
        let now = self.tree.now();
        let parent = |address: &str| {
            let found = now.values().find(|known| known.device.address().as_deref() == Some(address));
            found.map(|known| known.device.name.clone())
        };
        let devices =
            self.mdevctl(&mdevctl::list(true), "list").and_then(|text| mdevctl::parse_list(&text, &parent));
        match devices {
            Ok(devices) => self.take_defined(devices, !first),
            Err(error) => log::warn!("defined mediated devices stay as they were: {error}"),
        }
    }

    fn take_defined(&self, devices: Vec<Device>, tell: bool) {
        let wanted: BTreeMap<String, Device> =
            devices.into_iter().map(|device| (device.name.clone(), device)).collect();
        let mut events = Vec::new();
        self.tree.change(|known| {
            let gone: Vec<String> = known
                .iter()
                .filter(|(name, known)| {
                    known.persistent && known.device.is(Kind::Mdev) && !wanted.contains_key(*name)
                })
                .map(|(name, _)| name.clone())
                .collect();
            for name in gone {
                match known.get_mut(&name) {
                    Some(found) if found.active => found.persistent = false,
                    _ => drop(known.remove(&name)),
                }
                events.push((name, Some(lifecycle::UNDEFINED)));
            }
            for (name, device) in wanted {
                let fresh = defined(device);
                let next = match known.get(&name) {
                    Some(running) if running.active => merged(&fresh, running),
                    _ => fresh,
                };
                match known.insert(name.clone(), next.clone()) {
                    Some(old) if old.persistent => {
                        if old != next {
                            events.push((name, None));
                        }
                    }
                    _ => events.push((name, Some(lifecycle::DEFINED))),
                }
            }
        });
        for (name, event) in events.into_iter().filter(|_| tell) {
            match event {
                Some(event) => self.announce(&name, event),
                None => self.changed(&name),
            }
        }
    }

    /// A document of a mediated device that is to be made: the device, and where its parent is.
    pub(crate) fn placed(&self, device: &Device) -> Result<String> {
        let parent = device.parent.as_deref().ok_or_else(|| unsupported("missing parent device"))?;
        let now = self.tree.snapshot();
        let above =
            now.get(parent).ok_or_else(|| unsupported(format!("invalid parent device '{parent}'")))?;
        above.device.address().ok_or_else(|| {
            error(ErrorCode::PARSE_FAILED, format!("Unable to find address for parent device '{parent}'"))
        })
    }

    /// Makes a mediated device that is not defined.
    pub(crate) fn create_mediated(&self, device: &Device, address: &str) -> Result<NodeDeviceRef> {
        let mdev = device.mediated().ok_or_else(|| unsupported("Unsupported device type"))?;
        let said = self.mdevctl(&mdevctl::create(mdev, address), "start")?;
        let uuid = self.told_uuid(mdev, &said, "start")?;
        let name = mdevctl::name(uuid, address);
        self.appears(&name)?;
        Ok(NodeDeviceRef { name })
    }

    /// Defines a mediated device.
    pub(crate) fn define_mediated(&self, device: &Device, address: &str) -> Result<NodeDeviceRef> {
        let mdev = device.mediated().ok_or_else(|| unsupported("Unsupported device type"))?;
        if let Some(uuid) = mdev.uuid {
            let now = self.tree.snapshot();
            let other = now.values().find(|known| {
                known.persistent && known.device.mediated().is_some_and(|mdev| mdev.uuid == Some(uuid))
            });
            if other.is_some() {
                let text = format!("A persistent mediated device with uuid '{uuid}' already exists");
                return Err(internal(text));
            }
        }
        let said = self.mdevctl(&mdevctl::define(mdev, address), "define")?;
        let uuid = self.told_uuid(mdev, &said, "define")?;
        self.read_defined(false);
        let name = mdevctl::name(uuid, address);
        if !self.tree.now().contains_key(&name) {
            return Err(internal(format!("Unable to find node device '{name}'")));
        }
        Ok(NodeDeviceRef { name })
    }

    /// The identity of a device; mdevctl tells one that it made up.
    fn told_uuid(&self, mdev: &Mdev, said: &str, what: &str) -> Result<Uuid> {
        let told = || said.trim().parse().ok();
        mdev.uuid.or_else(told).ok_or_else(|| internal(format!("Unable to {what} mediated device: no uuid")))
    }

    /// Waits until a device is there.
    pub(crate) fn appears(&self, name: &str) -> Result<()> {
        let end = std::time::Instant::now() + PATIENCE;
        while !self.tree.now().get(name).is_some_and(|known| known.active) {
            if std::time::Instant::now() > end {
                let text = format!("no node device with matching name '{name}'");
                return Err(error(ErrorCode::NO_NODE_DEVICE, text));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn uuid_of(known: &Known) -> Result<Uuid> {
        let mdev = known.device.mediated().ok_or_else(|| unsupported("Unsupported device type"))?;
        mdev.uuid.ok_or_else(|| internal("mediated device without a uuid"))
    }

    /// Starts a defined device.
    pub(crate) fn start_mediated(&self, name: &str) -> Result<()> {
        let known = self.find(name)?;
        if known.active {
            return Err(Error::operation_invalid(FROM, "Device is already active"));
        }
        let uuid = Driver::uuid_of(&known)?;
        self.mdevctl(&mdevctl::by_uuid(Verb::Start, uuid), "create")?;
        self.appears(name)
    }

    /// Removes a running device.
    pub(crate) fn stop_mediated(&self, known: &Known) -> Result<()> {
        if !known.active {
            let text = format!("Device '{}' is not active", known.device.name);
            return Err(Error::operation_invalid(FROM, text));
        }
        let uuid = Driver::uuid_of(known)?;
        self.mdevctl(&mdevctl::by_uuid(Verb::Stop, uuid), "destroy").map(drop)
    }

    /// Forgets a definition.
    pub(crate) fn undefine(&self, name: &str) -> Result<()> {
        let known = self.find(name)?;
        if !known.persistent {
            let text = format!("Node device '{name}' is not defined");
            return Err(Error::operation_invalid(FROM, text));
        }
        let uuid = Driver::uuid_of(&known)?;
        self.mdevctl(&mdevctl::by_uuid(Verb::Undefine, uuid), "undefine")?;
        self.read_defined(false);
        Ok(())
    }

    /// Has a device come with the host, or not.
    pub(crate) fn set_autostart(&self, name: &str, on: bool) -> Result<()> {
        let known = self.find(name)?;
        if !known.device.is(Kind::Mdev) {
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, "Unsupported device type"));
        }
        if !known.persistent {
            return Err(Error::operation_invalid(FROM, "cannot set autostart for transient device"));
        }
        if known.autostart == on {
            return Ok(());
        }
        self.mdevctl(&mdevctl::autostart(Driver::uuid_of(&known)?, on), "set autostart for")?;
        // Only a file has changed, and the times of files may be coarse.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.read_defined(false);
        Ok(())
    }

    /// Changes a definition, the running device, or both. `flags`: 1 the running one, 2 the definition, 0 what there is.
    pub(crate) fn update(&self, name: &str, text: &str, flags: u32) -> Result<()> {
        let known = self.find(name)?;
        let (mut live, mut config) = (flags & 1 != 0, flags & 2 != 0);
        if !live && !config {
            (live, config) = (known.active, !known.active);
        }
        if live && !known.active {
            return Err(Error::operation_invalid(FROM, "node device is not active"));
        }
        if config && !known.persistent {
            return Err(Error::operation_invalid(FROM, format!("node device '{name}' is not persistent")));
        }
        let wanted = Device::parse(text, conf_nodedev::Origin::Existing, false)?;
        if !known.device.is(Kind::Mdev) || !wanted.is(Kind::Mdev) {
            return Err(error(ErrorCode::OPERATION_UNSUPPORTED, "Unsupported device type"));
        }
        let uuid = Driver::uuid_of(&known)?;
        let mut mdev = wanted.mediated().cloned().unwrap_or_default();
        let old = known.device.mediated().cloned().unwrap_or_default();
        if mdev.defined.kind != old.defined.kind {
            let text = format!("Cannot update device '{name}', the type has to match '{}'", old.defined.kind);
            return Err(error(ErrorCode::OPERATION_DENIED, text));
        }
        mdev.uuid = Some(uuid);
        mdev.autostart = known.autostart;
        let address = old.parent_addr.unwrap_or_default();
        self.mdevctl(&mdevctl::modify(&mdev, &address, config, live), "modify")?;
        if live {
            self.tree.change(|all| {
                let Some(known) = all.get_mut(name) else { return };
                if let Some(running) = Arc::make_mut(&mut known.device).mediated_mut() {
                    running.active = mdev.defined.clone();
                }
            });
            self.changed(name);
        }
        if config {
            self.listed.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.read_defined(false);
        }
        Ok(())
    }
}
