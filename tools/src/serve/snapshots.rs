//! Makes a snapshot of the shadow's state where it stands, and says when the next one is due.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use rialto_engine::shadow::Shadow;
use rialto_journal::cursor::Cursors;
use rialto_journal::epochs::EpochTable;
use rialto_journal::error::JournalError;
use rialto_journal::layout::{PAGE_BYTES, PAGE_HEADER_BYTES};
use rialto_journal::log::LogRing;
use rialto_journal::meta::MetaFile;
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, PageSource, UpTo};
use rialto_journal::recover::scan::Base;
use rialto_journal::retention::Needed;
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::snapshot::{SnapshotPoint, Snapshots};
use rialto_journal::storage::FAILURE_STORAGE;
use rialto_journal::storage::event_hash::EventHashes;
use rialto_protocol::Sequence;

use super::holds::Holds;
use super::parts::Core;
use super::retention::Retention;
use super::start::{Upkeep, lock_meta};

/// What became of a snapshot that was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// There is one of this state, or there will be one of a later state.
    Done,
    /// The pages that lead to this state are not all stored yet.
    NotYet,
}

/// What a snapshot is made with.
#[derive(Debug)]
pub struct Snapshooter {
    /// Where they are kept.
    snapshots: Snapshots,
    /// Reads stored command pages, for the base.
    command_segments: SegmentReader,
    /// Where the log begins if no page is stored yet.
    genesis: Base,
    /// The event log.
    events: Arc<LogRing>,
    /// Reads stored event pages.
    event_segments: SegmentReader,
    /// Hashes of full event pages.
    event_hashes: Arc<EventHashes>,
    /// The epochs so far.
    epochs: Arc<EpochTable>,
    /// The node's memory.
    meta: Arc<Mutex<MetaFile>>,
    /// Sequence of the last snapshot.
    last: Sequence,
    /// The node's cursors.
    cursors: Arc<Cursors>,
    upkeep: Upkeep,
    /// What others are being sent.
    holds: Arc<Holds>,
    /// Removes what nobody needs.
    retention: Arc<Retention>,
}

impl Snapshooter {
    /// One that makes snapshots of a node that starts now, in `dir`.
    pub fn new(
        core: &Core,
        command_segments: SegmentReader,
        event_segments: SegmentReader,
        (dir, upkeep): (&Path, Upkeep),
    ) -> Self {
        let cluster_id = core.place.identity.cluster_id;
        let last = lock_meta(&core.place.meta).get().verified_snapshot.unwrap_or(0);
        let ends = (core.commands.end(), Position::new(core.seed.position));
        core.retention.needs(needed(upkeep, ends, core.holds.day_page()));
        Self {
            snapshots: Snapshots::new(&core.place.disk, dir, cluster_id)
                .keeping(Some(Arc::clone(core.holds.archived_snapshot()))),
            command_segments,
            genesis: Base::genesis(&cluster_id),
            events: Arc::clone(&core.events),
            event_segments,
            event_hashes: Arc::clone(core.storage.event_hashes()),
            epochs: Arc::clone(&core.epochs),
            meta: Arc::clone(&core.place.meta),
            last: Sequence(last),
            cursors: Arc::clone(&core.cursors),
            upkeep,
            holds: Arc::clone(&core.holds),
            retention: Arc::clone(&core.retention),
        }
    }

    /// Whether enough commands have come since the last one.
    pub fn is_due(&self, sequence: Sequence) -> bool {
        sequence.0 >= self.last.0 + self.upkeep.snapshot_every
    }

    /// Makes one of the shadow's state, unless there is one of it; then what nobody needs any more goes.
    pub fn make<S: PageSource>(&mut self, shadow: &Shadow<S>) -> anyhow::Result<Made> {
        if shadow.sequence() == self.last {
            return Ok(Made::Done);
        }
        let event_at = Position::new(shadow.exchange().event_end());
        let Some(event_hash) = self.event_hashes.at(event_at.page()) else {
            // Either storage is behind the shadow, or so far ahead of it that a later state has to do.
            let is_behind = self.event_hashes.latest().0 < event_at.page();
            return Ok(if is_behind { Made::NotYet } else { Made::Done });
        };
        if !self.is_stored(shadow.command_position())? {
            return Ok(Made::NotYet);
        }
        let point = SnapshotPoint {
            seq: shadow.sequence().0,
            command_at: shadow.command_position().get(),
            base: self.base(shadow.command_position())?,
            event_at: event_at.get(),
            event_page: self.event_page(event_at)?,
            event_hash,
            state_machine: rialto_protocol::VERSION,
            epoch_table: self.epochs.up_to(shadow.sequence().0),
        };
        let body = shadow.exchange().state_body();
        self.last = shadow.sequence();
        match self.snapshots.write(&point, &body, &self.meta).and_then(|head| {
            let bytes = head.body_bytes;
            tracing::info!(seq = point.seq, bytes, "snapshot written and verified");
            self.trim(shadow)
        }) {
            Ok(()) => {}
            Err(error) if error.is_no_space() => tracing::error!(%error, "no snapshot: the disk has no room"),
            Err(error) => {
                if matches!(error, JournalError::Disk { .. }) {
                    // What a disk did not keep here it may not have kept elsewhere.
                    self.cursors.fail(FAILURE_STORAGE);
                }
                return Err(error.into());
            }
        }
        Ok(Made::Done)
    }

    /// Removes segments that no start and no resend needs and that are not to be kept as history.
    fn trim<S: PageSource>(&self, shadow: &Shadow<S>) -> Result<(), JournalError> {
        let day_page = shadow.exchange().sessions().day_began().page();
        self.holds.day_began(day_page);
        let ends = (shadow.command_position(), Position::new(shadow.exchange().event_end()));
        self.retention.trim(needed(self.upkeep, ends, day_page))
    }

    /// Whether all pages up to `at` are in the segments.
    fn is_stored(&self, at: Position) -> anyhow::Result<bool> {
        let pages = at.page() + u64::from(at.offset() > PAGE_HEADER_BYTES);
        Ok(pages == 0 || self.command_segments.base_behind(pages - 1)?.is_some())
    }

    /// The start of the last stored page at or before `at`.
    fn base(&self, at: Position) -> anyhow::Result<Base> {
        let mut page = at.page();
        while page > 0 {
            if let Some(base) = self.command_segments.base_behind(page - 1)? {
                return Ok(base);
            }
            page -= 1;
        }
        Ok(self.genesis)
    }

    /// The event page that `end` is in, up to there.
    fn event_page(&self, end: Position) -> anyhow::Result<Vec<u8>> {
        if end.offset() <= PAGE_HEADER_BYTES {
            return Ok(Vec::new());
        }
        let start = Position::page_start(end.page()).skip_header();
        let mut page = [0; PAGE_BYTES];
        let mut reader = LogReader::new(Arc::clone(&self.events), &self.event_segments, start);
        let mut first_seq = None;
        let mut count = 0u16;
        while let Some((at, record)) = reader.next(UpTo::Position(end))? {
            page[at.offset()..at.offset() + record.bytes().len()].copy_from_slice(record.bytes());
            first_seq.get_or_insert(record.sequence());
            count += 1;
        }
        let header = rialto_journal::page::PageHeader {
            page_no: end.page(),
            first_seq: first_seq.context("an event page ends behind its header and has no record")?,
            n_records: count,
            used: u16::try_from(end.offset())?,
            ..Default::default()
        };
        header.write(&mut page);
        Ok(page[..end.offset()].to_vec())
    }
}

/// The first pages that a node itself wants kept, whose logs end here.
fn needed(upkeep: Upkeep, (commands, events): (Position, Position), day_page: u64) -> Needed {
    let keep_pages = upkeep.keep_bytes / PAGE_BYTES as u64;
    Needed {
        command_page: commands.page().saturating_sub(keep_pages),
        event_page: events.page().saturating_sub(keep_pages).min(day_page),
    }
}
