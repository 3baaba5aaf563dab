//! A node's journal on a pretend disk: what recovery is given, and the truth to hold its answer against.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::disk::Disk;
use rialto_journal::disk::pretend::PretendDisk;
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::meta::{MetaFile, NodeMeta};
use rialto_journal::page::{PageView, genesis_chain};
use rialto_journal::position::Position;
use rialto_journal::recover::events::open_events;
use rialto_journal::recover::scan::Base;
use rialto_journal::recover::{Recovered, Start, recover};
use rialto_journal::segment::reader::{SegmentReader, Slot};
use rialto_journal::segment::{Lineage, Log};
use rialto_journal::shared::Kind;
use rialto_journal::snapshot::{SnapshotPoint, Snapshots};
use rialto_journal::storage::{Stepped, Storage, StorageStart};
use rialto_protocol::command::{NewOrder, OrderTerms};
use rialto_protocol::event::{Event, EventBuffer, Stamp};
use rialto_protocol::record::offset;
use rialto_protocol::{
    ClOrdId, Command, InstrumentId, Price, Quantity, RecordBuffer, Sequence, SessionId, SessionSeq, Side,
    Timestamp,
};

use crate::market;

pub(crate) const CLUSTER: [u8; 16] = *b"cluster of tests";
/// Fourteen pages of the log to a file.
const SEGMENT_BYTES: u64 = 64 << 10;
const RING_PAGES: u64 = 32;
const COMMANDS: u64 = 400;
/// The commands after which a snapshot is made.
pub(crate) const SNAPSHOTS: [u64; 2] = [150, 300];
/// One of so many disks of the run is kept.
const KEPT_OF: usize = 7;

/// A disk at one moment of the run, and what was acknowledged by then.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) disk: PretendDisk,
    pub(crate) acknowledged: u64,
}

/// One run of a node.
#[derive(Debug)]
pub(crate) struct Run {
    /// Moments before a write or a sync, oldest first.
    pub(crate) moments: Vec<Moment>,
    /// The disk after a stop in good order.
    pub(crate) stopped: PretendDisk,
    /// Each command as it was journaled.
    pub(crate) commands: Vec<Vec<u8>>,
    /// The last sequence in each page of the command log.
    pub(crate) last_of_page: Vec<u64>,
    /// The state in both snapshots.
    pub(crate) body: Vec<u8>,
}

pub(crate) fn dir() -> &'static Path {
    Path::new("node")
}

pub(crate) fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(crate) fn lineage(log: Log) -> Lineage {
    Lineage { log, cluster_id: CLUSTER, state_machine: 1 }
}

/// What recovery is asked for.
pub(crate) fn start_of(disk: &Arc<dyn Disk>) -> Start {
    Start {
        disk: Arc::clone(disk),
        dir: dir().to_owned(),
        state_machine: 1,
        segment_bytes: SEGMENT_BYTES,
        base: Base::genesis(&CLUSTER),
        known_seq: 0,
        epoch: 2,
    }
}

/// The run, made once.
pub(crate) fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| Node::new().run())
}

/// All records of a command log that can be read, in order.
pub(crate) fn read_log(disk: &Arc<dyn Disk>) -> (Vec<Vec<u8>>, Vec<u64>) {
    let reader = SegmentReader::new(disk, &dir().join("commands"), lineage(Log::Commands));
    let (mut page, mut records, mut last) = ([0; PAGE_BYTES], Vec::new(), Vec::new());
    for page_no in 0.. {
        if !matches!(reader.read(page_no, &mut page), Ok(Slot::Good)) {
            break;
        }
        let view = PageView::parse(&page).expect("a good page");
        records.extend(view.records().map(|(_, record)| record.bytes().to_vec()));
        last.push(view.last_seq());
    }
    (records, last)
}

struct Node {
    disk: PretendDisk,
    commands: Writer,
    events: Writer,
    cursors: Arc<Cursors>,
    storage: Storage,
    meta: Arc<Mutex<MetaFile>>,
    written: Vec<Vec<u8>>,
    moments: Vec<Moment>,
    seen: usize,
}

impl Node {
    fn new() -> Self {
        let disk = PretendDisk::new(7);
        let on = shared(&disk);
        let mut meta =
            MetaFile::create(&on, dir(), NodeMeta::new(CLUSTER, "test", "n1")).expect("a new node");
        let start = Start { epoch: 1, ..start_of(&on) };
        let Recovered { end, writer, .. } = recover(&start, &mut meta, None).expect("an empty journal");
        let events_writer = open_events(&start, &meta, 0).expect("an empty journal");
        let ring = |kind, at| LogRing::anonymous(LogShape { kind, pages: RING_PAGES }, &at).expect("memory");
        let commands = ring(Kind::Commands, LogStart::at_page(0, 1));
        let events = ring(Kind::Events, LogStart { end: Position::FIRST, page: None, epoch: 0 });
        let cursors = Arc::new(Cursors::anonymous(Policy::Disk, 0).expect("memory"));
        let meta = Arc::new(Mutex::new(meta));
        let storage = Storage::new(StorageStart {
            commands: (Arc::clone(commands.ring()), writer),
            base: end,
            events: (Arc::clone(events.ring()), events_writer),
            event_hash: genesis_chain(&CLUSTER),
            cursors: Arc::clone(&cursors),
            meta: Arc::clone(&meta),
        });
        Self {
            disk,
            commands,
            events,
            cursors,
            storage,
            meta,
            written: Vec::new(),
            moments: Vec::new(),
            seen: 0,
        }
    }

    /// Runs, with snapshots on the way, and stops.
    fn run(mut self) -> Run {
        let body = market::open().exchange.state_body();
        for sequence in 1..=COMMANDS {
            while self.commands.room() < 2 || self.events.room() < 2 {
                self.store();
            }
            self.apply(sequence);
            if sequence * 7 % 13 < 4 {
                self.close_page();
            }
            if sequence * 5 % 11 < 3 {
                self.store();
            }
            if SNAPSHOTS.contains(&sequence) {
                self.snapshot(&body);
            }
        }
        self.close_page();
        self.store();
        self.storage.stop().expect("a disk without faults");
        // The disk as it is before one more call: without what was kept of the run.
        self.disk.keep_history();
        self.disk.sync_dir(dir()).expect("a disk without faults");
        let stopped = self.disk.history().pop().expect("one call was made");
        let (commands, last_of_page) = read_log(&shared(&stopped));
        assert!(commands == self.written, "what was journaled is what was written");
        Run { moments: self.moments, stopped, commands, last_of_page, body }
    }

    /// Storage takes a turn; some of the disks before its writes and syncs are kept.
    fn store(&mut self) {
        let acknowledged = self.cursors.released();
        self.disk.keep_history();
        let stepped = self.storage.step();
        assert!(stepped != Stepped::Failed, "{:?}", self.storage.failure());
        for disk in self.disk.history() {
            self.seen += 1;
            if self.seen.is_multiple_of(KEPT_OF) {
                self.moments.push(Moment { disk, acknowledged });
            }
        }
    }

    fn apply(&mut self, sequence: u64) {
        let terms = OrderTerms::limit(Side::Buy, Quantity(100), InstrumentId(1), Price(1025));
        let cl_ord_id = ClOrdId::clipped(&"order".repeat(usize::try_from(sequence % 7).unwrap_or(0) + 1));
        let mut record = RecordBuffer::default();
        let number = u32::try_from(sequence).expect("a few hundred");
        Command::NewOrder(NewOrder { terms, cl_ord_id }).encode(
            SessionId(1),
            SessionSeq(number),
            &mut record,
        );
        let mut bytes = record.as_bytes().to_vec();
        bytes[..offset::TIMESTAMP].copy_from_slice(&sequence.to_le_bytes());
        bytes[offset::TIMESTAMP..offset::LENGTH].copy_from_slice(&(sequence * 1000).to_le_bytes());
        self.commands.append(&bytes);
        let stamp = Stamp {
            sequence: Sequence(sequence),
            timestamp: Timestamp(sequence * 1000),
            index: 0,
            session: SessionId(1),
            number: SessionSeq::NONE,
        };
        let mut event = EventBuffer::default();
        event.push(&stamp, &Event::Gone);
        self.events.append(event.as_bytes());
        self.events.publish();
        self.commands.publish();
        self.cursors.advance_published(sequence);
        self.written.push(bytes);
    }

    fn close_page(&mut self) {
        self.commands.close_page();
        self.commands.publish();
    }

    fn snapshot(&mut self, body: &[u8]) {
        self.close_page();
        while self.storage.step() != Stepped::Idle {}
        let on = shared(&self.disk);
        let reader = SegmentReader::new(&on, &dir().join("commands"), lineage(Log::Commands));
        let end = self.events.end();
        let mut page = [0; PAGE_BYTES];
        let has_page = self.events.ring().copy_open_page(&mut page).expect("nobody writes");
        let base = reader.base_behind(self.storage.durable_page() - 1).expect("it was just written");
        let point = SnapshotPoint {
            seq: self.cursors.published(),
            command_at: Position::page_start(self.storage.durable_page()).get(),
            base: base.expect("it was just written"),
            event_at: end.get(),
            event_page: if has_page { page[..end.offset()].to_vec() } else { Vec::new() },
            event_hash: self.storage.event_hashes().at(end.page()).expect("it was just made"),
            state_machine: 1,
            epoch_table: Vec::new(),
        };
        let snapshots = Snapshots::new(&on, dir(), CLUSTER);
        snapshots.write(&point, body, &self.meta).expect("a disk without faults");
    }
}
