//! `api`: enumerations, flags and parameter names of the public interface.

use super::Output;
use super::model::Model;
use std::path::Path;

fn identifier(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name.to_owned() }
}

pub(crate) fn file(model: &Model) -> Output {
    let mut text = String::from(
        "//! Enumerations and flags of the public interface, one module each, and the names of typed parameters.\n\n#![allow(missing_docs, reason = \"the names are the documentation\")]\n\n",
    );
    for group in model.constants.iter().filter(|group| !group.name.is_empty()) {
        let kind = if group.flags { "u32" } else { "i32" };
        text.push_str(&format!("pub mod {} {{\n", group.name));
        for (name, value) in &group.members {
            text.push_str(&format!("    pub const {}: {kind} = {value};\n", identifier(name)));
        }
        text.push_str("}\n\n");
    }
    text.push_str("/// Names of typed parameters, metadata keys and the like.\npub mod names {\n");
    for (name, value) in &model.names {
        text.push_str(&format!("    pub const {}: &str = {value:?};\n", identifier(name)));
    }
    text.push_str("}\n");
    (Path::new("crates/api/src/generated/consts.rs").to_owned(), text)
}
