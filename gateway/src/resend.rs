//! Messages sent again, read back from the event log. Application messages go out as they were, marked 43=Y and with
//! their first time in 122; a run of others becomes one `SequenceReset` in gap-fill mode, and so does a number that
//! was jumped over or is no longer kept.

use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, PageSource};
use rialto_journal::record::Record;
use rialto_protocol::event::{self, Event};
use rialto_protocol::{Header, SessionSeq};

use crate::limits::RESEND_CHUNK;
use crate::translate::{self, Identity, Resend};
use crate::view::View;
use crate::view::sessions::SessionState;

/// The event log, looked up by position.
pub trait Past {
    /// The record at this position, if it is still there.
    fn record(&mut self, position: u64) -> Option<&[u8]>;
}

impl<S: PageSource> Past for LogReader<S> {
    fn record(&mut self, position: u64) -> Option<&[u8]> {
        match self.record_at(Position::new(position)) {
            Ok(record) => record.map(Record::bytes),
            Err(error) => {
                tracing::error!(%error, "a message cannot be read back");
                None
            }
        }
    }
}

/// Numbers to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first one that nothing has been sent for: from here to `next` all are administrative.
    unsent: u32,
    /// The next one to look at.
    next: u32,
    /// The last one.
    to: u32,
}

impl Run {
    /// From the first number to the last.
    pub fn new(from: u32, to: u32) -> Self {
        Self { unsent: from, next: from, to }
    }

    /// Whether all is sent.
    pub fn is_done(&self) -> bool {
        self.next > self.to
    }

    /// Appends what stands under the next [`RESEND_CHUNK`] numbers.
    pub fn send(
        &mut self,
        out: &mut Vec<u8>,
        (view, identity): (&View, &Identity<'_>),
        (state, past): (&SessionState, &mut dyn Past),
        now_ns: u64,
    ) {
        let to = self.to.min(self.next.saturating_add(RESEND_CHUNK - 1));
        for (number, position) in walk_back(state, past, (self.next, to)) {
            let record = past.record(position);
            let Some((header, event)) = record.and_then(|record| Event::decode(record).ok()) else {
                continue;
            };
            if translate::is_application(&event) {
                self.fill(out, identity, (number, now_ns));
                translate::outbound(out, (view, identity), &header, &event, Some(Resend { now_ns }));
                self.unsent = number + 1;
            }
        }
        self.next = to.saturating_add(1);
        if self.is_done() {
            self.fill(out, identity, (self.next, now_ns));
        }
    }

    /// Fills the gap that was left before `next`.
    fn fill(&self, out: &mut Vec<u8>, identity: &Identity<'_>, (next, now_ns): (u32, u64)) {
        if self.unsent < next {
            translate::admin_run(out, identity, (self.unsent, next), now_ns);
        }
    }
}

/// Numbers and positions of the session's messages within the run, ascending.
fn walk_back(state: &SessionState, past: &mut dyn Past, (from, to): (u32, u32)) -> Vec<(u32, u64)> {
    let mut places = Vec::new();
    let Some((_, mut position)) = state.walk_from(SessionSeq(to)) else { return places };
    while position != 0 {
        let Some(record) = past.record(position) else { break };
        let Ok(Header { session_seq: SessionSeq(number), .. }) = Header::read(record) else { break };
        if number < from {
            break;
        }
        if number <= to {
            places.push((number, position));
        }
        position = event::previous(record).unwrap_or(0);
    }
    places.reverse();
    places
}
