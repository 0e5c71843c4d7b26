//! Files of dnsmasq, which serves names, addresses, router advertisements and boot files on a network's bridge.

use base::Result;
use conf_network::dhcp::{Host, Lease, LeaseUnit};
use conf_network::dns::Srv;
use conf_network::forward::Mode;
use conf_network::ip::Ip;
use conf_network::{Network, validate};
use netaddr::{Family, subnet};
use std::fmt::Write;

/// Where the files lie.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// Folder of the files.
    pub folder: &'p str,
    /// File with the server's process number.
    pub pid_file: Option<&'p str>,
}

/// Names of the files of a network that configuration and server share. They are spelled as in a document, because they
/// always were.
pub fn hosts_path(folder: &str, network: &str) -> String {
    format!("{folder}/{}.hostsfile", xml::escape(network))
}

/// The file of additional names.
pub fn names_path(folder: &str, network: &str) -> String {
    format!("{folder}/{}.addnhosts", xml::escape(network))
}

/// Whether a server is needed at all.
pub fn needed(network: &Network) -> bool {
    let serves = |ip: &Ip| ip.dhcp.serves() || ip.tftp_root.is_some();
    !network.ips.is_empty() && (network.dns.enabled != Some(false) || network.ips.iter().any(serves))
}

/// The network hands out addresses.
pub fn hands_out(network: &Network) -> bool {
    network.ips.iter().any(|ip| ip.dhcp.serves())
}

/// Collects lines; writing to a String cannot fail.
struct Lines(String);

impl Lines {
    fn add(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{line}");
    }
}

/// The address of a family that hands out addresses.
fn server(network: &Network, family: Family) -> Option<&Ip> {
    network.ips.iter().find(|ip| ip.family() == family && ip.dhcp.serves())
}

/// The configuration file.
///
/// # Errors
/// When a reverse zone is asked for that does not exist.
pub fn config(network: &Network, place: &Place<'_>) -> Result<String> {
    let mut lines = Lines(String::new());
    lines.add("##WARNING:  THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE");
    lines.add("##OVERWRITTEN AND LOST.  Changes to this configuration should be made using:");
    lines.add(format_args!("##    virsh net-edit {}", network.name));
    lines.add("## or other application using the libvirt API.");
    lines.add("##");
    lines.add("## dnsmasq conf file created by libvirt");
    lines.add("strict-order");
    names(network, &mut lines)?;
    if let Some(pid_file) = place.pid_file {
        lines.add(format_args!("pid-file={pid_file}"));
    }
    lines.add("except-interface=lo");
    lines.add("bind-dynamic");
    lines.add(format_args!("interface={}", network.bridge.name.as_deref().unwrap_or_default()));
    if network.forward.mode.is_none() {
        // Nobody is told of a way out.
        lines.add("dhcp-option=3");
        lines.add("no-resolv");
        lines.add("ra-param=*,0,0");
    }
    for txt in &network.dns.txts {
        lines.add(format_args!("txt-record={},{}", txt.name, txt.value));
    }
    for srv in &network.dns.srvs {
        lines.add(srv_host(srv));
    }
    let roots: Vec<&String> = network.ips.iter().filter_map(|ip| ip.tftp_root.as_ref()).collect();
    if !roots.is_empty() {
        lines.add("enable-tftp");
        for root in roots {
            lines.add(format_args!("tftp-root={root}"));
        }
    }
    addresses(network, place, &mut lines);
    if network.dns.enabled != Some(false) {
        lines.add(format_args!("addn-hosts={}", names_path(place.folder, &network.name)));
    }
    if network.mtu > 0 {
        lines.add(format_args!("dhcp-option=option:mtu,{}", network.mtu));
    }
    if server(network, Family::Ipv6).is_some() {
        lines.add("enable-ra");
    } else {
        for ip in network.ips.iter().filter(|ip| ip.family() == Family::Ipv6) {
            lines.add(format_args!("dhcp-range={},ra-only", netaddr::ip::text(ip.address)));
        }
    }
    for option in &network.dnsmasq_options {
        lines.add(option);
    }
    Ok(lines.0)
}

/// Where names come from.
fn names(network: &Network, lines: &mut Lines) -> Result<()> {
    let dns = &network.dns;
    if dns.enabled == Some(false) {
        lines.add("port=0");
    }
    for forwarder in &dns.forwarders {
        let address = forwarder.address.map(netaddr::ip::text);
        match &forwarder.domain {
            Some(domain) => {
                lines.add(format_args!("server=/{domain}/{}", address.as_deref().unwrap_or("#")));
            }
            None => lines.add(format_args!("server={}", address.unwrap_or_default())),
        }
    }
    if dns.forwarders.iter().any(|forwarder| forwarder.domain.is_none()) {
        lines.add("no-resolv");
    }
    if dns.forward_plain_names == Some(false) {
        lines.add("domain-needed");
        lines.add("local=//");
    }
    if let Some(domain) = &network.domain {
        if domain.local_only == Some(true) {
            lines.add(format_args!("local=/{}/", domain.name));
        }
        lines.add(format_args!("domain={}", domain.name));
        lines.add("expand-hosts");
    }
    for ip in network.ips.iter().filter(|ip| ip.local_ptr == Some(true)) {
        let Some(prefix) = ip.effective_prefix() else {
            let address = netaddr::ip::text(ip.address);
            return Err(validate::internal(format!("Invalid prefix or netmask for '{address}'")));
        };
        let zone = subnet::reverse_zone(ip.address, prefix).ok_or_else(|| {
            let word = if ip.address.is_ipv4() { "IPv4" } else { "IPv6" };
            base::Error::unsupported(
                base::ErrorDomain::NETWORK,
                format!("PTR domain for {word} network with prefix {prefix} cannot be automatically created"),
            )
        })?;
        lines.add(format_args!("local=/{zone}/"));
    }
    Ok(())
}

fn srv_host(srv: &Srv) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let mut line = format!("srv-host=_{}._{}", text(&srv.service), text(&srv.protocol));
    let mut add = |part: std::fmt::Arguments<'_>| {
        let _ = line.write_fmt(part);
    };
    if let Some(domain) = &srv.domain {
        add(format_args!(".{domain}"));
    }
    if let Some(target) = &srv.target {
        add(format_args!(",{target}"));
        // Fields are told apart by their place, so one that is left out needs those before it.
        let (priority, weight) = (srv.priority != 0 || srv.weight != 0, srv.weight != 0);
        if srv.port != 0 || priority {
            add(format_args!(",{}", srv.port.max(1)));
        }
        if priority {
            add(format_args!(",{}", srv.priority));
        }
        if weight {
            add(format_args!(",{}", srv.weight));
        }
    }
    line
}

fn lease_time(lease: Option<&Lease>) -> Option<String> {
    let lease = lease?;
    let unit = match lease.unit {
        LeaseUnit::Seconds => "s",
        LeaseUnit::Minutes => "m",
        LeaseUnit::Hours => "h",
    };
    Some(if lease.expiry == 0 { "infinite".to_owned() } else { format!("{}{unit}", lease.expiry) })
}

/// Which addresses are handed out.
fn addresses(network: &Network, place: &Place<'_>, lines: &mut Lines) {
    let mut total = 0;
    let mut serves = false;
    for family in [Family::Ipv4, Family::Ipv6] {
        let Some(ip) = server(network, family) else { continue };
        serves = true;
        // How wide the network is: a netmask for the one family, a prefix for the other.
        let width = match family {
            Family::Ipv4 => ip.effective_netmask().map(netaddr::ip::text),
            Family::Ipv6 => ip.effective_prefix().map(|prefix| prefix.to_string()),
        };
        for range in &ip.dhcp.ranges {
            let [start, end] = [range.start, range.end].map(netaddr::ip::text);
            let parts = [Some(start), Some(end), width.clone(), lease_time(range.lease.as_ref())];
            lines.add(format_args!("dhcp-range={}", joined(parts)));
            total += u64::from(range.size());
        }
        if ip.dhcp.ranges.is_empty() {
            let prefix = width.filter(|_| family == Family::Ipv6);
            let parts = [Some(netaddr::ip::text(ip.address)), Some("static".to_owned()), prefix];
            lines.add(format_args!("dhcp-range={}", joined(parts)));
        }
        if family == Family::Ipv4 {
            lines.add("dhcp-no-override");
            lines.add("dhcp-authoritative");
            if let Some(bootp) = &ip.dhcp.bootp {
                let server = bootp.server.map(|server| format!(",,{}", netaddr::ip::text(server)));
                lines.add(format_args!("dhcp-boot={}{}", bootp.file, server.unwrap_or_default()));
            }
        }
    }
    if total > 0 {
        lines.add(format_args!("dhcp-lease-max={total}"));
    }
    if serves {
        lines.add(format_args!("dhcp-hostsfile={}", hosts_path(place.folder, &network.name)));
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// The file of hosts with fixed addresses; empty when there are none.
pub fn hosts_file(network: &Network) -> String {
    let mut lines = Lines(String::new());
    for family in [Family::Ipv4, Family::Ipv6] {
        for host in server(network, family).into_iter().flat_map(|ip| &ip.dhcp.hosts) {
            lines.add(host_line(host, family));
        }
    }
    lines.0
}

fn host_line(host: &Host, family: Family) -> String {
    let lease = lease_time(host.lease.as_ref());
    let address = host.address.map(netaddr::ip::text).unwrap_or_default();
    match family {
        Family::Ipv6 => {
            let id = host.id.as_ref().map(|id| format!("id:{id}"));
            joined([id, host.name.clone(), Some(format!("[{address}]")), lease])
        }
        Family::Ipv4 if host.mac.is_some() => {
            joined([host.mac.clone(), Some(address), host.name.clone(), lease])
        }
        Family::Ipv4 => joined([host.name.clone(), Some(address), lease]),
    }
}

/// The file of additional names; empty when there are none.
pub fn names_file(network: &Network) -> String {
    let mut text = String::new();
    for host in &network.dns.hosts {
        text.push_str(&host.address.map(netaddr::ip::text).unwrap_or_default());
        text.push('\t');
        for name in &host.names {
            text.push_str(name);
            text.push('\t');
        }
        text.push('\n');
    }
    text
}

/// Whether a kind of network gets addresses of its own on the bridge.
pub fn own_addresses(network: &Network) -> bool {
    Mode::own_bridge(network.forward.mode)
}
