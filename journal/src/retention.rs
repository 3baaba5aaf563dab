//! Which segment files may go. A start must be possible from the older of the snapshots kept, so none goes that the
//! older one needs, and none that a reader still asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{During, JournalError};
use crate::layout::ClusterId;
use crate::meta::MetaFile;
use crate::position::Position;
use crate::segment::{ANY_STATE_MACHINE, Lineage, Log, list};
use crate::snapshot::Snapshots;

/// The first pages that someone still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Of commands: by a standby, or by an archive.
    pub command_page: u64,
    /// Of events: by a session that may ask for a resend, or by a feed.
    pub event_page: u64,
}

/// Removes the segments of both logs that nobody needs, oldest first; says which. Never one that is being written, nor
/// any that a start from the snapshots kept would read. Without a snapshot that is right nothing goes. While the first
/// commands are there, so are the first events: whoever finds some missing makes them all again.
pub fn trim(disk: &Arc<dyn Disk>, dir: &Path, needed: Needed) -> Result<Vec<PathBuf>, JournalError> {
    let cluster_id = MetaFile::peek(disk, dir)?.cluster_id;
    // A snapshot counts if it will still be there after a power cut.
    let snapshots = dir.join("snapshots");
    disk.sync_dir(&snapshots).during("sync directory", &snapshots)?;
    let kept = Snapshots::new(disk, dir, cluster_id).verified()?;
    let command_page = kept.iter().map(|head| head.point.base.page_no).min().unwrap_or(0);
    let event_page = kept.iter().map(|head| Position::new(head.point.event_at).page()).min().unwrap_or(0);
    let mut removed = Vec::new();
    for (log, floor) in [
        (Log::Commands, command_page.min(needed.command_page)),
        (Log::Events, event_page.min(needed.event_page)),
    ] {
        let log_dir = dir.join(log.directory());
        let lineage = Lineage { log, cluster_id, state_machine: ANY_STATE_MACHINE };
        if log == Log::Events && begins_at_genesis(disk, dir, cluster_id)? {
            break;
        }
        for segment in list(disk, &log_dir, &lineage)?.segments {
            // In order and one by one, so that what is left is always without a gap.
            if segment.header.end_page() > floor {
                break;
            }
            disk.remove(&segment.path).during("remove", &segment.path)?;
            disk.sync_dir(&log_dir).during("sync directory", &log_dir)?;
            removed.push(segment.path);
        }
    }
    Ok(removed)
}

/// Whether the first command is still there.
fn begins_at_genesis(disk: &Arc<dyn Disk>, dir: &Path, cluster_id: ClusterId) -> Result<bool, JournalError> {
    let lineage = Lineage { log: Log::Commands, cluster_id, state_machine: ANY_STATE_MACHINE };
    let found = list(disk, &dir.join(Log::Commands.directory()), &lineage)?;
    Ok(found.segments.first().is_some_and(|segment| segment.header.first_page == 0))
}
