//! Takes back the end of a log that the cluster went on without: the pages are kept in `divergent/`, then cut off.
//!
//! In an order that a crash at any point cannot turn into loss, or into pages that come back:
//!
//! 1. The pages from the cut on are copied to `divergent/`, durable.
//! 2. `node.meta` says where the log is being cut, that no ring counts any more, and that nothing from there on was
//!    durable. From here on the cut is finished by whoever starts next ([`finish`]).
//! 3. Snapshots of what comes behind the cut go, then files that lie behind it, then the pages in the file that it is in.
//! 4. `node.meta` forgets the cut.

use std::path::PathBuf;
use std::sync::Arc;

use super::Start;
use super::torn;
use crate::disk::Disk;
use crate::error::{During, JournalError};
use crate::meta::MetaFile;
use crate::page::PageView;
use crate::segment::reader::{SegmentReader, Slot, blank};
use crate::segment::{Log, Segment, SegmentHeader, list};
use crate::snapshot::Snapshots;

/// What was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergent {
    /// The first page of it.
    pub page_no: u64,
    /// Its pages.
    pub pages: u64,
    /// Its first and last command; `None` if it held none.
    pub commands: Option<(u64, u64)>,
    /// The file that keeps them.
    pub kept: PathBuf,
}

/// Cuts the command log of a node that is not running before page `to`. `None` if it ends there. The log is recovered,
/// and its writer is no more.
pub fn cut(start: &Start, meta: &mut MetaFile, to: u64) -> Result<Option<Divergent>, JournalError> {
    let segments = segments(start, meta)?;
    let found = look(start, meta, to, &segments)?;
    let Some(last) = found.last else { return Ok(None) };
    let kept = torn::keep(&start.disk, &start.dir.join("divergent"), &segments, (to, last))?;
    meta.update(|meta| {
        meta.ring = None;
        meta.cut_from = Some(to);
        meta.durable_page = meta.durable_page.min(to);
    })?;
    finish(start, meta)?;
    Ok(Some(Divergent { page_no: to, pages: last + 1 - to, commands: found.commands, kept }))
}

/// Finishes a cut that was begun and perhaps interrupted.
pub fn finish(start: &Start, meta: &mut MetaFile) -> Result<(), JournalError> {
    let Some(to) = meta.get().cut_from else { return Ok(()) };
    let removed = Snapshots::new(&start.disk, &start.dir, meta.get().cluster_id).remove_behind(to)?;
    if removed {
        meta.update(|meta| meta.verified_snapshot = None)?;
    }
    let dir = start.dir.join(Log::Commands.directory());
    let is_behind = |header: &SegmentHeader| header.first_page >= to && header.is_begun();
    for Segment { path, header } in segments(start, meta)?.iter().rev() {
        if is_behind(header) {
            start.disk.remove(path).during("remove", path)?;
        }
    }
    start.disk.sync_dir(&dir).during("sync directory", &dir)?;
    let rest = segments(start, meta)?;
    if let Some(last) = look(start, meta, to, &rest)?.last {
        torn::zero(&start.disk, &rest, (to, last))?;
    }
    meta.update(|meta| meta.cut_from = None)
}

fn segments(start: &Start, meta: &MetaFile) -> Result<Vec<Segment>, JournalError> {
    let dir = start.dir.join(Log::Commands.directory());
    Ok(list(&start.disk, &dir, &start.lineage(meta, Log::Commands))?.segments)
}

struct Found {
    /// The last page from the cut on that is not blank.
    last: Option<u64>,
    commands: Option<(u64, u64)>,
}

fn look(start: &Start, meta: &MetaFile, to: u64, segments: &[Segment]) -> Result<Found, JournalError> {
    let dir = start.dir.join(Log::Commands.directory());
    let disk: &Arc<dyn Disk> = &start.disk;
    let reader = SegmentReader::new(disk, &dir, start.lineage(meta, Log::Commands));
    let begun = segments.iter().rev().find(|segment| segment.header.is_begun());
    let end = begun.map_or(to, |segment| segment.header.end_page());
    let mut found = Found { last: None, commands: None };
    let mut page = blank();
    for page_no in to..end {
        match reader.read(page_no, &mut page)? {
            Slot::Blank | Slot::NoFile => continue,
            Slot::Good => {
                if let Ok(view) = PageView::parse(&page) {
                    let first = found.commands.map_or(view.header().first_seq, |(first, _)| first);
                    found.commands = Some((first, view.last_seq()));
                }
            }
            Slot::Bad => {}
        }
        found.last = Some(page_no);
    }
    Ok(found)
}
