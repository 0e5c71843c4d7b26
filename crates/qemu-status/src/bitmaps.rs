//! Bitmaps of changed blocks on the way: which names they have on the other side, for the emulator's parameters.

use crate::Cookie;
use conf_domain::Domain;
use serde_json::{Value, json};

/// The emulator's `block-bitmap-mapping` for the bitmaps of a cookie. Disks whose node the guest does not know are left
/// out.
pub fn mapping(cookie: &Cookie, domain: &Domain) -> Value {
    let node = |target: &str| {
        let disk = domain.all("disk").find(|disk| disk.attr_at("target", "dev") == Some(target))?;
        let names = disk.at("source/privateData/nodenames")?;
        let name = |kind: &str| names.all("nodename").find(|name| name.is("type", kind))?.attr("name");
        name("format").or_else(|| name("storage"))
    };
    let disks = cookie.bitmaps.iter().filter_map(|(target, bitmaps)| {
        let bitmaps: Vec<Value> = bitmaps
            .iter()
            .map(|bitmap| {
                let mut value = json!({"name": bitmap.name, "alias": bitmap.alias});
                if let (Some(persistent), Some(members)) = (bitmap.persistent, value.as_object_mut()) {
                    members.insert("transform".to_owned(), json!({"persistent": persistent}));
                }
                value
            })
            .collect();
        Some(json!({"node-name": node(target)?, "alias": target, "bitmaps": bitmaps}))
    });
    json!({"block-bitmap-mapping": disks.collect::<Vec<Value>>()})
}
