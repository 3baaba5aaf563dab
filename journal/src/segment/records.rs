//! Records of a log in order, from its segments alone: for replay, for a shadow, and for tools on a node that is still.

use super::reader::{SegmentReader, Slot, blank};
use crate::error::JournalError;
use crate::layout::{PAGE_HEADER_BYTES, Page};
use crate::page::PageHeader;
use crate::position::Position;
use crate::record::Record;

/// Reads records one by one. Ends where the stored pages end, and goes on when there are more.
#[derive(Debug)]
pub struct SegmentRecords {
    reader: SegmentReader,
    at: Position,
    page: Box<Page>,
    /// The page in `page`, if one is, and the offset behind its last record.
    loaded: Option<(u64, usize)>,
}

impl SegmentRecords {
    /// Records from `at` on, which is the position of a record, the end of the log, or the start of a page.
    pub fn new(reader: SegmentReader, at: Position) -> Self {
        SegmentRecords { reader, at, page: Box::new(blank()), loaded: None }
    }

    /// The position of the next record, or where it will be.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The next record and its position; `None` at the end of what is stored. A page whose bytes have changed is an
    /// error, and so is a position inside a record.
    pub fn next_record(&mut self) -> Result<Option<(Position, Record<'_>)>, JournalError> {
        loop {
            let page_no = self.at.page();
            let used = match self.loaded {
                Some((loaded, used)) if loaded == page_no => used,
                Some(_) | None => match self.load(page_no)? {
                    Some(used) => used,
                    None => return Ok(None),
                },
            };
            let offset = self.at.offset().max(PAGE_HEADER_BYTES);
            if offset < used {
                let at = Position::at(page_no, offset);
                let record = Record::parse(&self.page[offset..used])
                    .map_err(|error| self.reader.corrupt(format!("at {at}: {error}")))?;
                self.at = at.plus(record.bytes().len());
                return Ok(Some((at, record)));
            }
            self.at = Position::page_start(page_no + 1);
        }
    }

    fn load(&mut self, page_no: u64) -> Result<Option<usize>, JournalError> {
        self.loaded = None;
        match self.reader.read(page_no, &mut self.page)? {
            Slot::Good => {
                let used = usize::from(PageHeader::read(&self.page).used);
                self.loaded = Some((page_no, used));
                Ok(Some(used))
            }
            Slot::Blank | Slot::NoFile => Ok(None),
            Slot::Bad => Err(self.reader.corrupt(format!("page {page_no} has changed"))),
        }
    }
}
