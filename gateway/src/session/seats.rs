//! Which session is held, or asked for, by which connection of this gateway: at most one at a time.
//!
//! A log-off names no connection, so the exchange must never have two of one gateway for one session on their way.

use std::collections::HashMap;

use rialto_protocol::{Name, SessionId};

use super::Now;
use crate::limits::Attempts;

/// See the module.
#[derive(Debug, Default)]
pub struct Seats {
    taken: HashMap<SessionId, Seat>,
    attempts: Attempts,
}

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The connection.
    pub connection: u32,
    /// It ended, and the exchange has not said so yet.
    pub leaving: bool,
}

impl Seats {
    /// Who has the session.
    pub fn get(&self, session: SessionId) -> Option<Seat> {
        self.taken.get(&session).copied()
    }

    pub(super) fn take(&mut self, session: SessionId, connection: u32) {
        self.taken.insert(session, Seat { connection, leaving: false });
    }

    pub(super) fn leaving(&mut self, session: SessionId) {
        if let Some(seat) = self.taken.get_mut(&session) {
            seat.leaving = true;
        }
    }

    /// The session is free: the exchange said that it is live no more, or that it was never let in.
    pub fn free(&mut self, session: SessionId) {
        self.taken.remove(&session);
    }

    /// All sessions are free: those that were not.
    pub fn free_all(&mut self) -> Vec<SessionId> {
        self.taken.drain().map(|(session, _)| session).collect()
    }

    /// Whether another log-on under this name is allowed by now.
    pub(super) fn may_try(&mut self, comp_id: Name, now: Now) -> bool {
        self.attempts.may_try(comp_id, now.mono_ns)
    }

    /// A log-on under this name had a wrong password.
    pub(super) fn failed(&mut self, comp_id: Name) {
        self.attempts.failed(comp_id);
    }
}
