//! Where the image lies that another one is based on.

use serde_json::Value as Json;

/// A place an image's header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A file, with its folder where the name is relative.
    File(String),
    /// An address like `nbd://host/export`.
    Address(String),
    /// A document of the emulator's own that is no file.
    Document(String),
}

impl Base {
    /// Reads a name as an image in `folder` spells it.
    pub fn parse(name: &str, folder: &str) -> Base {
        if let Some(text) = name.strip_prefix("json:") {
            return match serde_json::from_str(text).ok().as_ref().and_then(file) {
                Some(path) => Base::within(&path, folder),
                None => Base::Document(name.to_owned()),
            };
        }
        if let Some(path) = name.strip_prefix("file:") {
            return Base::within(path.strip_prefix("//").unwrap_or(path), folder);
        }
        let scheme = name.split_once(':').map(|(scheme, _)| scheme);
        let address = scheme.is_some_and(|scheme| {
            scheme.len() > 1
                && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
        });
        if address { Base::Address(name.to_owned()) } else { Base::within(name, folder) }
    }

    fn within(path: &str, folder: &str) -> Base {
        if path.starts_with('/') {
            return Base::File(path.to_owned());
        }
        Base::File(format!("{}/{path}", folder.trim_end_matches('/')))
    }
}

/// The file a document of the emulator means, if it means one: of its own, or of the node below it.
fn file(document: &Json) -> Option<String> {
    let text = |name: &str| document.get(name).and_then(Json::as_str);
    let driver = text("driver").or_else(|| text("file.driver"));
    if matches!(driver, Some("file" | "host_device" | "host_cdrom"))
        && let Some(name) = text("filename").or_else(|| text("file.filename"))
    {
        return Some(name.to_owned());
    }
    match document.get("file")? {
        Json::String(name) => Some(name.clone()),
        below => file(below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let file = |text: &str| Base::File(text.to_owned());
        for (name, expected) in [
            ("base.img", file("/d/base.img")),
            ("../x/base.img", file("/d/../x/base.img")),
            ("/a/b", file("/a/b")),
            ("file:///a/b", file("/a/b")),
            ("file:b", file("/d/b")),
            ("nbd://host/x", Base::Address("nbd://host/x".into())),
            ("json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/q\"}}", file("/q")),
            ("json:{\"file.driver\":\"file\",\"file.filename\":\"q\"}", file("/d/q")),
            ("json:{\"driver\":\"nbd\"}", Base::Document("json:{\"driver\":\"nbd\"}".into())),
            ("json:nonsense", Base::Document("json:nonsense".into())),
        ] {
            assert_eq!(Base::parse(name, "/d"), expected, "{name}");
        }
    }
}
