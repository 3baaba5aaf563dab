//! One connection's conversation, without its socket: bytes and a time come in, bytes and commands go out.
//!
//! The numbers of a trading session are the exchange's. What a member sends becomes a command under the number it
//! had; what the exchange tells the session comes back as numbered events, and those alone are encoded and sent.
//! So nothing numbered is said here that is not in the journal, and a conversation goes on anywhere. Market-data
//! sessions are the exception: their numbers start at 1 with each log-on and are kept here.

mod away;
mod commands;
mod decoder;
mod feed;
mod inbound;
mod log_on;
mod outbound;
mod request;
mod seats;
mod timers;

use std::collections::{BTreeMap, VecDeque};

use rialto_protocol::{GatewayId, Name, SessionId};

pub use commands::Commands;
pub use seats::Seats;

use crate::fix::validate::{Checks, UserDefined, Wire};
use crate::limits::Bucket;
use crate::market_data::Feed;
use crate::message::Message;
use crate::resend::Run;
use crate::standing::{Stance, Standing};
use crate::translate::Identity;
use crate::view::View;
use decoder::{Decoded, Decoder};
use log_on::Waiting;
use request::Asking;

/// What a gateway is told about how to deal with its members.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our `CompID`.
    pub comp_id: Name,
    /// How far a `SendingTime` may be from now.
    pub sending_time_tolerance_s: u32,
    /// Whether tags from 5000 on are passed over instead of refused.
    pub user_defined_tags: bool,
    /// Messages that a session may send in a second, 0 = no limit.
    pub messages_per_s: u32,
    /// Whether the thread never sleeps.
    pub spin: bool,
}

/// The time, twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// UTC nanoseconds since 1970: what messages say.
    pub utc_ns: u64,
    /// Nanoseconds since any one moment, never going back: what timers use.
    pub mono_ns: u64,
}

/// What a conversation works with.
#[derive(Debug)]
pub struct Context<'a> {
    /// What is known of the exchange.
    pub view: &'a View,
    /// What is asked of the exchange.
    pub commands: &'a mut Commands,
    /// Which sessions this gateway's connections hold.
    pub seats: &'a mut Seats,
    /// How to deal with members.
    pub settings: &'a Settings,
    /// Which gateway this is.
    pub gateway: GatewayId,
    /// What may be done with trading sessions.
    pub stance: Stance,
    /// What is said where that is nothing.
    pub standing: &'a Standing,
    /// The time.
    pub now: Now,
}

/// How far a conversation is.
#[derive(Debug)]
enum State {
    /// Nobody has logged on yet.
    Opening,
    /// It asks the node itself, and is no conversation.
    Request(Asking),
    /// A log-on is sound, but the session is not free yet.
    Waiting(Box<Waiting>),
    /// The log-on is with the exchange.
    Asked,
    /// Logged on.
    Live,
    /// Nothing more is said or heard.
    Ended,
}

/// How the connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// At once.
    Now,
    /// Once everything is written.
    Flushed,
    /// By the other side; after a while it becomes [`Self::Now`].
    ByPeer,
}

/// A message that came before its turn.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    /// It was a resend request and has been served.
    served: bool,
}

/// One connection's conversation.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one conversation")]
#[derive(Debug)]
pub struct Session {
    /// The gateway's number for the connection.
    connection: u32,
    state: State,
    wire: Wire,
    decoder: Option<Decoder>,
    inbox: Vec<u8>,
    /// Whose conversation it is, once that is known.
    id: SessionId,
    comp_id: Name,
    /// What must be written.
    out: Vec<u8>,
    out_messages: usize,
    /// New messages that wait for a resend to end.
    held: Vec<u8>,
    /// Messages to be sent again.
    resends: VecDeque<Run>,
    /// The next inbound number.
    expected: u32,
    /// Messages from here on have been asked for up to this number.
    gap_to: u32,
    kept: BTreeMap<u32, Kept>,
    kept_bytes: usize,
    /// `MsgSeqNum` and `NextExpectedMsgSeqNum` of the log-on.
    log_on_number: u32,
    next_expected: u32,
    /// The session is being reset while live: one `Gone` is not an end.
    resetting: bool,
    /// A log-on has come, and waits unread until the policy is met.
    log_on_waits: bool,
    /// The member will send nothing more.
    input_ended: bool,
    /// What was asked of the exchange ends the session there.
    leaving: bool,
    /// The end is by the member's own Logout.
    asked_to_leave: bool,
    close: Option<Close>,
    timers: timers::Timers,
    /// Of a market-data session.
    market: Option<Box<feed::Market>>,
    /// Of a trading session in line mode: looks at books.
    looks: Option<Box<Feed>>,
    /// Messages refused for their rate.
    throttled: u32,
    orders: Bucket,
    cancels: Bucket,
}

impl Session {
    /// A new connection.
    pub fn new(connection: u32, now: Now) -> Self {
        Self {
            connection,
            state: State::Opening,
            wire: Wire::Fix,
            decoder: None,
            inbox: Vec::new(),
            id: SessionId::NONE,
            comp_id: Name::EMPTY,
            out: Vec::new(),
            out_messages: 0,
            held: Vec::new(),
            resends: VecDeque::new(),
            expected: 1,
            gap_to: 0,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            log_on_number: 0,
            next_expected: 0,
            resetting: false,
            log_on_waits: false,
            input_ended: false,
            leaving: false,
            asked_to_leave: false,
            close: None,
            timers: timers::Timers::new(now),
            market: None,
            looks: None,
            throttled: 0,
            orders: Bucket::default(),
            cancels: Bucket::default(),
        }
    }

    /// The gateway's number for the connection.
    pub fn connection(&self) -> u32 {
        self.connection
    }

    /// The session whose conversation this is, once it is asked for.
    pub fn session(&self) -> SessionId {
        self.id
    }

    /// Whether it is logged on.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live)
    }

    /// Whether nobody has logged on yet.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening | State::Request(_))
    }

    /// Whether a log-on waits for its session to be free.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Bytes that came and are not dealt with.
    pub fn inbox_len(&self) -> usize {
        self.inbox.len()
    }

    /// What must be written; the caller takes from the front what it could write.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Bytes and messages that wait to be written.
    pub fn backlog(&self) -> (usize, usize) {
        (self.out.len() + self.held.len(), self.out_messages)
    }

    /// All of [`Self::output`] is written.
    pub fn drained(&mut self) {
        self.out_messages = 0;
    }

    /// How the connection is to end, if it is.
    pub fn close(&self) -> Option<Close> {
        self.close
    }

    /// Takes bytes from the member. Nothing is done with them before [`Self::turn`].
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// The member will send nothing more, but may still read what it is told of what it sent.
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// Deals with what came, as far as it goes.
    pub fn turn(&mut self, ctx: &mut Context<'_>) {
        if self.is_waiting() {
            self.wait(ctx);
        }
        self.read(ctx);
        if self.input_ended {
            match self.state {
                State::Opening | State::Waiting(_) => self.end(Close::Now),
                // The exchange says Gone behind all answers.
                State::Live if !self.leaving && !self.resetting => self.log_off(ctx),
                State::Request(_) | State::Asked | State::Live | State::Ended => {}
            }
        }
    }

    fn read(&mut self, ctx: &mut Context<'_>) {
        if self.decoder.is_none() {
            if matches!(self.state, State::Request(_)) {
                return self.read_request();
            }
            let Some(first) = self.inbox.first() else { return };
            match self.opens_request() {
                None => return,
                Some(true) => {
                    self.state = State::Request(Asking::Reading);
                    return self.read_request();
                }
                Some(false) => {}
            }
            // FIX opens with BeginString; a line opens with MsgType.
            self.wire = if *first == b'8' { Wire::Fix } else { Wire::Line };
            self.decoder = Some(Decoder::new(self.wire));
        }
        let Some(mut decoder) = self.decoder.take() else { return };
        let inbox = std::mem::take(&mut self.inbox);
        let mut used = 0;
        while self.listens() {
            if let Some(kept) = self.take_kept() {
                if let Decoded::Message { message, .. } = decoder.next(&kept.bytes) {
                    self.in_order(&message, kept.served, ctx);
                }
                continue;
            }
            match decoder.next(&inbox[used..]) {
                Decoded::Partial => break,
                Decoded::Skipped(bytes) => used += bytes,
                Decoded::Malformed { used: bytes, words } => {
                    used += bytes;
                    self.malformed(&words, ctx);
                }
                Decoded::Message { message, used: bytes } => {
                    if self.must_wait(&message, ctx) {
                        break;
                    }
                    used += bytes;
                    self.message(&message, ctx);
                }
            }
        }
        self.decoder = Some(decoder);
        self.inbox = inbox;
        if matches!(self.state, State::Ended) || self.leaving {
            self.inbox.clear();
        } else {
            self.inbox.drain(..used);
        }
    }

    /// The connection ended, whoever ended it: what the exchange must hear of it.
    pub fn hung_up(&mut self, ctx: &mut Context<'_>) {
        if matches!(self.state, State::Asked | State::Live) && !self.leaving && !self.is_feed() {
            self.log_off(ctx);
        }
        self.state = State::Ended;
    }

    /// Whether messages are dealt with now.
    fn listens(&self) -> bool {
        matches!(self.state, State::Opening | State::Live) && !self.leaving && !self.resetting
    }

    fn message(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        self.timers.heard(ctx.now);
        if matches!(self.state, State::Opening) {
            self.first(message, ctx);
        } else {
            self.numbered(message, ctx);
        }
    }

    fn end(&mut self, close: Close) {
        self.state = State::Ended;
        self.close = Some(close);
    }

    fn checks(&self, settings: &Settings) -> Checks {
        let user_defined =
            if settings.user_defined_tags { UserDefined::Allowed } else { UserDefined::Refused };
        Checks { wire: self.wire, user_defined }
    }

    fn identity<'a>(&'a self, settings: &'a Settings) -> Identity<'a> {
        Identity { ours: settings.comp_id.as_bytes(), theirs: self.comp_id.as_bytes(), wire: self.wire }
    }
}
