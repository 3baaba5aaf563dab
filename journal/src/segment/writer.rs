//! Appends sealed pages to a log's segments, taking the next file from the supply as one fills.

use std::sync::Arc;

use super::supply::Supply;
use super::{HEADER_PAGES, Log, Segment, SegmentHeader, pages_in, write_header};
use crate::disk::{Access, Disk, DiskFile, index};
use crate::error::{During, JournalError};
use crate::layout::{PAGE_BYTES, Page};
use crate::page::PageHeader;

/// The one writer of a log's segments. After an error it is of no further use.
#[derive(Debug)]
pub struct SegmentWriter {
    disk: Arc<dyn Disk>,
    log: Log,
    supply: Arc<Supply>,
    current: Option<Current>,
    next_page: u64,
}

#[derive(Debug)]
struct Current {
    segment: Segment,
    file: Box<dyn DiskFile>,
}

impl SegmentWriter {
    /// A writer whose next page is `next_page`: in `current`, if that is given and not full, else first in the supply.
    pub fn new(
        disk: &Arc<dyn Disk>,
        log: Log,
        supply: Supply,
        current: Option<Segment>,
        next_page: u64,
    ) -> Result<Self, JournalError> {
        let current = if let Some(segment) = current.filter(|segment| next_page < segment.header.end_page()) {
            let file = disk.open(&segment.path, access(log)).during("open", &segment.path)?;
            Some(Current { segment, file })
        } else {
            // Before the node takes its first command, so that no client waits for it.
            supply.make_one()?;
            None
        };
        let supply = Arc::new(supply);
        Ok(SegmentWriter { disk: Arc::clone(disk), log, supply, current, next_page })
    }

    /// The page that is written next.
    pub fn next_page(&self) -> u64 {
        self.next_page
    }

    /// The supply, for the thread that fills it.
    pub fn supply(&self) -> &Arc<Supply> {
        &self.supply
    }

    /// Writes sealed pages from [`Self::next_page`] on; durable after [`Self::sync`]. True if a new file was begun.
    pub fn append(&mut self, pages: &[u8]) -> Result<bool, JournalError> {
        assert!(pages.len().is_multiple_of(PAGE_BYTES), "whole pages are appended");
        let mut rest = pages;
        let mut has_begun = false;
        while let Some(first) = rest.first_chunk::<PAGE_BYTES>() {
            let next_page = self.next_page;
            let current = match &mut self.current {
                Some(current) if next_page < current.segment.header.end_page() => current,
                Some(_) | None => {
                    has_begun = true;
                    self.begin(first)?
                }
            };
            let header = &current.segment.header;
            let count = pages_in(rest).min(header.end_page() - next_page);
            let (now, later) = rest.split_at(index(count) * PAGE_BYTES);
            let offset = header.offset_of(next_page);
            current.file.write_at(offset, now).during("write", &current.segment.path)?;
            self.next_page += count;
            rest = later;
        }
        Ok(has_begun)
    }

    /// Makes all appended pages durable (of a log of events: those of the file that is being written).
    pub fn sync(&mut self) -> Result<(), JournalError> {
        match &mut self.current {
            Some(Current { segment, file }) => file.sync().during("sync", &segment.path),
            None => Ok(()),
        }
    }

    /// Makes all pages durable, also those of files of events that are full.
    pub fn sync_all(&mut self) -> Result<(), JournalError> {
        self.supply.sync_full()?;
        self.sync()
    }

    /// Goes on to the next file: what the last one has is made durable first, or for events by the supply's thread.
    fn begin(&mut self, first: &Page) -> Result<&mut Current, JournalError> {
        if self.log == Log::Commands {
            self.sync()?;
        }
        if let Some(Current { segment, file }) = self.current.take()
            && self.log == Log::Events
        {
            self.supply.sync_later(segment.path, file);
        }
        let prepared = self.supply.take()?;
        let page = PageHeader::read(first);
        let header = SegmentHeader {
            first_seq: page.first_seq,
            epoch: page.epoch,
            chain: page.chain,
            ..prepared.header
        };
        let begun = Segment { path: prepared.path.with_file_name(header.name()), header };
        if begun.path != prepared.path {
            self.supply.rewrite(&prepared, &begun)?;
        }
        let mut file = self.disk.open(&begun.path, access(self.log)).during("open", &begun.path)?;
        write_header(&mut *file, HEADER_PAGES - 1, &begun)?;
        if self.log == Log::Commands {
            file.sync().during("sync", &begun.path)?;
        }
        write_header(&mut *file, 0, &begun)?;
        Ok(self.current.insert(Current { segment: begun, file }))
    }
}

/// Events are not synced one by one, so the page cache is the place for them.
const fn access(log: Log) -> Access {
    match log {
        Log::Commands => Access::Pages,
        Log::Events => Access::Plain,
    }
}
