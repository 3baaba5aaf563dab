//! Who holds which session live, and where each session's messages lie, so that a resend finds any of them in at most
//! 64 steps: the last one's position and that of every 64th are kept, and each message names the one before it.

use rialto_protocol::command::NoticeKind;
use rialto_protocol::event::{NoticeEvent, notice_flag};
use rialto_protocol::reference::Operation;
use rialto_protocol::{GatewayId, Header, SessionId, SessionSeq};

use super::directory::index;
use super::seed::Seed;

/// Messages between two whose positions are kept.
pub const MARK_EVERY: u32 = 64;

/// What is known of one session.
#[derive(Clone, Debug)]
pub struct SessionState {
    /// Gateway and connection that hold it live; [`GatewayId::NONE`] = not live.
    pub holder: (GatewayId, u32),
    /// Next outbound number.
    pub next_outbound: SessionSeq,
    /// Which numbering that is.
    pub incarnation: u32,
    /// Position of its last message, 0 = none.
    pub last: u64,
    marks: Vec<(SessionSeq, u64)>,
}

/// All sessions.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Vec<SessionState>);

impl Sessions {
    pub(super) fn new(seed: &Seed) -> Self {
        let state = |session: &super::seed::SessionSeed| SessionState {
            holder: session.holder,
            next_outbound: session.next_outbound,
            incarnation: session.incarnation,
            last: session.last,
            marks: session.marks.clone(),
        };
        Self(seed.sessions.iter().map(state).collect())
    }

    /// The session with this number.
    pub fn get(&self, id: SessionId) -> Option<&SessionState> {
        self.0.get(index(id.0))
    }

    /// How many are live.
    pub fn live(&self) -> usize {
        self.0.iter().filter(|state| state.holder.0.is_some()).count()
    }

    pub(super) fn define(&mut self, id: u32, operation: &Operation) {
        if matches!(operation, Operation::Session(_)) && index(id) == self.0.len() {
            self.0.push(SessionState {
                holder: (GatewayId::NONE, 0),
                next_outbound: SessionSeq(1),
                incarnation: 0,
                last: 0,
                marks: Vec::new(),
            });
        }
    }

    pub(super) fn sent(&mut self, header: &Header, position: u64) {
        let Some(state) = self.0.get_mut(index(header.session.0)) else { return };
        let number = header.session_seq;
        if number.0 < state.next_outbound.0 {
            // A numbering that starts anew: what was before it cannot be asked for any more.
            state.marks.clear();
        }
        state.next_outbound = SessionSeq(number.0.saturating_add(1));
        state.last = position;
        if number.0.is_multiple_of(MARK_EVERY) {
            state.marks.push((number, position));
        }
    }

    pub(super) fn notice(&mut self, session: SessionId, event: &NoticeEvent) {
        let Some(state) = self.0.get_mut(index(session.0)) else { return };
        state.incarnation = event.incarnation;
        if event.notice.kind == NoticeKind::LogOn {
            state.holder = (event.gateway, event.connection);
        }
        if event.flags & notice_flag::CLOSE != 0 {
            state.holder = (GatewayId::NONE, 0);
        }
    }

    pub(super) fn gone(&mut self, session: SessionId) {
        if let Some(state) = self.0.get_mut(index(session.0)) {
            state.holder = (GatewayId::NONE, 0);
        }
    }

    pub(super) fn all_gone(&mut self) {
        for state in &mut self.0 {
            state.holder = (GatewayId::NONE, 0);
        }
    }
}

impl SessionState {
    /// From where to walk back to the message with this number: a position of a message at or behind it, and its number.
    /// `None` if it was not sent yet.
    pub fn walk_from(&self, number: SessionSeq) -> Option<(SessionSeq, u64)> {
        if number.0 == 0 || number.0 >= self.next_outbound.0 || self.last == 0 {
            return None;
        }
        let mark = self.marks.partition_point(|(marked, _)| *marked < number);
        Some(self.marks.get(mark).copied().unwrap_or((SessionSeq(self.next_outbound.0 - 1), self.last)))
    }
}
