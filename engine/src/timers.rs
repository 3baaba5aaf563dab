//! Deadlines by journaled time. A timer fires when a command carries a time at or past its deadline, never by a clock,
//! so it fires at the same command on every node. Due ones come out by deadline, then by session.

use std::collections::BTreeSet;

use rialto_protocol::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// The deadlines that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers(BTreeSet<(Timestamp, SessionId)>);

impl Timers {
    /// Sets one.
    pub fn set(&mut self, deadline: Timestamp, session: SessionId) {
        self.0.insert((deadline, session));
    }

    /// Takes one back.
    pub fn clear(&mut self, deadline: Timestamp, session: SessionId) {
        self.0.remove(&(deadline, session));
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.0.first().map(|&(deadline, _)| deadline)
    }

    /// Takes out the first that is due at `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<SessionId> {
        if self.next_deadline()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, session)| session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(timers: &mut Timers, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| timers.pop_due(Timestamp(now))).map(|session| session.0).collect()
    }

    #[test]
    fn due_timers_fire_by_deadline_and_then_by_session() {
        let mut timers = Timers::default();
        for (deadline, session) in [(20, 1), (10, 3), (10, 2), (30, 9)] {
            timers.set(Timestamp(deadline), SessionId(session));
        }
        assert_eq!(timers.next_deadline(), Some(Timestamp(10)));
        assert_eq!(due(&mut timers, 9), []);
        assert_eq!(due(&mut timers, 20), [2, 3, 1]);
        assert_eq!(timers.next_deadline(), Some(Timestamp(30)));
    }

    #[test]
    fn a_timer_fires_at_its_deadline_and_once() {
        let mut timers = Timers::default();
        timers.set(Timestamp(10), SessionId(1));
        assert_eq!(due(&mut timers, 10), [1]);
        assert_eq!(due(&mut timers, 10), []);
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_timer_taken_back_does_not_fire() {
        let mut timers = Timers::default();
        timers.set(Timestamp(10), SessionId(1));
        timers.clear(Timestamp(10), SessionId(1));
        assert_eq!(due(&mut timers, 99), []);
    }
}
