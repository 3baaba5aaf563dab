//! Reading a log from any position on, out of shared memory and, where that has gone on, out of what storage keeps.
//!
//! A reader is as slow as it likes: it holds nobody up. It has its own copy of one page; what it hands out are records
//! in that copy, whole and unchanging.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::layout::{PAGE_BYTES, PAGE_HEADER_BYTES, Page};
use crate::log::{Copied, LogRing};
use crate::page::{PageError, PageView};
use crate::position::Position;
use crate::record::{Record, RecordError};

/// Where pages are found that shared memory no longer has: the segment files.
pub trait PageSource {
    /// Reads a stored page, its seal verified, into `page`; false if it is not there.
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool>;
}

impl<S: PageSource> PageSource for &S {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        (*self).read_page(page_no, page)
    }
}

/// No page at all: for readers that must keep up.
impl PageSource for () {
    fn read_page(&self, _page_no: u64, _page: &mut Page) -> io::Result<bool> {
        Ok(false)
    }
}

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// All that is published.
    End,
    /// Records before this position.
    Position(Position),
    /// Records of this sequence and before: with the released cursor, what may be told.
    Sequence(u64),
}

impl UpTo {
    fn allows(self, at: Position, record: Record<'_>) -> bool {
        match self {
            Self::End => true,
            Self::Position(position) => at < position,
            Self::Sequence(sequence) => record.sequence() <= sequence,
        }
    }
}

/// Why a log cannot be read on.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The page is neither in shared memory nor in the source.
    #[error("page {page_no} is no longer in shared memory, and storage does not have it")]
    Missing {
        /// The page's number.
        page_no: u64,
    },
    /// The source could not read.
    #[error("page {page_no}: {source}")]
    Source {
        /// The page's number.
        page_no: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The source has something else in the page's place.
    #[error("page {page_no}: {error}")]
    Page {
        /// The page's number.
        page_no: u64,
        /// What is wrong.
        error: PageError,
    },
    /// No record stands here: the log is damaged, or the position asked for is none.
    #[error("at {position}: {error}")]
    Record {
        /// The position.
        position: Position,
        /// What is wrong.
        error: RecordError,
    },
}

/// A copy of the published part of one page.
#[derive(Debug)]
struct Copy {
    page: Box<Page>,
    page_no: u64,
    /// Bytes in `page` are records from `from` to `to`.
    from: usize,
    to: usize,
    /// Whether the page ends at `to`; otherwise it may grow.
    closed: bool,
}

impl Copy {
    fn new() -> Self {
        Self { page: Box::new([0; PAGE_BYTES]), page_no: 0, from: 0, to: 0, closed: false }
    }

    fn has(&self, at: Position) -> bool {
        at.page() == self.page_no && (self.from..self.to).contains(&at.offset())
    }

    fn is_behind(&self, at: Position) -> bool {
        self.closed && at.page() == self.page_no && at.offset() >= self.to
    }

    /// Makes this a copy of what follows `at` in its page; false if that is nothing yet.
    fn fill(&mut self, at: Position, ring: &LogRing, source: &impl PageSource) -> Result<bool, ReadError> {
        (self.page_no, self.from, self.to, self.closed) = (at.page(), at.skip_header().offset(), 0, false);
        match ring.copy_records(at, &mut self.page) {
            Copied::UpTo { offset, closed } => (self.to, self.closed) = (offset, closed),
            Copied::Nothing => return Ok(false),
            Copied::Lapped => self.fill_from(source)?,
        }
        Ok(true)
    }

    fn fill_from(&mut self, source: &impl PageSource) -> Result<(), ReadError> {
        let page_no = self.page_no;
        let is_there = source
            .read_page(page_no, &mut self.page)
            .map_err(|source| ReadError::Source { page_no, source })?;
        if !is_there {
            return Err(ReadError::Missing { page_no });
        }
        let view = PageView::parse(&self.page).map_err(|error| ReadError::Page { page_no, error })?;
        let found = view.header().page_no;
        if found != page_no {
            return Err(ReadError::Page { page_no, error: PageError::PageNo { found, expected: page_no } });
        }
        (self.from, self.to, self.closed) = (PAGE_HEADER_BYTES, usize::from(view.header().used), true);
        Ok(())
    }

    fn record(&self, at: Position) -> Result<Record<'_>, ReadError> {
        Record::parse(&self.page[at.offset()..self.to])
            .map_err(|error| ReadError::Record { position: at, error })
    }
}

/// Reads a log in order, and single records anywhere.
#[derive(Debug)]
pub struct LogReader<S> {
    ring: Arc<LogRing>,
    source: S,
    at: Position,
    ahead: Copy,
    /// For single records, so that a resend does not disturb the reading in order.
    single: Copy,
}

impl<S: PageSource> LogReader<S> {
    /// A reader whose next record is the first at or behind `at`, which is the start of a page or of a record. Panics if
    /// it can be neither.
    pub fn new(ring: Arc<LogRing>, source: S, at: Position) -> Self {
        assert!(at.is_aligned(), "a log is read from a record on, none stands at {at}");
        Self { ring, source, at, ahead: Copy::new(), single: Copy::new() }
    }

    /// Where the next record stands, or will, if it fits that page.
    pub const fn position(&self) -> Position {
        self.at
    }

    /// The log being read.
    pub const fn ring(&self) -> &Arc<LogRing> {
        &self.ring
    }

    /// The next record with its position, if it is published and within the limit.
    pub fn next(&mut self, up_to: UpTo) -> Result<Option<(Position, Record<'_>)>, ReadError> {
        if !self.look_ahead()? {
            return Ok(None);
        }
        let at = self.at;
        let record = self.ahead.record(at)?;
        if !up_to.allows(at, record) {
            return Ok(None);
        }
        self.at = at.plus(record.bytes().len());
        Ok(Some((at, record)))
    }

    /// All further records of one page within the limit, as one run of bytes with the first one's position.
    pub fn next_run(&mut self, up_to: UpTo) -> Result<Option<(Position, &[u8])>, ReadError> {
        if !self.look_ahead()? {
            return Ok(None);
        }
        let from = self.at;
        let mut at = from;
        while self.ahead.has(at) {
            let record = self.ahead.record(at)?;
            if !up_to.allows(at, record) {
                break;
            }
            at = at.plus(record.bytes().len());
        }
        self.at = at;
        let length = usize::try_from(at.get() - from.get()).expect("within a page");
        let run = &self.ahead.page[from.offset()..from.offset() + length];
        Ok((length > 0).then_some((from, run)))
    }

    /// The record at this position, wherever the reading in order stands; `None` if nothing is published there. The
    /// position must be a record's: what stands at another may look like one.
    pub fn record_at(&mut self, at: Position) -> Result<Option<Record<'_>>, ReadError> {
        if at.is_aligned() && !self.single.has(at) && !self.single.fill(at, &self.ring, &self.source)? {
            return Ok(None);
        }
        if !at.is_aligned() || !self.single.has(at) {
            return Err(ReadError::Record { position: at, error: RecordError::Length(0) });
        }
        self.single.record(at).map(Some)
    }

    /// Makes sure that the copy has the record at `self.at`, going to the next page where one ends.
    fn look_ahead(&mut self) -> Result<bool, ReadError> {
        loop {
            if self.ahead.has(self.at) {
                return Ok(true);
            }
            if self.ahead.is_behind(self.at) {
                self.at = Position::page_start(self.at.page() + 1);
            }
            self.at = self.at.skip_header();
            if !self.ahead.fill(self.at, &self.ring, &self.source)? {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
