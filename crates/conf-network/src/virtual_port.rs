//! `<virtualport>`: the profile of a port of an intelligent switch.

use base::{Error, ErrorCode, ErrorDomain, Result, Uuid};
use xml::{Node, Writer};

use crate::read;

/// Longest profile id, in bytes, that fits the standard's field.
const PROFILE_MAX: usize = 39;

base::text_enum! {
    /// Standard or product that the switch follows.
    pub enum PortKind {
        Evb = "802.1Qbg",
        Extender = "802.1Qbh",
        OpenVswitch = "openvswitch",
        Midonet = "midonet",
    }
}

/// Profile of a port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VirtualPort {
    /// Kind of switch; none in a part that is merged into another.
    pub kind: Option<PortKind>,
    /// Database of 802.1Qbg.
    pub manager_id: Option<u8>,
    /// Entry of the database, 24 bits.
    pub type_id: Option<u32>,
    /// Version of the entry.
    pub type_version: Option<u8>,
    /// Instance.
    pub instance_id: Option<Uuid>,
    /// Name of the interface at the switch.
    pub interface_id: Option<Uuid>,
    /// Name of the profile.
    pub profile_id: Option<String>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XML_ERROR, ErrorDomain::NONE, text)
}

/// What a virtual port is read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortRules {
    /// A kind must be stated.
    pub kind_required: bool,
    /// All parameters that the kind needs must be there.
    pub complete: bool,
    /// Ids that are missing are made up.
    pub generate: bool,
}

impl VirtualPort {
    /// Reads the element; `None` when it says nothing.
    ///
    /// # Errors
    /// In the reference's words.
    pub fn parse(
        node: Node<'_>,
        rules: PortRules,
        random: &mut dyn FnMut() -> [u8; 16],
    ) -> Result<Option<VirtualPort>> {
        let mut port = VirtualPort::default();
        match node.attr("type") {
            Some(text) => {
                let kind = PortKind::parse(text).ok_or_else(|| {
                    let text = format!("unknown virtualport type {text}");
                    Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::NONE, text)
                })?;
                port.kind = Some(kind);
            }
            None if rules.kind_required => return Err(invalid("missing required virtualport type")),
            None => {}
        }
        if let Some(parameters) = node.child("parameters") {
            port.parameters(parameters)?;
        }
        if rules.generate {
            port.generate(random);
        }
        port.check_extra()?;
        if rules.complete {
            port.check_complete()?;
        }
        Ok((port != VirtualPort::default()).then_some(port))
    }

    fn parameters(&mut self, node: Node<'_>) -> Result<()> {
        let number = |name: &str| {
            node.attr(name)
                .map(|text| {
                    // A negative number wraps around, as C's conversion does.
                    let negative = text.trim_ascii_start().strip_prefix('-').and_then(read::any_base);
                    read::any_base(text)
                        .or(negative.map(|value| u64::from((value as u32).wrapping_neg())))
                        .filter(|value| *value <= u64::from(u32::MAX))
                        .ok_or_else(|| invalid(format!("cannot parse value of {name} parameter")))
                })
                .transpose()
        };
        let range = |name: &str| invalid(format!("value of {name} out of range"));
        if let Some(value) = number("managerid")? {
            self.manager_id = Some(u8::try_from(value).map_err(|_| range("managerid"))?);
        }
        if let Some(value) = number("typeid")? {
            if value > 0xff_ffff {
                return Err(invalid("value for typeid out of range"));
            }
            self.type_id = u32::try_from(value).ok();
        }
        if let Some(value) = number("typeidversion")? {
            self.type_version = Some(u8::try_from(value).map_err(|_| range("typeidversion"))?);
        }
        let uuid = |name: &str| {
            node.attr(name)
                .map(|text| {
                    text.parse::<Uuid>()
                        .map_err(|_| invalid(format!("cannot parse {name} parameter as a uuid")))
                })
                .transpose()
        };
        self.instance_id = uuid("instanceid")?;
        self.interface_id = uuid("interfaceid")?;
        if let Some(profile) = node.attr("profileid") {
            if profile.len() > PROFILE_MAX {
                return Err(invalid("profileid parameter too long"));
            }
            self.profile_id = Some(profile.to_owned());
        }
        Ok(())
    }

    /// Makes up ids that the kind needs and the document leaves out.
    pub fn generate(&mut self, random: &mut dyn FnMut() -> [u8; 16]) {
        if self.kind == Some(PortKind::Evb) && self.instance_id.is_none() {
            self.instance_id = Some(Uuid::from_random(random()));
        }
        if matches!(self.kind, Some(PortKind::OpenVswitch)) && self.interface_id.is_none() {
            self.interface_id = Some(Uuid::from_random(random()));
        }
    }

    /// Parameters that the kind does not know.
    fn check_extra(&self) -> Result<()> {
        let Some(kind) = self.kind.filter(|kind| *kind != PortKind::Midonet) else { return Ok(()) };
        let evb = kind == PortKind::Evb;
        let named = kind == PortKind::OpenVswitch;
        let profiled = kind != PortKind::Evb;
        let given = [
            ("managerid", self.manager_id.is_some(), evb),
            ("typeid", self.type_id.is_some(), evb),
            ("typeidversion", self.type_version.is_some(), evb),
            ("instanceid", self.instance_id.is_some(), evb),
            ("profileid", self.profile_id.is_some(), profiled),
            ("interfaceid", self.interface_id.is_some(), named),
        ];
        match given.iter().find(|(_, given, known)| *given && !known) {
            None => Ok(()),
            Some((name, ..)) => Err(Error::new(
                ErrorCode::XML_ERROR,
                ErrorDomain::NET,
                format!("extra {name} unsupported in <virtualport type='{kind}'>"),
            )),
        }
    }

    /// Parameters that the kind needs.
    ///
    /// # Errors
    /// When one is missing.
    pub fn check_complete(&self) -> Result<()> {
        let Some(kind) = self.kind else { return Ok(()) };
        let needed: &[(&str, bool)] = match kind {
            PortKind::Evb => &[
                ("managerid", self.manager_id.is_some()),
                ("typeid", self.type_id.is_some()),
                ("typeidversion", self.type_version.is_some()),
                ("instanceid", self.instance_id.is_some()),
            ],
            PortKind::Extender => &[("profileid", self.profile_id.is_some())],
            PortKind::OpenVswitch | PortKind::Midonet => &[("interfaceid", self.interface_id.is_some())],
        };
        match needed.iter().find(|(_, given)| !given) {
            None => Ok(()),
            Some((name, _)) => Err(Error::new(
                ErrorCode::XML_ERROR,
                ErrorDomain::NET,
                format!("missing {name} in <virtualport type='{kind}'>"),
            )),
        }
    }

    /// Prints the element.
    pub fn format(&self, w: &mut Writer) {
        w.element("virtualport").attr_opt("type", self.kind).children(|w| {
            // A profile without a name counts as none.
            let profile = self.profile_id.as_deref().filter(|profile| !profile.is_empty());
            let ids = VirtualPort { kind: None, profile_id: None, ..self.clone() };
            if ids == VirtualPort::default() && profile.is_none() {
                return;
            }
            // Midonet ports take any parameter, but only their name means something.
            let midonet = self.kind == Some(PortKind::Midonet);
            w.element("parameters")
                .attr_opt("managerid", self.manager_id.filter(|_| !midonet))
                .attr_opt("typeid", self.type_id.filter(|_| !midonet))
                .attr_opt("typeidversion", self.type_version.filter(|_| !midonet))
                .attr_opt("instanceid", self.instance_id.filter(|_| !midonet))
                .attr_opt("interfaceid", self.interface_id)
                .attr_opt("profileid", profile.filter(|_| !midonet))
                .empty();
        });
    }
}
