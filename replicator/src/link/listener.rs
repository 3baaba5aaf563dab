//! A node's replication port: one thread drives it, whatever the node is, and it outlives the node's changes of role.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::{Clock, Doorbell, READ_BYTES, Tried, WAKER, try_io};
use crate::frame::Kind;
use crate::gone::Gone;
use crate::key;
use crate::pace::{HEARTBEAT, Now};
use crate::peer::Peer;
use crate::primary::Limits;
use crate::secure::Credentials;
use crate::ship::Node;

/// Connections that have not proven themselves; more are turned away, or take the place of one that had time enough.
const STRANGERS_MAX: usize = 64;
/// A node proves itself within two round trips: where places are short, a stranger keeps its own for so long.
const STRANGER_GRACE: Duration = Duration::from_millis(500);
/// Bytes read from a stranger at a time: all it may say fits.
const STRANGER_READ_BYTES: usize = 128;
/// Proven connections; a cluster has few nodes, and each asks few questions at a time.
const PROVEN_MAX: usize = 64;
/// Connections taken in one turn, so that a flood of them does not hold up who is there.
const ACCEPTS_PER_TURN: usize = 32;
/// How long nothing is accepted after the system could not.
const ACCEPT_PAUSE_NS: u64 = 100_000_000;
/// Reads from one connection in one turn.
const READS_PER_TURN: usize = 4;
const PORT: Token = Token(usize::MAX - 1);

/// What a read would find. The system says so once for all that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Nothing.
    Waits,
    /// Perhaps bytes.
    Ready,
    /// The peer has shut its direction down: bytes perhaps, and then the end.
    Ending,
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    address: SocketAddr,
    peer: Peer,
    reading: Reading,
    /// There may be room to write.
    writable: bool,
    /// Our direction is shut down: all was said.
    is_shut: bool,
}

/// The port and its connections.
#[derive(Debug)]
pub struct Listener {
    poll: Poll,
    events: Events,
    port: TcpListener,
    connections: Vec<Option<Connection>>,
    credentials: Credentials,
    limits: Limits,
    clock: Clock,
    read: Box<[u8]>,
    doorbell: Arc<Doorbell>,
    /// Connections may wait to be accepted.
    acceptable: bool,
    /// Not to be accepted before: the system had no room for one more.
    accept_after_ns: u64,
    counters: Counters,
}

/// What the port has met since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Strangers turned away because there were too many.
    pub turned_away: u64,
    /// Strangers that were let in and did not prove themselves.
    pub cut_off: u64,
    /// Proven connections that ended with a frame which its peer had not sealed: an alarm.
    pub bad_frames: u64,
}

impl Listener {
    /// Listens; port 0 takes a free one.
    pub fn bind(address: SocketAddr, credentials: Credentials, limits: Limits) -> io::Result<Self> {
        let mut port = TcpListener::bind(address)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut port, PORT, Interest::READABLE)?;
        let doorbell = Doorbell::new(poll.registry())?;
        Ok(Listener {
            poll,
            events: Events::with_capacity(128),
            port,
            connections: Vec::new(),
            credentials,
            limits,
            clock: Clock::start(),
            read: vec![0; READ_BYTES].into_boxed_slice(),
            doorbell,
            acceptable: true,
            accept_after_ns: 0,
            counters: Counters::default(),
        })
    }

    /// Where it listens.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.port.local_addr()
    }

    /// To be rung when something is published, released or changed that standbys shall have at once.
    pub const fn doorbell(&self) -> &Arc<Doorbell> {
        &self.doorbell
    }

    /// One turn: takes what has come, asks and tells `node`, ships, and sends. Sleeps up to `timeout` (never more than 25
    /// ms) if there is nothing to do; zero never sleeps. An error means that polling itself failed.
    pub fn poll(&mut self, node: &mut dyn Node, timeout: Duration) -> io::Result<()> {
        self.sleep(timeout)?;
        let now = self.clock.now();
        self.accept(now);
        for index in 0..self.connections.len() {
            self.turn(index, node, now);
        }
        Ok(())
    }

    /// Ends all connections of standbys, as when this node's role or log changes.
    pub fn disconnect_standbys(&mut self, node: &mut dyn Node, why: impl Fn() -> Gone) {
        for index in 0..self.connections.len() {
            if self.connections[index].as_ref().is_some_and(|found| found.peer.standby().is_some()) {
                self.drop_connection(index, node, &why());
            }
        }
    }

    /// Asks a standby to promise an epoch; its answer is an event. Whether it is connected.
    pub fn fence(&mut self, standby: &str, epoch: u32) -> bool {
        self.send_epoch(standby, Kind::Fence, epoch)
    }

    /// Tells a standby to lead in this epoch. Whether it is connected.
    pub fn hand_over(&mut self, standby: &str, epoch: u32) -> bool {
        self.send_epoch(standby, Kind::Handover, epoch)
    }

    /// What it has met.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn send_epoch(&mut self, standby: &str, kind: Kind, epoch: u32) -> bool {
        let mut standbys = self.connections.iter_mut().flatten();
        let found = standbys.find(|found| found.peer.standby().is_some_and(|peer| peer.standby() == standby));
        let Some(found) = found else { return false };
        found.peer.send_epoch(kind, epoch);
        true
    }

    fn sleep(&mut self, timeout: Duration) -> io::Result<()> {
        let mut timeout = timeout.min(HEARTBEAT);
        if !timeout.is_zero() {
            // Before the look at what there is to do.
            self.doorbell.asleep();
        }
        for connection in self.connections.iter().flatten() {
            timeout = timeout.min(connection.rest());
        }
        if self.acceptable && self.clock.now().ns >= self.accept_after_ns {
            timeout = Duration::ZERO;
        }
        let slept = self.poll.poll(&mut self.events, Some(timeout));
        self.doorbell.awake();
        match slept {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        for event in &self.events {
            match event.token() {
                PORT => self.acceptable = true,
                WAKER => {}
                Token(index) => {
                    if let Some(Some(connection)) = self.connections.get_mut(index) {
                        if event.is_read_closed() {
                            connection.reading = Reading::Ending;
                        } else if event.is_readable() && connection.reading == Reading::Waits {
                            connection.reading = Reading::Ready;
                        }
                        connection.writable |= event.is_writable() || event.is_write_closed();
                    }
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.acceptable || now.ns < self.accept_after_ns {
                return;
            }
            match self.port.accept() {
                Ok((socket, address)) => self.take_in(socket, address, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.acceptable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Out of files, most likely. Tried again a little later; who is connected goes on.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a replication connection");
                    self.accept_after_ns = now.ns + ACCEPT_PAUSE_NS;
                    return;
                }
            }
        }
    }

    /// Drops the socket, which closes it, if there are too many.
    fn take_in(&mut self, mut socket: TcpStream, address: SocketAddr, now: Now) {
        if !self.has_place(now) {
            self.counters.turned_away += 1;
            return;
        }
        let index = self.connections.iter().position(Option::is_none).unwrap_or(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = socket
            .set_nodelay(true)
            .and_then(|()| self.poll.registry().register(&mut socket, Token(index), interest))
            .and_then(|()| key::random());
        let nonce = match registered {
            Ok(nonce) => nonce,
            Err(error) => {
                tracing::warn!(%error, %address, "cannot take in a replication connection");
                return;
            }
        };
        let peer = Peer::new(&self.credentials, nonce, self.limits, now);
        let connection =
            Connection { socket, address, peer, reading: Reading::Ready, writable: true, is_shut: false };
        if index == self.connections.len() {
            self.connections.push(None);
        }
        self.connections[index] = Some(connection);
    }

    /// Whether there is a place for one more stranger, perhaps that of one which had time enough.
    fn has_place(&mut self, now: Now) -> bool {
        let is_proven = |found: &&Connection| found.peer.is_proven();
        if self.connections.iter().flatten().filter(is_proven).count() >= PROVEN_MAX {
            return false;
        }
        let strangers = self.connections.iter().enumerate().filter_map(|(index, place)| {
            let peer = &place.as_ref()?.peer;
            (!peer.is_proven()).then(|| (peer.age(now), index))
        });
        let (count, oldest) =
            strangers.fold((0, None), |(count, oldest), found| (count + 1, oldest.max(Some(found))));
        match oldest {
            Some((age, index)) if count >= STRANGERS_MAX && age > STRANGER_GRACE => {
                self.close(index);
                self.counters.cut_off += 1;
                true
            }
            Some(_) | None => count < STRANGERS_MAX,
        }
    }

    fn turn(&mut self, index: usize, node: &mut dyn Node, now: Now) {
        let Some(connection) = &mut self.connections[index] else { return };
        let was_standby = connection.peer.standby().is_some();
        let turned = connection.turn(&mut self.read, node, now);
        if let Err(why) = turned {
            self.drop_connection(index, node, &why);
        } else if !was_standby && let Some(standby) = connection.peer.standby() {
            let name = standby.standby().to_owned();
            self.replace_others(index, &name, node);
        }
    }

    /// A node has one connection as a standby: the newest.
    fn replace_others(&mut self, newest: usize, name: &str, node: &mut dyn Node) {
        for index in 0..self.connections.len() {
            let is_same = self.connections[index]
                .as_ref()
                .and_then(|found| found.peer.standby())
                .is_some_and(|peer| peer.standby() == name);
            if is_same && index != newest {
                self.drop_connection(index, node, &Gone::Replaced);
            }
        }
    }

    fn close(&mut self, index: usize) -> Option<Connection> {
        let mut connection = self.connections[index].take()?;
        if let Err(error) = self.poll.registry().deregister(&mut connection.socket) {
            tracing::debug!(%error, "deregister a replication connection");
        }
        Some(connection)
    }

    fn drop_connection(&mut self, index: usize, node: &mut dyn Node, why: &Gone) {
        let Some(connection) = self.close(index) else { return };
        if let Some(standby) = connection.peer.standby() {
            tracing::info!(address = %connection.address, standby = standby.standby(), %why, "standby's connection ended");
            node.gone(standby.standby(), why);
        }
        if !connection.peer.is_proven() {
            tracing::debug!(address = %connection.address, %why, "stranger cut off");
            self.counters.cut_off += 1;
        } else if matches!(why, Gone::Frame(_)) {
            tracing::error!(address = %connection.address, %why, "alarm: bytes between nodes were changed");
            self.counters.bad_frames += 1;
        }
    }
}

impl Connection {
    fn turn(&mut self, into: &mut [u8], node: &mut dyn Node, now: Now) -> Result<(), Gone> {
        let mut is_closed = false;
        for _ in 0..READS_PER_TURN {
            if self.reading == Reading::Waits || is_closed {
                break;
            }
            let most = if self.peer.is_proven() { into.len() } else { STRANGER_READ_BYTES };
            match try_io(|| self.socket.read(&mut into[..most]))? {
                Tried::Bytes(bytes) => {
                    // A stream's read that leaves room has taken all there was: the next byte is told of anew.
                    if bytes < most && self.reading == Reading::Ready {
                        self.reading = Reading::Waits;
                    }
                    self.peer.receive(&into[..bytes], now)?;
                }
                Tried::Closed => is_closed = true,
                Tried::NotNow => self.reading = Reading::Waits,
            }
            self.peer.serve(node, now)?;
        }
        self.peer.serve(node, now)?;
        self.write()?;
        if self.peer.is_done() && !self.is_shut {
            self.socket.shutdown(Shutdown::Write)?;
            self.is_shut = true;
        }
        if is_closed { Err(Gone::Closed) } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Gone> {
        while self.writable && !self.peer.pending().is_empty() {
            match try_io(|| self.socket.write(self.peer.pending()))? {
                Tried::Bytes(bytes) => self.peer.sent(bytes),
                Tried::Closed => return Err(Gone::Closed),
                Tried::NotNow => self.writable = false,
            }
        }
        Ok(())
    }

    /// How long it can be left alone if nothing comes.
    fn rest(&self) -> Duration {
        let has_work = self.reading != Reading::Waits
            || (self.writable && (self.peer.has_more() || !self.peer.pending().is_empty()));
        if has_work { Duration::ZERO } else { self.peer.rest() }
    }
}
