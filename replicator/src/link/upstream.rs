//! A standby's connection to its primary.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{Clock, Doorbell, READ_BYTES, Tried, try_io};
use crate::gone::Gone;
use crate::key;
use crate::message::{Ack, Hello, Promise};
use crate::pace::HEARTBEAT;
use crate::secure::Credentials;
use crate::standby::{Event, Standby};

const SOCKET: Token = Token(0);

/// How to reach a primary.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Where it may be: each is tried in turn. The first that takes the connection is used, whether it is primary or not.
    pub addresses: Vec<SocketAddr>,
    /// For each address.
    pub connect: Duration,
    /// A primary that says nothing for so long is gone; it says something each 25 ms.
    pub silence: Duration,
}

/// A connection, driven by one thread.
#[derive(Debug)]
pub struct Upstream {
    poll: Poll,
    events: Events,
    socket: TcpStream,
    address: SocketAddr,
    standby: Standby,
    clock: Clock,
    silence: Duration,
    read: Box<[u8]>,
    doorbell: Arc<Doorbell>,
    /// The primary has closed: what it said before is still told.
    is_closed: bool,
}

impl Upstream {
    /// Connects, blocking for at most `options.connect` for each address; the handshake goes on in [`Self::poll`].
    pub fn connect(options: &UpstreamOptions, credentials: &Credentials, hello: Hello) -> Result<Self, Gone> {
        let (socket, address) = connect(options)?;
        let mut socket = TcpStream::from_std(socket);
        let (poll, clock) = (Poll::new()?, Clock::start());
        poll.registry().register(&mut socket, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        let doorbell = Doorbell::new(poll.registry())?;
        let standby = Standby::new(credentials, hello, key::random()?, clock.now());
        let (events, read) = (Events::with_capacity(8), vec![0; READ_BYTES].into_boxed_slice());
        let silence = options.silence;
        let upstream = Upstream {
            poll,
            events,
            socket,
            address,
            standby,
            clock,
            silence,
            read,
            doorbell,
            is_closed: false,
        };
        Ok(upstream)
    }

    /// Whom it is connected to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends a sleep in [`Self::poll`], from any thread.
    pub const fn doorbell(&self) -> &Arc<Doorbell> {
        &self.doorbell
    }

    /// Reads once, sleeping up to `timeout` (and never more than 25 ms) if nothing is there; sends what is due. Then
    /// [`Self::next_event`] until there is no more. Zero never sleeps.
    pub fn poll(&mut self, timeout: Duration) -> Result<(), Gone> {
        self.standby.tick(self.clock.now(), self.silence)?;
        self.flush()?;
        if !self.read()? && !timeout.is_zero() && !self.is_closed {
            self.sleep(timeout.min(HEARTBEAT))?;
            self.read()?;
        }
        self.flush()
    }

    /// The next thing the primary said, out of what was read; [`Gone::Closed`] behind the last one.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Gone> {
        let is_closed = self.is_closed;
        match self.standby.next_event()? {
            None if is_closed => Err(Gone::Closed),
            event => Ok(event),
        }
    }

    /// Acknowledges, at once.
    pub fn ack(&mut self, ack: &Ack) -> Result<(), Gone> {
        self.standby.ack(ack);
        self.flush()
    }

    /// Answers [`Event::Fence`], at once.
    pub fn promise(&mut self, promise: &Promise) -> Result<(), Gone> {
        self.standby.promise(promise);
        self.flush()
    }

    /// The connection without its socket: where the log goes on, what heartbeats say.
    pub const fn standby(&mut self) -> &mut Standby {
        &mut self.standby
    }

    fn sleep(&mut self, timeout: Duration) -> Result<(), Gone> {
        self.doorbell.asleep();
        let slept = self.poll.poll(&mut self.events, Some(timeout));
        self.doorbell.awake();
        match slept {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether bytes came.
    fn read(&mut self) -> Result<bool, Gone> {
        if self.is_closed {
            return Ok(false);
        }
        match try_io(|| self.socket.read(&mut self.read))? {
            Tried::Bytes(bytes) => self.standby.receive(&self.read[..bytes], self.clock.now())?,
            Tried::Closed => self.is_closed = true,
            Tried::NotNow => return Ok(false),
        }
        Ok(true)
    }

    fn flush(&mut self) -> Result<(), Gone> {
        while !self.standby.pending().is_empty() && !self.is_closed {
            match try_io(|| self.socket.write(self.standby.pending()))? {
                Tried::Bytes(bytes) => self.standby.sent(bytes),
                Tried::Closed => self.is_closed = true,
                Tried::NotNow => break,
            }
        }
        Ok(())
    }
}

fn connect(options: &UpstreamOptions) -> Result<(std::net::TcpStream, SocketAddr), Gone> {
    let mut failed = std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, "no address to connect to");
    for address in &options.addresses {
        match std::net::TcpStream::connect_timeout(address, options.connect) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                return Ok((socket, *address));
            }
            Err(error) => failed = std::io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(failed.into())
}
