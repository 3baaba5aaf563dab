//! A whole node's journal over any disk, with a matcher that writes made-up commands and two events for each, and the
//! check of what a restart finds.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::disk::Disk;
use rialto_journal::error::JournalError;
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::meta::{META_NAME, MetaFile, NodeMeta};
use rialto_journal::page::{PageView, genesis_chain};
use rialto_journal::position::Position;
use rialto_journal::record;
use rialto_journal::recover::events::open_events;
use rialto_journal::recover::scan::Base;
use rialto_journal::recover::{Recovered, Start, recover};
use rialto_journal::segment::reader::{SegmentReader, Slot};
use rialto_journal::segment::{Lineage, Log};
use rialto_journal::shared::Kind;
use rialto_journal::snapshot::{SnapshotHead, SnapshotPoint};
use rialto_journal::storage::{Stepped, Storage, StorageStart};

pub(crate) const CLUSTER: [u8; 16] = *b"cluster of tests";
/// Fourteen pages of the log to a file.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;
const RING_PAGES: u64 = 32;

/// The bytes of the command with this sequence; `life` tells commands of different starts apart.
pub(crate) fn command(sequence: u64, life: u32) -> Vec<u8> {
    let payload = usize::try_from(sequence * 13 % 40).unwrap() * 8 + 64;
    record_of(sequence, payload, u8::try_from(life % 200).unwrap() + 1)
}

fn event(sequence: u64, index: u32, life: u32) -> Vec<u8> {
    let mut bytes = record_of(sequence, 32, u8::try_from(life % 200).unwrap() + 1);
    bytes[record::CRC_AT..record::AFTER_CRC_AT].copy_from_slice(&index.to_le_bytes());
    bytes
}

fn record_of(sequence: u64, payload: usize, fill: u8) -> Vec<u8> {
    let mut bytes = vec![fill; 32 + payload];
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[record::TIMESTAMP_AT..record::LENGTH_AT].copy_from_slice(&(sequence * 1000).to_le_bytes());
    let length = u16::try_from(bytes.len()).unwrap();
    bytes[record::LENGTH_AT..record::KIND_AT].copy_from_slice(&length.to_le_bytes());
    let crc = record::crc(&bytes);
    bytes[record::CRC_AT..record::AFTER_CRC_AT].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) commands: Writer,
    pub(crate) events: Writer,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) storage: Storage,
    pub(crate) meta: Arc<Mutex<MetaFile>>,
    /// The life in which each command was written, by its sequence less 1.
    pub(crate) lives: Vec<u32>,
    pub(crate) life: u32,
    /// What the start found.
    pub(crate) found: Found,
}

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) last_seq: u64,
    pub(crate) from_ring: u64,
    pub(crate) torn_bytes: u64,
}

pub(crate) struct Begin<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) policy: Policy,
    pub(crate) life: u32,
    /// The life in which each earlier command was written, as far as is known.
    pub(crate) lives: &'a [u32],
    pub(crate) ring: Option<&'a LogRing>,
    /// The snapshot to start from.
    pub(crate) snapshot: Option<&'a SnapshotHead>,
}

impl<'a> Begin<'a> {
    pub(crate) fn new(dir: &'a Path, policy: Policy, life: u32) -> Self {
        Begin { dir, policy, life, lives: &[], ring: None, snapshot: None }
    }
}

/// What recovery is asked for.
pub(crate) fn start_of(disk: &Arc<dyn Disk>, begin: &Begin<'_>) -> Start {
    let point = begin.snapshot.map(|head| &head.point);
    Start {
        disk: Arc::clone(disk),
        dir: begin.dir.to_owned(),
        state_machine: 1,
        segment_bytes: SEGMENT_BYTES,
        base: point.map_or(Base::genesis(&CLUSTER), |point| point.base),
        known_seq: point.map_or(0, |point| point.seq),
        epoch: begin.life,
    }
}

impl Node {
    pub(crate) fn start(disk: &Arc<dyn Disk>, begin: &Begin<'_>) -> Result<Self, JournalError> {
        let exists = disk.list(begin.dir).is_ok_and(|names| names.iter().any(|name| name == META_NAME));
        let mut meta = if exists {
            MetaFile::open(disk, begin.dir)?
        } else {
            MetaFile::create(disk, begin.dir, NodeMeta::new(CLUSTER, "test", "n1"))?
        };
        let start = start_of(disk, begin);
        let point = begin.snapshot.map(|head| &head.point);
        let recovered = recover(&start, &mut meta, begin.ring)?;
        let Recovered { scan, end, from_ring, writer, .. } = recovered;
        let found = Found { last_seq: end.first_seq - 1, from_ring, torn_bytes: scan.torn_bytes() };
        let event_at = point.map_or(Position::FIRST, |point| Position::new(point.event_at));
        let events_writer = open_events(&start, &meta, event_at.page())?;
        meta.update(|meta| {
            meta.generation += 1;
            meta.ring = Some(format!("ring-{}", meta.generation));
        })?;
        let shape = |kind| LogShape { kind, pages: RING_PAGES };
        let at = LogStart::at_page(end.page_no, begin.life);
        let commands = LogRing::anonymous(shape(Kind::Commands), &at).unwrap();
        let mut event_page = [0; PAGE_BYTES];
        let kept = point.map_or(&[][..], |point| &point.event_page);
        event_page[..kept.len()].copy_from_slice(kept);
        let at = LogStart { end: event_at, page: Some(&event_page), epoch: 0 };
        let events = LogRing::anonymous(shape(Kind::Events), &at).unwrap();
        let cursors = Arc::new(Cursors::anonymous(begin.policy, found.last_seq).unwrap());
        let meta = Arc::new(Mutex::new(meta));
        let storage = Storage::new(StorageStart {
            commands: (Arc::clone(commands.ring()), writer),
            base: end,
            events: (Arc::clone(events.ring()), events_writer),
            event_hash: point.map_or(genesis_chain(&CLUSTER), |point| point.event_hash),
            cursors: Arc::clone(&cursors),
            meta: Arc::clone(&meta),
        });
        let mut lives = begin.lives.to_vec();
        lives.truncate(usize::try_from(found.last_seq).unwrap());
        let life = begin.life;
        let mut node = Node { commands, events, cursors, storage, meta, lives, life, found };
        node.replay(point.map_or(0, |point| point.seq));
        Ok(node)
    }

    /// Makes the events of what was recovered again.
    fn replay(&mut self, after: u64) {
        for (sequence, life) in (1..).zip(self.lives.clone()).skip(usize::try_from(after).unwrap()) {
            self.add_events(sequence, life);
            self.events.publish();
            while self.events.room() < 2 && self.storage.step() != Stepped::Failed {}
            if self.storage.failure().is_some() {
                return;
            }
        }
    }

    fn add_events(&mut self, sequence: u64, life: u32) {
        for index in 0..2 {
            self.events.append(&event(sequence, index, life));
        }
    }

    /// Applies and publishes the next command; false if there is no room.
    pub(crate) fn apply(&mut self) -> bool {
        if self.commands.room() < 2 || self.events.room() < 2 {
            return false;
        }
        let sequence = u64::try_from(self.lives.len()).unwrap() + 1;
        self.lives.push(self.life);
        self.commands.append(&command(sequence, self.life));
        self.add_events(sequence, self.life);
        self.events.publish();
        self.commands.publish();
        self.cursors.advance_published(sequence);
        true
    }

    /// Closes the open page, as the matcher does when storage is idle and something waits.
    pub(crate) fn close_page(&mut self) {
        self.commands.close_page();
        self.commands.publish();
    }

    /// Where both logs stand, once everything is stored.
    pub(crate) fn snapshot_point(&mut self, disk: &Arc<dyn Disk>, dir: &Path) -> SnapshotPoint {
        self.close_page();
        while self.storage.step() != Stepped::Idle {}
        let lineage = Lineage { log: Log::Commands, cluster_id: CLUSTER, state_machine: 1 };
        let reader = SegmentReader::new(disk, &dir.join("commands"), lineage);
        let end = self.events.end();
        let mut page = [0; PAGE_BYTES];
        let has_page = self.events.ring().copy_open_page(&mut page).unwrap();
        SnapshotPoint {
            seq: self.cursors.published(),
            command_at: Position::page_start(self.storage.durable_page()).get(),
            base: reader.base_behind(self.storage.durable_page() - 1).unwrap().unwrap(),
            event_at: end.get(),
            event_page: if has_page { page[..end.offset()].to_vec() } else { Vec::new() },
            event_hash: self.storage.event_hashes().at(end.page()).unwrap(),
            state_machine: 1,
            epoch_table: Vec::new(),
        }
    }

    /// The last command that a client was told of.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.cursors.released()
    }

    /// Ends the node in good order.
    pub(crate) fn stop(mut self) -> Result<Vec<u32>, JournalError> {
        self.close_page();
        self.storage.stop()?;
        Ok(self.lives)
    }
}

/// What is wrong with what a restart found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Acknowledged commands are gone.
    Lost { acknowledged: u64, found: u64 },
    /// A command is not the one that was written.
    Changed { sequence: u64 },
    /// The journal was refused although everything durable was in it.
    Refused(String),
}

/// Checks the segments against what was written: all acknowledged commands, no changed one.
pub(crate) fn check(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    acknowledged: u64,
    lives: &[u32],
) -> Result<u64, Fault> {
    let lineage = Lineage { log: Log::Commands, cluster_id: CLUSTER, state_machine: 1 };
    let reader = SegmentReader::new(disk, &dir.join("commands"), lineage);
    let mut page = [0; PAGE_BYTES];
    let first = reader.range().map_err(|error| Fault::Refused(error.to_string()))?.start;
    let mut sequence = 0;
    if first > 0 {
        assert_eq!(reader.read(first, &mut page).unwrap(), Slot::Good);
        sequence = PageView::parse(&page).unwrap().header().first_seq - 1;
    }
    for page_no in first.. {
        match reader.read(page_no, &mut page) {
            Ok(Slot::Good) => {}
            Ok(Slot::Blank | Slot::NoFile) => break,
            Ok(Slot::Bad) => return Err(Fault::Refused(format!("page {page_no} is left bad"))),
            Err(error) => return Err(Fault::Refused(error.to_string())),
        }
        for (_, record) in PageView::parse(&page).unwrap().records() {
            sequence += 1;
            let life = lives.get(usize::try_from(sequence).unwrap() - 1);
            if life.is_none_or(|life| record.bytes() != command(sequence, *life)) {
                return Err(Fault::Changed { sequence });
            }
        }
    }
    if sequence < acknowledged {
        return Err(Fault::Lost { acknowledged, found: sequence });
    }
    Ok(sequence)
}

/// Starts a node on what a crash left and checks what it found; gives the node to go on with.
pub(crate) fn restart(disk: &Arc<dyn Disk>, begin: &Begin<'_>, acknowledged: u64) -> Result<Node, Fault> {
    let node = Node::start(disk, begin).map_err(|error| Fault::Refused(error.to_string()))?;
    let found = check(disk, begin.dir, acknowledged, begin.lives)?;
    assert_eq!(found, node.found.last_seq, "recovery counts what is there");
    Ok(node)
}
