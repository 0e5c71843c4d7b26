//! Serving one call: the circumstances, the driver, the answer.

use crate::client::{Client, locked};
use crate::inbox::Message;
use crate::server::Shared;
use crate::{dispatch, session, stream};
use api::Call;
use base::{Error, ErrorDomain};
use proto::row::{Procedure, Program};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Procedures of drivers that mostly look at memory. What has to wait after all says so by [`Call::may_wait`].
const QUICK: &[&str] = &[
    "connect_get_lib_version",
    "connect_get_type",
    "connect_is_encrypted",
    "connect_is_secure",
    "connect_list_defined_domains",
    "connect_list_domains",
    "connect_num_of_defined_domains",
    "connect_num_of_domains",
    "domain_get_autostart",
    "domain_get_state",
    "domain_get_xml_desc",
    "domain_is_active",
    "domain_is_persistent",
    "domain_is_updated",
    "domain_lookup_by_id",
    "domain_lookup_by_name",
    "domain_lookup_by_uuid",
];

/// Whether a call may be tried by the thread that leads.
pub(crate) fn is_quick(row: &Procedure) -> bool {
    if row.server { !matches!(row.name, "connect_open" | "connect_close") } else { QUICK.contains(&row.name) }
}

/// What became of a call.
pub(crate) enum Served {
    Answered,
    /// It was to be quick and cannot be; nothing was done.
    MustWait(Message),
}

/// Serves a call and answers it.
pub(crate) fn serve(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    program: &'static Program,
    row: &'static Procedure,
    mut message: Message,
    quick: bool,
) -> Served {
    let header = message.header;
    let fds = std::mem::take(&mut message.fds);
    let mut cx = Call::new(client.id, client.read_only(), client.identity(), fds);
    if quick {
        cx = cx.quick();
    }
    let work = || {
        if row.server {
            return session::serve(shared, client, &cx, row, &message.payload);
        }
        if program.name == "admin" {
            return dispatch::call(&cx, &shared.admin, program, row, &message.payload);
        }
        let drivers = locked(&client.session).drivers.clone();
        let drivers = drivers.ok_or_else(|| session::not_open(row.family))?;
        dispatch::call(&cx, &drivers, program, row, &message.payload)
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| faults::in_call(work)));
    if cx.must_wait() {
        return Served::MustWait(message);
    }
    let outcome = outcome.unwrap_or_else(|_| {
        log::error!("{} panicked", row.name);
        Err(Error::internal(
            ErrorDomain::RPC,
            format!("{} failed unexpectedly; see the daemon's log", row.name),
        ))
    });
    let outcome = outcome.and_then(|mut reply| {
        let opened = reply.stream.take().zip(row.stream);
        let opened = opened.map(|(stream, way)| Ok((stream::prepare(client, header)?, stream, way)));
        Ok((reply, opened.transpose()?))
    });
    match outcome {
        Ok((reply, opened)) => {
            client.reply(shared, &header, Ok(&reply.payload), cx.take_returned());
            if let Some((pump, stream, way)) = opened {
                stream::start(shared, client, pump, stream, way.to_server);
            }
        }
        Err(error) => {
            log::debug!("{}: {error}", row.name);
            client.reply(shared, &header, Err(&error), Vec::new());
        }
    }
    if client.finished_call() >= shared.limits().max_client_requests.max(1) {
        shared.resume(client.id);
    }
    Served::Answered
}
