//! Secrets through the trait, over folders of the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed and says why"
)]

use api::event::Event;
use api::{Call, EventSink, Secret};
use base::object::SecretRef;
use driver_secret::{Driver, Setup, UsageKind, Wanted};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const UUID: &str = "8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11";

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl EventSink for Heard {
    fn publish(&self, event: Event) {
        let text = match event {
            Event::SecretLifecycle(payload) => format!("lifecycle {}", payload.event),
            Event::SecretValueChanged(_) => "value".to_owned(),
            _ => "other".to_owned(),
        };
        self.0.lock().unwrap().push(text);
    }
}

fn root(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("secret-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).unwrap();
    root
}

fn start(root: &Path, heard: &Arc<Heard>) -> Arc<Driver> {
    Driver::start(Setup { layout: host::Layout::of(root), events: heard.clone() }).unwrap()
}

fn document(attributes: &str, usage: &str) -> String {
    format!("<secret {attributes}><uuid>{UUID}</uuid>{usage}</secret>")
}

const VOLUME: &str = "<usage type='volume'><volume>/v</volume></usage>";

#[test]
fn values_outlive_the_daemon_unless_they_are_ephemeral() {
    let (root, heard, cx) = (root("values"), Arc::new(Heard::default()), Call::internal());
    let driver = start(&root, &heard);
    let secret = driver.secret_define_xml(&cx, &document("", VOLUME), 0).unwrap();
    let missing = driver.secret_get_value(&cx, &secret, 0).unwrap_err();
    assert!(missing.message().ends_with("does not have a value"));
    driver.secret_set_value(&cx, &secret, b"key", 0).unwrap();
    let file = host::Layout::of(&root).config().join("secrets").join(format!("{UUID}.base64"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "a2V5");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = start(&root, &heard);
    assert_eq!(again.secret_get_value(&cx, &secret, 0).unwrap(), b"key");
    assert_eq!(again.value(Wanted::Usage(UsageKind::Volume, "/v")).unwrap(), b"key");
    // Now it is for this daemon only.
    again.secret_define_xml(&cx, &document("ephemeral='yes'", VOLUME), 0).unwrap();
    assert!(!file.exists());
    assert_eq!(again.secret_get_value(&cx, &secret, 0).unwrap(), b"key");
    assert_eq!(start(&root, &heard).connect_num_of_secrets(&cx).unwrap(), 0);
    again.secret_undefine(&cx, &secret).unwrap();
    let events = heard.0.lock().unwrap().clone();
    assert_eq!(events, ["lifecycle 0", "value", "lifecycle 0", "lifecycle 1"]);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn private_values_are_for_the_daemon() {
    let (root, heard, cx) = (root("private"), Arc::new(Heard::default()), Call::internal());
    let driver = start(&root, &heard);
    let secret = driver.secret_define_xml(&cx, &document("private='yes'", VOLUME), 0).unwrap();
    driver.secret_set_value(&cx, &secret, b"key", 0).unwrap();
    let told = |outcome: base::Result<SecretRef>| outcome.unwrap_err().message().to_owned();
    let refused = driver.secret_get_value(&cx, &secret, 0).unwrap_err();
    assert_eq!(refused.message(), "Invalid secret: secret is private");
    assert_eq!(driver.value(Wanted::Uuid(secret.uuid)).unwrap(), b"key");
    let open = told(driver.secret_define_xml(&cx, &document("", VOLUME), 0));
    assert!(open.ends_with("cannot change private flag on existing secret"), "{open}");
    let moved = told(driver.secret_define_xml(&cx, &document("private='yes'", ""), 0));
    assert!(moved.ends_with("is already defined for use with /v"), "{moved}");
    let twin = document("", VOLUME).replace("8d4c", "9d4c");
    let taken = told(driver.secret_define_xml(&cx, &twin, 0));
    assert!(taken.ends_with("already defined for use with /v"), "{taken}");
    assert_eq!(driver.connect_list_all_secrets(&cx, 1, 4).unwrap().ret, 1);
    assert_eq!(driver.connect_list_all_secrets(&cx, 1, 8).unwrap().ret, 0);
    assert!(driver.secret_lookup_by_usage(&cx, 0, "").is_err());
    fs::remove_dir_all(root).unwrap();
}
