//! The sockets of a gateway: one thread, one poll, many connections. Nothing but this file reads, writes or closes one.
//!
//! A turn: released events, sockets that have something to read (16 KiB each), timers, then one write for each
//! connection that has something to say. While the ring to the matcher is full no socket is read.

mod listen;
mod table;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use rialto_journal::reader::PageSource;
use rialto_shmring::Side;

pub use listen::listen;

use crate::gateway::{Connections as _, Desk, GatewayError};
use crate::limits::{
    Addresses, BACKLOG_BYTES_MAX, BACKLOG_MESSAGES_MAX, CONNECTIONS_MAX, INBOX_BYTES_MAX, READ_BYTES,
};
use crate::request::{Answers, Request, Requests};
use crate::session::{Close, Now, Session};
use crate::standing::Stance;
use table::{Connection, Table};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// Between two looks at all timers and at the stop flag.
const TICK: Duration = Duration::from_millis(20);
/// Longest sleep while something waits for the ring to have room.
const RETRY: Duration = Duration::from_millis(1);
/// What may be on its way to clients when the gateway stops has this long.
const STOP_WITHIN: Duration = Duration::from_millis(800);
/// The sockets.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    listener: TcpListener,
    table: Table,
    addresses: Addresses,
    clock: Clock,
    /// Given up for a moment when no file can be opened any more, to turn a client away.
    spare: Option<File>,
    /// A client may wait that could not even be turned away.
    accept_later: bool,
    serial: u32,
    buffer: Box<[u8]>,
    requests: Requests,
    answers: Arc<Answers>,
    /// When timers were looked at last.
    ticked_ns: u64,
}

/// The one reader of clocks.
#[derive(Debug)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn now(&self) -> Now {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Now { utc_ns: ns(utc), mono_ns: ns(self.start.elapsed()) }
    }
}

impl Poller {
    /// Takes the listener over.
    pub(crate) fn new(listener: std::net::TcpListener, requests: Requests) -> io::Result<(Self, Arc<Waker>)> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let poller = Self {
            poll,
            listener,
            table: Table::default(),
            addresses: Addresses::default(),
            clock: Clock { start: Instant::now() },
            spare: spare(),
            accept_later: false,
            serial: 0,
            buffer: vec![0; READ_BYTES].into(),
            requests,
            answers: Arc::new(Answers::new(Arc::clone(&waker))),
            ticked_ns: 0,
        };
        Ok((poller, waker))
    }

    /// See [`crate::gateway::Gateway::run`].
    pub(crate) fn run<S: PageSource>(
        &mut self,
        desk: &mut Desk<S>,
        stop: &AtomicBool,
    ) -> Result<(), GatewayError> {
        let mut events = Events::with_capacity(256);
        let mut ticked = Instant::now();
        loop {
            let now = self.clock.now();
            desk.look(&mut self.table, now);
            let more = desk.events(&mut self.table, now)?;
            self.hand_out_answers();
            self.work(desk, now)?;
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                if stop.load(Ordering::Relaxed) {
                    return self.finish(desk);
                }
                self.tick(desk, now);
                if std::mem::take(&mut self.accept_later) {
                    self.accept()?;
                }
            }
            let timeout = self.sleep_for(desk, more);
            self.wait(desk, &mut events, timeout)?;
        }
    }

    /// How long nothing needs to be done unless something happens.
    fn sleep_for<S: PageSource>(&self, desk: &Desk<S>, more: bool) -> Duration {
        if more || desk.settings.spin || (desk.has_room() && !self.table.busy.is_empty()) {
            Duration::ZERO
        } else if desk.has_room() {
            TICK
        } else {
            RETRY
        }
    }

    /// Waits for sockets, released events or the time.
    fn wait<S: PageSource>(
        &mut self,
        desk: &mut Desk<S>,
        events: &mut Events,
        timeout: Duration,
    ) -> Result<(), GatewayError> {
        let sleeps = !timeout.is_zero();
        let region = Arc::clone(desk.port.region());
        let flag = region.sleep_flag(Side::Producer);
        let mut timeout = timeout;
        if sleeps {
            flag.announce();
            // Whoever released something before the announcement did not wake us.
            let now = self.clock.now();
            if desk.events(&mut self.table, now)? {
                timeout = Duration::ZERO;
            }
        }
        let polled = self.poll.poll(events, Some(timeout));
        if sleeps {
            flag.retract();
        }
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        let mut accepts = false;
        for event in events.iter() {
            match event.token() {
                LISTENER => accepts = true,
                WAKER => {}
                Token(place) => {
                    if let Some(connection) = self.table.connections.get_mut(place) {
                        connection.readable |= event.is_readable() || event.is_read_closed();
                        connection.writable |= event.is_writable();
                        connection.hung |= event.is_read_closed() || event.is_error();
                        self.table.list(place);
                    }
                }
            }
        }
        if accepts {
            self.accept()?;
        }
        Ok(())
    }

    /// Everything that connections have to do.
    fn work<S: PageSource>(&mut self, desk: &mut Desk<S>, now: Now) -> Result<(), GatewayError> {
        let mut room = desk.push()?;
        let busy = std::mem::take(&mut self.table.busy);
        for place in busy {
            let Some(connection) = self.table.connections.get_mut(place) else { continue };
            connection.listed = false;
            let still = desk.stance == Stance::Unmet && connection.session.stands_still();
            // Whoever is not heard now comes again: what it sent may be here already, and then no event tells of it. Who has
            // not logged on asks for one thing at most, which need not be of the exchange.
            let heard = !still && (room || connection.session.is_opening());
            if heard {
                read(connection, &mut self.buffer);
                desk.with(now, |ctx| connection.session.turn(ctx));
                hand_over(connection, &self.requests, &self.answers);
                room = desk.push()?;
                if connection.session.is_feed() && !self.table.feeds.contains(&place) {
                    self.table.feeds.push(place);
                }
            }
            if connection.session.has_news() {
                desk.with(now, |ctx| connection.session.tell_news(ctx));
            }
            if !still && connection.session.resends() {
                desk.resend(&mut connection.session, now);
            }
            write(connection);
            if still {
                // Its end is all that is looked for; what it sent before is as if it had never been sent.
                connection.broken |=
                    (connection.ended || connection.hung) && connection.session.may_be_dropped();
            }
            if self.is_over(place) {
                self.drop_connection(desk, now, place);
                room = desk.push()?;
            } else if if still { self.may_write(place) } else { !heard || self.has_more(place) } {
                self.table.list(place);
            }
        }
        Ok(())
    }

    /// Answers of the node, to those who asked it.
    fn hand_out_answers(&mut self) {
        for (connection, answer) in self.answers.take() {
            if let Some(session) = self.table.session(connection) {
                session.answered(answer.as_deref());
                self.table.touched(connection);
            }
        }
    }

    /// Whether more can be written to a connection at once.
    fn may_write(&mut self, place: usize) -> bool {
        let Some(connection) = self.table.connections.get_mut(place) else { return false };
        connection.writable && !connection.session.output().is_empty()
    }

    /// Whether a connection has something to do without any further event.
    fn has_more(&self, place: usize) -> bool {
        let Some(connection) = self.table.connections.get(place) else { return false };
        let reads = connection.readable && connection.session.inbox_len() < INBOX_BYTES_MAX;
        let writes = connection.writable && connection.session.backlog().0 > 0;
        reads || writes || connection.session.resends() || connection.session.has_news()
    }

    /// Whether a connection has come to its end.
    fn is_over(&mut self, place: usize) -> bool {
        let Some(connection) = self.table.connections.get_mut(place) else { return false };
        let (bytes, messages) = connection.session.backlog();
        match connection.session.close() {
            _ if connection.broken => true,
            Some(Close::Now) => true,
            Some(Close::ByPeer) => connection.ended,
            Some(Close::Flushed) => {
                // The client sees the end at once; the rest of what it sends is read, as a close with bytes unread may
                // take the last words with it.
                if bytes == 0 && !connection.shut {
                    connection.shut = true;
                    connection.broken = connection.stream.shutdown(Shutdown::Write).is_err();
                }
                connection.broken || (connection.shut && connection.ended)
            }
            None => bytes > BACKLOG_BYTES_MAX || messages > BACKLOG_MESSAGES_MAX,
        }
    }

    fn drop_connection<S: PageSource>(&mut self, desk: &mut Desk<S>, now: Now, place: usize) {
        let Some(mut connection) = self.table.connections.try_remove(place) else { return };
        self.table.feeds.retain(|feed| *feed != place);
        desk.with(now, |ctx| connection.session.hung_up(ctx));
        self.addresses.leave(connection.peer.ip());
        if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
            tracing::debug!(%error, "a socket was gone before its end");
        }
    }

    fn tick<S: PageSource>(&mut self, desk: &mut Desk<S>, now: Now) {
        let passed_ns = now.mono_ns - std::mem::replace(&mut self.ticked_ns, now.mono_ns);
        let places: Vec<usize> = self.table.connections.iter().map(|(place, _)| place).collect();
        for place in places {
            let Some(connection) = self.table.connections.get_mut(place) else { continue };
            if desk.stance == Stance::Unmet {
                connection.session.pause(passed_ns);
                if connection.session.stands_still() {
                    continue;
                }
            }
            desk.with(now, |ctx| connection.session.tick(ctx));
            if connection.session.close().is_some() || connection.session.is_waiting() {
                self.table.list(place);
            }
        }
    }

    fn accept(&mut self) -> Result<(), GatewayError> {
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_out_of_files(&error) && self.turn_away() => {}
                Err(error) if is_out_of_files(&error) => return Ok(()),
                // The client was gone again, or the network had a hiccup: accept(2) says to try again.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    return Ok(());
                }
            }
        }
    }

    /// With no file to be had, gives up the spare one to accept a client and close it, so that the listener does not
    /// stay ready for ever. Whether there was one: accept(2) says that there is no file before it looks for a client.
    fn turn_away(&mut self) -> bool {
        self.spare = None;
        let accepted = self.listener.accept().map(drop);
        self.spare = spare();
        match accepted {
            Ok(()) => {
                tracing::warn!("no more files can be opened: a client is turned away");
                true
            }
            Err(error) => {
                // Somebody else took the spare file: whoever waits is looked for again later.
                self.accept_later = error.kind() != io::ErrorKind::WouldBlock;
                false
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr) -> Result<(), GatewayError> {
        if self.table.connections.len() >= CONNECTIONS_MAX || !self.addresses.enter(peer.ip()) {
            return Ok(());
        }
        stream.set_nodelay(true).ok();
        self.serial = self.serial.wrapping_add(1);
        let entry = self.table.connections.vacant_entry();
        let place = entry.key();
        let number = table::number(self.serial, place);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(place), interest) {
            self.addresses.leave(peer.ip());
            return Err(error.into());
        }
        entry.insert(Connection {
            stream,
            peer,
            session: Session::new(number, self.clock.now()),
            readable: true,
            writable: true,
            ended: false,
            hung: false,
            broken: false,
            shut: false,
            listed: false,
        });
        self.table.list(place);
        Ok(())
    }

    /// Sends what is released and closes.
    fn finish<S: PageSource>(&mut self, desk: &mut Desk<S>) -> Result<(), GatewayError> {
        let until = Instant::now() + STOP_WITHIN;
        let now = self.clock.now();
        while desk.events(&mut self.table, now)? {}
        let mut left: Vec<Connection> = self.table.connections.drain().collect();
        loop {
            for connection in &mut left {
                while connection.session.resends() {
                    desk.resend(&mut connection.session, now);
                }
                connection.writable = true;
                write(connection);
            }
            left.retain(|connection| connection.session.backlog().0 > 0 && !connection.broken);
            if left.is_empty() || Instant::now() >= until {
                return Ok(());
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// Reads once, as much as a turn allows.
fn read(connection: &mut Connection, buffer: &mut [u8]) {
    if !connection.readable || connection.ended || connection.session.inbox_len() >= INBOX_BYTES_MAX {
        return;
    }
    match connection.stream.read(buffer) {
        Ok(0) => {
            connection.ended = true;
            connection.readable = false;
            connection.session.end_of_input();
        }
        Ok(bytes) => connection.session.receive(&buffer[..bytes]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.readable = false,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => connection.broken = true,
    }
}

/// Hands a request to whoever deals with it, if the connection has one.
fn hand_over(connection: &mut Connection, requests: &Requests, answers: &Arc<Answers>) {
    let Some(text) = connection.session.take_request() else { return };
    match (connection.stream.local_addr(), answers.responder(connection.session.connection())) {
        (Ok(local), Some(responder)) => {
            requests.take(Request { text, peer: connection.peer, local, responder });
        }
        // Too many wait, or the client is gone.
        (Ok(_), None) | (Err(_), _) => connection.session.answered(None),
    }
}

/// Writes once.
fn write(connection: &mut Connection) {
    let out = connection.session.output();
    if connection.writable && !out.is_empty() && !connection.shut {
        match connection.stream.write(out) {
            Ok(bytes) if bytes == out.len() => {
                out.clear();
                connection.session.drained();
            }
            Ok(bytes) => {
                out.drain(..bytes);
                connection.writable = false;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => connection.broken = true,
        }
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_files(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(rustix::io::Errno::MFILE.raw_os_error())
        || code == Some(rustix::io::Errno::NFILE.raw_os_error())
}
