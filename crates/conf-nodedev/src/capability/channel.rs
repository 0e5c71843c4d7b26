//! `ccw`, `css`, `ccwgroup`: devices of channel attached machines.

use base::Result;
use conf_domain::fault;
use std::fmt;
use std::str::FromStr;
use xml::Writer;

use super::mdev::{self, MdevType};
use crate::read::{Part, invalid, unsupported};

/// Where a channel device is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Address {
    /// Channel subsystem.
    pub cssid: u32,
    /// Set of subchannels.
    pub ssid: u32,
    /// Device.
    pub devno: u32,
}

impl fmt::Display for Address {
    /// As the kernel spells it: `0.0.0052`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:04x}", self.cssid, self.ssid, self.devno)
    }
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Address, ()> {
        let mut parts = text.split('.').map(|part| u32::from_str_radix(part, 16).ok());
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten(), parts.next()) {
            (Some(cssid), Some(ssid), Some(devno), None) => Ok(Address { cssid, ssid, devno }),
            _ => Err(()),
        }
    }
}

impl Address {
    fn parse(part: Part<'_>) -> Result<Address> {
        Ok(Address {
            cssid: part.hexadecimal("cssid", "cssid")?,
            ssid: part.hexadecimal("ssid", "ssid")?,
            devno: part.hexadecimal("devno", "devno")?,
        })
    }

    fn format(self, w: &mut Writer) {
        w.leaf("cssid", format_args!("0x{:x}", self.cssid));
        w.leaf("ssid", format_args!("0x{:x}", self.ssid));
        w.leaf("devno", format_args!("0x{:04x}", self.devno));
    }
}

/// A channel device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ccw {
    /// Where it is.
    pub address: Address,
    /// The group it belongs to.
    pub group: Option<String>,
}

impl Ccw {
    pub(crate) fn parse(part: Part<'_>) -> Result<Ccw> {
        let mut ccw = Ccw { address: Address::parse(part)?, group: None };
        for (word, inner) in part.inner() {
            if word == "ccwgroup_member" {
                let group = inner.text("group_device");
                ccw.group = Some(
                    group.ok_or_else(|| part.complaint("Missing group_device value for ccwgroup_member"))?,
                );
            }
        }
        Ok(ccw)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        self.address.format(w);
        if let Some(group) = &self.group {
            w.element("capability")
                .attr("type", "ccwgroup_member")
                .children(|w| w.leaf("group_device", group));
        }
    }
}

/// A subchannel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Css {
    /// Where it is.
    pub address: Address,
    /// The channel device that is reached by it.
    pub channel: Option<Address>,
    /// What mediated devices it can have.
    pub mdev_types: Vec<MdevType>,
}

impl Css {
    pub(crate) fn parse(part: Part<'_>) -> Result<Css> {
        let mut css = Css { address: Address::parse(part)?, ..Css::default() };
        css.channel =
            part.node.child("channel_dev_addr").map(|node| Address::parse(part.of(node))).transpose()?;
        for (word, inner) in part.typed()? {
            if word == "mdev_types" {
                css.mdev_types.extend(mdev::types(inner)?);
            }
        }
        Ok(css)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        self.address.format(w);
        if let Some(channel) = self.channel {
            w.element("channel_dev_addr").children(|w| channel.format(w));
        }
        mdev::format_types(&self.mdev_types, w);
    }
}

base::text_enum! {
    /// Whether a group works.
    pub enum GroupState {
        Offline = "offline",
        Online = "online",
    }
}

base::text_enum! {
    /// Who drives a group.
    pub enum GroupDriver {
        QethGeneric = "qeth_generic",
        QethLayer2 = "qeth_layer2",
        QethLayer3 = "qeth_layer3",
    }
}

/// Channel devices that work together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CcwGroup {
    /// Whether it works.
    pub state: GroupState,
    /// Where it is.
    pub address: Address,
    /// Members: what the group calls them, and their names.
    pub members: Vec<(String, String)>,
    /// A network adapter: its driver, kind of card and channel path.
    pub adapter: Option<(GroupDriver, Option<String>, Option<String>)>,
}

impl CcwGroup {
    pub(crate) fn parse(part: Part<'_>) -> Result<CcwGroup> {
        let address = Address::parse(part)?;
        let missing = || unsupported(format!("missing state value for '{}'", part.device));
        let state = part.text("state").ok_or_else(missing)?;
        let state = GroupState::parse(&state)
            .ok_or_else(|| unsupported(format!("unknown state '{state}' for '{}'", part.device)))?;
        let mut group = CcwGroup { state, address, members: Vec::new(), adapter: None };
        let members = part.node.child("members");
        for node in members.iter().flat_map(|node| node.children("ccw_device")) {
            let reference = node.attr("ref").ok_or_else(|| {
                invalid(format!("Missing ref property on ccw_device in members for '{}'", part.device))
            })?;
            group.members.push((reference.to_owned(), node.text()));
        }
        for (word, inner) in part.inner() {
            if word.is_empty() {
                return Err(fault::missing("capability", "type"));
            }
            let driver =
                GroupDriver::parse(word).ok_or_else(|| fault::attribute("capability", "type", word))?;
            group.adapter = Some((driver, inner.text("card_type"), inner.text("chpid")));
        }
        Ok(group)
    }

    pub(crate) fn format(&self, w: &mut Writer) {
        w.leaf("state", self.state);
        self.address.format(w);
        if !self.members.is_empty() {
            w.element("members").children(|w| {
                for (reference, name) in &self.members {
                    w.element("ccw_device").attr("ref", reference).text(name);
                }
            });
        }
        if let Some((driver, card, path)) = &self.adapter {
            w.element("capability").attr("type", driver).children(|w| {
                w.leaf_opt("card_type", card.as_ref());
                w.leaf_opt("chpid", path.as_ref());
            });
        }
    }
}
