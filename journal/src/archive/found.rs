//! What a directory of archived files holds: the files themselves, or `commands`, `events` and `snapshots` in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{During, JournalError};
use crate::layout::ClusterId;
use crate::seed::names;
use crate::segment::{Log, Segment, has_extension, hex, open_any};
use crate::snapshot::sequence_of;

/// The files of an archive, all of one cluster; nothing is known yet of their pages.
#[derive(Debug)]
pub struct Found {
    /// Whose journal.
    pub cluster_id: ClusterId,
    /// Segments of commands by first page, one for each place.
    pub commands: Vec<Segment>,
    /// Segments of events by first page, one for each place.
    pub events: Vec<Segment>,
    /// Snapshots, oldest first.
    pub snapshots: Vec<(u64, PathBuf)>,
}

impl Found {
    /// Looks through `dir`, for a build that runs commands up to version `state_machine`. Files of other names are passed
    /// over.
    pub fn in_dir(disk: &Arc<dyn Disk>, dir: &Path, state_machine: u32) -> Result<Self, JournalError> {
        let mut segments = Vec::new();
        let mut snapshots = Vec::new();
        for dir in
            [dir.to_owned()].into_iter().chain(["commands", "events", "snapshots"].map(|name| dir.join(name)))
        {
            for name in names(disk, &dir)?.unwrap_or_default() {
                let path = dir.join(&name);
                if name.starts_with("j-") && has_extension(&name, "seg") {
                    let header = open_any(disk, &path, state_machine)?;
                    let header = header.ok_or_else(|| no_header(disk, &path))?;
                    segments.push(Segment { path, header });
                } else if let Some(seq) = sequence_of(&name) {
                    snapshots.push((seq, path));
                }
            }
        }
        segments.retain(|segment| segment.header.is_begun());
        let Some(first) = segments.first() else {
            return Err(JournalError::refused(dir, "it holds no segment of commands (j-….seg)"));
        };
        let cluster_id = first.header.lineage.cluster_id;
        if let Some(other) = segments.iter().find(|other| other.header.lineage.cluster_id != cluster_id) {
            let (a, b) = (hex(&cluster_id), hex(&other.header.lineage.cluster_id));
            let why = format!(
                "it is of cluster {b}, and {} of {a}: an archive is of one node",
                first.path.display()
            );
            return Err(JournalError::refused(&other.path, why));
        }
        snapshots.sort();
        let (commands, events): (Vec<_>, Vec<_>) =
            segments.into_iter().partition(|segment| segment.header.lineage.log == Log::Commands);
        Ok(Found { cluster_id, commands: in_order(commands), events: in_order(events), snapshots })
    }
}

fn no_header(disk: &Arc<dyn Disk>, path: &Path) -> JournalError {
    let bytes = disk.open(path, crate::disk::Access::Read).and_then(|file| file.bytes()).during("open", path);
    match bytes {
        Ok(bytes) => JournalError::corrupt(
            path,
            format!("both copies of its header are damaged, or cut off ({bytes} bytes)"),
        ),
        Err(error) => error,
    }
}

/// One for each place: of several, which differ in the epoch of their first page, the newest history has the last.
fn in_order(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.sort_by_key(|segment| (segment.header.first_page, segment.header.epoch));
    let mut kept: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        if kept.last().is_some_and(|last| last.header.first_page == segment.header.first_page) {
            kept.pop();
        }
        kept.push(segment);
    }
    kept
}
