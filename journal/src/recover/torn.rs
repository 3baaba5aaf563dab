//! A torn tail is copied to `torn/` and zeroed before anything is written behind the log's end.
//!
//! Its pages may have right checksums. Left where they are, they could pass for pages of the log once the hole before
//! them is filled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk};
use crate::error::{During, JournalError};
use crate::layout::PAGE_BYTES;
use crate::segment::Segment;
use crate::segment::reader::blank;

/// Copies the pages from `first` to `last` to a new file in `torn`, durable on return.
pub fn keep(
    disk: &Arc<dyn Disk>,
    torn: &Path,
    segments: &[Segment],
    (first, last): (u64, u64),
) -> Result<PathBuf, JournalError> {
    let names = disk.list(torn).during("list", torn)?;
    // A start that was interrupted may have kept the same pages already, whole or not.
    let name = (0..u64::MAX).map(|n| format!("t-{first:016x}-{n}.torn")).find(|name| !names.contains(name));
    let path = torn.join(name.expect("numbers do not run out"));
    let mut copy = disk.create(&path).during("create", &path)?;
    let mut page = blank();
    for (segment, page_no) in pages(segments, first, last) {
        let file = disk.open(&segment.path, Access::Read).during("open", &segment.path)?;
        file.read_at(segment.header.offset_of(page_no), &mut page).during("read", &segment.path)?;
        copy.write_at((page_no - first) * PAGE_BYTES as u64, &page).during("write", &path)?;
    }
    copy.sync().during("sync", &path)?;
    disk.sync_dir(torn).during("sync directory", torn)?;
    Ok(path)
}

/// Zeroes the pages from `first` to `last`, durable on return.
pub fn zero(
    disk: &Arc<dyn Disk>,
    segments: &[Segment],
    (first, last): (u64, u64),
) -> Result<(), JournalError> {
    let page = blank();
    for segment in segments {
        if segment.header.first_page > last || segment.header.end_page() <= first {
            continue;
        }
        let mut file = disk.open(&segment.path, Access::Plain).during("open", &segment.path)?;
        for (segment, page_no) in pages(std::slice::from_ref(segment), first, last) {
            file.write_at(segment.header.offset_of(page_no), &page).during("write", &segment.path)?;
        }
        file.sync().during("sync", &segment.path)?;
    }
    Ok(())
}

fn pages(segments: &[Segment], first: u64, last: u64) -> impl Iterator<Item = (&Segment, u64)> {
    segments.iter().flat_map(move |segment| {
        let from = first.max(segment.header.first_page);
        let to = (last + 1).min(segment.header.end_page());
        (from..to).map(move |page_no| (segment, page_no))
    })
}
