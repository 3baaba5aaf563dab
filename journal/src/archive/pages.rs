//! Reads all pages of a complete segment and sees that each is the one that belongs there.

use std::ops::Range;
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, index};
use crate::error::{During, JournalError};
use crate::layout::Page;
use crate::page::{self, is_blank};
use crate::recover::scan::Base;
use crate::segment::Segment;
use crate::segment::reader::blank;

/// Pages that are read at once.
const RUN_PAGES: u64 = 256;

/// All pages of a segment of commands, the first of which follows on `base`; what the next segment has to follow on.
pub(super) fn commands(
    disk: &Arc<dyn Disk>,
    segment: &Segment,
    base: &Base,
    mut each: impl FnMut(&Base, &Page) -> Result<(), JournalError>,
) -> Result<Base, JournalError> {
    let mut base = *base;
    pages(disk, segment, &mut |page_no, page| {
        let after = base.after(page, &segment.header.lineage.cluster_id);
        let (after, _) = after.map_err(|error| changed(segment, page_no, &error))?;
        each(&base, page)?;
        base = after;
        Ok(())
    })?;
    Ok(base)
}

/// All pages of a segment of events; the numbers of those that it has. The first ones may be missing: a node that was
/// seeded never had them.
pub(super) fn events(
    disk: &Arc<dyn Disk>,
    segment: &Segment,
    mut each: impl FnMut(u64, &Page) -> Result<(), JournalError>,
) -> Result<Range<u64>, JournalError> {
    let mut first = segment.header.first_page;
    pages(disk, segment, &mut |page_no, page| {
        if page_no == first && is_blank(page) {
            first += 1;
            return Ok(());
        }
        let right = page::verify(page, &segment.header.lineage.cluster_id, page_no);
        right.map_err(|error| changed(segment, page_no, &error))?;
        each(page_no, page)
    })?;
    Ok(first..segment.header.end_page())
}

fn changed(segment: &Segment, page_no: u64, why: &impl std::fmt::Display) -> JournalError {
    JournalError::corrupt(&segment.path, format!("page {page_no}: {why}"))
}

fn pages(
    disk: &Arc<dyn Disk>,
    segment: &Segment,
    each: &mut dyn FnMut(u64, &Page) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let Segment { path, header } = segment;
    let file: Box<dyn DiskFile> = disk.open(path, Access::Read).during("open", path)?;
    let mut run = vec![blank(); index(RUN_PAGES)];
    for first in (header.first_page..header.end_page()).step_by(index(RUN_PAGES)) {
        let count = RUN_PAGES.min(header.end_page() - first);
        let run = &mut run[..index(count)];
        file.read_at(header.offset_of(first), run.as_flattened_mut()).during("read", path)?;
        for (page_no, page) in (first..).zip(run.iter()) {
            each(page_no, page)?;
        }
    }
    Ok(())
}
