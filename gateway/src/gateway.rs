//! One gateway: its part of the exchange's clients, between a listening port and the exchange's ring and event log.
//!
//! It routes: events to the connections whose sessions they are for, and back what the conversations ask. Sockets are
//! [`crate::poller`]'s.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::Waker;
use rialto_journal::cursor::Cursors;
use rialto_journal::reader::{LogReader, PageSource, ReadError};
use rialto_protocol::command::LogOffCause;
use rialto_protocol::event::notice_flag;
use rialto_protocol::record::Malformed;
use rialto_protocol::{Command, Event, GatewayId, Header, SessionId, SessionSeq};
use rialto_shmring::{Doorbell, Poisoned, Producer};
use thiserror::Error;

use crate::poller::Poller;
use crate::port::Port;
use crate::request::Requests;
pub use crate::session::Settings;
use crate::session::{Commands, Context, Now, Seats, Session};
use crate::standing::{Stance, Standing};
use crate::view::View;

/// Events dealt with before the sockets get their turn.
const EVENTS_PER_TURN: usize = 1024;

/// What a gateway is made of.
#[derive(Debug)]
pub struct GatewayParts<S> {
    /// Its number, that of its ring.
    pub id: GatewayId,
    /// Where clients connect; see [`crate::poller::listen`].
    pub listener: TcpListener,
    /// Its ring to the matcher.
    pub ring: Producer,
    /// What wakes the matcher.
    pub doorbell: Arc<Doorbell>,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// The event log, from the view's position on.
    pub events: LogReader<S>,
    /// What is known of the exchange at that position.
    pub view: View,
    /// How to deal with members.
    pub settings: Settings,
    /// Who the primary is, if not this node.
    pub standing: Arc<Standing>,
    /// What deals with requests to the node itself.
    pub requests: Requests,
}

/// Why a gateway cannot go on. All its connections are closed then.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The ring to the matcher is dead.
    #[error("ring: {0}")]
    Ring(#[from] Poisoned),
    /// The event log cannot be read.
    #[error("event log: {0}")]
    Log(#[from] ReadError),
    /// The event log holds what this build does not understand.
    #[error("event log: {0}")]
    Event(#[from] Malformed),
    /// The system refused something that a gateway cannot do without.
    #[error("sockets: {0}")]
    Sockets(#[from] io::Error),
}

/// A gateway that is ready to run.
#[derive(Debug)]
pub struct Gateway<S> {
    desk: Desk<S>,
    poller: Poller,
}

impl<S: PageSource> Gateway<S> {
    /// Makes the gateway, and what wakes it when something is released: call it where the sleep flag of its ring's
    /// producer says that it sleeps.
    pub fn new(parts: GatewayParts<S>) -> io::Result<(Self, Arc<Waker>)> {
        let GatewayParts { id, listener, ring, doorbell, cursors, events, view, settings, .. } = parts;
        let (poller, waker) = Poller::new(listener, parts.requests)?;
        let desk = Desk {
            id,
            stance: Stance::of(&cursors),
            standing: parts.standing,
            abandoned: Vec::new(),
            port: Port::new(ring, doorbell, cursors, events),
            view,
            settings,
            commands: Commands::default(),
            seats: Seats::default(),
        };
        Ok((Self { desk, poller }, waker))
    }

    /// Serves clients until `stop` is set (look at it at least every 50 ms): then it sends what is released, closes all
    /// connections and returns, within a second.
    pub fn run(self, stop: &AtomicBool) -> Result<(), GatewayError> {
        let Self { mut desk, mut poller } = self;
        poller.run(&mut desk, stop)
    }
}

/// All of a gateway but its sockets.
#[derive(Debug)]
pub(crate) struct Desk<S> {
    id: GatewayId,
    /// What may be done with trading sessions, as of this turn.
    pub(crate) stance: Stance,
    standing: Arc<Standing>,
    /// Sessions that the exchange may hold live for connections that were closed when trading ended here.
    abandoned: Vec<SessionId>,
    pub(crate) port: Port<S>,
    view: View,
    pub(crate) settings: Settings,
    commands: Commands,
    seats: Seats,
}

/// Where an event goes.
enum Route {
    /// To the connection with this number.
    Connection(u32),
    /// To the connection that has this session.
    Session(SessionId),
    /// To all connections.
    All,
    /// To none.
    Nobody,
}

/// The connections, as a desk needs them.
pub(crate) trait Connections {
    /// The conversation of a connection.
    fn session(&mut self, connection: u32) -> Option<&mut Session>;
    /// All conversations.
    fn each(&mut self, with: &mut dyn FnMut(&mut Session));
    /// The conversations about market data.
    fn each_feed(&mut self, with: &mut dyn FnMut(&mut Session));
    /// The conversation has something to write, to send again, or to end.
    fn touched(&mut self, connection: u32);
}

impl<S: PageSource> Desk<S> {
    /// Takes a turn with one conversation.
    pub(crate) fn with(&mut self, now: Now, turn: impl FnOnce(&mut Context<'_>)) {
        let Self { id, stance, standing, view, settings, commands, seats, .. } = self;
        let (gateway, stance) = (*id, *stance);
        turn(&mut Context { view, commands, seats, settings, gateway, stance, standing, now });
    }

    /// Looks whether the node's standing changed, and does what follows from it. Whether it did.
    pub(crate) fn look(&mut self, connections: &mut dyn Connections, now: Now) -> bool {
        let (before, stance) = (self.stance, Stance::of(self.port.cursors()));
        self.stance = stance;
        match stance {
            _ if stance == before => return false,
            Stance::Away(gate) => {
                // What is asked now would be for a primary that is none.
                self.commands.clear();
                let held = self.seats.free_all();
                self.abandoned.extend(held);
                self.with(now, |ctx| connections.each(&mut |session| session.away(gate, ctx)));
            }
            Stance::Trades | Stance::Unmet => {
                // It is the same epoch still, or an event will tell; either way nobody is there any more.
                for session in self.abandoned.drain(..) {
                    let gone = Command::LogOff(self.id, LogOffCause::Drained);
                    self.commands.push(session, SessionSeq::NONE, &gone);
                }
                connections.each(&mut |_| {});
            }
        }
        true
    }

    /// Sends some of what a conversation has to send again.
    pub(crate) fn resend(&mut self, session: &mut Session, now: Now) {
        let Self { id, stance, standing, view, settings, commands, seats, port, .. } = self;
        let (gateway, stance) = (*id, *stance);
        let context = Context { view, commands, seats, settings, gateway, stance, standing, now };
        session.resend(&mut port.events, &context);
    }

    /// Pushes what was asked; whether all of it went in, so that more may be read.
    pub(crate) fn push(&mut self) -> Result<bool, Poisoned> {
        if matches!(self.stance, Stance::Away(_)) {
            self.commands.clear();
        }
        self.port.push(&mut self.commands)?;
        Ok(self.commands.is_empty())
    }

    /// Whether all that was asked is pushed.
    pub(crate) fn has_room(&self) -> bool {
        self.commands.is_empty()
    }

    /// Hands out some released events; whether there were any.
    pub(crate) fn events(
        &mut self,
        connections: &mut dyn Connections,
        now: Now,
    ) -> Result<bool, GatewayError> {
        for done in 0..EVENTS_PER_TURN {
            let Self { id, stance, standing, port, view, settings, commands, seats, abandoned } = self;
            let (gateway, stance) = (*id, *stance);
            let Some((position, record)) = port.next_event()? else {
                self.command_ended(connections, now);
                return Ok(done > 0);
            };
            if !view.books.settled() && Header::read(record)?.sequence != view.sequence() {
                let changes = view.books.take_changes();
                let mut ctx = Context { view, commands, seats, settings, gateway, stance, standing, now };
                connections.each_feed(&mut |session| session.changes(&changes, &mut ctx));
            }
            let (header, event) = view.apply(record, position)?;
            let mut ctx = Context { view, commands, seats, settings, gateway, stance, standing, now };
            match route(gateway, &header, &event) {
                Route::Connection(connection) => {
                    deliver(connections, connection, &mut ctx, (&header, &event));
                }
                Route::Session(session) => {
                    if let Some(seat) = ctx.seats.get(session) {
                        deliver(connections, seat.connection, &mut ctx, (&header, &event));
                    }
                }
                Route::All => {
                    ctx.seats.free_all();
                    abandoned.clear();
                    connections.each(&mut |session| session.epoch(&mut ctx));
                }
                Route::Nobody => {}
            }
        }
        Ok(true)
    }

    /// Lets the feeds know what changed up to a command's end.
    fn command_ended(&mut self, connections: &mut dyn Connections, now: Now) {
        if self.view.books.settled() {
            return;
        }
        let changes = self.view.books.take_changes();
        self.with(now, |ctx| connections.each_feed(&mut |session| session.changes(&changes, ctx)));
    }
}

fn route(id: GatewayId, header: &Header, event: &Event<'_>) -> Route {
    if event.is_for_its_session() {
        return Route::Session(header.session);
    }
    if let Event::LogOnRefused { gateway, connection, .. } = event
        && *gateway == id
    {
        return Route::Connection(*connection);
    }
    if matches!(event, Event::Epoch(_)) { Route::All } else { Route::Nobody }
}

fn deliver(
    connections: &mut dyn Connections,
    connection: u32,
    ctx: &mut Context<'_>,
    (header, event): (&Header, &Event<'_>),
) {
    let Some(session) = connections.session(connection) else {
        // It hung up before; the seat is free once the exchange says so.
        if matches!(event, Event::Gone | Event::LogOnRefused { .. }) || ends(event) {
            ctx.seats.free(header.session);
        }
        return;
    };
    match event {
        Event::LogOnRefused { text, .. } => session.refused(text.as_str(), ctx),
        Event::Gone => session.gone(ctx),
        Event::Challenged => session.challenged(ctx),
        Event::Repeat(number) => session.repeat(*number),
        Event::Report(_)
        | Event::RefusedOrder { .. }
        | Event::CancelReject(_)
        | Event::MassCancelReport(_)
        | Event::Notice(_)
        | Event::SecurityList(_)
        | Event::Balance(_) => session.event(header, event, ctx),
        Event::Epoch(_)
        | Event::Reference { .. }
        | Event::Market(..)
        | Event::Answer { .. }
        | Event::Busted(..)
        | Event::DayEnded
        | Event::Policy(_) => {}
    }
    connections.touched(connection);
}

/// Whether a notice ends its session.
fn ends(event: &Event<'_>) -> bool {
    matches!(event, Event::Notice(notice) if notice.flags & notice_flag::CLOSE != 0)
}
