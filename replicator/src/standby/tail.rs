//! Where a log goes on, and what may follow there.

use std::ops::RangeInclusive;

use rialto_journal::layout::{PAGE_BYTES, PAGE_HEADER_BYTES};
use rialto_journal::position::Position;
use rialto_journal::record::Record;

use crate::gone::StreamError;
use crate::message::Hello;

/// The end of a log that grows by runs of records and page ends, each checked before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    end: Position,
    next_seq: u64,
    epoch: u32,
}

impl Tail {
    /// The log of a standby, to go on at `from`: behind its open page's records, or, if it has none, behind its last closed
    /// page.
    pub(super) fn of(hello: &Hello, from: Position, next_seq: u64) -> Result<Self, StreamError> {
        let tail = match &hello.open {
            Some(open) => Tail {
                end: Position::at(hello.end.page_no, usize::from(open.offset).min(PAGE_BYTES)),
                next_seq: open.last_seq + 1,
                epoch: open.epoch,
            },
            None => Tail {
                end: Position::page_start(hello.end.page_no),
                next_seq: hello.end.first_seq,
                epoch: hello.end.epoch,
            },
        };
        if (from, next_seq) == (tail.end, tail.next_seq) {
            Ok(tail)
        } else {
            Err(StreamError::From { from, next_seq })
        }
    }

    /// Behind the last record; a page's start if all before it are closed.
    pub const fn end(&self) -> Position {
        self.end
    }

    /// The sequence of the next record.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The epoch of the last page.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Takes records in; the sequence of the last one. `epochs` are the run's and the primary's.
    pub(super) fn take_run(
        &mut self,
        epochs: RangeInclusive<u32>,
        position: Position,
        records: &[u8],
    ) -> Result<u64, StreamError> {
        if records.is_empty() {
            return Err(StreamError::Empty(position));
        }
        let first = Record::parse(records).map_err(|error| StreamError::Record { at: position, error })?;
        let expected = Position::place(self.end, first.bytes().len());
        if position != expected {
            return Err(StreamError::Position { found: position, expected });
        }
        if position.offset() + records.len() > PAGE_BYTES {
            return Err(StreamError::Crosses { at: position, bytes: records.len() });
        }
        self.check_epoch(&epochs, position)?;
        let next_seq = self.check_records(position, records)?;
        *self = Tail { end: position.plus(records.len()), next_seq, epoch: *epochs.start() };
        Ok(next_seq - 1)
    }

    fn check_epoch(&self, epochs: &RangeInclusive<u32>, at: Position) -> Result<(), StreamError> {
        let (found, mine) = (*epochs.start(), self.epoch);
        let opens_page = at.offset() == PAGE_HEADER_BYTES;
        let fits = if opens_page { found >= mine && !epochs.is_empty() } else { found == mine };
        if fits {
            return Ok(());
        }
        let expected =
            if opens_page { format!("{mine} to {}", epochs.end()) } else { format!("only {mine}") };
        Err(StreamError::Epoch { at, found, expected })
    }

    /// The sequence behind the last record, if all are whole and in order.
    fn check_records(&self, position: Position, records: &[u8]) -> Result<u64, StreamError> {
        let (mut at, mut rest, mut expected) = (position, records, self.next_seq);
        while !rest.is_empty() {
            let record = Record::parse(rest).map_err(|error| StreamError::Record { at, error })?;
            record.check_crc().map_err(|error| StreamError::Record { at, error })?;
            let found = record.sequence();
            if found != expected {
                return Err(StreamError::Sequence { at, found, expected });
            }
            let bytes = record.bytes().len();
            (at, rest, expected) = (at.plus(bytes), &rest[bytes..], expected + 1);
        }
        Ok(expected)
    }

    /// Ends the page that the log ends in.
    pub(super) fn close(&mut self, page_no: u64) -> Result<(), StreamError> {
        if page_no != self.end.page() || self.end.offset() <= PAGE_HEADER_BYTES {
            return Err(StreamError::Close { page_no, end: self.end });
        }
        self.end = Position::page_start(page_no + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
