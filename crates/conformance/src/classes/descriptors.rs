//! `qemufirmware`, `qemuvhostuser`: descriptors read and printed, found in order, chosen by machine.

use super::{Verdict, whole};
use crate::compare;
use crate::manifest::Case;
use qemu_caps::descriptor::firmware::{self, Descriptor};
use qemu_caps::descriptor::{self, File, vhost_user};
use serde_json::Value;

/// Folders of the pretended host: its name there, and its files.
fn folders(case: &Case, root: &str, kind: &str) -> Vec<(String, Vec<File>)> {
    let own = case.value("env").and_then(|env| env.get("XDG_CONFIG_HOME")?.as_str()?.strip_prefix(root));
    descriptor::folders(kind, own)
        .into_iter()
        .map(|folder| {
            let path = case.path(&format!("{root}{folder}"));
            let entries = path.and_then(|path| std::fs::read_dir(path).ok()).into_iter().flatten();
            let files = entries.filter_map(Result::ok).filter_map(|entry| {
                let size = entry.metadata().ok()?.len();
                Some(File { name: entry.file_name().to_string_lossy().into_owned(), size })
            });
            (folder, files.collect())
        })
        .collect()
}

/// Firmware of the pretended host.
pub(super) fn firmware(case: &Case) -> Vec<Descriptor> {
    const ROOT: &str = "qemusupport/firmware";
    descriptor::paths(&folders(case, ROOT, "firmware"))
        .iter()
        .filter_map(|path| Descriptor::parse(&case.read_file(&format!("{ROOT}{path}")).ok()?).ok())
        .collect()
}

/// Runs one case of either class.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(outcome(case))
}

fn outcome(case: &Case) -> Result<(), String> {
    let vhost_user = case.text("class") == Some("qemuvhostuser");
    match case.text("operation").unwrap_or_default() {
        "parse-format" => {
            let text = case.read("input")?;
            let printed = if vhost_user {
                vhost_user::Descriptor::parse(&text).map(|descriptor| descriptor.format())
            } else {
                Descriptor::parse(&text).map(|descriptor| descriptor.format())
            };
            match (printed, case.expect()) {
                (Ok(_), "parse-fail") => Err("must be refused".to_owned()),
                (Err(_), "parse-fail") => Ok(()),
                (Err(cause), _) => Err(cause.to_string()),
                (Ok(printed), _) => {
                    let mut expected: Value =
                        serde_json::from_str(&case.read("expected")?).map_err(|error| error.to_string())?;
                    if let Some(members) = expected.as_object_mut() {
                        for name in case.words("drop_keys_of_expected") {
                            members.shift_remove(name);
                        }
                    }
                    compare::exact(&format!("{expected:#}"), &format!("{printed:#}"))
                }
            }
        }
        "list-descriptors" => {
            let (root, kind) = match vhost_user {
                true => ("qemusupport/vhostuser", "vhost-user"),
                false => ("qemusupport/firmware", "firmware"),
            };
            let found = descriptor::paths(&folders(case, root, kind));
            compare::exact(&case.words("list").join("\n"), &found.join("\n"))
        }
        "supported-firmware" => {
            let (_, arch) = case.id.rsplit_once(':').ok_or("the case has no architecture")?;
            let machine = case.text("machine").unwrap_or_default();
            let found = firmware::supported(&firmware(case), arch, machine);
            let said: Vec<Value> = found
                .images
                .iter()
                .map(|(image, store)| serde_json::json!({"executable": image, "nvram": store}))
                .collect();
            let expected = case.value("firmware").ok_or("the case has no images")?;
            compare::exact(&format!("{expected:#}"), &format!("{:#}", Value::Array(said)))?;
            compare::exact(&case.words("interfaces").join(" "), &found.kinds.join(" "))?;
            compare::exact(&case.is("secure").to_string(), &found.secure.to_string())
        }
        other => Err(format!("operation {other} is not known")),
    }
}
