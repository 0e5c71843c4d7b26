//! The connection calls about processors: XML in, XML or a verdict out, with the errors clients see.

use crate::baseline::{Limits, baseline};
use crate::compare::{Comparison, ModelFault, compare};
use crate::database::{Database, Family};
use crate::definition::{CpuDef, DefinitionFault, Kind};
use crate::update::expand_features;
use base::{Error, ErrorCode, ErrorDomain, Result};
use xml::Document;

/// Answers of the compare calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum CompareResult {
    /// The host lacks something.
    Incompatible = 0,
    /// Just the host.
    Identical = 1,
    /// The host has more.
    Superset = 2,
}

/// Flag of the compare calls: incompatibility is an error.
pub const COMPARE_FAIL_INCOMPATIBLE: u32 = 1;
/// Flag of the compare calls: validate against the schema.
pub const COMPARE_VALIDATE: u32 = 2;
/// Flag of the baseline calls: spell out the model's features.
pub const BASELINE_EXPAND_FEATURES: u32 = 1;
/// Flag of the baseline calls: leave out what blocks migration.
pub const BASELINE_MIGRATABLE: u32 = 2;

/// The error a fault becomes.
pub fn error(fault: &ModelFault) -> Error {
    let text = fault.to_string();
    match fault {
        ModelFault::Unsupported(_) | ModelFault::Incompatible(_) => {
            Error::new(ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::CPU, text)
        }
        ModelFault::Failed(_) => Error::operation_failed(ErrorDomain::CPU, text),
        _ => Error::internal(ErrorDomain::CPU, text),
    }
}

fn definition_error(fault: DefinitionFault) -> Error {
    let (code, domain, text) = match fault {
        DefinitionFault::Internal(text) => (ErrorCode::INTERNAL_ERROR, ErrorDomain::CPU, text),
        DefinitionFault::Xml(text) => (ErrorCode::XML_ERROR, ErrorDomain::CPU, text),
        DefinitionFault::Value(text) => (ErrorCode::XML_ERROR, ErrorDomain::XML, text),
        DefinitionFault::Unsupported(text) => (ErrorCode::CONFIG_UNSUPPORTED, ErrorDomain::CPU, text),
    };
    Error::new(code, domain, text)
}

/// Reads one `<cpu>` document, of a host or of a guest.
///
/// # Errors
/// It is not XML, or not a processor definition.
pub fn parse(text: &str) -> Result<CpuDef> {
    parse_as(text, None)
}

/// Reads one `<cpu>` document of a known kind.
///
/// # Errors
/// As [`parse`].
pub fn parse_as(text: &str, kind: Option<Kind>) -> Result<CpuDef> {
    let document = Document::parse(text)
        .map_err(|fault| Error::new(ErrorCode::XML_DETAIL, ErrorDomain::CPU, fault.shown(text)))?;
    CpuDef::from_xml(document.root(), kind).map_err(definition_error)
}

/// Compares a `<cpu>` document with a host. The caller has checked the flags.
///
/// # Errors
/// The document is unusable, or incompatible and `flags` has [`COMPARE_FAIL_INCOMPATIBLE`].
pub fn compare_cpu(
    database: &Database,
    arch: &str,
    host: &CpuDef,
    text: &str,
    flags: u32,
) -> Result<CompareResult> {
    let cpu = parse(text)?;
    if cpu.model.is_none() && cpu.kind == Kind::Guest && Family::of(arch) == Some(Family::X86) {
        // What asks for nothing in particular every host has, and more.
        return Ok(CompareResult::Superset);
    }
    match compare(database, arch, host, &cpu).map_err(|fault| error(&fault))? {
        Comparison::Identical => Ok(CompareResult::Identical),
        Comparison::Superset => Ok(CompareResult::Superset),
        Comparison::Incompatible(why) if flags & COMPARE_FAIL_INCOMPATIBLE != 0 => {
            Err(Error::new(ErrorCode::CPU_INCOMPATIBLE, ErrorDomain::CPU, why))
        }
        Comparison::Incompatible(_) => Ok(CompareResult::Incompatible),
    }
}

/// The baseline of several `<cpu>` documents of a kind, as a document. `limits.migratable` is taken from `flags`.
///
/// # Errors
/// A document is unusable, or they have nothing in common.
pub fn baseline_cpu(
    database: &Database,
    arch: &str,
    texts: &[&str],
    kind: Option<Kind>,
    limits: Limits<'_>,
    flags: u32,
) -> Result<String> {
    let cpus = texts.iter().map(|text| parse_as(text, kind)).collect::<Result<Vec<CpuDef>>>()?;
    let limits = Limits { migratable: flags & BASELINE_MIGRATABLE != 0, ..limits };
    let mut result = baseline(database, arch, &cpus, limits).map_err(|fault| error(&fault))?;
    // Models of other families are not made of features.
    if flags & BASELINE_EXPAND_FEATURES != 0 && Family::of(arch) == Some(Family::X86) {
        expand_features(database, &mut result).map_err(|fault| error(&fault))?;
    }
    Ok(result.to_xml())
}

/// Names of the models of an architecture.
///
/// # Errors
/// The architecture is not known.
pub fn model_names<'d>(database: &'d Database, arch: &str) -> Result<Vec<&'d str>> {
    Family::of(arch).map(|family| database.model_names(family)).ok_or_else(|| {
        Error::new(ErrorCode::INVALID_ARG, ErrorDomain::CPU, format!("cannot find architecture {arch}"))
    })
}
