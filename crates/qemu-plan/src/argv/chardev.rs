//! Serial and parallel ports, channels and consoles.

use super::{Builder, Json, alias_of, comma};
use crate::complete::unsupported;
use base::Result;
use xml::Tree;

/// The back end of a character device as an argument.
pub(super) fn backend(b: &Builder<'_>, device: &Tree, id: &str) -> Result<String> {
    let source = device.child("source");
    let attr = |name: &str| source.and_then(|source| source.attr(name)).unwrap_or_default();
    let alias = alias_of(device);
    let mut value = match device.attr("type").unwrap_or_default() {
        "pty" => format!("pty,id={id}"),
        "null" => format!("null,id={id}"),
        "vc" => format!("vc,id={id}"),
        "stdio" => format!("stdio,id={id}"),
        "dev" => format!(
            "{},id={id},path={}",
            if device.name == "parallel" { "parport" } else { "serial" },
            comma(attr("path"))
        ),
        "file" => {
            let append = match attr("append") {
                "on" => ",append=on",
                "off" => ",append=off",
                _ => "",
            };
            format!("file,id={id},path={}{append}", comma(attr("path")))
        }
        "pipe" => format!("pipe,id={id},path={}", comma(attr("path"))),
        "spicevmc" => format!("spicevmc,id={id},name=vdagent"),
        "tcp" => {
            let telnet = device.attr_at("protocol", "type") == Some("telnet");
            let listen = attr("mode") == "bind";
            format!(
                "socket,id={id},host={},port={}{}{}",
                attr("host"),
                attr("service"),
                if telnet { ",telnet=on" } else { "" },
                if listen { ",server=on,wait=off" } else { "" }
            )
        }
        "unix" => {
            let listen = attr("mode") != "connect";
            match b.start.chardev_fds.get(alias) {
                Some(fd) if listen => format!("socket,id={id},fd={fd},server=on,wait=off"),
                _ if listen => format!("socket,id={id},path={},server=on,wait=off", comma(attr("path"))),
                _ => format!("socket,id={id},path={}", comma(attr("path"))),
            }
        }
        other => {
            return Err(unsupported(format!("character devices of type '{other}' are not supported yet")));
        }
    };
    if let Some(log) = device.child("log") {
        value.push_str(&format!(",logfile={}", comma(log.attr("file").unwrap_or_default())));
        if let Some(append) = log.attr("append") {
            value.push_str(&format!(",logappend={append}"));
        }
    }
    Ok(value)
}

pub(super) fn ports(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    for serial in domain.all("serial") {
        let id = format!("char{}", alias_of(serial));
        b.option("-chardev", backend(b, serial, &id)?);
        let model = serial.attr_at("target/model", "name").unwrap_or("isa-serial");
        match model {
            "isa-serial" => {
                let port: u64 =
                    serial.attr_at("target", "port").and_then(|text| text.parse().ok()).unwrap_or(0);
                b.device(
                    Json::driver("isa-serial")
                        .put("chardev", id)
                        .put("id", alias_of(serial))
                        .put("index", port),
                );
            }
            "pci-serial" | "usb-serial" => {
                let json =
                    b.place(Json::driver(model).put("chardev", id).put("id", alias_of(serial)), serial);
                b.device(json);
            }
            "sclpconsole" | "sclplmconsole" | "spapr-vty" => {
                b.device(Json::driver(model).put("chardev", id).put("id", alias_of(serial)));
            }
            // Built into the board.
            _ => b.option("-serial", format!("chardev:{id}")),
        }
    }
    for parallel in domain.all("parallel") {
        let id = format!("char{}", alias_of(parallel));
        b.option("-chardev", backend(b, parallel, &id)?);
        b.device(Json::driver("isa-parallel").put("chardev", id).put("id", alias_of(parallel)));
    }
    for channel in domain.all("channel") {
        let id = format!("char{}", alias_of(channel));
        match channel.attr_at("target", "type").unwrap_or_default() {
            "virtio" => {
                b.option("-chardev", backend(b, channel, &id)?);
                let name = channel
                    .attr_at("target", "name")
                    .map(str::to_owned)
                    .or_else(|| channel.is("type", "spicevmc").then(|| "com.redhat.spice.0".to_owned()));
                let json = port(b, channel, "virtserialport", &id).put_opt("name", name);
                b.device(json);
            }
            other => return Err(unsupported(format!("channels of type '{other}' are not supported yet"))),
        }
    }
    for console in domain.all("console") {
        match console.attr_at("target", "type").unwrap_or_default() {
            "serial" => {}
            "virtio" => {
                let id = format!("char{}", alias_of(console));
                b.option("-chardev", backend(b, console, &id)?);
                let json = port(b, console, "virtconsole", &id);
                b.device(json);
            }
            other => return Err(unsupported(format!("consoles of type '{other}' are not supported yet"))),
        }
    }
    Ok(())
}

/// A port on a virtio-serial controller.
fn port(b: &Builder<'_>, device: &Tree, driver: &str, chardev: &str) -> Json {
    let address = device.child("address");
    let text = |name: &str| address.and_then(|address| address.attr(name)).unwrap_or("0").to_owned();
    let index = text("controller");
    let controller =
        b.domain.all("controller").find(|c| c.is("type", "virtio-serial") && c.is("index", &index));
    let bus = controller.map_or_else(|| format!("virtio-serial{index}"), |c| alias_of(c).to_owned());
    let number: u64 = text("port").parse().unwrap_or(0);
    Json::driver(driver)
        .put("bus", format!("{bus}.{}", text("bus")))
        .put("nr", number)
        .put("chardev", chardev)
        .put("id", alias_of(device))
}
