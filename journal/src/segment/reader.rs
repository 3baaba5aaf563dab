//! Reads pages of a log from its segments, by position and not through a map: an unreadable sector is then an error
//! and not a signal. Safe on the directory of a node that is running.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Lineage, Segment, holding, list};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{During, JournalError};
use crate::layout::{ClusterId, PAGE_BYTES, Page};
use crate::page;
use crate::reader::PageSource;
use crate::recover::scan::Base;

/// What a place in the segments holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A page, whole and unchanged.
    Good,
    /// A page that was never written.
    Blank,
    /// Bytes that are not the page that belongs there.
    Bad,
    /// No file holds the page: not made yet, or removed.
    NoFile,
}

/// Reads one log's pages. Keeps the file open that it read last.
#[derive(Debug)]
pub struct SegmentReader {
    cluster_id: ClusterId,
    files: RefCell<Files>,
}

#[derive(Debug)]
struct Files {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    lineage: Lineage,
    segments: Vec<Segment>,
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    segment: Segment,
    file: Box<dyn DiskFile>,
}

impl SegmentReader {
    /// A reader of the log in `dir`, the log's own directory.
    pub fn new(disk: &Arc<dyn Disk>, dir: &Path, lineage: Lineage) -> Self {
        let (disk, dir) = (Arc::clone(disk), dir.to_owned());
        let files = Files { disk, dir, lineage, segments: Vec::new(), open: None };
        SegmentReader { cluster_id: lineage.cluster_id, files: RefCell::new(files) }
    }

    /// Reads a page into `page` and says what is there. `page` is meaningful where a file holds the place.
    pub fn read(&self, page_no: u64, page: &mut Page) -> Result<Slot, JournalError> {
        let mut files = self.files.borrow_mut();
        let Some(OpenSegment { segment, file }) = files.file(page_no)? else { return Ok(Slot::NoFile) };
        let offset = segment.header.offset_of(page_no);
        file.read_at(offset, page).during("read", &segment.path)?;
        Ok(if page::is_blank(page) {
            Slot::Blank
        } else if page::verify(page, &self.cluster_id, page_no).is_ok() {
            Slot::Good
        } else {
            Slot::Bad
        })
    }

    /// The numbers of the first page that a file holds and of the page behind the last.
    pub fn range(&self) -> Result<std::ops::Range<u64>, JournalError> {
        let mut files = self.files.borrow_mut();
        files.list()?;
        Ok(match (files.segments.first(), files.segments.last()) {
            (Some(first), Some(last)) => first.header.first_page..last.header.end_page(),
            (None, _) | (_, None) => 0..0,
        })
    }

    /// The error of this log for what is wrong with its bytes.
    pub(crate) fn corrupt(&self, why: impl Into<String>) -> JournalError {
        JournalError::corrupt(&self.files.borrow().dir, why)
    }

    /// The base behind a page that is in the segments, so that a later start need not read what is before.
    pub fn base_behind(&self, page_no: u64) -> Result<Option<Base>, JournalError> {
        let mut page = blank();
        Ok(match self.read(page_no, &mut page)? {
            Slot::Good => Base::behind_page(&page, page_no),
            Slot::Blank | Slot::Bad | Slot::NoFile => None,
        })
    }
}

impl PageSource for SegmentReader {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        match self.read(page_no, page) {
            Ok(Slot::Good) => Ok(true),
            Ok(Slot::Blank | Slot::NoFile) => Ok(false),
            Ok(Slot::Bad) => Err(io::Error::new(io::ErrorKind::InvalidData, "the stored page is damaged")),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

impl Files {
    fn list(&mut self) -> Result<(), JournalError> {
        self.segments = list(&self.disk, &self.dir, &self.lineage)?.segments;
        Ok(())
    }

    fn file(&mut self, page_no: u64) -> Result<Option<&OpenSegment>, JournalError> {
        if !self.open.as_ref().is_some_and(|open| open.segment.header.holds(page_no)) {
            self.open = None;
            if holding(&self.segments, page_no).is_none() {
                self.list()?;
            }
            // A file gets another name when its first page is written: what was listed before is listed again, once.
            for is_last in [false, true] {
                let Some(segment) = holding(&self.segments, page_no).cloned() else { return Ok(None) };
                match self.disk.open(&segment.path, Access::Read) {
                    Ok(file) => {
                        self.open = Some(OpenSegment { segment, file });
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound && is_last => {
                        self.segments.clear();
                        return Ok(None);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => self.list()?,
                    Err(error) => return Err(error).during("open", &segment.path),
                }
            }
        }
        Ok(self.open.as_ref())
    }
}

/// An empty page to read into.
pub const fn blank() -> Page {
    [0; PAGE_BYTES]
}
