//! Opens the event log behind a position. Events are made again from the commands, so nothing behind it is believed.

use crate::disk::{Access, DiskFile, index};
use crate::error::{During, JournalError};
use crate::meta::MetaFile;
use crate::page::is_blank;
use crate::recover::Start;
use crate::segment::reader::blank;
use crate::segment::supply::Supply;
use crate::segment::writer::SegmentWriter;
use crate::segment::{Lineage, Listing, Log, Segment, SegmentHeader, list, pages_of};

/// Pages that are read and blanked at once.
const RUN_PAGES: u64 = 256;

/// A writer of event pages from `page_no` on. What files have from there on is blanked or removed.
pub fn open_events(start: &Start, meta: &MetaFile, page_no: u64) -> Result<SegmentWriter, JournalError> {
    let lineage = start.lineage(meta, Log::Events);
    let dir = start.dir.join(Log::Events.directory());
    let Listing { mut segments, strays } = list(&start.disk, &dir, &lineage)?;
    let mut later = segments.split_off(segments.partition_point(|found| found.header.first_page <= page_no));
    let is_holding = segments.last().is_some_and(|last| last.header.holds(page_no));
    let holding = if is_holding { segments.pop() } else { None };
    let (last, mut reused) = match holding {
        Some(begun) if begun.header.is_begun() => (Some(begun), Vec::new()),
        Some(unwritten) => (None, vec![unwritten]),
        None => (None, Vec::new()),
    };
    let first = match last.as_ref().or(reused.first()) {
        Some(found) if last.is_some() => next_to(&found.header, start, lineage),
        Some(found) => found.header,
        None => on_grid(start, lineage, segments.last(), page_no),
    };
    let mut end = reused.last().map_or(first.first_page, |found| found.header.end_page());
    while later.first().is_some_and(|found| !found.header.is_begun() && found.header.first_page == end) {
        let found = later.remove(0);
        end = found.header.end_page();
        reused.push(found);
    }
    for path in strays.iter().chain(later.iter().map(|found| &found.path)) {
        start.disk.remove(path).during("remove", path)?;
    }
    if let Some(last) = &last {
        let mut file = start.disk.open(&last.path, Access::Plain).during("open", &last.path)?;
        blank_from(&mut *file, last, page_no)?;
    }
    let supply = Supply::new(&start.disk, &dir, first, reused)?;
    SegmentWriter::new(&start.disk, Log::Events, supply, last, page_no)
}

fn next_to(last: &SegmentHeader, start: &Start, lineage: Lineage) -> SegmentHeader {
    let pages = pages_of(start.segment_bytes);
    header(lineage, last.index + 1, last.end_page()..last.end_page() + pages)
}

/// The file that would hold a page if none were missing, so that the files of all nodes are equal.
fn on_grid(start: &Start, lineage: Lineage, before: Option<&Segment>, page_no: u64) -> SegmentHeader {
    let pages = pages_of(start.segment_bytes);
    let index = page_no / pages;
    // With another segment size before, the grid may reach into a file that is there.
    let first_page = before.map_or(0, |before| before.header.end_page()).max(index * pages);
    header(lineage, index, first_page..first_page + pages)
}

fn header(lineage: Lineage, index: u64, pages: std::ops::Range<u64>) -> SegmentHeader {
    SegmentHeader {
        lineage,
        index,
        first_page: pages.start,
        pages: pages.end - pages.start,
        first_seq: 0,
        epoch: 0,
        chain: [0; 16],
    }
}

fn blank_from(file: &mut dyn DiskFile, segment: &Segment, page_no: u64) -> Result<(), JournalError> {
    let (mut run, zeros) = (vec![blank(); index(RUN_PAGES)], vec![blank(); index(RUN_PAGES)]);
    let end_page = segment.header.end_page();
    for first in (page_no..end_page).step_by(index(RUN_PAGES)) {
        let (pages, offset) = (index(RUN_PAGES.min(end_page - first)), segment.header.offset_of(first));
        file.read_at(offset, run[..pages].as_flattened_mut()).during("read", &segment.path)?;
        if !run[..pages].iter().all(is_blank) {
            file.write_at(offset, zeros[..pages].as_flattened()).during("write", &segment.path)?;
        }
    }
    Ok(())
}
