//! Configuration files and URIs.

use super::{Target, kind, nothing};
use crate::mutate::Form;
use conf_file::{File, Settings, Value};
use uri::Uri;

/// Configuration files.
pub(super) const CONFIG: Target = Target {
    name: "config",
    form: Form::Text,
    most: 8 << 10,
    run: config,
    seeds: nothing,
    words: nothing,
    fresh: None,
};

/// URIs.
pub(super) const URI: Target = Target { name: "uri", most: 4 << 10, run: uri, ..CONFIG };

/// A value that the notation can say again: no text can hold every kind of quote.
fn spoken(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Text(text) => !(text.contains('"') && (text.contains('\'') || text.contains('\n'))),
        Value::List(list) => list.iter().all(spoken),
    }
}

fn config(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let file = match File::parse("f", text) {
        Ok(file) => file,
        Err(error) => return kind(&error.message),
    };
    let printed = file.format();
    if file.entries.iter().filter_map(|entry| entry.value.as_ref()).all(spoken) {
        let again =
            File::parse("f", &printed).unwrap_or_else(|error| panic!("not read again: {error}: {printed}"));
        assert_eq!(again.format(), printed, "a file is not stable");
    }
    let mut outcome = 1_u64;
    if let Ok(settings) = Settings::parse("f", text) {
        for name in file.entries.iter().filter_map(|entry| entry.name.as_deref()).take(8) {
            let read = [
                settings.text(name).is_ok(),
                settings.texts(name).is_ok(),
                settings.flag(name).is_ok(),
                settings.uint(name, 1).is_ok(),
                settings.int(name).is_ok(),
            ];
            outcome =
                read.iter().fold(outcome, |outcome, ok| outcome.wrapping_mul(3).wrapping_add(u64::from(*ok)));
        }
    }
    outcome
}

fn uri(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let plain = uri::escape(text, "/:@");
    assert_eq!(uri::unescape(&plain), text, "an escape is not taken back");
    let Ok(parsed) = Uri::parse(text) else { return 1 };
    let _ = (parsed.driver_and_transport(), parsed.param("socket"), parsed.format_params());
    let printed = parsed.format();
    // Parameters without a name are dropped, and nothing may be left.
    assert!(printed.is_empty() || Uri::parse(&printed).is_ok(), "not read again: {printed}");
    let parts = [
        parsed.scheme.is_some(),
        parsed.server.is_some(),
        parsed.port != 0,
        parsed.user.is_some(),
        parsed.path.is_some(),
        parsed.query.is_some(),
        parsed.fragment.is_some(),
        !parsed.params.is_empty(),
    ];
    parts.iter().fold(1, |number, there| number << 1 | u64::from(*there))
}
