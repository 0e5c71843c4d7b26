//! Names, nodes and options of small images.

use super::*;
use xml::Document;

fn tree(text: &str) -> Tree {
    Tree::of(Document::parse(text).unwrap().root())
}

/// The name another image has for a source.
fn text(kind: &str, source: &str) -> String {
    let source = tree(source);
    Block::at(&source, kind, Names::of(1), "raw").text(&Start::default(), false).unwrap()
}

#[test]
fn names_in_other_images() {
    assert_eq!(text("file", "<source file='/a'/>"), "/a");
    assert_eq!(
        text("network", "<source protocol='nbd'><host name='::1' port='5'/></source>"),
        "nbd://[::1]:5"
    );
    let gluster = "<source protocol='gluster' name='v/a b'><host name='h' port='24007'/></source>";
    assert_eq!(text("network", gluster), "gluster://h:24007/v/a%20b");
    let sheepdog = "<source protocol='sheepdog' name='v'><host name='h' port='7000'/></source>";
    assert_eq!(text("network", sheepdog), "sheepdog:h:7000:v");
    let slow = "<source protocol='http' name='f'><host name='h' port='80'/><timeout seconds='3'/></source>";
    let expected = r#"json:{"file":{"driver":"http","url":"http://h:80/f","timeout":3}}"#;
    assert_eq!(text("network", slow), expected);
    let part = "<source dev='/d'><slices><slice type='storage' offset='1' size='2'/></slices></source>";
    let expected = r#"json:{"file":{"driver":"raw","offset":1,"size":2,"file":{"driver":"host_device","filename":"/d"}}}"#;
    assert_eq!(text("block", part), expected);
}

#[test]
fn secrets_stay_here() {
    let holder = tree(
        "<disk type='network'><source protocol='rbd' name='p/i'><auth username='u'><secret type='ceph' usage='x'/>\
         </auth></source></disk>",
    );
    let block = Block::of(&holder, Names::of(1), "raw").unwrap();
    let keys = Keys { password: Some("pw".to_owned()), ..Keys::default() };
    let nodes = block.nodes(&Start::default(), &keys).unwrap();
    assert_eq!(nodes[0].get("key-secret").and_then(|key| key.as_str()), Some("pw"));
    let place = block.place(&Start::default()).unwrap().text();
    assert_eq!(place, r#"{"driver":"rbd","pool":"p","image":"i"}"#);
}

#[test]
fn new_images() {
    let file = tree("<disk type='file'><source file='/a'><encryption format='luks'/></source></disk>");
    let base = tree("<disk type='file'><source file='/b'/></disk>");
    let start = Start::default();
    let keys = Keys { format: vec!["k".to_owned()], ..Keys::default() };
    let base = Block::of(&base, Names::of(2), "vmdk").unwrap();
    let made = |format: &'static str, new: &NewImage<'_>| {
        let block = Block::of(&file, Names::of(1), format).unwrap();
        let creation = block.create(new, &start, &keys).map_err(|error| error.message().to_owned());
        creation.map(|creation| creation.format.map(Json::text))
    };
    let new = NewImage { capacity: 2, physical: 1, backing: Some(&base), ..NewImage::default() };
    assert_eq!(
        made("raw", &new).unwrap().unwrap(),
        r#"{"key-secret":"k","driver":"luks","file":"libvirt-1-storage","size":2}"#
    );
    let newer = NewImage { compat: Some("1.1"), cluster: Some(512), parts: true, ..new };
    assert_eq!(
        made("qcow2", &newer).unwrap().unwrap(),
        concat!(
            r#"{"driver":"qcow2","file":"libvirt-1-storage","size":2,"version":"v3","cluster-size":512,"#,
            r#""extended-l2":true,"backing-file":"/b","backing-fmt":"vmdk","encrypt":{"key-secret":"k","format":"luks"}}"#
        )
    );
    assert_eq!(
        made("vdi", &new).unwrap().unwrap(),
        r#"{"driver":"vdi","file":"libvirt-1-storage","size":2}"#
    );
    assert!(made("iso", &new).is_err());
}

#[test]
fn kept_names() {
    let source = tree(
        "<source file='/a' index='7'><privateData><nodenames><nodename type='format' name='f'/></nodenames>\
         <objects><secret type='auth' alias='p'/><secret type='encryption' alias='k'/></objects></privateData>\
         </source>",
    );
    let names = kept(&source).unwrap();
    assert_eq!((names.format.as_str(), names.storage.as_str()), ("f", "libvirt-7-storage"));
    let keys = Keys::kept(&source);
    assert_eq!((keys.password.as_deref(), keys.format.len()), (Some("p"), 1));
    assert!(check(&"x".repeat(32)).is_err());
}
