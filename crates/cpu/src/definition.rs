//! The `<cpu>` element, of hosts and of guests.

use crate::raw::Signature;
use base::{TextEnum, text_enum};
use xml::{Node, Writer};

/// Whose processor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A real one: has an architecture, features have no policy.
    #[default]
    Host,
    /// What a guest shall see.
    Guest,
}

text_enum! {
    /// Where the model comes from.
    pub enum Mode {
        /// Spelled out.
        Custom = "custom",
        /// The host's, as a model.
        HostModel = "host-model",
        /// The host's, untouched.
        HostPassthrough = "host-passthrough",
        /// Everything the emulator can do.
        Maximum = "maximum",
    }
}

text_enum! {
    /// How strictly the host has to match.
    pub enum Match {
        /// At least.
        Minimum = "minimum",
        /// Just so.
        Exact = "exact",
        /// Just so, and the host must not have more.
        Strict = "strict",
    }
}

text_enum! {
    /// May a missing model be replaced?
    pub enum Fallback {
        /// Yes.
        Allow = "allow",
        /// No.
        Forbid = "forbid",
    }
}

text_enum! {
    /// What to do about a feature.
    pub enum Policy {
        /// On, whatever the host has.
        Force = "force",
        /// On; the host must have it.
        Require = "require",
        /// On if the host has it.
        Optional = "optional",
        /// Off.
        Disable = "disable",
        /// Off; the host must not have it.
        Forbid = "forbid",
    }
}

/// A feature by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Guests only; absent means `require`.
    pub policy: Option<Policy>,
}

/// `<topology>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Sockets.
    pub sockets: u32,
    /// Dies a socket.
    pub dies: u32,
    /// Clusters a die.
    pub clusters: u32,
    /// Cores a cluster.
    pub cores: u32,
    /// Threads a core.
    pub threads: u32,
}

/// `<counter name='tsc'>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tsc {
    /// Hz.
    pub frequency: u64,
    /// Can the host scale it? `None` when unknown.
    pub scaling: Option<bool>,
}

/// `<maxphysaddr>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysAddr {
    /// `emulate` or `passthrough`.
    pub mode: String,
    /// Bits.
    pub bits: Option<u32>,
    /// Upper limit of the bits with `passthrough`.
    pub limit: Option<u32>,
}

/// `<cache>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Level, when stated.
    pub level: Option<u32>,
    /// `emulate`, `passthrough` or `disable`.
    pub mode: String,
}

/// A processor definition. NUMA cells of guests are part of the domain, not of this.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuDef {
    /// Host or guest.
    pub kind: Kind,
    /// Architecture; of hosts, rarely of guests.
    pub arch: Option<String>,
    /// Guests only.
    pub mode: Option<Mode>,
    /// Guests only.
    pub matching: Option<Match>,
    /// `none`, `partial` or `full`.
    pub check: Option<String>,
    /// `on` or `off`.
    pub migratable: Option<String>,
    /// `on` or `off`.
    pub deprecated_features: Option<String>,
    /// Name of the model.
    pub model: Option<String>,
    /// Guests only; absent means allow.
    pub fallback: Option<Fallback>,
    /// Vendor string to show to the guest.
    pub vendor_id: Option<String>,
    /// Name of the vendor.
    pub vendor: Option<String>,
    /// Microcode version, when known.
    pub microcode: Option<u32>,
    /// Hosts only.
    pub signature: Option<Signature>,
    /// Time stamp counter of a host.
    pub tsc: Option<Tsc>,
    /// Bits of a physical address.
    pub phys_addr: Option<PhysAddr>,
    /// Threads, cores, sockets.
    pub topology: Option<Topology>,
    /// Cache the guest sees.
    pub cache: Option<Cache>,
    /// Features in document order.
    pub features: Vec<Feature>,
    /// Page sizes of a host in KiB.
    pub pages_kib: Vec<u64>,
}

/// What makes a `<cpu>` element unusable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionFault {
    /// An internal error of the reference with this text.
    Internal(String),
    /// An XML error with this text.
    Xml(String),
    /// An attribute with a value it cannot have.
    Value(String),
    /// An unsupported configuration with this text.
    Unsupported(String),
}

/// Features one definition may name; the table has fewer than 400.
const MOST_FEATURES: usize = 4096;

impl CpuDef {
    /// Reads a `<cpu>` element. `kind` `None` decides by what is in it, as calls that take either do.
    pub fn from_xml(node: Node<'_>, kind: Option<Kind>) -> Result<CpuDef, DefinitionFault> {
        use DefinitionFault::{Internal, Unsupported, Xml};
        if node.name() != "cpu" {
            return Err(Xml("XML does not contain expected 'cpu' element".into()));
        }
        let text = |name: &str| {
            node.child(name).map(|child| child.text().trim().to_owned()).filter(|t| !t.is_empty())
        };
        // What has an architecture is a host's.
        let kind = match (kind, node.child("arch").is_some()) {
            (Some(kind), _) => kind,
            (None, false) => Kind::Guest,
            (None, true) if node.attr("match").is_some() => {
                let text = "'arch' element cannot be used inside 'cpu' element with 'match' attribute'";
                return Err(Xml(text.into()));
            }
            (None, true) => Kind::Host,
        };
        let mut cpu = CpuDef { kind, ..CpuDef::default() };
        let guest = cpu.kind == Kind::Guest;
        if guest {
            cpu.mode = match node.attr("mode") {
                Some(mode) => Some(Mode::from_text(mode).ok_or_else(|| bad_attribute("mode", "cpu", mode))?),
                None => None,
            };
            cpu.matching = match node.attr("match") {
                Some(value) => {
                    Some(Match::from_text(value).ok_or_else(|| bad_attribute("match", "cpu", value))?)
                }
                None => None,
            };
            if cpu.mode.is_none() && (cpu.matching.is_some() || node.child("model").is_some()) {
                cpu.mode = Some(Mode::Custom);
            }
            if cpu.mode == Some(Mode::Custom) && cpu.matching.is_none() && node.child("model").is_some() {
                cpu.matching = Some(Match::Exact);
            }
            cpu.check = node.attr("check").map(str::to_owned);
            cpu.migratable = node.attr("migratable").map(str::to_owned);
            cpu.deprecated_features = node.attr("deprecated_features").map(str::to_owned);
        } else {
            if node.attr("mode").is_some() {
                return Err(Unsupported("Attribute mode is only allowed for guest CPU".into()));
            }
            cpu.arch = text("arch");
            if cpu.arch.is_none() {
                return Err(Xml("Missing CPU architecture".into()));
            }
        }
        if let Some(model) = node.child("model") {
            let name = model.text().trim().to_owned();
            cpu.model = Some(name).filter(|name| !name.is_empty());
            if guest {
                cpu.fallback = match model.attr("fallback") {
                    Some(value) => Some(
                        Fallback::from_text(value)
                            .ok_or_else(|| bad_attribute("fallback", "model", value))?,
                    ),
                    None => None,
                };
                if let Some(id) = model.attr("vendor_id") {
                    if id.chars().count() != 12 {
                        return Err(Xml("vendor_id must be exactly 12 characters long".into()));
                    }
                    if id.contains(',') {
                        return Err(Xml("vendor id is invalid".into()));
                    }
                    cpu.vendor_id = Some(id.to_owned());
                }
            }
        }
        if !guest && cpu.model.is_none() {
            return Err(Xml("Missing CPU model name".into()));
        }
        cpu.vendor = text("vendor");
        if cpu.vendor.is_some() && cpu.model.is_none() {
            return Err(Xml("CPU vendor specified without CPU model".into()));
        }
        let number = |node: Node<'_>, name: &str| node.attr(name).and_then(|value| value.parse::<u32>().ok());
        if let Some(signature) = node.child("signature") {
            let part = |name: &str| number(signature, name).ok_or_else(|| Xml(format!("Missing CPU {name}")));
            cpu.signature = Some(Signature {
                family: part("family")?,
                model: part("model")?,
                stepping: part("stepping")?,
            });
        }
        cpu.microcode = node.child("microcode").and_then(|n| number(n, "version"));
        if let Some(counter) = node.children("counter").find(|c| c.attr("name") == Some("tsc")) {
            let frequency = counter.attr("frequency").and_then(|f| f.parse().ok());
            let frequency = frequency.ok_or_else(|| Xml("Invalid TSC frequency".into()))?;
            let scaling = counter.attr("scaling").map(|value| value == "yes");
            cpu.tsc = Some(Tsc { frequency, scaling });
        }
        cpu.phys_addr = node.child("maxphysaddr").map(|n| PhysAddr {
            mode: n.attr("mode").unwrap_or_default().to_owned(),
            bits: number(n, "bits"),
            limit: number(n, "limit"),
        });
        if let Some(topology) = node.child("topology") {
            let part = |name: &str, label: &str| {
                number(topology, name)
                    .ok_or_else(|| Xml(format!("Missing '{label}' attribute in CPU topology")))
            };
            let found = Topology {
                sockets: part("sockets", "sockets")?,
                dies: number(topology, "dies").unwrap_or(1),
                clusters: number(topology, "clusters").unwrap_or(1),
                cores: part("cores", "cores")?,
                threads: part("threads", "threads")?,
            };
            for (name, value) in [
                ("sockets", found.sockets),
                ("dies", found.dies),
                ("clusters", found.clusters),
                ("cores", found.cores),
                ("threads", found.threads),
            ] {
                if value == 0 {
                    let text = format!(
                        "Invalid value for attribute '{name}' in element 'topology': Zero is not permitted"
                    );
                    return Err(DefinitionFault::Value(text));
                }
            }
            cpu.topology = Some(found);
        }
        cpu.cache = node.child("cache").map(|n| Cache {
            level: number(n, "level"),
            mode: n.attr("mode").unwrap_or_default().to_owned(),
        });
        for item in node.children("feature").take(MOST_FEATURES) {
            let name = item.attr("name").filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Xml("Invalid CPU feature name".into()))?;
            let policy = match (guest, item.attr("policy")) {
                (false, _) => None,
                (true, None) => Some(Policy::Require),
                (true, Some(value)) => Some(
                    Policy::from_text(value).ok_or_else(|| Internal("Invalid CPU feature policy".into()))?,
                ),
            };
            if cpu.features.iter().any(|own| own.name == name) {
                return Err(Xml(format!("CPU feature '{name}' specified more than once")));
            }
            cpu.features.push(Feature { name: name.to_owned(), policy });
        }
        if cpu.model.is_none() && !cpu.features.is_empty() && matches!(cpu.mode, None | Some(Mode::Custom)) {
            return Err(Xml("Non-empty feature list specified without CPU model".into()));
        }
        for page in node.children("pages") {
            let size = page.attr("size").and_then(|size| size.parse::<u64>().ok());
            let size = size.ok_or_else(|| Unsupported("Invalid page size".into()))?;
            let factor = match page.attr("unit") {
                None | Some("KiB" | "k" | "K") => 1,
                Some("MiB" | "M") => 1024,
                Some("GiB" | "G") => 1024 * 1024,
                Some(_) => return Err(Unsupported("Invalid page size".into())),
            };
            cpu.pages_kib.push(size.saturating_mul(factor));
        }
        Ok(cpu)
    }

    /// The feature of this name.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Sets the policy of a feature, adding it at the end when it is new.
    pub fn set_feature(&mut self, name: &str, policy: Option<Policy>) {
        match self.features.iter_mut().find(|feature| feature.name == name) {
            Some(feature) => feature.policy = policy,
            None => self.features.push(Feature { name: name.to_owned(), policy }),
        }
    }

    /// Writes the element.
    pub fn write(&self, writer: &mut Writer) {
        let guest = self.kind == Kind::Guest;
        let element = writer
            .element("cpu")
            .attr_opt("mode", self.mode.filter(|_| guest).map(Mode::text))
            .attr_opt("match", self.matching.filter(|_| guest && self.model.is_some()).map(Match::text))
            .attr_opt("check", self.check.as_deref().filter(|_| guest))
            .attr_opt("migratable", self.migratable.as_deref().filter(|_| guest))
            .attr_opt("deprecated_features", self.deprecated_features.as_deref().filter(|_| guest));
        element.children(|w| {
            w.leaf_opt("arch", self.arch.as_deref().filter(|_| !guest));
            self.write_model(w);
            w.leaf_opt("vendor", self.vendor.as_deref());
            if let Some(version) = self.microcode {
                w.element("microcode").attr("version", version).empty();
            }
            if let Some(s) = self.signature.filter(|_| !guest) {
                let element = w.element("signature").attr("family", s.family);
                element.attr("model", s.model).attr("stepping", s.stepping).empty();
            }
            if let Some(tsc) = self.tsc {
                let scaling = tsc.scaling.map(|yes| if yes { "yes" } else { "no" });
                let element = w.element("counter").attr("name", "tsc").attr("frequency", tsc.frequency);
                element.attr_opt("scaling", scaling).empty();
            }
            if let Some(phys) = &self.phys_addr {
                let element = w.element("maxphysaddr").attr("mode", &phys.mode);
                element.attr_opt("bits", phys.bits).attr_opt("limit", phys.limit).empty();
            }
            if let Some(t) = self.topology {
                let element = w.element("topology").attr("sockets", t.sockets);
                let element = element.attr("dies", t.dies).attr("clusters", t.clusters);
                element.attr("cores", t.cores).attr("threads", t.threads).empty();
            }
            if let Some(cache) = &self.cache {
                w.element("cache").attr_opt("level", cache.level).attr("mode", &cache.mode).empty();
            }
            for feature in &self.features {
                let policy = feature.policy.filter(|_| guest).map(Policy::text);
                w.element("feature").attr_opt("policy", policy).attr("name", &feature.name).empty();
            }
            for size in &self.pages_kib {
                w.element("pages").attr("unit", "KiB").attr("size", size).empty();
            }
        });
    }

    fn write_model(&self, w: &mut Writer) {
        let guest = self.kind == Kind::Guest;
        if self.model.is_none() && self.vendor_id.is_none() {
            return;
        }
        let element = w.element("model");
        let element = if guest {
            let fallback = self.fallback.or(self.model.as_ref().map(|_| Fallback::Allow));
            element
                .attr_opt("fallback", fallback.map(Fallback::text))
                .attr_opt("vendor_id", self.vendor_id.as_deref())
        } else {
            element
        };
        match &self.model {
            Some(model) => element.text(model),
            None => element.empty(),
        }
    }

    /// The element as text, with a newline at the end.
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }
}

fn bad_attribute(attribute: &str, element: &str, value: &str) -> DefinitionFault {
    DefinitionFault::Value(format!(
        "Invalid value for attribute '{attribute}' in element '{element}': '{value}'."
    ))
}
