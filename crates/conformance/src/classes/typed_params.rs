//! Typed parameters: checked, filtered, made from lists.

use super::{Verdict, whole};
use crate::manifest::Case;
use base::param::{self, Allowed, TypedValue};
use serde_json::{Value, json};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    let (input, expected) = (&case.facts["input"], &case.facts["expected"]);
    whole(match case.text("kind") {
        Some("validate") => validate(input, expected),
        Some("filter") => filter(input, expected),
        Some("add-string-list") => list(input, expected),
        other => Err(format!("unknown kind {other:?}")),
    })
}

fn number(name: &str) -> i32 {
    (1..=7).find(|&number| param::type_name(number) == name).unwrap_or(0)
}

fn same(expected: &Value, got: &Value) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn validate(input: &Value, expected: &Value) -> Result<(), String> {
    let params: Vec<_> =
        items(&input["params"]).iter().map(|p| (text(p, "field"), number(text(p, "type")))).collect();
    let allowed: Vec<_> = items(&input["allowed"])
        .iter()
        .map(|key| Allowed {
            name: text(key, "field"),
            type_number: number(text(key, "type")),
            multiple: key["multiple"].as_bool().unwrap_or(false),
        })
        .collect();
    let got = match param::validate(&params, &allowed) {
        Ok(()) => Value::Null,
        Err(error) => error.message().into(),
    };
    same(&expected["message"], &got)
}

fn filter(input: &Value, expected: &Value) -> Result<(), String> {
    let word = |value: &'_ Value, at: usize| value[at].as_str().unwrap_or_default().to_owned();
    let owned: Vec<_> = items(&input["params"]).iter().map(|p| (word(p, 0), number(&word(p, 1)))).collect();
    let params: Vec<_> = owned.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    let found = param::filter(&params, text(input, "name"), input["type"].as_str().map(number));
    same(&expected["indexes"], &json!(found))
}

fn list(input: &Value, expected: &Value) -> Result<(), String> {
    let values = items(&input["values"]).iter().filter_map(Value::as_str);
    let params = param::string_list(text(input, "name"), values);
    let got: Vec<_> = params
        .iter()
        .map(|param| match &param.value {
            TypedValue::String(value) => json!([param.field, "string", value]),
            other => json!([param.field, other.type_name()]),
        })
        .collect();
    same(&expected["params"], &json!(got))
}
