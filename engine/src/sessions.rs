//! Sessions as the exchange knows them: their numbers both ways, which gateway holds them live, where their messages
//! stand in the event log, and how long their orders wait for them. All of it is a function of the journal, so a node
//! that takes over goes on with the very next number.
//!
//! Nothing here emits: methods change the state and return what is to be told. Whoever writes an event to a session
//! takes its number and `previous` from [`Sessions::next_message`] and then reports where it went to
//! [`Sessions::sent`].

mod admit;
mod log_on;
mod positions;

#[cfg(test)]
mod tests;

use rialto_journal::position::Position;
use rialto_protocol::command::{Inbound, LogOffCause, LogOn, Notice, NoticeKind, SessionNote};
use rialto_protocol::event::{NoticeEvent, notice_flag};
use rialto_protocol::terms::SessionKind;
use rialto_protocol::{GatewayId, Header, Note, SessionId, SessionSeq, Timestamp};
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::timers::Timers;

pub use admit::Admit;
pub use log_on::LogOnAnswer;
pub use positions::{MESSAGES_PER_MARK, Mark, Positions};

/// How long a member may be away before the orders of a cancel-on-disconnect session end.
pub const GRACE_NS: u64 = 10_000_000_000;
/// Sessions of a lost gateway that one command ends, and sessions that it looks at: each tells an event.
pub const LOST_PER_SLICE: usize = 512;
const LOOKS_PER_SLICE: usize = 8_192;
/// What a loss by choice adds to every outbound number, so that none is issued twice (more than a second's messages).
pub const LOSS_JUMP: u32 = 1_000_000;
/// Above this number a session needs a reset: it is let in no more and its messages are cut. The numbers above are left
/// for what still has to be told to it.
pub const NUMBER_MAX: u32 = 4_000_000_000;

/// Who holds a session live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The gateway.
    pub gateway: GatewayId,
    /// Its number for the connection.
    pub connection: u32,
}

impl Link {
    fn of(log_on: &LogOn) -> Self {
        Self { gateway: log_on.gateway, connection: log_on.connection }
    }
}

/// One session. What every message to it touches comes first, in one cache line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct SessionState {
    positions: Positions,
    next_outbound: SessionSeq,
    orders_open: u32,
    next_inbound: SessionSeq,
    link: Option<Link>,
    /// The first outbound number of the trading day or the incarnation.
    first_kept: SessionSeq,
    incarnation: u32,
    grace_deadline: Option<Timestamp>,
    heartbeat_s: u16,
}

const _: () = assert!(std::mem::offset_of!(SessionState, next_inbound) < 64);

impl Default for SessionState {
    fn default() -> Self {
        Self {
            next_inbound: SessionSeq(1),
            next_outbound: SessionSeq(1),
            first_kept: SessionSeq(1),
            incarnation: 1,
            link: None,
            heartbeat_s: 0,
            orders_open: 0,
            grace_deadline: None,
            positions: Positions::default(),
        }
    }
}

impl SessionState {
    /// The number that its next message must have.
    pub fn next_inbound(&self) -> SessionSeq {
        self.next_inbound
    }

    /// The number that the next message to it will have.
    pub fn next_outbound(&self) -> SessionSeq {
        self.next_outbound
    }

    /// The first outbound number that is kept: of the trading day, or of the incarnation.
    pub fn first_kept(&self) -> SessionSeq {
        self.first_kept
    }

    /// Which numbering the numbers belong to: from 1, one more with each reset.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Who holds it live.
    pub fn link(&self) -> Option<Link> {
        self.link
    }

    /// The heartbeat interval of its last log-on, seconds, 0 = none.
    pub fn heartbeat_s(&self) -> u16 {
        self.heartbeat_s
    }

    /// How many of its orders are open.
    pub fn orders_open(&self) -> u32 {
        self.orders_open
    }

    /// Where its messages stand.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    fn reset(&mut self) {
        self.next_inbound = SessionSeq(1);
        self.next_outbound = SessionSeq(1);
        self.first_kept = SessionSeq(1);
        self.incarnation = self.incarnation.saturating_add(1);
        self.positions = Positions::default();
    }

    /// A notice to it over `link`; `previous` is the writer's to fill in.
    fn told(&self, link: Link, flags: u8, notice: Notice) -> NoticeEvent {
        NoticeEvent {
            previous: 0,
            gateway: link.gateway,
            connection: link.connection,
            next_inbound: self.next_inbound,
            incarnation: self.incarnation,
            heartbeat_s: self.heartbeat_s,
            flags,
            notice,
        }
    }
}

/// What a note comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per note and used at once")]
pub enum NoteAnswer {
    /// It contradicts the session's state and changes nothing.
    Ignored,
    /// It was taken.
    Taken {
        /// What is sent.
        notice: Option<NoticeEvent>,
        /// Whether the session is no longer live after it: `Event::Gone`.
        gone: bool,
    },
}

/// A gateway that is lost, whose sessions end slice by slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    gateway: GatewayId,
    /// The lowest number not looked at.
    next: SessionId,
    is_done: bool,
}

impl Lost {
    /// None of its sessions has ended yet.
    pub fn new(gateway: GatewayId) -> Self {
        Self { gateway, next: SessionId(1), is_done: false }
    }

    /// Whether all have.
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

/// All sessions, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    states: Vec<SessionState>,
    timers: Timers,
    /// The end of the event log when the trading day began: nothing before it is sent again.
    day_began: u64,
}

impl Sessions {
    /// Makes a state for every session up to this number: called for each that is defined.
    pub fn defined(&mut self, id: SessionId) {
        let count = self.states.len().max(id.0 as usize);
        self.states.resize_with(count, SessionState::default);
    }

    /// The session with this number.
    #[inline]
    pub fn get(&self, id: SessionId) -> Option<&SessionState> {
        self.states.get((id.0 as usize).wrapping_sub(1))
    }

    #[inline]
    fn get_mut(&mut self, id: SessionId) -> Option<&mut SessionState> {
        self.states.get_mut((id.0 as usize).wrapping_sub(1))
    }

    /// Like [`Self::get_mut`], for a session that an order, an event or an accepted command proves to exist.
    #[inline]
    fn known(&mut self, id: SessionId) -> &mut SessionState {
        self.get_mut(id).unwrap_or_else(|| panic!("{id:?} was never defined"))
    }

    /// All sessions, by number.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &SessionState)> {
        (1..).map(SessionId).zip(&self.states)
    }

    /// How many are live.
    pub fn live(&self) -> usize {
        self.states.iter().filter(|session| session.link.is_some()).count()
    }

    /// Number of the next message to a session, and position of its previous one.
    #[inline]
    pub fn next_message(&self, id: SessionId) -> Option<(SessionSeq, u64)> {
        self.get(id).map(|session| (session.next_outbound, session.positions.last()))
    }

    /// The message that [`Self::next_message`] numbered stands at `position`.
    #[inline]
    pub fn sent(&mut self, id: SessionId, position: Position) {
        let session = self.known(id);
        session.positions.note(session.next_outbound, position);
        session.next_outbound.0 = session.next_outbound.0.saturating_add(1);
    }

    /// Uses up an inbound number; 0 uses up nothing. False, and nothing changes, where another number is expected.
    #[inline]
    pub fn consume(&mut self, id: SessionId, number: SessionSeq) -> bool {
        let Some(session) = self.get_mut(id) else { return false };
        if number.is_some() {
            if number != session.next_inbound {
                return false;
            }
            session.next_inbound.0 = session.next_inbound.0.saturating_add(1);
        }
        true
    }

    /// An order of the session came to be open.
    #[inline]
    pub fn order_opened(&mut self, id: SessionId) {
        self.known(id).orders_open += 1;
    }

    /// An open order of the session ended.
    #[inline]
    pub fn order_closed(&mut self, id: SessionId) {
        let open = &mut self.known(id).orders_open;
        assert!(*open > 0, "{id:?} has no open order to close");
        *open -= 1;
    }

    /// A message of the session layer: what it does to the numbers, what is sent, whether the session ends.
    pub fn note(&mut self, directory: &Directory, header: &Header, note: &SessionNote) -> NoteAnswer {
        let number = header.session_seq;
        let Some(session) = self.get_mut(header.session) else { return NoteAnswer::Ignored };
        let Some(link) = session.link else { return NoteAnswer::Ignored };
        match note.inbound {
            Inbound::Untouched => {}
            Inbound::Consumed if number == session.next_inbound => {
                session.next_inbound.0 = number.0.saturating_add(1);
            }
            Inbound::JumpTo(next) if next >= session.next_inbound && next.0 <= NUMBER_MAX => {
                session.next_inbound = next;
            }
            Inbound::Consumed | Inbound::JumpTo(_) => return NoteAnswer::Ignored,
        }
        let flags = if note.close { notice_flag::CLOSE } else { 0 };
        let notice = note.outbound.map(|notice| session.told(link, flags, notice));
        if note.close {
            self.leave(directory, header.session, header.timestamp);
        }
        NoteAnswer::Taken { notice, gone: note.close }
    }

    /// The header's session went away from `gateway`. Whether it was live there: `Event::Gone`.
    pub fn log_off(
        &mut self,
        directory: &Directory,
        header: &Header,
        gateway: GatewayId,
        cause: LogOffCause,
    ) -> bool {
        let Some(session) = self.get_mut(header.session) else { return false };
        if session.link.is_none_or(|link| link.gateway != gateway) {
            return false;
        }
        match cause {
            LogOffCause::Disconnected => self.leave(directory, header.session, header.timestamp),
            // Not the member's doing: its orders wait, at most until the grace of the next epoch.
            LogOffCause::PolicyUnmet | LogOffCause::Drained => session.link = None,
        }
        true
    }

    /// A gateway is lost, and the sessions that it held with it: a slice of those, by number, for `Event::Gone`.
    pub fn gateway_lost(&mut self, directory: &Directory, lost: &mut Lost, now: Timestamp) -> Vec<SessionId> {
        let mut held = Vec::new();
        let first = lost.next.max(SessionId(1));
        let states = self.states.get(first.0 as usize - 1..).unwrap_or_default();
        let mut next = None;
        for (looked, (id, session)) in (first.0..).map(SessionId).zip(states).enumerate() {
            if held.len() == LOST_PER_SLICE || looked == LOOKS_PER_SLICE {
                next = Some(id);
                break;
            }
            if session.link.is_some_and(|link| link.gateway == lost.gateway) {
                held.push(id);
            }
        }
        for &id in &held {
            self.leave(directory, id, now);
        }
        (lost.next, lost.is_done) = (next.unwrap_or_default(), next.is_none());
        held
    }

    /// A primary's term begins at `now`: no session is live, and the grace of all begins now, whatever was left of it
    /// before, since nobody could come back while there was no primary. So an epoch's command calls this before it asks
    /// for timers that are due. After a loss all outbound numbers jump.
    pub fn epoch(&mut self, directory: &Directory, now: Timestamp, loss: bool) {
        for number in 1..=u32::try_from(self.states.len()).expect("sessions are at most 65,536") {
            self.leave(directory, SessionId(number), now);
            if loss {
                let session = self.known(SessionId(number));
                session.next_outbound.0 = session.next_outbound.0.saturating_add(LOSS_JUMP);
            }
        }
    }

    /// Both numbers start anew at 1, in the next incarnation. A live session is live no more. Whether it was:
    /// `Event::Gone`.
    pub fn reset(&mut self, directory: &Directory, id: SessionId, now: Timestamp) -> bool {
        let Some(session) = self.get_mut(id) else { return false };
        let live = session.link.is_some();
        session.reset();
        if live {
            self.leave(directory, id, now);
        }
        live
    }

    /// The trading day ends, with the event log at `end`: numbers go on, and messages before now are kept no longer.
    pub fn day_end(&mut self, end: Position) {
        self.day_began = end.get();
        for session in &mut self.states {
            session.first_kept = session.next_outbound;
            session.positions = Positions::default();
        }
    }

    /// The end of the event log when the trading day began: no message before it is sent again.
    pub fn day_began(&self) -> Position {
        Position::new(self.day_began)
    }

    /// The earliest time at which a session's grace ends.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next_deadline()
    }

    /// The next session whose grace has ended by `now`: its orders are to be cancelled. Ask until there is none.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<SessionId> {
        let id = self.timers.pop_due(now)?;
        self.known(id).grace_deadline = None;
        Some(id)
    }

    /// The session is not live from `now` on; its grace begins if it has orders that would end with it.
    fn leave(&mut self, directory: &Directory, id: SessionId, now: Timestamp) {
        let defined = directory.session(id);
        let orders_end = defined
            .is_some_and(|session| session.kind == SessionKind::Trading && session.cancel_on_disconnect);
        let session = self.known(id);
        session.link = None;
        let before = session.grace_deadline.take();
        if orders_end && session.orders_open > 0 {
            session.grace_deadline = Some(Timestamp(now.0.saturating_add(GRACE_NS)));
        }
        let after = session.grace_deadline;
        if let Some(deadline) = before {
            self.timers.clear(deadline, id);
        }
        if let Some(deadline) = after {
            self.timers.set(deadline, id);
        }
    }
}

/// A notice that says no more than its kind.
fn notice(kind: NoticeKind) -> Notice {
    Notice { kind, ref_type: [0; 2], reason: u16::MAX, ref_seq: 0, ref_tag: None, text: Note::EMPTY }
}

/// A notice with a text.
fn text_notice(kind: NoticeKind, text: Note) -> Notice {
    Notice { text, ..notice(kind) }
}
