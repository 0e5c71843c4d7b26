//! Sound: where the host plays it, and the cards the guest sees.

use super::piece::Piece;
use super::{Builder, Json, alias_of, on_off, virtio};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// Name of the back end that a device plays through; the first one when it names none.
pub(super) fn back_end(b: &Builder<'_>, device: &Tree) -> Option<String> {
    let named = device.attr_at("audio", "id").filter(|id| *id != "0");
    let first = || b.domain.all("audio").next().and_then(|audio| audio.attr("id"));
    named.or_else(first).map(|id| format!("audio{id}"))
}

/// Plans back ends.
pub(super) fn back_ends(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for audio in domain.all("audio") {
        let kind = audio.attr("type").unwrap_or_default();
        let driver = match kind {
            "none" | "alsa" | "coreaudio" | "jack" | "oss" | "pipewire" | "sdl" | "spice" | "dbus" => kind,
            "pulseaudio" => "pa",
            "file" => "wav",
            other => return Err(unsupported(format!("audio of type '{other}' is not supported"))),
        };
        let period = audio.attr("timerPeriod").and_then(|text| text.parse::<u64>().ok());
        let json = Json::new()
            .put("id", format!("audio{}", audio.attr("id").unwrap_or("1")))
            .put("driver", driver)
            .put_opt("timer-period", period.filter(|period| *period > 0));
        let mut json = match kind {
            "oss" => json
                .put_opt("try-mmap", on_off(audio.attr("tryMMap")))
                .put_opt("exclusive", on_off(audio.attr("exclusive")))
                .put_opt("dsp-policy", audio.attr("dspPolicy").and_then(|text| text.parse::<i64>().ok())),
            "pulseaudio" => json.put_opt("server", audio.attr("serverName")),
            "file" => json.put_opt("path", audio.attr("path")),
            _ => json,
        };
        for (element, member) in [("input", "in"), ("output", "out")] {
            json = json.put_opt(member, audio.child(element).map(|element| direction(element, kind).value()));
        }
        b.option("-audiodev", json.text());
        environment(b, audio, kind);
    }
    Ok(())
}

/// Variables by which a back end finds the host's sound.
fn environment(b: &mut Builder<'_>, audio: &Tree, kind: &str) {
    match kind {
        "sdl" => {
            if let Some(driver) = audio.attr("driver") {
                b.set_env("SDL_AUDIODRIVER", driver);
            }
        }
        "pipewire" => {
            let start = b.start;
            if let Some(folder) = audio.attr("runtimeDir").or(start.pipewire_dir.as_deref()) {
                b.set_env("PIPEWIRE_RUNTIME_DIR", folder);
            }
        }
        _ => {}
    }
}

/// Members of one direction in the order they are written: attribute, member, and how it is read.
enum Read {
    Flag,
    Number,
    Text,
}

/// What all back ends know of a direction.
const COMMON: &[(&str, &str, Read)] = &[
    ("mixingEngine", "mixing-engine", Read::Flag),
    ("fixedSettings", "fixed-settings", Read::Flag),
    ("voices", "voices", Read::Number),
    ("bufferLength", "buffer-length", Read::Number),
];

/// What the element for the format of samples says.
const SETTINGS: &[(&str, &str, Read)] = &[
    ("frequency", "frequency", Read::Number),
    ("channels", "channels", Read::Number),
    ("format", "format", Read::Text),
];

const ALSA: &[(&str, &str, Read)] = &[("dev", "dev", Read::Text)];
const BUFFERED: &[(&str, &str, Read)] = &[("bufferCount", "buffer-count", Read::Number)];
const JACK: &[(&str, &str, Read)] = &[
    ("serverName", "server-name", Read::Text),
    ("clientName", "client-name", Read::Text),
    ("connectPorts", "connect-ports", Read::Text),
    ("exactName", "exact-name", Read::Flag),
];
const OSS: &[(&str, &str, Read)] = &[
    ("dev", "dev", Read::Text),
    ("bufferCount", "buffer-count", Read::Number),
    ("tryPoll", "try-poll", Read::Flag),
];
const STREAM: &[(&str, &str, Read)] = &[
    ("name", "name", Read::Text),
    ("streamName", "stream-name", Read::Text),
    ("latency", "latency", Read::Number),
];

fn direction(element: &Tree, kind: &str) -> Json {
    let own = match kind {
        "alsa" => ALSA,
        "coreaudio" | "sdl" => BUFFERED,
        "jack" => JACK,
        "oss" => OSS,
        "pulseaudio" | "pipewire" => STREAM,
        _ => &[],
    };
    let json = members(Json::new(), Some(element), COMMON);
    members(members(json, element.child("settings"), SETTINGS), Some(element), own)
}

fn members(json: Json, element: Option<&Tree>, table: &[(&str, &str, Read)]) -> Json {
    let Some(element) = element else { return json };
    table.iter().fold(json, |json, (attr, member, read)| match read {
        Read::Flag => json.put_opt(member, on_off(element.attr(attr))),
        Read::Number => {
            let number = element.attr(attr).and_then(|text| text.parse::<u64>().ok());
            json.put_opt(member, number.filter(|number| *number > 0))
        }
        Read::Text => json.put_opt(member, element.attr(attr)),
    })
}

/// Plans sound cards.
pub(super) fn cards(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for sound in domain.all("sound") {
        let pieces = card(b, sound)?;
        b.add_all(pieces);
    }
    Ok(())
}

fn card(b: &Builder<'_>, sound: &Tree) -> Result<Vec<Piece>> {
    let alias = alias_of(sound);
    let audio = back_end(b, sound);
    let model = sound.attr("model").unwrap_or_default();
    let (driver, codecs) = match model {
        // The loudspeaker is part of the machine.
        "pcspk" => return Ok(Vec::new()),
        "virtio" => {
            let streams = sound.attr("streams").and_then(|text| text.parse::<u64>().ok());
            let json = virtio::device(sound, "virtio-sound")
                .put("id", alias)
                .put_opt("audiodev", audio)
                .put_opt("streams", streams.filter(|streams| *streams > 0));
            return Ok(vec![Piece::Device(b.place(json, sound))]);
        }
        "ich6" => ("intel-hda", true),
        "ich7" | "ich9" => ("ich9-intel-hda", true),
        "ac97" => ("AC97", false),
        "es1370" => ("ES1370", false),
        "sb16" => ("sb16", false),
        "usb" => ("usb-audio", false),
        other => return Err(unsupported(format!("sound card model '{other}' is not supported"))),
    };
    let json = Json::driver(driver).put("id", alias);
    let json = if codecs { json } else { json.put_opt("audiodev", audio.clone()) };
    let json = if model == "usb" { json.put_opt("multi", on_off(sound.attr("multichannel"))) } else { json };
    let mut pieces = vec![Piece::Device(b.place(json, sound))];
    if codecs {
        let named: Vec<&str> = sound.all("codec").filter_map(|codec| codec.attr("type")).collect();
        let kinds = if named.is_empty() { vec!["duplex"] } else { named };
        for (at, kind) in kinds.into_iter().enumerate() {
            let json = Json::driver(format!("hda-{kind}"))
                .put("id", format!("{alias}-codec{at}"))
                .put("bus", format!("{alias}.0"))
                .put("cad", at)
                .put_opt("audiodev", audio.clone());
            pieces.push(Piece::Device(json));
        }
    }
    Ok(pieces)
}
