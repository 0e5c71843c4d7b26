//! Filters and bindings through the trait, over folders of the test. The interfaces are not there, so no rule is made.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed and says why"
)]

use api::{Call, Nwfilter};
use driver_nwfilter::Driver;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

const UUID: &str = "8d4cf7f2-1a43-4b05-9a3b-5d9a4f0e2c11";

struct Host {
    root: PathBuf,
    layout: host::Layout,
}

impl Host {
    fn new(name: &str) -> Host {
        let root = std::env::temp_dir().join(format!("nwfilter-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let layout = host::Layout::of(&root);
        Host { root, layout }
    }

    fn start(&self) -> Arc<Driver> {
        Driver::start(&self.layout).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn binding(port: &str, filter: &str) -> String {
    format!(
        "<filterbinding><owner><name>o</name><uuid>{UUID}</uuid></owner><portdev name='{port}'/>\
         <mac address='52:54:00:00:00:01'/><filterref filter='{filter}'/></filterbinding>"
    )
}

#[test]
fn filters_are_kept_and_refuse_what_contradicts() {
    let host = Host::new("filters");
    let cx = Call::internal();
    let driver = host.start();
    let define = |text: &str| driver.nwfilter_define_xml(&cx, text);
    let first = define("<filter name='a'><filterref filter='b'/></filter>").unwrap();
    let second = define("<filter name='b'/>").unwrap();
    let told = |text: &str| define(text).unwrap_err().message().to_owned();
    let back = format!("<filter name='b'><uuid>{}</uuid><filterref filter='a'/></filter>", second.uuid);
    assert!(told(&back).ends_with("would introduce a loop"));
    assert!(told("<filter name='a'/>").contains("filter 'a' already exists with uuid"));
    let other = format!("<filter name='c'><uuid>{}</uuid></filter>", first.uuid);
    assert!(told(&other).contains("different name ('a')"));
    assert!(told("<filter name='x/y'/>").contains("Failed to create file"));
    // A filter somebody has put there without an identity keeps the one it gets.
    let folder = host.layout.config().join("nwfilter");
    fs::write(folder.join("d.xml"), "<filter name='d'/>").unwrap();
    let again = host.start();
    assert_eq!(again.connect_list_nwfilters(&cx, 9).unwrap(), ["a", "b", "d"]);
    let found = again.nwfilter_lookup_by_name(&cx, "d").unwrap();
    assert_eq!(host.start().nwfilter_lookup_by_uuid(&cx, found.uuid).unwrap(), found);
    again.nwfilter_undefine(&cx, &found).unwrap();
    assert!(!folder.join("d.xml").exists());
    assert!(again.nwfilter_undefine(&cx, &found).is_err());
}

#[test]
fn bindings_are_kept_and_ask_for_nothing_before_their_interface_is_there() {
    let host = Host::new("bindings");
    let cx = Call::internal();
    let driver = host.start();
    driver.nwfilter_define_xml(&cx, "<filter name='a'><filterref filter='b'/></filter>").unwrap();
    let inner = driver.nwfilter_define_xml(&cx, "<filter name='b'/>").unwrap();
    let bind = |port: &str, filter: &str| driver.nwfilter_binding_create_xml(&cx, &binding(port, filter), 0);
    let bound = bind("no-such-if", "a").unwrap();
    let told = |outcome: base::Result<()>| outcome.unwrap_err().message().to_owned();
    assert!(told(bind("no-such-if", "a").map(drop)).contains("binding 'no-such-if' already exists"));
    // The interface of this one is everywhere.
    assert!(told(bind("lo", "z").map(drop)).contains("referenced filter 'z' is missing"));
    bind("other-if", "z").unwrap();
    bind("a-name-that-no-interface-can-have", "z").unwrap();
    let open = "<filter name='b'><uuid>U</uuid><rule action='drop' direction='in'><tcp srcipaddr='$Z'/></rule></filter>";
    driver.nwfilter_define_xml(&cx, &open.replace('U', &inner.uuid.to_string())).unwrap();
    assert!(driver.nwfilter_get_xml_desc(&cx, &inner, 0).unwrap().contains("$Z"));
    driver.nwfilter_undefine(&cx, &inner).unwrap();
    // Found again by a daemon that comes back, as it was written.
    let again = host.start();
    let text = again.nwfilter_binding_get_xml_desc(&cx, &bound, 0).unwrap();
    assert!(text.contains("<filterref filter='a'/>"), "{text}");
    again.nwfilter_binding_delete(&cx, &bound).unwrap();
    assert!(told(again.nwfilter_binding_delete(&cx, &bound)).contains("no nwfilter binding for port dev"));
}
