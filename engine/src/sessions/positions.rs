//! Where a session's messages stand in the event log. Each message carries the position of the one before it, so a place
//! at most 64 messages behind is enough to come to any of them; kept are the last and every 64th since the trading day
//! or the incarnation began.

use rialto_journal::position::Position;
use rialto_protocol::SessionSeq;
use serde::{Deserialize, Serialize};

/// Messages from one kept position to the next: a walk back takes fewer steps than this.
pub const MESSAGES_PER_MARK: u32 = 64;

/// Marks in a chunk: a chunk is never moved once it is full, so that no message waits for a long table to be copied.
const MARKS_PER_CHUNK: usize = 256;

/// A message and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its outbound number.
    pub number: SessionSeq,
    /// Its position in the event log.
    pub position: u64,
}

/// The kept positions of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// The last message of all; its position is 0 while none is kept.
    last: Mark,
    /// Messages since the last mark.
    unmarked: u32,
    /// Ascending; all chunks but the last hold [`MARKS_PER_CHUNK`].
    chunks: Vec<Vec<Mark>>,
}

impl Positions {
    /// Position of the last message, 0 = none is kept: what the next one's `previous` is.
    #[inline]
    pub fn last(&self) -> u64 {
        self.last.position
    }

    /// All kept positions but the last message's, ascending.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        self.chunks.iter().flatten().copied()
    }

    /// Notes a message; numbers and positions grow.
    #[inline]
    pub(super) fn note(&mut self, number: SessionSeq, position: Position) {
        let mark = Mark { number, position: position.get() };
        assert!(self.last.position < mark.position, "{mark:?} is not behind {:?}", self.last);
        self.last = mark;
        self.unmarked += 1;
        if self.unmarked == MESSAGES_PER_MARK {
            self.unmarked = 0;
            self.keep(mark);
        }
    }

    #[cold]
    fn keep(&mut self, mark: Mark) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == MARKS_PER_CHUNK) {
            self.chunks.push(Vec::with_capacity(MARKS_PER_CHUNK));
        }
        self.chunks.last_mut().expect("one was pushed if there was none").push(mark);
    }

    /// The nearest kept message at or behind `number`. The message itself, or the first one above it where the number
    /// was jumped over, is fewer than [`MESSAGES_PER_MARK`] steps back from there. `None`: no message at or above
    /// `number` is kept.
    pub fn nearest(&self, number: SessionSeq) -> Option<Mark> {
        if self.last.position == 0 || self.last.number < number {
            return None;
        }
        let chunk =
            self.chunks.partition_point(|chunk| chunk.last().is_some_and(|mark| mark.number < number));
        let marked = self
            .chunks
            .get(chunk)
            .and_then(|marks| marks.get(marks.partition_point(|mark| mark.number < number)).copied());
        Some(marked.unwrap_or(self.last))
    }
}
