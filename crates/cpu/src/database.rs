//! The table of models, features and vendors.
//!
//! The text form has one item a line, words separated by blanks, `#` begins a comment line:
//!
//! ```text
//! vendor NAME STRING
//! feature NAME cpuid|msr INDEX SUBLEAF REGISTER BIT [alias=NAME]... [nomigrate]
//! model NAME [vendor=V] [nohost] [noguest] [compat] [sig=FAMILY,MODEL[,FIRST-LAST]]... [like=MODEL] [-F]... [+F]...
//!       [removed=F,...] [added=F,...] [base=MODEL]
//! ```
//!
//! INDEX and SUBLEAF are hexadecimal. A model's features are those of `like`, minus, plus.

use crate::feature_set::FeatureSet;
use crate::raw::{Register, Signature, Source};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// Architectures that share a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// i686 and x86_64.
    X86,
    /// ppc64 and ppc64le.
    Ppc64,
    /// armv6l, armv7l, armv7b and aarch64.
    Arm,
    /// s390 and s390x: the emulator knows the models, there is no table.
    S390,
    /// riscv64: no table either.
    Riscv,
    /// loongarch64: the same.
    Loongarch,
}

impl Family {
    /// The family of an architecture's name; `None` when processors of it are not modelled.
    pub fn of(arch: &str) -> Option<Family> {
        Some(match arch {
            "i686" | "x86_64" => Family::X86,
            "ppc64" | "ppc64le" => Family::Ppc64,
            "armv6l" | "armv7l" | "armv7b" | "aarch64" => Family::Arm,
            "s390" | "s390x" => Family::S390,
            "riscv64" => Family::Riscv,
            "loongarch64" => Family::Loongarch,
            _ => return None,
        })
    }
}

/// One x86 feature.
#[derive(Debug, Clone)]
pub struct FeatureInfo {
    /// Name in documents.
    pub name: String,
    /// Where its bit lies.
    pub source: Source,
    /// Register of the leaf or MSR.
    pub register: Register,
    /// Bit in the register, 0..32.
    pub bit: u8,
    /// Other names the emulator uses.
    pub aliases: Vec<String>,
    /// May a guest that has it migrate?
    pub migratable: bool,
}

/// Family, model and steppings a model stands for.
#[derive(Debug, Clone)]
pub struct SignatureRange {
    family: u32,
    model: u32,
    steppings: Option<RangeInclusive<u32>>,
}

/// One x86 model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name in documents.
    pub name: String,
    /// Vendor's name; `None` for generic models.
    pub vendor: Option<String>,
    /// May host processors be reported as this?
    pub decode_host: bool,
    /// May guest processors be?
    pub decode_guest: bool,
    /// Partial checks use the old comparison.
    pub compat_check: bool,
    /// Processors it stands for.
    pub signatures: Vec<SignatureRange>,
    /// All its features.
    pub features: FeatureSet,
    /// Once part of the model, no longer.
    pub removed: FeatureSet,
    /// Part of the emulator's model of this name only.
    pub added: FeatureSet,
    /// The model it is a version of.
    pub base: Option<String>,
}

impl Model {
    /// A signature the model stands for; all 0 when it has none.
    pub fn first_signature(&self) -> Signature {
        self.signatures.first().map_or_else(Signature::default, |range| Signature {
            family: range.family,
            model: range.model,
            stepping: range.steppings.as_ref().map_or(0, |all| *all.start()),
        })
    }

    /// How well a signature fits: 0 not at all, 1 family and model, 2 stepping as well.
    pub fn signature_match(&self, signature: Signature) -> u8 {
        let mut best = 0;
        for range in &self.signatures {
            if range.family == signature.family && range.model == signature.model {
                let exact = range.steppings.as_ref().is_none_or(|all| all.contains(&signature.stepping));
                best = best.max(1 + u8::from(exact));
            }
        }
        best
    }
}

/// One ppc64 model.
#[derive(Debug, Clone)]
pub struct PowerModel {
    /// Name in documents.
    pub name: String,
    /// Vendor's name.
    pub vendor: String,
    /// Processor version values with their masks.
    pub versions: Vec<(u32, u32)>,
}

/// One ARM model.
#[derive(Debug, Clone)]
pub struct ArmModel {
    /// Name in documents.
    pub name: String,
    /// Vendor's name.
    pub vendor: String,
    /// Part number.
    pub part: u32,
}

/// All tables.
#[derive(Debug, Default)]
pub struct Database {
    features: Vec<FeatureInfo>,
    feature_index: HashMap<String, usize>,
    alias_index: HashMap<String, usize>,
    vendors: Vec<(String, String)>,
    models: Vec<Model>,
    model_index: HashMap<String, usize>,
    power: Vec<PowerModel>,
    arm: Vec<ArmModel>,
    arm_vendors: Vec<(String, u32)>,
    arm_features: Vec<String>,
}

impl Database {
    /// The tables that ship with the program. They are constant, so one parsed copy serves every caller.
    pub fn builtin() -> &'static Database {
        static TABLES: OnceLock<Database> = OnceLock::new();
        TABLES.get_or_init(|| {
            let mut database = Database::default();
            database.read_x86(include_str!("../data/x86.txt"));
            database.read_power(include_str!("../data/ppc64.txt"));
            database.read_arm(include_str!("../data/arm.txt"));
            database
        })
    }

    /// x86 features in table order.
    pub fn features(&self) -> &[FeatureInfo] {
        &self.features
    }

    /// Position of an x86 feature by the name documents use.
    pub fn feature(&self, name: &str) -> Option<usize> {
        self.feature_index.get(name).copied()
    }

    /// Position of an x86 feature by any name the emulator may use.
    pub fn feature_or_alias(&self, name: &str) -> Option<usize> {
        self.feature(name).or_else(|| self.alias_index.get(name).copied())
    }

    /// Name of the feature at a position; empty when there is none.
    pub fn feature_name(&self, index: usize) -> &str {
        self.features.get(index).map_or("", |feature| &feature.name)
    }

    /// Features that let a guest migrate.
    pub fn migratable(&self) -> FeatureSet {
        self.features.iter().enumerate().filter(|(_, f)| f.migratable).map(|(index, _)| index).collect()
    }

    /// x86 models in table order.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// An x86 model by name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.model_index.get(name).and_then(|index| self.models.get(*index))
    }

    /// Is the name one of an x86 vendor?
    pub fn has_vendor(&self, name: &str) -> bool {
        self.vendors.iter().any(|(vendor, _)| vendor == name)
    }

    /// Name of the x86 vendor whose processors say this string.
    pub fn vendor_of_string(&self, string: &str) -> Option<&str> {
        self.vendors.iter().find(|(_, own)| own == string).map(|(name, _)| name.as_str())
    }

    /// ppc64 models.
    pub fn power_models(&self) -> &[PowerModel] {
        &self.power
    }

    /// ARM models.
    pub fn arm_models(&self) -> &[ArmModel] {
        &self.arm
    }

    /// ARM features that have a name.
    pub fn arm_features(&self) -> &[String] {
        &self.arm_features
    }

    /// ARM model and vendor by implementer and part number, as `/proc/cpuinfo` or MIDR state them.
    pub fn arm_by_part(&self, implementer: u32, part: u32) -> (Option<&str>, Option<&str>) {
        let vendor =
            self.arm_vendors.iter().find(|(_, own)| *own == implementer).map(|(name, _)| name.as_str());
        let model = self.arm.iter().find(|m| m.part == part && Some(m.vendor.as_str()) == vendor);
        (model.map(|m| m.name.as_str()), vendor)
    }

    /// ppc64 model of a processor version register.
    pub fn power_by_version(&self, pvr: u32) -> Option<&PowerModel> {
        self.power.iter().find(|m| m.versions.iter().any(|(value, mask)| pvr & mask == *value))
    }

    /// Names of all models of a family, in table order, as a connection lists them.
    pub fn model_names(&self, family: Family) -> Vec<&str> {
        match family {
            Family::X86 => self.models.iter().map(|m| m.name.as_str()).collect(),
            Family::Ppc64 => self.power.iter().map(|m| m.name.as_str()).collect(),
            Family::Arm => self.arm.iter().map(|m| m.name.as_str()).collect(),
            Family::S390 | Family::Riscv | Family::Loongarch => Vec::new(),
        }
    }

    /// Names of the features of a set, in table order.
    pub fn names(&self, set: &FeatureSet) -> Vec<&str> {
        set.iter().map(|index| self.feature_name(index)).collect()
    }

    fn read_x86(&mut self, text: &str) {
        for line in content(text) {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("vendor"), Some(name)) => {
                    self.vendors.push((name.to_owned(), words.next().unwrap_or_default().to_owned()));
                }
                (Some("feature"), Some(name)) => self.read_feature(name, words),
                (Some("model"), Some(name)) => self.read_model(name, words),
                _ => {}
            }
        }
    }

    fn read_feature<'t>(&mut self, name: &str, mut words: impl Iterator<Item = &'t str>) {
        let kind = words.next().unwrap_or_default();
        let mut hex = || words.next().and_then(|word| u32::from_str_radix(word, 16).ok()).unwrap_or_default();
        let (index, sub) = (hex(), hex());
        let source = if kind == "msr" { Source::Msr { index } } else { Source::Leaf { number: index, sub } };
        let register = match words.next() {
            Some("eax") => Register::Eax,
            Some("ebx") => Register::Ebx,
            Some("ecx") => Register::Ecx,
            _ => Register::Edx,
        };
        let bit = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        let position = self.features.len();
        let mut feature = FeatureInfo {
            name: name.to_owned(),
            source,
            register,
            bit,
            aliases: Vec::new(),
            migratable: true,
        };
        for word in words {
            if let Some(alias) = word.strip_prefix("alias=") {
                feature.aliases.push(alias.to_owned());
                self.alias_index.insert(alias.to_owned(), position);
            } else if word == "nomigrate" {
                feature.migratable = false;
            }
        }
        self.feature_index.insert(name.to_owned(), position);
        self.features.push(feature);
    }

    fn read_model<'t>(&mut self, name: &str, words: impl Iterator<Item = &'t str>) {
        let mut model = Model {
            name: name.to_owned(),
            vendor: None,
            decode_host: true,
            decode_guest: true,
            compat_check: false,
            signatures: Vec::new(),
            features: FeatureSet::default(),
            removed: FeatureSet::default(),
            added: FeatureSet::default(),
            base: None,
        };
        for word in words {
            if let Some(feature) = word.strip_prefix('+').and_then(|name| self.feature(name)) {
                model.features.insert(feature);
            } else if let Some(feature) = word.strip_prefix('-').and_then(|name| self.feature(name)) {
                model.features.remove(feature);
            } else if let Some((key, value)) = word.split_once('=') {
                match key {
                    "vendor" => model.vendor = Some(value.to_owned()),
                    "sig" => model.signatures.extend(signature_range(value)),
                    "like" => model.features = self.model(value).map(|m| m.features).unwrap_or_default(),
                    "removed" => model.removed = value.split(',').filter_map(|f| self.feature(f)).collect(),
                    "added" => model.added = value.split(',').filter_map(|f| self.feature(f)).collect(),
                    "base" => model.base = Some(value.to_owned()),
                    _ => {}
                }
            } else {
                match word {
                    "nohost" => model.decode_host = false,
                    "noguest" => model.decode_guest = false,
                    "compat" => model.compat_check = true,
                    _ => {}
                }
            }
        }
        self.model_index.insert(name.to_owned(), self.models.len());
        self.models.push(model);
    }

    fn read_power(&mut self, text: &str) {
        for line in content(text) {
            let Some(rest) = line.strip_prefix("model ") else { continue };
            let mut words = rest.split_ascii_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            let mut model = PowerModel { name, vendor: String::new(), versions: Vec::new() };
            for word in words {
                if let Some(vendor) = word.strip_prefix("vendor=") {
                    model.vendor = vendor.to_owned();
                } else if let Some((value, mask)) = word.strip_prefix("pvr=").and_then(|v| v.split_once('/'))
                {
                    model.versions.push((hexadecimal(value), hexadecimal(mask)));
                }
            }
            self.power.push(model);
        }
    }

    fn read_arm(&mut self, text: &str) {
        for line in content(text) {
            if let Some(feature) = line.strip_prefix("feature ") {
                self.arm_features.push(feature.trim().to_owned());
            } else if let Some((name, id)) = line.strip_prefix("vendor ").and_then(|v| v.split_once(' ')) {
                self.arm_vendors.push((name.to_owned(), hexadecimal(id)));
            } else if let Some((vendor, rest)) =
                line.strip_prefix("model vendor=").and_then(|v| v.split_once(" part="))
                && let Some((part, name)) = rest.split_once(' ')
            {
                self.arm.push(ArmModel {
                    name: name.to_owned(),
                    vendor: vendor.to_owned(),
                    part: hexadecimal(part),
                });
            }
        }
    }
}

fn content(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn hexadecimal(text: &str) -> u32 {
    u32::from_str_radix(text, 16).unwrap_or_default()
}

fn signature_range(text: &str) -> Option<SignatureRange> {
    let mut parts = text.splitn(3, ',');
    let family = parts.next()?.parse().ok()?;
    let model = parts.next()?.parse().ok()?;
    let steppings = parts.next().and_then(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    Some(SignatureRange { family, model, steppings })
}
