//! Makes a snapshot of the shadow's state where it stands, and says when the next one is due.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use rialto_engine::shadow::Shadow;
use rialto_journal::layout::{PAGE_BYTES, PAGE_HEADER_BYTES};
use rialto_journal::log::LogRing;
use rialto_journal::meta::MetaFile;
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, PageSource, UpTo};
use rialto_journal::recover::scan::Base;
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::snapshot::{SnapshotPoint, Snapshots};
use rialto_journal::storage::event_hash::EventHashes;
use rialto_protocol::Sequence;

use super::start::Begun;

/// Commands between two snapshots of a node that runs on.
const EVERY: u64 = 10_000_000;

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
    /// The node's memory.
    meta: Arc<Mutex<MetaFile>>,
    /// Sequence of the last snapshot.
    last: Sequence,
}

impl Snapshooter {
    /// One that makes snapshots of a node that begins now, in `dir`.
    pub fn new(
        begun: &Begun,
        command_segments: SegmentReader,
        event_segments: SegmentReader,
        dir: &Path,
    ) -> Self {
        let cluster_id = begun.place.identity.cluster_id;
        Self {
            snapshots: Snapshots::new(&begun.place.disk, dir, cluster_id),
            command_segments,
            genesis: Base::genesis(&cluster_id),
            events: Arc::clone(&begun.events),
            event_segments,
            event_hashes: Arc::clone(begun.storage.event_hashes()),
            meta: Arc::clone(&begun.place.meta),
            last: Sequence(0),
        }
    }

    /// Whether enough commands have come since the last one.
    pub fn is_due(&self, sequence: Sequence) -> bool {
        sequence.0 >= self.last.0 + EVERY
    }

    /// Makes one of the shadow's state, unless there is one of it.
    pub fn make<S: PageSource>(&mut self, shadow: &Shadow<S>) -> anyhow::Result<()> {
        if shadow.sequence() == self.last {
            return Ok(());
        }
        let event_at = Position::new(shadow.exchange().event_end());
        let Some(event_hash) = self.event_hashes.at(event_at.page()) else {
            tracing::warn!(
                page = event_at.page(),
                "no snapshot: the event pages before it are not stored yet"
            );
            return Ok(());
        };
        let point = SnapshotPoint {
            seq: shadow.sequence().0,
            command_at: shadow.command_position().get(),
            base: self.base(shadow.command_position())?,
            event_at: event_at.get(),
            event_page: self.event_page(event_at)?,
            event_hash,
            state_machine: rialto_protocol::VERSION,
            epoch_table: Vec::new(),
        };
        let body = shadow.exchange().state_body();
        let head = self.snapshots.write(&point, &body, &self.meta)?;
        self.last = shadow.sequence();
        tracing::info!(seq = point.seq, bytes = head.body_bytes, "snapshot written and verified");
        Ok(())
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
