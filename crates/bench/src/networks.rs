//! Virtual networks: started and stopped one after the other through one connection, and found again by a daemon that
//! comes back.

use crate::measures::Figure;
use crate::subject::Subject;
use api::{Call, Network};
use base::object::NetworkRef;
use driver_remote::Remote;
use std::time::{Duration, Instant};

/// How many networks are started and stopped.
const STARTED: usize = 30;
/// How many networks a daemon finds again.
const FOUND: usize = 100;
/// How long a daemon that comes back has for its networks.
const PATIENCE: Duration = Duration::from_secs(400);

fn words(error: &base::Error) -> String {
    error.to_string()
}

fn name(index: usize) -> String {
    format!("bench-net-{index}")
}

fn document(index: usize) -> String {
    let net = format!("10.{}.{}", 201 + index / 250, index % 250);
    format!(
        "<network><name>{}</name><forward mode='nat'/><bridge name='bench{index}' stp='on' delay='0'/>
<ip address='{net}.1' netmask='255.255.255.0'><dhcp><range start='{net}.2' end='{net}.254'/></dhcp></ip></network>",
        name(index)
    )
}

/// Median times of starting and of stopping one.
struct Times {
    start: Duration,
    stop: Duration,
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Starts networks, does something, stops and forgets them. The work may give another connection for the rest.
fn with_networks<T>(
    remote: &Remote,
    count: usize,
    work: impl FnOnce() -> Result<(Option<Remote>, T), String>,
) -> Result<(Times, T), String> {
    let cx = Call::internal();
    let define = |index| remote.network_define_xml_flags(&cx, &document(index), 0).map_err(|e| words(&e));
    let mut defined: Vec<NetworkRef> = Vec::new();
    let all = (0..count).try_for_each(|index| define(index).map(|net| defined.push(net)));
    let start = |net| timed(|| remote.network_create(&cx, net));
    let started = all.and_then(|()| defined.iter().map(start).collect::<Result<Vec<_>, _>>());
    let worked = started.and_then(|start| Ok((start, work()?)));
    let again = worked.as_ref().ok().and_then(|(_, (again, _))| again.as_ref());
    let remote = again.unwrap_or(remote);
    // All are stopped, whatever came before.
    let stopped: Vec<_> = defined.iter().map(|net| timed(|| remote.network_destroy(&cx, net))).collect();
    for net in &defined {
        let _ = remote.network_undefine(&cx, net);
    }
    let (start, (_, value)) = worked?;
    let stop = stopped.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((Times { start: middle(start), stop: middle(stop) }, value))
}

fn timed(work: impl FnOnce() -> base::Result<()>) -> Result<Duration, String> {
    let begin = Instant::now();
    work().map_err(|error| words(&error))?;
    Ok(begin.elapsed())
}

fn times(subject: &Subject, quick: bool) -> Result<Times, String> {
    let remote = subject.open()?;
    let nothing = || Ok((None, ()));
    // A daemon that has just started still looks around.
    with_networks(&remote, 2, nothing)?;
    Ok(with_networks(&remote, if quick { 5 } else { STARTED }, nothing)?.0)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Starting a network, while others run.
pub(crate) fn start(subject: &mut Subject, quick: bool) -> Figure {
    times(subject, quick).map(|times| millis(times.start))
}

/// Stopping a network, while others run.
pub(crate) fn stop(subject: &mut Subject, quick: bool) -> Figure {
    times(subject, quick).map(|times| millis(times.stop))
}

/// From the start of a daemon until it has told of all networks that an earlier one had started.
pub(crate) fn restart(subject: &mut Subject, quick: bool) -> Figure {
    let count = if quick { 10 } else { FOUND };
    let remote = subject.open()?;
    let restarted = || {
        let up = subject.restart()?;
        let begin = Instant::now() - up;
        loop {
            // A daemon may accept connections before it knows its networks.
            let found = subject.open().and_then(|remote| {
                let cx = Call::internal();
                let found = remote.connect_list_networks(&cx, 1024).map_err(|e| words(&e))?;
                let bench = found.iter().filter(|name| name.starts_with("bench-net-")).count();
                Ok((bench, remote))
            });
            match found {
                Ok((found, remote)) if found == count => return Ok((Some(remote), begin.elapsed())),
                _ if begin.elapsed() > PATIENCE => return Err(format!("not all {count} networks are back")),
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    };
    let (_, time) = with_networks(&remote, count, restarted)?;
    Ok(millis(time))
}
