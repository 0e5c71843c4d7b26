//! `<domainsnapshot>`: the state of a guest and its disks at one time.

use crate::cookie::SaveCookie;
use crate::disk::SnapshotDisk;
use crate::fault::{self, Kind};
use crate::moment::{self, Guest, Moment};
use base::{Error, Result};
use conf_domain::{Domain, Reader};
use xml::{Document, Node, Writer};

const KIND: Kind = Kind::Snapshot;

/// Where the state of memory or of a disk is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Location {
    /// Nothing is kept.
    No,
    /// In the disk's image.
    Internal,
    /// In a file of its own.
    External,
    /// By somebody else.
    Manual,
}

impl Location {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Location::No => "no",
            Location::Internal => "internal",
            Location::External => "external",
            Location::Manual => "manual",
        }
    }

    /// As it is read.
    pub fn from_word(word: &str) -> Option<Location> {
        [Location::No, Location::Internal, Location::External, Location::Manual]
            .into_iter()
            .find(|location| location.word() == word)
    }
}

/// State of the guest when the snapshot was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Running.
    Running,
    /// Waiting for something.
    Blocked,
    /// Stopped by somebody.
    Paused,
    /// On its way to be off.
    Shutdown,
    /// Off.
    Shutoff,
    /// Crashed.
    Crashed,
    /// Suspended by its own power management.
    PmSuspended,
    /// Only the disks were kept while the guest went on.
    DiskSnapshot,
}

const STATES: &[(State, &str)] = &[
    (State::Running, "running"),
    (State::Blocked, "blocked"),
    (State::Paused, "paused"),
    (State::Shutdown, "shutdown"),
    (State::Shutoff, "shutoff"),
    (State::Crashed, "crashed"),
    (State::PmSuspended, "pmsuspended"),
    (State::DiskSnapshot, "disk-snapshot"),
];

impl State {
    /// As it is written.
    pub fn word(self) -> &'static str {
        STATES.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }

    /// As it is read.
    pub fn from_word(word: &str) -> Option<State> {
        STATES.iter().find(|(_, known)| *known == word).map(|(state, _)| *state)
    }

    /// Whether there is no memory to be kept.
    pub fn is_offline(self) -> bool {
        matches!(self, State::Shutoff | State::DiskSnapshot)
    }
}

/// How a snapshot is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadAs {
    /// It exists already: name, time, state and definition are told by the document.
    pub redefine: bool,
    /// It comes from the driver's own store.
    pub internal: bool,
    /// Only disks are kept, or the guest is off.
    pub offline: bool,
}

/// A snapshot.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Name, time, parent.
    pub moment: Moment,
    /// State of the guest.
    pub state: Option<State>,
    /// Where the memory is kept; not told before the driver decides.
    pub memory: Option<Location>,
    /// File of the memory, when it is external.
    pub memory_file: Option<String>,
    /// Disks.
    pub disks: Vec<SnapshotDisk>,
    /// Disks that came into use by reverting to this snapshot.
    pub revert_disks: Vec<SnapshotDisk>,
    /// Definition of the guest.
    pub guest: Guest,
    /// Its stored definition, when another one was running.
    pub inactive: Option<Box<Domain>>,
    /// The driver's notes.
    pub cookie: Option<SaveCookie>,
    /// It is the current one; only in the driver's store.
    pub current: bool,
}

impl Snapshot {
    /// Reads a document. One that is not read back from a store is made at `now`, in seconds since 1970; 0 is not yet.
    ///
    /// # Errors
    /// With the reference's words.
    pub fn parse(text: &str, how: ReadAs, now: i64, reader: &mut Reader<'_>) -> Result<Snapshot> {
        let document = Document::parse(text).map_err(|error| fault::malformed(KIND, text, &error))?;
        let root = document.root();
        if root.name() != "domainsnapshot" {
            return Err(fault::root("domainsnapshot", root.name()));
        }
        let moment = moment::read(root, KIND, how.redefine, now)?;
        let mut snapshot = Snapshot { moment, ..Snapshot::default() };
        let mut offline = how.offline;
        if how.redefine {
            let word = root.child_text("state").filter(|word| !word.is_empty());
            let word = word.ok_or_else(|| KIND.invalid("missing state from existing snapshot"))?;
            let state = State::from_word(&word)
                .ok_or_else(|| KIND.unsupported(format!("Invalid state '{word}' in domain snapshot XML")))?;
            offline = state.is_offline();
            snapshot.state = Some(state);
            match root.child("domain") {
                Some(node) if node.attr("type").is_some() => {
                    snapshot.guest = Guest::Full(Box::new(reader.definition(node, moment::STORED)?));
                }
                Some(node) => {
                    let uuid = node.child_text("uuid").and_then(|uuid| uuid.parse().ok());
                    snapshot.guest = uuid.map_or(Guest::None, Guest::Uuid);
                }
                None => {}
            }
            if let Some(node) = root.child("inactiveDomain") {
                snapshot.inactive = Some(Box::new(reader.definition(node, moment::STORED)?));
            }
        }
        snapshot.read_memory(root.child("memory"), offline, how.redefine)?;
        let disks = |name: &str| -> Result<Vec<SnapshotDisk>> {
            root.children(name).flat_map(|disks| disks.children("disk")).map(SnapshotDisk::read).collect()
        };
        snapshot.disks = disks("disks")?;
        snapshot.revert_disks = disks("revertDisks")?;
        if how.internal {
            let active = root.child_text("active").and_then(|text| text.trim().parse::<i32>().ok());
            let active = active.ok_or_else(|| KIND.internal("Could not find 'active' element"))?;
            snapshot.current = active != 0;
        }
        snapshot.cookie = root.child("cookie").and_then(SaveCookie::read);
        Ok(snapshot)
    }

    fn read_memory(&mut self, memory: Option<Node<'_>>, offline: bool, redefine: bool) -> Result<()> {
        let file = memory.and_then(|memory| memory.attr("file"));
        self.memory = match memory.and_then(|memory| memory.attr("snapshot")) {
            Some(word) => {
                let location = Location::from_word(word)
                    .ok_or_else(|| conf_domain::fault::attribute("memory", "snapshot", word))?;
                if let (Some(file), true) = (file, location != Location::External) {
                    return Err(KIND.invalid(format!("memory filename '{file}' requires external snapshot")));
                }
                if location == Location::External && file.is_none() {
                    return Err(KIND.invalid("external memory snapshots require a filename"));
                }
                if location == Location::Manual {
                    return Err(KIND.invalid("'manual' memory snapshot mode not supported"));
                }
                Some(location)
            }
            None if file.is_some() => Some(Location::External),
            None if redefine => Some(if offline { Location::No } else { Location::Internal }),
            None => None,
        };
        if offline && !matches!(self.memory, None | Some(Location::No)) {
            let text = "memory state cannot be saved with offline or disk-only snapshot";
            return Err(KIND.invalid(text));
        }
        if let Some(file) = file {
            if !file.starts_with('/') {
                return Err(KIND.invalid(format!("memory snapshot file path ({file}) must be absolute")));
            }
            self.memory_file = Some(file.to_owned());
        }
        Ok(())
    }

    /// Whether anything of it lies in files of its own.
    pub fn is_external(&self) -> bool {
        self.memory == Some(Location::External)
            || self.disks.iter().any(|disk| disk.location == Some(Location::External))
    }

    /// The document; with `internal` as in the driver's store.
    pub fn format(&self, secure: bool, internal: bool) -> String {
        let mut w = Writer::new();
        w.element("domainsnapshot").children(|w| {
            moment::write_names(&self.moment, w);
            w.leaf_opt("state", self.state.map(State::word));
            moment::write_place(&self.moment, w);
            if let Some(memory) = self.memory {
                w.element("memory")
                    .attr("snapshot", memory.word())
                    .attr_opt("file", self.memory_file.as_ref())
                    .empty();
            }
            for (name, disks) in [("disks", &self.disks), ("revertDisks", &self.revert_disks)] {
                if !disks.is_empty() {
                    w.element(name).children(|w| disks.iter().for_each(|disk| disk.write(w)));
                }
            }
            moment::write_guest(&self.guest, secure, w);
            if let Some(domain) = &self.inactive {
                domain.format_as(w, "inactiveDomain", moment::stored(secure));
            }
            if let Some(cookie) = &self.cookie {
                cookie.write(w);
            }
            if internal {
                w.leaf("active", u8::from(self.current));
            }
        });
        w.finish()
    }

    /// The definition to revert to.
    ///
    /// # Errors
    /// When the snapshot is so old that it has none.
    pub fn definition(&self) -> Result<&Domain> {
        self.guest.domain().ok_or_else(|| -> Error { KIND.internal("missing domain in snapshot") })
    }
}
