//! Documents of pools and volumes: what is kept, what is refused, what is run.

use conf_storage::create::{self, Request};
use conf_storage::volume::ParseFlags;
use conf_storage::{Kind, Pool, Volume, conflict, mount, status};

fn pool(kind: &str, source: &str) -> Result<Pool, String> {
    let target = "<target><path>/srv//images/</path></target>";
    let text = format!("<pool type='{kind}'><name>p</name><source>{source}</source>{target}</pool>");
    Pool::parse(&text, &mut || [7; 16]).map_err(|error| error.message().to_owned())
}

fn volume(target: &str, rest: &str) -> Result<Volume, String> {
    let text = format!(
        "<volume><name>v</name><capacity unit='MiB'>1</capacity><target>{target}</target>{rest}</volume>"
    );
    Volume::parse(&text, Kind::Dir, ParseFlags::default()).map_err(|error| error.message().to_owned())
}

#[test]
fn sources_that_are_refused() {
    let secret = "<secret usage='x'/>";
    let cases: &[(&str, &str, &str)] = &[
        ("fs", "", "XML error: missing storage pool source device name"),
        ("fs", "<device/>", "XML error: missing storage pool source device path"),
        (
            "fs",
            "<device path='/dev/a'/><format type='zz'/>",
            "unsupported configuration: unknown pool format type zz",
        ),
        ("netfs", "<dir path='/x'/>", "XML error: missing storage pool source host name"),
        ("netfs", "<host name='h'/>", "XML error: missing storage pool source path"),
        ("rbd", "<host name='h'/>", "XML error: element 'name' is mandatory for RBD pool"),
        ("iscsi-direct", "<host name='h'/>", "unsupported configuration: missing initiator IQN"),
        ("scsi", "", "XML error: missing storage pool source adapter"),
        (
            "scsi",
            "<adapter type='fc_host'/>",
            "XML error: 'wwnn' and 'wwpn' must be specified for adapter type 'fchost'",
        ),
        (
            "iscsi",
            &format!("<host name='h'/><auth username='u'>{secret}</auth>"),
            "unsupported configuration: storage pool missing auth type",
        ),
        ("nosuch", "", "XML error: Invalid value for attribute 'type' in element 'pool': 'nosuch'."),
    ];
    for (kind, source, message) in cases {
        assert_eq!(pool(kind, source).unwrap_err(), *message, "{kind} {source}");
    }
}

#[test]
fn every_kind_comes_back_from_its_state() {
    let source = "<host name='h'/><device path='/dev/a'/><dir path='/d/'/><name>n</name><adapter name='host1'/>\
                  <initiator><iqn name='i'/></initiator>";
    for kind in Kind::ALL {
        let pool = pool(kind.as_str(), source).unwrap();
        let text = status::format(&pool);
        assert_eq!(status::parse(&text).unwrap().format(), pool.format(), "{kind}");
        assert!(conflict::same_source(&pool, &pool), "{kind}");
    }
}

#[test]
fn mounts() {
    let cases = [
        ("fs", "<device path='/dev/a'/>", "mount -o nodev,nosuid,noexec /dev/a /srv/images"),
        (
            "netfs",
            "<host name='::1'/><dir path='/x'/><format type='nfs'/><protocol ver='3'/>",
            "mount -o nodev,nosuid,noexec,nfsvers=3 -t nfs [::1]:/x /srv/images",
        ),
        ("logical", "<name>vg</name>", "vgchange -aly vg"),
    ];
    for (kind, source, command) in cases {
        assert_eq!(mount::start(&pool(kind, source).unwrap()).unwrap().join(" "), command);
    }
    assert!(mount::start(&pool("dir", "").unwrap()).is_none());
}

#[test]
fn volumes_that_are_refused() {
    let cases = [
        ("<format type='none'/>", "unsupported configuration: unknown volume format type none"),
        ("<compat>1.</compat>", "XML error: forbidden characters in 'compat' attribute"),
        ("<features><x/></features>", "unsupported configuration: unsupported feature x"),
        ("<permissions><mode>9</mode></permissions>", "XML error: malformed octal mode"),
        ("<encryption/>", "XML error: unknown volume encryption format"),
        (
            "<clusterSize>x</clusterSize>",
            "XML error: Invalid value 'x' for element or attribute './target/clusterSize'",
        ),
    ];
    for (target, message) in cases {
        assert_eq!(volume(target, "").unwrap_err(), message, "{target}");
    }
}

#[test]
fn images() {
    let secret = "<encryption format='luks'><secret type='passphrase' usage='x'/></encryption>";
    let cases = [
        ("<format type='iso'/>", "", "qemu-img create -f raw /v,1 1024K"),
        ("<format type='vdi'/>", "", "qemu-img create -f vdi /v,1 1024K"),
        (
            secret,
            "",
            "qemu-img create -f luks --object secret,id=v_encrypt0,file=/s,,1 -o key-secret=v_encrypt0 /v,1 1024K",
        ),
        (
            "<format type='qcow2'/>",
            "<backingStore><path>/b</path></backingStore>",
            "qemu-img create -f qcow2 -b /b -o backing_fmt=raw,compat=1.1 /v,1 1024K",
        ),
    ];
    for (target, rest, command) in cases {
        let volume = Volume { path: Some("/v,1".to_owned()), ..volume(target, rest).unwrap() };
        let request = Request {
            volume: &volume,
            input: None,
            preallocate: false,
            secret: Some("/s,1"),
            input_secret: None,
        };
        assert_eq!(create::commands(&request).unwrap()[0].join(" "), command);
    }
}

#[test]
fn what_the_first_target_lacks_is_taken_from_the_next() {
    let more = "<target><format type='qcow2'/><path>/b</path></target><allocation>7</allocation><allocation unit='KiB'/>";
    let read = volume("<path>/a</path>", more).unwrap();
    assert_eq!((read.path.as_deref(), read.format, read.allocation), (Some("/a"), Some("qcow2"), 7 << 10));
}

#[test]
fn copying_on_write_is_a_matter_of_file_systems() {
    for kind in Kind::ALL {
        let text = format!("<pool type='{kind}'><name>p</name><features><cow state='no'/></features></pool>");
        let refused = Pool::parse(&text, &mut || [7; 16]).unwrap_err().message().to_owned();
        let alone = matches!(kind, Kind::Dir | Kind::Fs);
        assert_eq!(
            refused.ends_with("cow feature may only be used for 'fs' and 'dir' pools"),
            !alone,
            "{refused}"
        );
    }
}
