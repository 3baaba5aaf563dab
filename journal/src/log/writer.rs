//! The one writer of a log: appends records, publishes, closes pages. It never waits and never calls the kernel.

use std::sync::Arc;

use thiserror::Error;

use super::{BUSY, END, FREED, LogRing};
use crate::atomics::{AtomicU64, Ordering, fence};
use crate::layout::{PAGE_BYTES, PAGE_HEADER_BYTES, Page, u16_at, u64_at};
use crate::page::{self, PageError, PageHeader};
use crate::position::Position;
use crate::record;
use crate::shared::{self, SharedError, WORD_BYTES};

/// Where a new ring takes its log up.
#[derive(Debug, Clone, Copy)]
pub struct LogStart<'a> {
    /// The end of the log so far.
    pub end: Position,
    /// The page that `end` is in, up to there at least; `None` if no record of it is written yet.
    pub page: Option<&'a Page>,
    /// The epoch that new pages carry.
    pub epoch: u32,
}

impl LogStart<'_> {
    /// A log without a record, in epoch 0.
    pub const EMPTY: Self = Self { end: Position::FIRST, page: None, epoch: 0 };

    /// A log whose pages before this one are closed.
    pub const fn at_page(page_no: u64, epoch: u32) -> Self {
        Self { end: Position::page_start(page_no), page: None, epoch }
    }
}

/// Why a log could not be taken up.
#[derive(Debug, Error)]
pub enum StartError {
    /// The file could not be made.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// The page given is not the one that the end is in, or not sound up to it.
    #[error("page to go on with, up to {end}: {error}")]
    Page {
        /// The end asked for.
        end: Position,
        /// What is wrong.
        error: PageError,
    },
    /// The end lies inside a page, and the page is not given.
    #[error("log ends at {end}, inside a page that is not given")]
    NoPage {
        /// The end asked for.
        end: Position,
    },
}

/// Appends to a log. There is one to a ring, and the matcher's thread has it.
#[derive(Debug)]
pub struct Writer {
    ring: Arc<LogRing>,
    /// Behind the last record, published or not; at the start of a page if the one before it is closed.
    end: Position,
    /// The open page's header, its `n_records` up to date; that of a closed page has none.
    header: PageHeader,
    epoch: u32,
    /// `freed` as last loaded.
    freed: u64,
}

impl Writer {
    pub(super) fn start(ring: Arc<LogRing>, start: &LogStart<'_>) -> Result<Self, StartError> {
        let (end, epoch) = (start.end, start.epoch);
        let mut writer = Self { ring, end, header: PageHeader::default(), epoch, freed: end.page() };
        if end.offset() > PAGE_HEADER_BYTES {
            let mut page = *start.page.ok_or(StartError::NoPage { end })?;
            let header = take_up(&mut page, end).map_err(|error| StartError::Page { end, error })?;
            writer.header = header;
            writer.change_page(end.page(), &page);
        }
        writer.word(FREED).store(writer.freed, Ordering::Relaxed);
        writer.publish();
        Ok(writer)
    }

    /// The log that this writes.
    pub fn ring(&self) -> &Arc<LogRing> {
        &self.ring
    }

    /// The end of the log, behind what is not published yet.
    pub const fn end(&self) -> Position {
        self.end
    }

    /// The epoch that pages opened from now on carry.
    pub fn set_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
    }

    /// Whether the open page has records: whether closing it would do anything.
    pub const fn current_page_has_records(&self) -> bool {
        self.header.n_records > 0
    }

    /// Whether so many pages can still be opened before storage has to free one. Looks at storage's cursor only when that
    /// many do not seem to be left. A writer must have room for all that a command may cause before it takes it.
    pub fn has_room(&mut self, pages: u64) -> bool {
        if self.room_seen() < pages {
            self.freed = self.ring.freed();
        }
        self.room_seen() >= pages
    }

    /// How many pages can still be opened, by storage's cursor as it is now.
    pub fn room(&mut self) -> u64 {
        self.freed = self.ring.freed();
        self.room_seen()
    }

    /// Writes a record behind the last one, unpublished, and says where. Panics if the record's length field is not its
    /// length, or if it needs a page and there is no [`Self::room`].
    pub fn append(&mut self, bytes: &[u8]) -> Position {
        assert!(record::length_is_valid(bytes.len()), "no record has {} bytes", bytes.len());
        let length = u16_at(bytes, record::LENGTH_AT);
        assert!(usize::from(length) == bytes.len(), "record of {} bytes says {length}", bytes.len());
        let at = Position::place(self.end, bytes.len());
        if at.offset() == PAGE_HEADER_BYTES {
            self.close_page();
            self.open_page(at.page(), u64_at(bytes, record::SEQUENCE_AT));
        }
        shared::store(&self.page(at.page())[at.offset() / WORD_BYTES..], bytes);
        self.header.n_records += 1;
        self.end = at.plus(bytes.len());
        if self.end.page() > at.page() {
            self.finish_page(at.page(), PAGE_BYTES);
        }
        at
    }

    /// Ends the open page behind its last record, so that it can be stored; the next record goes to the next page.
    /// Events' pages are never closed early: their positions follow from the journal alone. Takes effect for others
    /// with [`Self::publish`].
    pub fn close_page(&mut self) {
        if self.current_page_has_records() {
            self.finish_page(self.end.page(), self.end.offset());
            self.end = Position::page_start(self.end.page() + 1);
        }
    }

    /// Lets others see all records appended and pages closed so far.
    pub fn publish(&mut self) {
        // Pairs with the Acquire in `LogRing::end`.
        self.word(END).store(self.end.get(), Ordering::Release);
    }

    fn room_seen(&self) -> u64 {
        (self.freed + self.ring.pages()).saturating_sub(self.next_page())
    }

    const fn next_page(&self) -> u64 {
        if self.current_page_has_records() { self.end.page() + 1 } else { self.end.page() }
    }

    /// Takes a slot for a new page, whose header it begins.
    fn open_page(&mut self, page_no: u64, first_seq: u64) {
        if self.room_seen() == 0 {
            self.freed = self.ring.freed();
        }
        let (freed, pages) = (self.freed, self.ring.pages());
        assert!(page_no < freed + pages, "no room for page {page_no}: {pages} pages, {freed} freed");
        self.header = PageHeader { page_no, first_seq, epoch: self.epoch, ..PageHeader::default() };
        self.change_page(page_no, &self.header.to_bytes());
    }

    /// Puts the first bytes of another page into its slot.
    fn change_page(&self, page_no: u64, bytes: &[u8]) {
        let page_word = self.word(self.ring.page_word(page_no));
        page_word.store(BUSY, Ordering::Relaxed);
        // Pairs with the acquire fence in `LogRing::copy`: who has read a byte stored from here on, sees BUSY or later.
        fence(Ordering::Release);
        shared::store(self.page(page_no), bytes);
        // Relaxed: a reader comes here by `end`, published later.
        page_word.store(page_no, Ordering::Relaxed);
    }

    /// Makes the header final and the rest of the page zero.
    fn finish_page(&mut self, page_no: u64, used: usize) {
        let page = self.page(page_no);
        for word in &page[used / WORD_BYTES..] {
            word.store(0, Ordering::Relaxed);
        }
        let used = u16::try_from(used).expect("an offset fits 16 bits");
        shared::store(page, &PageHeader { used, ..self.header }.to_bytes());
        self.header.n_records = 0;
    }

    fn page(&self, page_no: u64) -> &[AtomicU64] {
        &self.ring.shared.writable()[self.ring.page(page_no)]
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.ring.shared.writable()[index]
    }
}

/// Makes the page end at `end`, which is in it.
fn take_up(page: &mut Page, end: Position) -> Result<PageHeader, PageError> {
    let found = PageHeader::read(page).page_no;
    if found != end.page() {
        return Err(PageError::PageNo { found, expected: end.page() });
    }
    page::cut(page, end.offset())
}
