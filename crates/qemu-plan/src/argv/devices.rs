//! Sound cards, random numbers, sockets between host and guest.

use super::{Builder, Json, alias_of, virtio};
use crate::complete::unsupported;
use base::Result;

pub(super) fn sounds(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for sound in domain.all("sound") {
        let alias = alias_of(sound).to_owned();
        let audio = format!("audio{}", sound.attr_at("audio", "id").unwrap_or("1"));
        let (driver, codec) = match sound.attr("model").unwrap_or_default() {
            "ich6" => ("intel-hda", true),
            "ich9" => ("ich9-intel-hda", true),
            "ac97" => ("AC97", false),
            "es1370" => ("ES1370", false),
            "sb16" => ("sb16", false),
            "usb" => ("usb-audio", false),
            other => return Err(unsupported(format!("sound model '{other}' is not supported yet"))),
        };
        let json = b.place(Json::driver(driver).put("id", alias.clone()), sound);
        b.device(if codec { json } else { json.put("audiodev", audio.clone()) });
        if codec {
            let json = Json::driver("hda-duplex")
                .put("id", format!("{alias}-codec0"))
                .put("bus", format!("{alias}.0"))
                .put("cad", 0)
                .put("audiodev", audio);
            b.device(json);
        }
    }
    Ok(())
}

/// Random numbers and sockets between host and guest.
pub(super) fn rest(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for rng in domain.all("rng") {
        let alias = alias_of(rng).to_owned();
        let object = format!("obj{alias}");
        match rng.attr_at("backend", "model").unwrap_or_default() {
            "random" => {
                let file = rng.text_of("backend").unwrap_or("/dev/random").to_owned();
                b.object(
                    Json::new().put("qom-type", "rng-random").put("id", object.clone()).put("filename", file),
                );
            }
            "builtin" => b.object(Json::new().put("qom-type", "rng-builtin").put("id", object.clone())),
            other => return Err(unsupported(format!("random numbers from '{other}' are not supported yet"))),
        }
        let json = Json::driver(virtio(rng, "virtio-rng")).put("rng", object).put("id", alias);
        let json = match rng.child("rate") {
            Some(rate) => {
                let number = |name: &str| rate.attr(name).and_then(|text| text.parse::<u64>().ok());
                json.put_opt("max-bytes", number("bytes")).put("period", number("period").unwrap_or(1000))
            }
            None => json,
        };
        let json = b.place(json, rng);
        b.device(json);
    }
    if let Some(vsock) = domain.all("vsock").next() {
        return Err(unsupported(format!("vsock '{}' is not supported yet", alias_of(vsock))));
    }
    Ok(())
}
