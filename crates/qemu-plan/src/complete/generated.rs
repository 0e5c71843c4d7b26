//! Paths the driver made up for an earlier run, found in a definition that was copied from a running guest: they are
//! forgotten, so that the next run makes up its own.

use super::Site;
use base::{Error, ErrorDomain, Result};
use conf_domain::Domain;
use xml::Tree;

pub(super) fn forget(domain: &mut Domain, site: &Site) -> Result<()> {
    for device in domain.devices_mut() {
        match device.name.as_str() {
            "graphics" => graphics(device, site),
            "channel" => channel(device, site)?,
            _ => {}
        }
    }
    Ok(())
}

/// `FOLDER/domain-NAME/FILE` or `FOLDER/NAME/FILE` below one of the driver's folders.
fn is_below(path: &str, folder: &str) -> bool {
    !folder.is_empty() && path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn graphics(graphics: &mut Tree, site: &Site) {
    let made_up = graphics
        .child("listen")
        .filter(|listen| listen.is("type", "socket"))
        .and_then(|listen| listen.attr("socket"))
        .is_some_and(|path| is_below(path, &site.lib_dir));
    if !made_up {
        return;
    }
    graphics.unset("socket");
    graphics.remove("listen");
    if graphics.is("type", "vnc") {
        graphics.children.insert(0, Tree::new("listen").with("type", "address"));
        graphics.set("port", "-1");
        graphics.set("autoport", "yes");
    } else {
        graphics.children.insert(0, Tree::new("listen").with("type", "socket"));
    }
}

/// Sockets of agents: in `lib/channel` or the run-time folder, with or without `target`, as `NAME.CHANNEL`,
/// `domain-NAME/CHANNEL` or `ID-NAME/CHANNEL`.
fn channel(channel: &mut Tree, site: &Site) -> Result<()> {
    if !channel.is("type", "unix") || channel.attr_at("target", "type") != Some("virtio") {
        return Ok(());
    }
    let Some(name) = channel.attr_at("target", "name") else { return Ok(()) };
    let Some(path) = channel.attr_at("source", "path") else { return Ok(()) };
    let folders = [format!("{}/channel", site.lib_dir), site.channel_dir.clone()];
    let made_up = folders.iter().filter(|folder| folder.starts_with('/')).any(|folder| {
        let Some(rest) = path.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/')) else {
            return false;
        };
        let rest = rest.strip_prefix("target/").unwrap_or(rest);
        match rest.split_once('/') {
            None => rest.strip_suffix(name).is_some_and(|head| head.len() > 1 && head.ends_with('.')),
            Some((guest, file)) => {
                let number = guest.split_once('-').is_some_and(|(id, rest)| {
                    !rest.is_empty() && !id.is_empty() && id.bytes().all(|c| c.is_ascii_digit())
                });
                file == name && (number || guest.strip_prefix("domain-").is_some_and(|rest| !rest.is_empty()))
            }
        }
    });
    if made_up {
        // The emulator listens on what is made up, so there is nothing to connect to again.
        if channel.attr_at("source/reconnect", "enabled") == Some("yes") {
            return Err(Error::internal(
                ErrorDomain::DOMAIN,
                "chardev reconnect is possible only for connect mode",
            ));
        }
        channel.remove("source");
    }
    Ok(())
}
