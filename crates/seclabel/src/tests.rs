//! Labels of a small guest under both models.

use super::*;
use conf_domain::ParseFlags;

fn guest(devices: &str, label: &str) -> Domain {
    let text = format!(
        "<domain type='kvm'><name>g</name><memory>1024</memory><os><type>hvm</type><kernel>/k</kernel></os>\
         <devices>{devices}</devices>{label}</domain>"
    );
    Domain::parse(&text, ParseFlags::default(), &mut || [1; 16]).unwrap()
}

const SELINUX: &str = "<seclabel type='dynamic' model='selinux' relabel='yes'><label>u:r:t:s0:c1,c2</label>\
                       <imagelabel>u:r:i:s0:c1,c2</imagelabel></seclabel>";

fn shown(labels: &[Labelled]) -> String {
    let one =
        |label: &Labelled| format!("{}={}{}", label.path, label.label, if label.stays { "!" } else { "" });
    labels.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn chains_and_devices() {
    let devices = "<disk type='file'><source file='/top'/><backingStore type='file'><format type='raw'/>\
                   <source file='/base'/></backingStore><target dev='vda' bus='virtio'/></disk>\
                   <disk type='dir'><source dir='/d'/><target dev='vdb' bus='virtio'/></disk>\
                   <serial type='pipe'><source path='/p'/></serial>\
                   <channel type='unix'><source mode='bind' path='/s'/><target type='virtio' name='x'/></channel>";
    let domain = guest(devices, SELINUX);
    let found = Found { pipes: vec!["/p.in".into(), "/p.out".into()], ..Found::default() };
    let subjects = subjects(&domain, &found);
    let contexts = Contexts::default();
    let content = &contexts.content;
    assert_eq!(
        shown(&selinux(&domain, &subjects, &contexts)),
        format!(
            "/top=u:r:i:s0:c1,c2 /base={content}! /p.in=u:r:i:s0:c1,c2 /p.out=u:r:i:s0:c1,c2 /k={content}!"
        )
    );
    assert_eq!(shown(&dac(&domain, &subjects, "+1:+1")), "");
}

#[test]
fn owners() {
    let devices = "<disk type='block'><source dev='/v'><seclabel model='dac' relabel='no'/></source>\
                   <target dev='vda' bus='virtio'/></disk>\
                   <disk type='file'><source file='/f'><seclabel model='dac'><label>a:b</label></seclabel></source>\
                   <target dev='vdb' bus='virtio'/></disk>";
    let label = "<seclabel type='dynamic' model='dac' relabel='yes'/>";
    let domain = guest(devices, label);
    let subjects = subjects(&domain, &Found::default());
    assert_eq!(shown(&dac(&domain, &subjects, "+1:+2")), "/f=a:b /k=+1:+2!");
    let none = guest(devices, "<seclabel type='none' model='dac'/>");
    assert_eq!(shown(&dac(&none, &subjects, "+1:+2")), "");
}

#[test]
fn ranges() {
    let range = Range::of("system_u:system_r:virtd_t:s0-s0:c0.c1023").unwrap();
    assert_eq!(range, Range { sensitivity: "s0".to_owned(), first: 0, last: 1023 });
    assert_eq!(range.pick([264, 41 + 1024]).as_deref(), Some("s0:c41,c264"));
    assert_eq!(range.pick([5, 5]), None);
    assert_eq!(Range::of("u:r:t:s1").map(|range| range.last), Some(1023));
    assert_eq!(Range::of("u:r:t:s0:cx.c1"), None);
    assert_eq!(Range::of("u:r"), None);
    let (process, image) = dynamic(&Contexts::default(), false, None, "s0:c1,c2").unwrap();
    assert_eq!(process, "system_u:system_r:svirt_tcg_t:s0:c1,c2");
    assert_eq!(image, "system_u:object_r:svirt_image_t:s0:c1,c2");
    assert_eq!(dynamic(&Contexts::default(), true, Some("malformed"), "s0"), None);
}
