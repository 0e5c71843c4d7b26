//! A small schema, questions to it and values against it.

use crate::{Leniency, Mismatch, Schema};
use serde_json::{Value, json};

fn schema() -> Schema {
    Schema::read(&json!([
        {"name": "str", "meta-type": "builtin", "json-type": "string"},
        {"name": "int", "meta-type": "builtin", "json-type": "int"},
        {"name": "null", "meta-type": "builtin", "json-type": "null"},
        {"name": "add", "meta-type": "command", "arg-type": "1", "ret-type": "[int]", "features": ["fast"]},
        {"name": "GONE", "meta-type": "event", "arg-type": "3"},
        {"name": "1", "meta-type": "object", "tag": "kind", "members": [
            {"name": "kind", "type": "2"},
            {"name": "note", "type": "str", "default": null, "features": ["deprecated"]},
            {"name": "over", "type": "4", "default": null}
        ], "variants": [{"case": "file", "type": "3"}]},
        {"name": "2", "meta-type": "enum", "values": ["file", "none"]},
        {"name": "3", "meta-type": "object", "members": [{"name": "path", "type": "str"}]},
        {"name": "4", "meta-type": "alternate", "members": [{"type": "1"}, {"type": "null"}]},
        {"name": "[int]", "meta-type": "array", "element-type": "int"},
        {"name": "5", "meta-type": "of the future"}
    ]))
}

#[test]
fn questions() {
    let schema = schema();
    for (path, there) in [
        ("add", true),
        ("del", false),
        ("add/$fast", true),
        ("add/$slow", false),
        ("add/ret-type/!int", true),
        ("add/arg-type/note", true),
        ("add/arg-type/*note", true),
        ("add/arg-type/note/$deprecated", true),
        ("add/arg-type/note/$fast", false),
        ("add/arg-type/*kind", false),
        ("add/arg-type/kind/^none", true),
        ("add/arg-type/kind/^more", false),
        ("add/arg-type/+file/path/!string", true),
        ("add/arg-type/+none", false),
        ("add/arg-type/over/!null", true),
        ("add/arg-type/over/+file/path", true),
        ("GONE/arg-type/path", true),
        ("GONE/ret-type", false),
        ("5", false),
    ] {
        assert_eq!(schema.has(path), there, "{path}");
    }
}

#[test]
fn values() {
    let strict = Leniency::default();
    let check = |value: Value, leniency| schema().check("add/arg-type", &value, leniency);
    assert_eq!(check(json!({"kind": "file", "path": "a"}), strict), Ok(()));
    assert_eq!(check(json!({"kind": "none", "over": null}), strict), Ok(()));
    assert_eq!(check(json!({"kind": "none", "over": {"kind": "none"}}), strict), Ok(()));
    for (value, reason) in [
        (json!({"kind": "file"}), Mismatch::Missing("path".into())),
        (json!({}), Mismatch::Missing("kind".into())),
        (json!({"kind": "none", "path": "a"}), Mismatch::Undescribed("path".into())),
        (json!({"kind": "none", "note": "a"}), Mismatch::Deprecated("note".into())),
        (json!({"kind": "more"}), Mismatch::Word { member: "kind".into(), word: "more".into() }),
        (json!({"kind": "none", "over": {"kind": "file"}}), Mismatch::Missing("over/path".into())),
    ] {
        assert_eq!(check(value.clone(), strict), Err(reason), "{value}");
    }
    assert!(check(json!({"kind": "none", "over": 1}), strict).is_err());
    let lenient = Leniency { undescribed: true, deprecated: true };
    assert_eq!(check(json!({"kind": "none", "more": 1, "note": "a"}), lenient), Ok(()));
    assert_eq!(
        schema().check("del/arg-type", &Value::Null, strict),
        Err(Mismatch::Unknown("del/arg-type".into()))
    );
}
