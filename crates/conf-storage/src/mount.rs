//! Commands that make the source of a pool appear on this host, as programs' names and arguments.

use crate::kind::Kind;
use crate::pool::Pool;

/// A program and its arguments.
pub type Words = Vec<String>;

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What is mounted: a device, or a folder of another host.
pub fn mount_source(pool: &Pool) -> Option<String> {
    let source = &pool.source;
    match pool.kind {
        Kind::Fs => source.devices.first().map(|device| device.path.clone()),
        Kind::Netfs => {
            let (host, dir) = (&source.hosts.first()?.name, source.dir.as_ref()?);
            Some(match source.format {
                Some("cifs") => format!("//{host}/{dir}"),
                _ if host.contains(':') => format!("[{host}]:{dir}"),
                _ => format!("{host}:{dir}"),
            })
        }
        _ => None,
    }
}

/// The command that mounts a pool; `None` for kinds that are not mounted.
pub fn mount(pool: &Pool) -> Option<Words> {
    let source = mount_source(pool)?;
    let mut options = "nodev,nosuid,noexec".to_owned();
    let mut add = |option: &str| {
        options.push(',');
        options.push_str(option);
    };
    match (pool.kind, pool.source.format) {
        (Kind::Netfs, Some("cifs")) => add("guest"),
        (Kind::Netfs, Some("glusterfs")) => add("direct-io-mode=1"),
        _ => {}
    }
    if let Some(version) = &pool.source.protocol {
        add(&format!("nfsvers={version}"));
    }
    pool.mount_options.iter().for_each(|option| add(option));
    let mut command = words(&["mount", "-o", &options]);
    if let Some(format) = pool.source.format.filter(|format| *format != "auto") {
        command.extend(words(&["-t", format]));
    }
    command.extend([source, pool.path.clone()]);
    Some(command)
}

/// The command that makes the volumes of a group appear, or disappear.
pub fn activate(pool: &Pool, on: bool) -> Option<Words> {
    let name = pool.source.name.as_ref().filter(|_| pool.kind == Kind::Logical)?;
    Some(words(&["vgchange", if on { "-aly" } else { "-aln" }, name]))
}

/// The command that starts a pool.
pub fn start(pool: &Pool) -> Option<Words> {
    mount(pool).or_else(|| activate(pool, true))
}
