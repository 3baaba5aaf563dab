//! What of a node's directory an archive is to have, and how far it has it.
//!
//! A segment is due once the next one is begun and all its records were released: then it is complete, durable and never
//! changes again. A snapshot is due once it was read back. How far the archive has all of it stands in the file
//! `archived`, and never ahead of the archive: after a crash a piece may be archived
//! again, and none is left out. Pages of a history that the node has given up may be in the archive too: the node then
//! archives all that it has once more, and [`restore`] takes what follows one on the other.

pub mod found;
mod note;
mod pages;
pub mod restore;

pub use note::ARCHIVED_NAME;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::{Access, Disk};
use crate::error::{During, JournalError};
use crate::layout::ClusterId;
use crate::page::Chain;
use crate::recover::scan::Base;
use crate::retention::Needed;
use crate::segment::reader::{SegmentReader, Slot, blank};
use crate::segment::{ANY_STATE_MACHINE, Lineage, Log, Segment, has_extension, open_header};
use crate::slots::SlotFile;
use crate::snapshot::Snapshots;

/// How far an archive has a node's journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// Command pages below this number.
    pub command_page: u64,
    /// The hash of the last of them.
    pub chain: Chain,
    /// The last command in them.
    pub seq: u64,
    /// Event pages below this number.
    pub event_page: u64,
    /// The sequence of the last snapshot; 0 if there is none.
    pub snapshot: u64,
}

/// One file that is to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    content: Content,
    /// How far the archive goes once it has this piece.
    after: Archived,
}

impl Piece {
    /// Whether the commands make it again, should it be missing.
    pub fn is_derived(&self) -> bool {
        match &self.content {
            Content::Segment(segment) => segment.header.lineage.log == Log::Events,
            Content::Snapshot(_) => true,
        }
    }
}

/// What an archive lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Complete segments of both logs.
    pub segments: u64,
    /// Snapshots.
    pub snapshots: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Segment(Segment),
    Snapshot(u64),
}

/// What a node has not archived yet.
#[derive(Debug)]
pub struct Pending {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    cluster_id: ClusterId,
    snapshots: Snapshots,
    archived: Archived,
    note: SlotFile<Archived>,
    /// Which kind is looked for first: commands, events, snapshots in turn, so that none waits for all of another.
    turn: usize,
}

impl Pending {
    /// Of the node in `dir`. What was archived is believed as far as the node's log still goes on from it; words for the
    /// operator if it does not.
    pub fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        cluster_id: ClusterId,
    ) -> Result<(Self, Vec<String>), JournalError> {
        let mut remarks = Vec::new();
        let note = note::open(disk, dir, &mut remarks)?;
        let archived = *note.get();
        let snapshots = Snapshots::new(disk, dir, cluster_id);
        let (disk, dir) = (Arc::clone(disk), dir.to_owned());
        let mut pending = Pending { disk, dir, cluster_id, snapshots, archived, note, turn: 0 };
        pending.check(&mut remarks)?;
        Ok((pending, remarks))
    }

    /// How far the archive goes.
    pub fn archived(&self) -> &Archived {
        &self.archived
    }

    /// The first pages that retention has to leave.
    pub fn needed(&self) -> Needed {
        Needed { command_page: self.archived.command_page, event_page: self.archived.event_page }
    }

    /// The next file that is due, if commands up to `released` were released.
    pub fn next(&mut self, released: u64) -> Result<Option<Piece>, JournalError> {
        for _ in 0..3 {
            let piece = match self.turn {
                0 => self.next_segment(Log::Commands, released)?,
                1 => self.next_segment(Log::Events, released)?,
                _ => self.next_snapshot()?,
            };
            self.turn = (self.turn + 1) % 3;
            if piece.is_some() {
                return Ok(piece);
            }
        }
        Ok(None)
    }

    /// How much is due.
    pub fn behind(&self, released: u64) -> Result<Behind, JournalError> {
        let mut segments = 0;
        for log in [Log::Commands, Log::Events] {
            let begun = self.begun(log)?;
            let due = begun.iter().skip(1).filter(|next| is_released(log, next, released));
            segments += crate::disk::count(due.count());
        }
        let newer = self.snapshots.sequences()?.into_iter().filter(|seq| *seq > self.archived.snapshot);
        Ok(Behind { segments, snapshots: crate::disk::count(newer.count()) })
    }

    /// Whether a piece is right in every byte, before it is given away.
    pub fn verify(&self, piece: &Piece) -> Result<(), JournalError> {
        match &piece.content {
            Content::Snapshot(seq) => self.snapshots.verify(*seq).map(|_| ()),
            Content::Segment(segment) if segment.header.lineage.log == Log::Events => {
                pages::events(&self.disk, segment, |_, _| Ok(())).map(|_| ())
            }
            Content::Segment(segment) => {
                let end = pages::commands(&self.disk, segment, &base_of(segment), |_, _| Ok(()))?;
                if end.chain == piece.after.chain {
                    return Ok(());
                }
                Err(JournalError::corrupt(&segment.path, "the segment behind it does not follow on it"))
            }
        }
    }

    /// The archive has this piece: durable on return.
    pub fn done(&mut self, piece: &Piece) -> Result<(), JournalError> {
        self.note.set(piece.after)?;
        self.archived = piece.after;
        Ok(())
    }

    fn next_segment(&self, log: Log, released: u64) -> Result<Option<Piece>, JournalError> {
        let begun = self.begun(log)?;
        let [segment, next, ..] = &begun[..] else { return Ok(None) };
        if !is_released(log, next, released) {
            return Ok(None);
        }
        let end_page = segment.header.end_page();
        let after = match log {
            Log::Commands if next.header.first_page != end_page => {
                let why = format!("it does not follow on {}", segment.path.display());
                return Err(JournalError::corrupt(&next.path, why));
            }
            Log::Commands => Archived {
                command_page: end_page,
                chain: next.header.chain,
                seq: next.header.first_seq - 1,
                ..self.archived
            },
            Log::Events => {
                // Events are not synced as they are written.
                let mut file = self.disk.open(&segment.path, Access::Plain).during("open", &segment.path)?;
                file.sync().during("sync", &segment.path)?;
                Archived { event_page: end_page, ..self.archived }
            }
        };
        let (path, bytes) = (segment.path.clone(), segment.header.file_bytes());
        Ok(Some(Piece { path, bytes, content: Content::Segment(segment.clone()), after }))
    }

    fn next_snapshot(&self) -> Result<Option<Piece>, JournalError> {
        let newer = self.snapshots.sequences()?.into_iter().find(|seq| *seq > self.archived.snapshot);
        let Some(seq) = newer else { return Ok(None) };
        let path = self.snapshots.path(seq);
        let file = self.disk.open(&path, Access::Read).during("open", &path)?;
        let bytes = file.bytes().during("read the size of", &path)?;
        let after = Archived { snapshot: seq, ..self.archived };
        Ok(Some(Piece { path, bytes, content: Content::Snapshot(seq), after }))
    }

    /// The segments from the first one that is not archived, as far as they are begun, in order.
    fn begun(&self, log: Log) -> Result<Vec<Segment>, JournalError> {
        let from = match log {
            Log::Commands => self.archived.command_page,
            Log::Events => self.archived.event_page,
        };
        self.segments(log, |first_page| first_page >= from)
    }

    fn segments(&self, log: Log, wanted: impl Fn(u64) -> bool) -> Result<Vec<Segment>, JournalError> {
        let dir = self.dir.join(log.directory());
        let mut segments = Vec::new();
        for name in self.disk.list(&dir).during("list", &dir)? {
            if !first_page_of(&name).is_some_and(&wanted) {
                continue;
            }
            let path = dir.join(&name);
            match open_header(&self.disk, &path, &self.lineage(log)) {
                Ok(Some(header)) if header.is_begun() => segments.push(Segment { path, header }),
                Ok(Some(_)) => {}
                // Events are made again from the commands, so a file of them that lost its head is no loss.
                Ok(None) if log == Log::Events => {}
                Ok(None) => {
                    return Err(JournalError::corrupt(&path, "both copies of its header are damaged"));
                }
                // It was given its last name since it was listed.
                Err(JournalError::Disk { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(segments)
    }

    fn lineage(&self, log: Log) -> Lineage {
        Lineage { log, cluster_id: self.cluster_id, state_machine: ANY_STATE_MACHINE }
    }

    /// Compares what is said to be archived with what the node has.
    fn check(&mut self, remarks: &mut Vec<String>) -> Result<(), JournalError> {
        if self.archived == Archived::default() {
            return Ok(());
        }
        let commands = self.segments(Log::Commands, |_| true)?;
        if self.archived.command_page == 0 || !self.follows(&commands)? {
            if self.archived.command_page > 0 {
                let page = self.archived.command_page;
                remarks.push(format!(
                    "the archive goes up to command page {page} of another history than this node's: all that \
                     the node has is archived again"
                ));
            }
            self.archived = Archived::default();
        }
        let first = commands.first().map_or(0, |first| first.header.first_page);
        if self.archived.command_page > 0 && first > self.archived.command_page {
            let page = self.archived.command_page;
            remarks.push(format!("command pages {page} to {} were never archived", first - 1));
        }
        let sequences = self.snapshots.sequences()?;
        if !sequences.contains(&self.archived.snapshot) && sequences.last() < Some(&self.archived.snapshot) {
            self.archived.snapshot = 0;
        }
        Ok(())
    }

    /// Whether the node's commands go on from those that are archived; also if some between are gone.
    fn follows(&self, commands: &[Segment]) -> Result<bool, JournalError> {
        let Archived { command_page, chain, .. } = self.archived;
        let next = commands.iter().find(|segment| segment.header.first_page >= command_page);
        if let Some(next) = next.filter(|next| next.header.first_page == command_page) {
            return Ok(next.header.chain == chain);
        }
        let last = commands.iter().find(|segment| segment.header.end_page() == command_page);
        if last.is_none() {
            return Ok(next.is_some() && commands.first() == next);
        }
        let dir = self.dir.join(Log::Commands.directory());
        let mut page = blank();
        let reader = SegmentReader::new(&self.disk, &dir, self.lineage(Log::Commands));
        let slot = reader.read(command_page - 1, &mut page)?;
        Ok(slot == Slot::Good && crate::page::chain_of(&page) == chain)
    }
}

/// Whether all records before a segment were released. An event's sequence is its command's.
fn is_released(log: Log, next: &Segment, released: u64) -> bool {
    match log {
        Log::Commands => next.header.first_seq - 1 <= released,
        Log::Events => next.header.first_seq <= released,
    }
}

/// What the first page of a segment of commands follows on, as its header says.
pub(crate) fn base_of(segment: &Segment) -> Base {
    let header = &segment.header;
    Base { page_no: header.first_page, first_seq: header.first_seq, epoch: 0, chain: header.chain }
}

/// The first page in the name of a segment's file.
fn first_page_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("j-")?.split('-').next().filter(|_| has_extension(name, "seg"))?;
    u64::from_str_radix(digits, 16).ok()
}
