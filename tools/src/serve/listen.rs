//! The addresses that a node listens at; one that cannot be had is named as the configuration names it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rialto_gateway::poller::listen;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::threads;
use crate::failure::{Code, failure};

/// How long a look for connections that are to be closed takes, and so the end of [`Closed`].
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

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

/// While no gateway serves: whoever connects is closed at once and can try another node, instead of waiting in the
/// system's queue until this one serves again. Ends when dropped.
#[derive(Debug)]
pub struct Closed {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Closed {
    /// Closes what comes to these listeners from now on.
    pub fn begin(listeners: &[TcpListener]) -> anyhow::Result<Self> {
        let mut listening = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            listening.push(listener.try_clone()?);
        }
        let ends = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ends);
        let thread = threads::named("closed", move || {
            while !seen.load(Ordering::Relaxed) {
                let mut fds: Vec<_> = listening.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
                // Whether it was ready, interrupted or too long: whoever waits is found now.
                poll(&mut fds, Some(&LOOK)).ok();
                for listener in &listening {
                    while listener.accept().is_ok() {}
                }
            }
        })?;
        Ok(Self { ends, thread: Some(thread) })
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_connects_while_nobody_serves_is_closed_at_once_and_served_afterwards() {
        let listeners = fix(SocketAddr::from(([127, 0, 0, 1], 0)), 2).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream
        };
        let mut early = connect();
        let closed = Closed::begin(&listeners).unwrap();
        assert_eq!(early.read(&mut [0]).unwrap(), 0);
        assert_eq!(connect().read(&mut [0]).unwrap(), 0);
        drop(closed);
        let _late = connect();
        assert!(listeners.iter().any(|listener| listener.accept().is_ok()));
    }
}
