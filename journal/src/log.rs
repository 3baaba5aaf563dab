//! The paged log in shared memory: its file, and what storage and readers may take out of it.
//!
//! A ring of pages. Page `n` of the log lies in slot `n % pages` until the ring has gone round once more.
//!
//! ```text
//! header      line 0  what this file is and for whom (see `shared`)
//!             line 1  end     position; every byte before it is published and will not change in this place
//!             line 2  freed   page number; pages before it are stored, and their slots may be used again
//! page words  one word a slot: the number of the page in it, BUSY while it changes hands
//! pages       4096 bytes each, laid out as `page` says
//! ```
//!
//! Three rules make it safe to read while it is written:
//! 1. *Publishing.* The writer stores bytes, then `end` (Release). Who has loaded `end` (Acquire) sees every byte before
//!    it. A page before `end`'s is closed: its header is final, the rest of it zero.
//! 2. *Freeing.* The writer opens page `n` only once `freed` (Acquire) > `n - pages`; storage raises `freed` (Release)
//!    once it has copied and stored a page. So storage never copies a page that changes.
//! 3. *Lapping.* Nobody waits for any other reader. So it copies bytes out, as relaxed words, and then asks whether the
//!    slot still held its page: the writer stores BUSY, a release fence, the new bytes, the new number; the reader
//!    copies, an acquire fence, and loads the page word. If it read one new byte, it also sees BUSY or a later number.
//!    If not, its bytes are the page's, and its load of `end` made sure that they were all there.

use std::ops::Range;
#[cfg(not(loom))]
use std::path::Path;
use std::sync::Arc;

use crate::atomics::{AtomicU64, Ordering, fence};
use crate::layout::{PAGE_BYTES, PAGE_HEADER_BYTES, Page, u16_at};
use crate::page::{self, PageError};
use crate::position::Position;
use crate::shared::{
    self, FileLine, HEADER_WORDS, Identity, Kind, LINE_WORDS, Shared, SharedError, WORD_BYTES,
};

mod writer;
pub use writer::{LogStart, StartError, Writer};

const END: usize = LINE_WORDS;
const FREED: usize = END + LINE_WORDS;
const _: () = assert!(FREED < HEADER_WORDS);
const PAGE_WORDS: usize = PAGE_BYTES / WORD_BYTES;

/// A page word while its slot changes hands, and before it holds its first page. No page has this number: a position in
/// it would not fit 64 bits.
const BUSY: u64 = u64::MAX;

/// What a log is and how many pages its ring has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogShape {
    /// Commands or events.
    pub kind: Kind,
    /// Pages in the ring: a power of two.
    pub pages: u64,
}

/// What a copy out of the ring gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// All records up to this offset in the page, and whether the page ends there.
    UpTo { offset: usize, closed: bool },
    /// Nothing is published there yet.
    Nothing,
    /// The ring has gone on; only storage has the page.
    Lapped,
}

/// A log in shared memory. Its one [`Writer`] is made with it.
#[derive(Debug)]
pub struct LogRing {
    shared: Shared,
    pages: usize,
}

impl LogRing {
    /// A new log in a new file.
    #[cfg(not(loom))]
    pub fn create(
        path: &Path,
        identity: &Identity,
        shape: LogShape,
        start: &LogStart<'_>,
    ) -> Result<Writer, StartError> {
        let shared = Shared::create(path, file_words(shape.pages)).map_err(StartError::Shared)?;
        Self::start(shared, identity, shape, start)
    }

    /// The log in a file that is there, to be read.
    #[cfg(not(loom))]
    pub fn attach(path: &Path, identity: &Identity, kind: Kind) -> Result<Arc<Self>, SharedError> {
        let shared = Shared::open(path)?;
        let pages = shared::pages_word(shared.words());
        FileLine { identity: *identity, kind, pages }.check(path, shared.words())?;
        let fits = pages.is_power_of_two() && pages < 1 << 32 && shared.words().len() == file_words(pages);
        if !fits {
            return Err(shared::mismatch(path, "page count", pages, "a power of two that fits the size"));
        }
        Ok(Arc::new(Self { shared, pages: index(pages) }))
    }

    /// A log in the memory of this process.
    pub fn anonymous(shape: LogShape, start: &LogStart<'_>) -> Result<Writer, StartError> {
        let words = file_words(shape.pages);
        let shared = Shared::anonymous(words).map_err(|source| {
            StartError::Shared(SharedError::Io { path: "anonymous".into(), action: "map", source })
        })?;
        Self::start(shared, &Identity::new([0; 16], [0; 16], "", 0), shape, start)
    }

    fn start(
        shared: Shared,
        identity: &Identity,
        shape: LogShape,
        start: &LogStart<'_>,
    ) -> Result<Writer, StartError> {
        let ring = Arc::new(Self { shared, pages: index(shape.pages) });
        for word in &ring.shared.writable()[HEADER_WORDS..HEADER_WORDS + ring.pages] {
            word.store(BUSY, Ordering::Relaxed);
        }
        let writer = Writer::start(Arc::clone(&ring), start)?;
        FileLine { identity: *identity, kind: shape.kind, pages: shape.pages }.write(ring.shared.writable());
        Ok(writer)
    }

    /// The end of what is published; pairs with the Release in [`Writer::publish`]: who sees it sees every byte before
    /// it. All pages before this position's are closed.
    pub fn end(&self) -> Position {
        Position::new(shared::load_acquire(&self.words()[END]))
    }

    /// The number of the first page that is not closed.
    pub fn closed_pages(&self) -> u64 {
        self.end().page()
    }

    /// The number of the first page that is not stored; pairs with the Release in [`Self::free`]: what the writer stores
    /// into older pages' slots from now on comes after storage's copies.
    pub fn freed(&self) -> u64 {
        shared::load_acquire(&self.words()[FREED])
    }

    /// How many pages the ring holds.
    pub fn pages(&self) -> u64 {
        self.pages as u64
    }

    /// Gives the slots of all pages before this one back to the writer: they are stored. Called by the storage thread
    /// alone. Panics if a page before it is not closed, if it goes back, or if the log was attached.
    pub fn free(&self, first_kept: u64) {
        let (freed, closed) = (self.freed(), self.closed_pages());
        assert!(
            (freed..=closed).contains(&first_kept),
            "free up to page {first_kept}: {freed} are, {closed} closed"
        );
        // Pairs with the Acquire in `freed`.
        self.shared.writable()[FREED].store(first_kept, Ordering::Release);
    }

    /// Copies a closed page; false if it is not closed yet or gone. A page that storage has not freed is never gone.
    pub fn copy_page(&self, page_no: u64, into: &mut Page) -> bool {
        page_no < self.closed_pages() && self.copy(Position::page_start(page_no), into)
    }

    /// Copies what is published of the page that is still open, as a page that ends there; false if that is nothing.
    /// For recovery, when the writer is no more: the header is made to fit the records that count.
    pub fn copy_open_page(&self, into: &mut Page) -> Result<bool, PageError> {
        let end = self.end();
        let (start, used) = (Position::page_start(end.page()), end.offset());
        if used <= PAGE_HEADER_BYTES || !self.copy(start, &mut into[..used]) {
            return Ok(false);
        }
        page::cut(into, used)?;
        Ok(true)
    }

    /// Copies the published records from `at` to the end of its page, each to its own offset in `into`.
    pub(crate) fn copy_records(&self, at: Position, into: &mut Page) -> Copied {
        let end = self.end();
        let at = at.skip_header();
        if at >= end {
            return Copied::Nothing;
        }
        let (page_no, closed) = (at.page(), at.page() < end.page());
        let mut header = [0; PAGE_HEADER_BYTES];
        let offset = if closed {
            if !self.copy(Position::page_start(page_no), &mut header) {
                return Copied::Lapped;
            }
            usize::from(u16_at(&header, page::USED_AT)).clamp(at.offset(), PAGE_BYTES)
        } else {
            end.offset()
        };
        if self.copy(at, &mut into[at.offset()..offset]) {
            Copied::UpTo { offset, closed }
        } else {
            Copied::Lapped
        }
    }

    /// Copies bytes of one page that are published; false if another page has taken their place.
    fn copy(&self, from: Position, into: &mut [u8]) -> bool {
        let words = &self.words()[self.page(from.page())][from.offset() / WORD_BYTES..];
        let page_word = &self.words()[self.page_word(from.page())];
        if page_word.load(Ordering::Relaxed) != from.page() {
            return false;
        }
        shared::load(words, into);
        // Pairs with the release fence in `Writer::open_page`: if one word of the copy is of a later page, the load below
        // sees BUSY or that page's number.
        fence(Ordering::Acquire);
        page_word.load(Ordering::Relaxed) == from.page()
    }

    fn words(&self) -> &[AtomicU64] {
        self.shared.words()
    }

    fn slot(&self, page_no: u64) -> usize {
        index(page_no & (self.pages as u64 - 1))
    }

    fn page_word(&self, page_no: u64) -> usize {
        HEADER_WORDS + self.slot(page_no)
    }

    fn page(&self, page_no: u64) -> Range<usize> {
        let first = first_page_word(self.pages) + self.slot(page_no) * PAGE_WORDS;
        first..first + PAGE_WORDS
    }
}

const fn first_page_word(pages: usize) -> usize {
    HEADER_WORDS + pages.next_multiple_of(PAGE_WORDS)
}

fn file_words(pages: u64) -> usize {
    assert!(pages.is_power_of_two(), "a ring has a power of two of pages, not {pages}");
    let pages = index(pages);
    first_page_word(pages) + pages * PAGE_WORDS
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a machine of 64 bits")
}

#[cfg(test)]
mod tests;
