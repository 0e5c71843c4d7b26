//! The admin program: what `virt-admin` shows and changes of the running daemon.
//!
//! Two servers are shown, as the reference has them: one for clients of the drivers, named after the daemon, and one
//! for administrators. Both are served by the same threads here, so pool and limits are those of the daemon.

use api::admin::{
    Client, ConnectGetLoggingFiltersRet, ConnectGetLoggingOutputsRet, ConnectListServersRet, Server,
    ServerListClientsRet,
};
use api::consts::names;
use api::{Admin, Call, ErrorCode, ErrorDomain};
use base::param::{TypedParam, TypedValue};
use base::{Error, Result};
use rpc_server::ServerHandle;
use rpc_server::client::Client as Connected;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

/// Transport of a client: a unix socket.
const UNIX: u32 = 0;

/// What administrators reach.
#[derive(Debug)]
pub(crate) struct Administration {
    name: String,
    server: OnceLock<ServerHandle>,
}

fn refuse(code: ErrorCode, text: String) -> Error {
    Error::new(code, ErrorDomain::ADMIN, text)
}

fn no_flags(flags: u32, function: &str) -> Result<()> {
    if flags == 0 { Ok(()) } else { Err(Error::unsupported_flags(ErrorDomain::ADMIN, function, flags)) }
}

fn invalid(function: &str, text: String) -> Error {
    Error::invalid_arg(ErrorDomain::ADMIN, function, "params", text)
}

impl Administration {
    pub(crate) fn new(program: &str) -> Administration {
        let name = if program == "ferrovirtd" { "libvirtd" } else { program };
        Administration { name: name.to_owned(), server: OnceLock::new() }
    }

    /// From now on administrators see this server.
    pub(crate) fn serve(&self, server: ServerHandle) {
        let _ = self.server.set(server);
    }

    fn handle(&self) -> Result<&ServerHandle> {
        self.server.get().ok_or_else(|| Error::internal(ErrorDomain::ADMIN, "the server is not ready yet"))
    }

    /// Whether the named server is the one for administrators.
    fn is_admin(&self, name: &str) -> Result<bool> {
        match name {
            "admin" => Ok(true),
            name if name == self.name => Ok(false),
            _ => Err(refuse(ErrorCode::NO_SERVER, format!("No server named '{name}'"))),
        }
    }

    fn clients(&self, server: &Server) -> Result<Vec<Arc<Connected>>> {
        let admin = self.is_admin(&server.name)?;
        let mut clients = self.handle()?.clients();
        clients.retain(|client| client.entry.admin == admin);
        clients.sort_by_key(|client| client.number());
        Ok(clients)
    }

    fn client(&self, server: &Server, number: u64) -> Result<Arc<Connected>> {
        let found = self.clients(server)?.into_iter().find(|client| client.number() == number);
        found.ok_or_else(|| refuse(ErrorCode::NO_CLIENT, format!("No client with matching ID '{number}'")))
    }
}

fn described(server: &Server, client: &Connected) -> Client {
    let seconds = client.since.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    Client { srv: server.clone(), id: client.number(), timestamp: seconds, transport: UNIX }
}

fn number(param: &TypedParam, function: &str) -> Result<u32> {
    match param.value {
        TypedValue::UInt(number) => Ok(number),
        _ => Err(invalid(
            function,
            format!(
                "invalid type '{}' for parameter '{}', expected 'uint'",
                param.value.type_name(),
                param.field
            ),
        )),
    }
}

/// A name in the host's file of users or groups.
fn name_of(file: &str, id: u32) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

impl Admin for Administration {
    fn connect_open(&self, _cx: &Call, flags: u32) -> Result<()> {
        no_flags(flags, "virAdmConnectOpen")
    }

    fn connect_close(&self, _cx: &Call) -> Result<()> {
        Ok(())
    }

    fn connect_get_lib_version(&self, _cx: &Call) -> Result<u64> {
        Ok(11_003_000)
    }

    fn connect_list_servers(
        &self,
        _cx: &Call,
        need_results: u32,
        flags: u32,
    ) -> Result<ConnectListServersRet> {
        no_flags(flags, "virAdmConnectListServers")?;
        let servers = vec![Server { name: "admin".to_owned() }, Server { name: self.name.clone() }];
        Ok(ConnectListServersRet { ret: 2, servers: if need_results != 0 { servers } else { Vec::new() } })
    }

    fn connect_lookup_server(&self, _cx: &Call, name: &str, flags: u32) -> Result<Server> {
        no_flags(flags, "virAdmConnectLookupServer")?;
        self.is_admin(name)?;
        Ok(Server { name: name.to_owned() })
    }

    fn server_get_threadpool_parameters(
        &self,
        _cx: &Call,
        srv: &Server,
        flags: u32,
    ) -> Result<Vec<TypedParam>> {
        no_flags(flags, "virAdmServerGetThreadPoolParameters")?;
        self.is_admin(&srv.name)?;
        let pool = self.handle()?.pool();
        let (sizes, figures) = (pool.sizes(), pool.figures());
        Ok(vec![
            TypedParam::new(names::THREADPOOL_WORKERS_MIN, sizes.min),
            TypedParam::new(names::THREADPOOL_WORKERS_MAX, sizes.max),
            TypedParam::new(names::THREADPOOL_WORKERS_CURRENT, figures.workers),
            TypedParam::new(names::THREADPOOL_WORKERS_FREE, figures.free),
            TypedParam::new(names::THREADPOOL_WORKERS_PRIORITY, sizes.priority),
            TypedParam::new(names::THREADPOOL_JOB_QUEUE_DEPTH, figures.depth),
        ])
    }

    fn server_set_threadpool_parameters(
        &self,
        _cx: &Call,
        srv: &Server,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        const FUNCTION: &str = "virAdmServerSetThreadPoolParameters";
        no_flags(flags, FUNCTION)?;
        self.is_admin(&srv.name)?;
        let handle = self.handle()?;
        let mut limits = handle.limits();
        for param in params {
            let value = number(param, FUNCTION)?;
            match param.field.as_str() {
                names::THREADPOOL_WORKERS_MIN => limits.workers.min = value,
                names::THREADPOOL_WORKERS_MAX => limits.workers.max = value,
                names::THREADPOOL_WORKERS_PRIORITY => limits.workers.priority = value,
                other => return Err(invalid(FUNCTION, format!("parameter '{other}' not supported"))),
            }
        }
        if limits.workers.min > limits.workers.max {
            return Err(invalid(
                FUNCTION,
                "maxWorkers must be greater than or equal to minWorkers".to_owned(),
            ));
        }
        handle.set_limits(limits);
        Ok(())
    }

    fn server_list_clients(
        &self,
        _cx: &Call,
        srv: &Server,
        need_results: u32,
        flags: u32,
    ) -> Result<ServerListClientsRet> {
        no_flags(flags, "virAdmServerListClients")?;
        let clients: Vec<Client> = self.clients(srv)?.iter().map(|client| described(srv, client)).collect();
        let ret = clients.len() as u32;
        Ok(ServerListClientsRet { clients: if need_results != 0 { clients } else { Vec::new() }, ret })
    }

    fn server_lookup_client(&self, _cx: &Call, srv: &Server, id: u64, flags: u32) -> Result<Client> {
        no_flags(flags, "virAdmServerLookupClient")?;
        Ok(described(srv, &*self.client(srv, id)?))
    }

    fn client_get_info(&self, _cx: &Call, clnt: &Client, flags: u32) -> Result<Vec<TypedParam>> {
        no_flags(flags, "virAdmClientGetInfo")?;
        let client = self.client(&clnt.srv, clnt.id)?;
        let identity = client.identity();
        let mut params = vec![TypedParam::new(names::CLIENT_INFO_READONLY, client.read_only())];
        let mut put = |name: &str, value: Option<TypedValue>| {
            params.extend(value.map(|value| TypedParam { field: name.to_owned(), value }));
        };
        put(names::CLIENT_INFO_UNIX_USER_ID, identity.uid.map(|id| TypedValue::Int(id as i32)));
        let user = identity.uid.and_then(|id| name_of("/etc/passwd", id));
        put(names::CLIENT_INFO_UNIX_USER_NAME, user.map(TypedValue::String));
        put(names::CLIENT_INFO_UNIX_GROUP_ID, identity.gid.map(|id| TypedValue::Int(id as i32)));
        let group = identity.gid.and_then(|id| name_of("/etc/group", id));
        put(names::CLIENT_INFO_UNIX_GROUP_NAME, group.map(TypedValue::String));
        put(names::CLIENT_INFO_UNIX_PROCESS_ID, identity.pid.map(TypedValue::Int));
        Ok(params)
    }

    fn client_close(&self, _cx: &Call, clnt: &Client, flags: u32) -> Result<()> {
        no_flags(flags, "virAdmClientClose")?;
        let client = self.client(&clnt.srv, clnt.id)?;
        self.handle()?.close(client.id);
        Ok(())
    }

    fn server_get_client_limits(&self, _cx: &Call, srv: &Server, flags: u32) -> Result<Vec<TypedParam>> {
        no_flags(flags, "virAdmServerGetClientLimits")?;
        let clients = self.clients(srv)?;
        let limits = self.handle()?.limits();
        let strangers = clients.iter().filter(|client| !client.is_authenticated()).count() as u32;
        Ok(vec![
            TypedParam::new(names::SERVER_CLIENTS_MAX, limits.max_clients),
            TypedParam::new(names::SERVER_CLIENTS_CURRENT, clients.len() as u32),
            TypedParam::new(names::SERVER_CLIENTS_UNAUTH_MAX, limits.max_anonymous_clients),
            TypedParam::new(names::SERVER_CLIENTS_UNAUTH_CURRENT, strangers),
        ])
    }

    fn server_set_client_limits(
        &self,
        _cx: &Call,
        srv: &Server,
        params: &[TypedParam],
        flags: u32,
    ) -> Result<()> {
        const FUNCTION: &str = "virAdmServerSetClientLimits";
        no_flags(flags, FUNCTION)?;
        self.is_admin(&srv.name)?;
        let handle = self.handle()?;
        let mut limits = handle.limits();
        for param in params {
            let value = number(param, FUNCTION)?;
            match param.field.as_str() {
                names::SERVER_CLIENTS_MAX => limits.max_clients = value,
                names::SERVER_CLIENTS_UNAUTH_MAX => limits.max_anonymous_clients = value,
                other => return Err(invalid(FUNCTION, format!("parameter '{other}' not supported"))),
            }
        }
        if limits.max_anonymous_clients > limits.max_clients {
            return Err(invalid(
                FUNCTION,
                "nclients_max must be greater than or equal to nclients_unauth_max".to_owned(),
            ));
        }
        handle.set_limits(limits);
        Ok(())
    }

    fn connect_get_logging_outputs(&self, _cx: &Call, flags: u32) -> Result<ConnectGetLoggingOutputsRet> {
        no_flags(flags, "virAdmConnectGetLoggingOutputs")?;
        let (_, outputs) = logging::current();
        Ok(ConnectGetLoggingOutputsRet { noutputs: outputs.len() as u32, outputs: outputs.join(" ") })
    }

    fn connect_get_logging_filters(&self, _cx: &Call, flags: u32) -> Result<ConnectGetLoggingFiltersRet> {
        no_flags(flags, "virAdmConnectGetLoggingFilters")?;
        let (filters, _) = logging::current();
        let text = (!filters.is_empty()).then(|| filters.join(" "));
        Ok(ConnectGetLoggingFiltersRet { nfilters: filters.len() as u32, filters: text })
    }

    fn connect_set_logging_outputs(&self, _cx: &Call, outputs: Option<&str>, flags: u32) -> Result<()> {
        no_flags(flags, "virAdmConnectSetLoggingOutputs")?;
        let text = outputs.filter(|text| !text.is_empty()).unwrap_or("3:stderr");
        logging::set_outputs(text).map_err(|text| Error::internal(ErrorDomain::NONE, text))
    }

    fn connect_set_logging_filters(&self, _cx: &Call, filters: Option<&str>, flags: u32) -> Result<()> {
        no_flags(flags, "virAdmConnectSetLoggingFilters")?;
        logging::set_filters(filters.unwrap_or_default())
            .map_err(|text| Error::internal(ErrorDomain::NONE, text))
    }

    fn connect_daemon_shutdown(&self, _cx: &Call, flags: u32) -> Result<()> {
        no_flags(flags & !1, "virAdmConnectDaemonShutdown")?;
        self.handle()?.stop();
        Ok(())
    }
}
