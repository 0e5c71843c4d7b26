//! Names of every kind.

use super::*;

fn shown(name: &str) -> String {
    match Place::parse(name) {
        Err(_) => "refused".to_owned(),
        Ok(place) => {
            let mut out = place.kind.to_owned();
            show(&place.source, &mut out);
            out + if place.lossy { " lossy" } else { "" }
        }
    }
}

fn show(tree: &Tree, out: &mut String) {
    for (name, value) in tree.attrs.iter() {
        out.push_str(&format!(" {name}={value}"));
    }
    for child in &tree.children {
        out.push_str(&format!(" <{}", child.name));
        show(child, out);
        out.push_str(child.body());
        out.push('>');
    }
}

#[test]
fn paths_and_folders() {
    assert_eq!(shown("base.img"), "file file=base.img");
    assert_eq!(shown("./a:b"), "file file=./a:b");
    assert_eq!(shown("fat:/x"), "dir dir=/x");
}

#[test]
fn addresses() {
    let expected = "network protocol=gluster name=v/i <host transport=unix socket=/s>";
    assert_eq!(shown("gluster+unix:///v/i?socket=/s"), expected);
    assert_eq!(shown("gluster://h/v"), "refused");
    assert_eq!(shown("nbd+unix:///x"), "refused");
    assert_eq!(shown("ssh://u@h/p"), "network protocol=ssh name=p <host name=h port=22> lossy");
    assert_eq!(shown("gopher://h/p"), "refused");
    assert_eq!(shown("tftp://h:70/a%20b"), "network protocol=tftp name=a b <host name=h port=70>");
}

#[test]
fn colons() {
    assert_eq!(shown("nbd:h:1"), "network protocol=nbd <host name=h port=1>");
    assert_eq!(shown("nbd:h"), "refused");
    assert_eq!(shown("nbd:h:x"), "refused");
    assert_eq!(shown("sheepdog:h:7001:vdi"), "network protocol=sheepdog name=vdi <host name=h port=7001>");
    assert_eq!(shown("sheepdog:vdi"), "network protocol=sheepdog name=vdi");
    let text = r"rbd:p/i@s:id=a:mon_host=a\:6789\;[\:\:1]\:1:conf=/c";
    let expected = "network protocol=rbd name=p/i <host name=a port=6789> <host name=::1 port=1> \
                    <snapshot name=s> <config file=/c>";
    assert_eq!(shown(text), expected);
    assert_eq!(shown("iscsi:x"), "refused");
}

#[test]
fn documents() {
    let json = |text: &str| shown(&format!("json:{text}"));
    assert_eq!(json("[]"), "refused");
    assert_eq!(json(r#"{"driver":"qcow2","file":{"driver":"file","filename":"/a"}}"#), "refused");
    assert_eq!(json(r#"{"file":{"driver":"raw","file":{"driver":"raw","file":{}}}}"#), "refused");
    assert_eq!(json(r#"{"driver":"ftp","url":"http://h/f"}"#), "refused");
    assert_eq!(json(r#"{"file.driver":"file","file":{"filename":"/a"}}"#), "file file=/a");
    assert_eq!(json(r#"{"file.driver":"file","file":7}"#), "refused");
    let expected = "nvme type=pci namespace=2 <address domain=0x0000 bus=0x01 slot=0x1f function=0x7>";
    assert_eq!(json(r#"{"driver":"nvme","device":"0000:01:1f.7","namespace":2}"#), expected);
    assert_eq!(json(r#"{"driver":"nvme","device":"0000:01:20.7","namespace":2}"#), "refused");
    let expected = "network protocol=nbd <host name=h port=10809> <reconnect delay=4>";
    assert_eq!(
        json(r#"{"driver":"nbd","server.type":"inet","server.host":"h","reconnect-delay":4}"#),
        expected
    );
    let expected = "network protocol=rbd name=p/n/i";
    assert_eq!(json(r#"{"driver":"rbd","pool":"p","namespace":"n","image":"i"}"#), expected);
    let text = r#"{"driver":"https","url":"https://h/f","cookie":"a=b; c=d","username":"u"}"#;
    let expected = "network protocol=https name=f <host name=h port=443> \
                    <cookies <cookie name=ab> <cookie name=cd>> lossy";
    assert_eq!(json(text), expected);
}
