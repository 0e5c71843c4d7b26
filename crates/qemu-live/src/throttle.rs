//! Limits of a disk: `<iotune>`, the parameters of the same, and the command that sets them.

use base::param::{TypedParam, TypedValue};
use base::{Error, ErrorCode, ErrorDomain, Result};
use serde_json::{Map, Value as Json, json};
use xml::Tree;

const FROM: ErrorDomain = ErrorDomain::QEMU;

/// A limit: its name in documents and parameters, the monitor's name, and its family. A family is changed as a whole.
#[derive(Debug)]
pub struct Field {
    /// Name in documents and parameters.
    pub name: &'static str,
    command: &'static str,
    family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Bytes,
    Iops,
    BytesMax,
    IopsMax,
    Size,
    BytesLength,
    IopsLength,
}

const fn field(name: &'static str, command: &'static str, family: Family) -> Field {
    Field { name, command, family }
}

/// All limits but the group's name, in the order in which clients get them.
pub const FIELDS: [Field; 19] = [
    field("total_bytes_sec", "bps", Family::Bytes),
    field("read_bytes_sec", "bps_rd", Family::Bytes),
    field("write_bytes_sec", "bps_wr", Family::Bytes),
    field("total_iops_sec", "iops", Family::Iops),
    field("read_iops_sec", "iops_rd", Family::Iops),
    field("write_iops_sec", "iops_wr", Family::Iops),
    field("total_bytes_sec_max", "bps_max", Family::BytesMax),
    field("read_bytes_sec_max", "bps_rd_max", Family::BytesMax),
    field("write_bytes_sec_max", "bps_wr_max", Family::BytesMax),
    field("total_iops_sec_max", "iops_max", Family::IopsMax),
    field("read_iops_sec_max", "iops_rd_max", Family::IopsMax),
    field("write_iops_sec_max", "iops_wr_max", Family::IopsMax),
    field("size_iops_sec", "iops_size", Family::Size),
    field("total_bytes_sec_max_length", "bps_max_length", Family::BytesLength),
    field("read_bytes_sec_max_length", "bps_rd_max_length", Family::BytesLength),
    field("write_bytes_sec_max_length", "bps_wr_max_length", Family::BytesLength),
    field("total_iops_sec_max_length", "iops_max_length", Family::IopsLength),
    field("read_iops_sec_max_length", "iops_rd_max_length", Family::IopsLength),
    field("write_iops_sec_max_length", "iops_wr_max_length", Family::IopsLength),
];

/// Where the group's name stands among the parameters.
const GROUP_AT: usize = 13;
/// Name of the parameter that names the group.
pub const GROUP: &str = "group_name";
/// Largest limit the emulator takes.
const MOST: u64 = 1_000_000_000_000_000;

/// Limits of one disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Throttle {
    /// By position in [`FIELDS`]; 0 is no limit.
    pub values: [u64; FIELDS.len()],
    /// Disks of the same group share their limits.
    pub group: Option<String>,
}

impl Throttle {
    /// The limits a disk's document states.
    pub fn of(disk: &Tree) -> Throttle {
        let Some(iotune) = disk.child("iotune") else { return Throttle::default() };
        let number = |name: &str| iotune.text_of(name).and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Throttle {
            values: FIELDS.each_ref().map(|field| number(field.name)),
            group: iotune.child(GROUP).map(|group| group.body().to_owned()),
        }
    }

    /// Writes the limits into a disk's document.
    pub fn write(&self, disk: &mut Tree) {
        disk.remove("iotune");
        let mut iotune = Tree::new("iotune");
        for (at, (field, value)) in FIELDS.iter().zip(self.values).enumerate() {
            if at == GROUP_AT
                && let Some(group) = &self.group
            {
                iotune.children.push(Tree::leaf(GROUP, group.clone()));
            }
            if value != 0 {
                iotune.children.push(Tree::leaf(field.name, value.to_string()));
            }
        }
        if !iotune.children.is_empty() {
            disk.children.push(iotune);
        }
    }

    /// The limits as a client gets them.
    pub fn params(&self) -> Vec<TypedParam> {
        let mut params: Vec<TypedParam> =
            FIELDS.iter().zip(self.values).map(|(field, value)| TypedParam::new(field.name, value)).collect();
        params.insert(GROUP_AT, TypedParam::new(GROUP, self.group.clone().unwrap_or_default()));
        params
    }

    /// The limits as the emulator tells them of a disk (`inserted` of `query-block`).
    pub fn of_answer(inserted: &Json) -> Throttle {
        let number = |name: &str| inserted.get(name).and_then(Json::as_u64).unwrap_or(0);
        Throttle {
            values: FIELDS.each_ref().map(|field| number(field.command)),
            group: inserted.get("group").and_then(Json::as_str).map(str::to_owned),
        }
    }

    /// Reads a client's parameters, whose names and types have been checked. Gives the limits and which of them were stated.
    ///
    /// # Errors
    /// When they contradict each other or are too large.
    pub fn parse(params: &[TypedParam]) -> Result<Wish> {
        let mut wish = Wish::default();
        for param in params {
            match &param.value {
                TypedValue::String(name) if param.field == GROUP => wish.limits.group = Some(name.clone()),
                TypedValue::ULLong(value) => {
                    let Some(at) = FIELDS.iter().position(|field| field.name == param.field) else {
                        continue;
                    };
                    if *value > MOST {
                        let text = format!("block I/O throttle limit value must be no more than {MOST}");
                        return Err(Error::new(ErrorCode::ARGUMENT_UNSUPPORTED, FROM, text));
                    }
                    if let Some(slot) = wish.limits.values.get_mut(at) {
                        *slot = *value;
                    }
                    wish.stated[at] = true;
                }
                _ => {}
            }
        }
        for start in [0, 3, 6, 9, 13, 16] {
            let values = &wish.limits.values;
            if values[start] != 0 && (values[start + 1] != 0 || values[start + 2] != 0) {
                let name = FIELDS[start].name.trim_start_matches("total_");
                let text = format!("total and read/write of {name} cannot be set at the same time");
                return Err(Error::new(ErrorCode::INVALID_ARG, FROM, text));
            }
        }
        Ok(wish)
    }

    /// Refuses limits whose base is none while their burst is one.
    ///
    /// # Errors
    /// The first such pair.
    pub fn check_running(&self) -> Result<()> {
        for base in 0..6 {
            let (limit, burst) = (&FIELDS[base], &FIELDS[base + 6]);
            if self.values[base + 6] != 0 && self.values[base] == 0 {
                let text = format!("cannot reset '{}' when '{}' is set", limit.name, burst.name);
                return Err(Error::unsupported(FROM, text));
            }
        }
        Ok(())
    }

    /// The limits as a throttle group object states them.
    pub fn group_limits(&self) -> Json {
        let mut limits = Map::new();
        for (field, value) in FIELDS.iter().zip(self.values).filter(|(_, value)| *value != 0) {
            limits.insert(group_name(field.name), json!(value));
        }
        Json::Object(limits)
    }

    /// The arguments of `block_set_io_throttle`.
    pub fn command(&self, device: &str) -> Json {
        let mut arguments = Map::new();
        arguments.insert("id".to_owned(), json!(device));
        for (at, (field, value)) in FIELDS.iter().zip(self.values).enumerate() {
            if at == GROUP_AT
                && let Some(group) = &self.group
            {
                arguments.insert("group".to_owned(), json!(group));
            }
            // A length of nothing is refused; left out it is the least.
            let length = matches!(field.family, Family::BytesLength | Family::IopsLength);
            let always = matches!(field.family, Family::Bytes | Family::Iops);
            if value != 0 || always || !length {
                arguments.insert(field.command.to_owned(), json!(value));
            }
        }
        Json::Object(arguments)
    }
}

/// `total_bytes_sec_max` is `bps-total-max` there.
fn group_name(name: &str) -> String {
    if name == "size_iops_sec" {
        return "iops-size".to_owned();
    }
    let unit = if name.contains("bytes") { "bps" } else { "iops" };
    let side = name.split('_').next().unwrap_or_default();
    let rest = name.split_once("_sec").map_or("", |(_, rest)| rest);
    format!("{unit}-{side}{}", rest.replace('_', "-"))
}

/// What a client wants changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// The limits it states.
    pub limits: Throttle,
    stated: [bool; FIELDS.len()],
}

impl Wish {
    /// The limits after the change: families of which nothing is stated stay.
    pub fn over(&self, old: &Throttle) -> Throttle {
        let mut next = self.limits.clone();
        for (at, field) in FIELDS.iter().enumerate() {
            let touched =
                FIELDS.iter().zip(self.stated).any(|(other, stated)| stated && other.family == field.family);
            if !touched {
                next.values[at] = old.values[at];
            }
        }
        if next.group.is_none() {
            next.group = old.group.clone();
        }
        next
    }

    /// Whether nothing but a group is named.
    pub fn only_group(&self) -> bool {
        self.limits.group.is_some() && !self.stated.contains(&true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(params: &[(&str, u64)]) -> Result<Wish> {
        let params: Vec<TypedParam> =
            params.iter().map(|(name, value)| TypedParam::new(*name, *value)).collect();
        Throttle::parse(&params)
    }

    #[test]
    fn a_family_is_changed_as_a_whole() {
        let old = wish(&[("read_bytes_sec", 1), ("total_iops_sec", 2)]).unwrap().over(&Throttle::default());
        let new = wish(&[("total_bytes_sec", 3)]).unwrap().over(&old);
        assert_eq!((new.values[0], new.values[1], new.values[3]), (3, 0, 2));
        let mut disk = Tree::new("disk");
        new.write(&mut disk);
        assert_eq!(Throttle::of(&disk), new);
        assert_eq!(new.params().len(), 20);
        assert_eq!(new.params()[13].field, "group_name");
        assert_eq!(new.command("d")["bps"], 3);
        assert!(new.command("d").get("bps_max_length").is_none());
        assert_eq!(new.group_limits(), json!({"bps-total": 3, "iops-total": 2}));
        assert_eq!(group_name("read_iops_sec_max_length"), "iops-read-max-length");
    }

    #[test]
    fn contradictions() {
        let text = |params: &[(&str, u64)]| wish(params).unwrap_err().message().to_owned();
        assert_eq!(
            text(&[("total_bytes_sec", 1), ("read_bytes_sec", 1)]),
            "invalid argument: total and read/write of bytes_sec cannot be set at the same time"
        );
        assert!(text(&[("total_bytes_sec", 1 << 60)]).ends_with("no more than 1000000000000000"));
        let burst = wish(&[("total_bytes_sec_max", 5)]).unwrap().over(&Throttle::default());
        assert_eq!(
            burst.check_running().unwrap_err().message(),
            "unsupported configuration: cannot reset 'total_bytes_sec' when 'total_bytes_sec_max' is set"
        );
    }
}
