//! The addresses that a node listens at; one that cannot be had is named as the configuration names it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use rialto_gateway::poller::listen;

use crate::failure::{Code, failure};

/// What can be done about it.
const ADVICE: [(ErrorKind, &str); 3] = [
    (ErrorKind::AddrInUse, ": another process listens there; port 0 takes any free one"),
    (ErrorKind::AddrNotAvailable, ": this machine has no such address"),
    (ErrorKind::PermissionDenied, ": ports below 1024 are for root"),
];

/// Listeners for FIX and line mode, one for each gateway thread.
pub fn fix(address: SocketAddr, gateways: u32) -> anyhow::Result<Vec<TcpListener>> {
    listen(address, gateways).map_err(|error| refused("fix", address, &error))
}

/// The listener for metrics, where they are wanted.
pub fn metrics(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    let bind = |address| TcpListener::bind(address).map_err(|error| refused("metrics", address, &error));
    address.map(bind).transpose()
}

/// Whether both can be had now: a start takes its time, and this need not be found out at its end. It also keeps two
/// nodes from sharing a port, which several gateways of one node do.
pub fn probe(fix: SocketAddr, metrics: Option<SocketAddr>) -> anyhow::Result<()> {
    let bind = |key, address| match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(key, address, &error)),
    };
    bind("fix", fix)?;
    metrics.map_or(Ok(()), |address| bind("metrics", address))
}

/// What is told of an address that cannot be had.
pub fn refused(key: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let known = ADVICE.iter().find(|(kind, _)| *kind == error.kind());
    let advice = known.map_or("", |(_, advice)| advice);
    failure(Code::Usage, format!("listen.{key} = \"{address}\": {error}{advice}"))
}
