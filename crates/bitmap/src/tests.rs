//! Plans for small chains.

use super::*;
use qemu_replies::blocks::{Bitmap, Node, Nodes};

fn node(names: &[&str]) -> Node {
    let bitmap = |name: &&str| Bitmap {
        name: (*name).to_owned(),
        recording: true,
        busy: false,
        persistent: true,
        inconsistent: false,
        granularity: 512,
        dirty: 0,
    };
    Node { bitmaps: names.iter().map(bitmap).collect(), ..Node::default() }
}

/// Three images: `a` is in all, `b` in the upper two, `c` in the top, `gap` in the first and third.
fn images() -> (Nodes, Vec<Link>) {
    let nodes = [("1", node(&["a", "b", "c", "gap"])), ("2", node(&["a", "b"])), ("3", node(&["a", "gap"]))];
    let nodes = nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect();
    let link = |node: &str| Link { node: node.to_owned(), read_only: node != "1" };
    (nodes, ["1", "2", "3"].map(link).to_vec())
}

fn shown(actions: &[Action]) -> String {
    let one = |action: &Action| match action {
        Action::Add { node, name, .. } => format!("+{node}:{name}"),
        Action::Merge { node, target, sources } => {
            let sources: Vec<String> = sources.iter().map(|(node, name)| format!("{node}:{name}")).collect();
            format!("{node}:{target}={}", sources.join("+"))
        }
        Action::Remove { node, name } => format!("-{node}:{name}"),
        other => format!("{other:?}"),
    };
    actions.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_bitmaps_without_gaps_are_sound() {
    let (mut nodes, chain) = images();
    let of = |nodes: &Nodes| ["a", "b", "c", "gap", "none"].map(|name| sound(nodes, &chain, name));
    assert_eq!(of(&nodes), [true, true, true, false, false]);
    nodes.get_mut("2").unwrap().bitmaps[0].recording = false;
    assert!(!sound(&nodes, &chain, "a"));
    assert!(!sound(&nodes, &[], "a"));
}

#[test]
fn bitmaps_go_where_the_contents_go() {
    let (mut nodes, chain) = images();
    let active = Transfer::commit(&chain, 0, 2, true).unwrap();
    assert_eq!(
        shown(&transfer(&nodes, &active)),
        "+3:c 3:c=1:c+3:libvirt-tmp-activewrite +3:b 3:b=1:b+2:b+3:libvirt-tmp-activewrite \
         3:a=1:a+2:a+3:libvirt-tmp-activewrite -3:libvirt-tmp-activewrite"
    );
    let below = Transfer::commit(&chain, 1, 2, false).unwrap();
    assert_eq!(shown(&transfer(&nodes, &below)), "+3:b 3:b=2:b 3:a=2:a");
    assert!(Transfer::commit(&chain, 1, 1, false).is_none());
    assert!(Transfer::commit(&chain, 1, 9, false).is_none());
    let copy = Transfer::copy(&chain, "m", true);
    let text = shown(&transfer(&nodes, &copy));
    assert!(text.starts_with("+m:c m:c=1:c+m:libvirt-tmp-activewrite +m:b m:b=1:b+m:"), "{text}");
    nodes.get_mut("3").unwrap().old_qcow2 = true;
    assert_eq!(shown(&transfer(&nodes, &active)), "-3:libvirt-tmp-activewrite");
}

#[test]
fn backups_and_deletions() {
    let (nodes, chain) = images();
    assert_eq!(shown(&backup(&nodes, &chain, "b", "t", "x")), "+t:x t:x=1:b+2:b");
    assert_eq!(shown(&backup(&nodes, &chain, "gap", "t", "x")), "");
    let gone = delete(&nodes, &chain, "gap").unwrap();
    assert_eq!((shown(&gone.actions), gone.reopened), ("-1:gap -3:gap".to_owned(), vec!["3".to_owned()]));
    assert!(delete(&nodes, &chain, "none").is_none());
}

#[test]
fn actions_as_documents() {
    let text = record("n").json().to_string();
    assert_eq!(
        text,
        r#"{"type":"block-dirty-bitmap-add","data":{"node":"n","name":"libvirt-tmp-activewrite","persistent":false,"disabled":false}}"#
    );
    let text = Action::Enable { node: "n".to_owned(), name: "x".to_owned() }.json().to_string();
    assert_eq!(text, r#"{"type":"block-dirty-bitmap-enable","data":{"node":"n","name":"x"}}"#);
}
