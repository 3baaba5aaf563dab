//! The one place where events are written: it stamps them, numbers those that go to a session, and knows where in the
//! event log each will stand.

use rialto_journal::position::Position;
use rialto_protocol::event::{Event, EventBuffer, Report, Stamp};
use rialto_protocol::{Header, Sequence, SessionId, SessionSeq, Timestamp};

use crate::sessions::Sessions;

/// Writes the events of one command.
pub(super) struct Emitter<'a> {
    events: &'a mut EventBuffer,
    sequence: Sequence,
    timestamp: Timestamp,
    index: u32,
    end: Position,
}

impl<'a> Emitter<'a> {
    /// For the command of `header`, in an event log that ends at `end`.
    pub(super) fn new(header: &Header, end: Position, events: &'a mut EventBuffer) -> Self {
        Self { events, sequence: header.sequence, timestamp: header.timestamp, index: 0, end }
    }

    /// End of the event log after what was written.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    /// The command's sequence.
    pub(super) fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The command's time.
    pub(super) fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Writes an event that has no number; `session` is whom it concerns, if anyone.
    pub(super) fn tell(&mut self, session: SessionId, event: &Event<'_>) {
        self.write(session, SessionSeq::NONE, event);
    }

    /// Writes a numbered message to a session, made from the position of its previous one; its number.
    #[inline]
    pub(super) fn message<'e>(
        &mut self,
        sessions: &mut Sessions,
        session: SessionId,
        event: impl FnOnce(u64) -> Event<'e>,
    ) -> SessionSeq {
        let Some((number, previous)) = sessions.next_message(session) else {
            return SessionSeq::NONE;
        };
        let position = self.write(session, number, &event(previous));
        sessions.sent(session, position);
        number
    }

    /// Writes a report to a session; its number.
    #[inline]
    pub(super) fn report(
        &mut self,
        sessions: &mut Sessions,
        session: SessionId,
        mut report: Report<'_>,
    ) -> SessionSeq {
        let Some((number, previous)) = sessions.next_message(session) else {
            return SessionSeq::NONE;
        };
        report.body.previous = previous;
        let stamp = self.stamp(session, number);
        let bytes = self.events.push_report(&stamp, &report);
        let position = self.wrote(bytes);
        sessions.sent(session, position);
        number
    }

    fn write(&mut self, session: SessionId, number: SessionSeq, event: &Event<'_>) -> Position {
        let stamp = self.stamp(session, number);
        let bytes = self.events.push(&stamp, event);
        self.wrote(bytes)
    }

    #[inline]
    fn stamp(&self, session: SessionId, number: SessionSeq) -> Stamp {
        Stamp { sequence: self.sequence, timestamp: self.timestamp, index: self.index, session, number }
    }

    /// Where the event of so many bytes that was just written will stand.
    #[inline]
    fn wrote(&mut self, bytes: usize) -> Position {
        let position = Position::place(self.end, bytes);
        self.index += 1;
        self.end = position.plus(bytes);
        position
    }
}
