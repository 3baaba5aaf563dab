//! Where a byte stands in a log, and the rule that says where a record goes.
//!
//! Positions count from the log's first byte ever and are never reused, so that one names the same record in shared
//! memory, in a segment file and on every node. Page and offset are its high and low bits.

use std::fmt;

use crate::layout::{PAGE_BYTES, PAGE_HEADER_BYTES, RECORD_ALIGN_BYTES, RECORD_BYTES_MAX};

/// A byte position in a log: page number × 4096 + offset in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Where the first record of every log stands.
    pub const FIRST: Self = Self(PAGE_HEADER_BYTES as u64);

    /// The position with this number, as kept in a cursor or a record.
    pub const fn new(byte: u64) -> Self {
        Self(byte)
    }

    /// The position as a number, to be kept in a cursor or a record.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The byte `offset` of page `page_no`; an offset of a whole page is the start of the next one.
    pub const fn at(page_no: u64, offset: usize) -> Self {
        assert!(offset <= PAGE_BYTES, "an offset lies within its page");
        Self(page_no * PAGE_BYTES as u64 + offset as u64)
    }

    /// The first byte of a page, that is, of its header. As the end of a log: all pages before it are closed.
    pub const fn page_start(page_no: u64) -> Self {
        Self::at(page_no, 0)
    }

    /// The number of the page that this byte is in.
    pub const fn page(self) -> u64 {
        self.0 / PAGE_BYTES as u64
    }

    /// The byte's offset in its page.
    #[expect(clippy::cast_possible_truncation, reason = "below PAGE_BYTES")]
    pub const fn offset(self) -> usize {
        (self.0 % PAGE_BYTES as u64) as usize
    }

    /// The byte `bytes` further on.
    #[must_use]
    pub const fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }

    /// Where a record of `len` bytes goes in a log that ends at `end`: there if the page has room for it, else first in
    /// the next page. The exchange and the journal both follow this one rule, so an event's position is known before it
    /// is written.
    pub const fn place(end: Self, len: usize) -> Self {
        assert!(len <= RECORD_BYTES_MAX, "a record fits a page");
        let here = end.skip_header();
        if here.offset() + len <= PAGE_BYTES { here } else { Self::at(here.page() + 1, PAGE_HEADER_BYTES) }
    }

    /// Whether a record can start here or end here.
    pub const fn is_aligned(self) -> bool {
        self.0.is_multiple_of(RECORD_ALIGN_BYTES as u64)
    }

    /// The first byte from here on that can belong to a record.
    #[must_use]
    pub const fn skip_header(self) -> Self {
        if self.offset() < PAGE_HEADER_BYTES { Self::at(self.page(), PAGE_HEADER_BYTES) } else { self }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page(), self.offset())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(end: (u64, usize), len: usize, placed: (u64, usize)) {
        assert_eq!(Position::place(Position::at(end.0, end.1), len), Position::at(placed.0, placed.1));
    }

    #[test]
    fn record_goes_to_the_end_or_first_in_the_next_page() {
        check((0, 0), 32, (0, 64));
        check((0, 64), 4032, (0, 64));
        check((3, 4000), 96, (3, 4000));
        check((3, 4000), 104, (4, 64));
        check((3, 4096), 32, (4, 64));
        check((4, 64), 32, (4, 64));
    }

    proptest! {
        #[test]
        fn placed_record_never_crosses_a_page_nor_overlaps_the_log(end in 0..1u64 << 50, words in 4..=504usize) {
            let (end, len) = (Position::new(end * 8), words * 8);
            let placed = Position::place(end, len);
            prop_assert!(placed >= end);
            prop_assert!(placed.offset() >= PAGE_HEADER_BYTES);
            prop_assert!(placed.offset() + len <= PAGE_BYTES);
            prop_assert!(placed.page() - end.page() <= 1);
        }
    }
}
