//! A command log in two epochs, as a primary holds it and ships it, and what a standby says that followed it up to a record.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rialto_journal::layout::{ClusterId, PAGE_BYTES, Page};
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::page::{SealInputs, seal};
use rialto_journal::position::Position;
use rialto_journal::reader::PageSource;
use rialto_journal::record;
use rialto_journal::recover::scan::{Base, EpochStart};
use rialto_journal::shared::Kind;
use rialto_replicator::message::{Hello, OpenPage, hash_of_records};

pub(crate) const CLUSTER_ID: ClusterId = [7; 16];
/// Few, so that what is old has to be read from the segments.
const RING_PAGES: u64 = 4;
/// Commands of each of the two epochs.
const COMMANDS: u64 = 60;

/// A command of `bytes` bytes whose content follows from its sequence.
pub(crate) fn command(sequence: u64, bytes: u16) -> Vec<u8> {
    let filler = sequence.to_le_bytes()[0];
    let mut command = vec![filler; usize::from(bytes)];
    command[record::SEQUENCE_AT..][..8].copy_from_slice(&sequence.to_le_bytes());
    command[record::LENGTH_AT..][..2].copy_from_slice(&bytes.to_le_bytes());
    let crc = record::crc(&command);
    command[record::CRC_AT..][..4].copy_from_slice(&crc.to_le_bytes());
    command
}

/// The stored pages of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments(Arc<Mutex<BTreeMap<u64, Page>>>);

impl PageSource for Segments {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&page_no).copied();
        if let Some(stored) = stored {
            *page = stored;
        }
        Ok(stored.is_some())
    }
}

/// A record and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) at: Position,
    pub(crate) epoch: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A node's command log: its ring, the sealed pages behind it, and the truth to hold answers against.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) writer: Writer,
    pub(crate) segments: Segments,
    pub(crate) epochs: Vec<EpochStart>,
    /// The base at each page that follows a stored one.
    pub(crate) bases: Vec<Base>,
    /// All records; the one with sequence 1 stands first.
    pub(crate) records: Vec<Placed>,
}

impl Log {
    fn empty() -> Self {
        let shape = LogShape { kind: Kind::Commands, pages: RING_PAGES };
        Log {
            writer: LogRing::anonymous(shape, &LogStart::EMPTY).expect("memory for a small ring"),
            segments: Segments::default(),
            epochs: Vec::new(),
            bases: vec![Base::genesis(&CLUSTER_ID)],
            records: Vec::new(),
        }
    }

    /// The log of a primary in epoch 2.
    pub(crate) fn new() -> Self {
        let mut log = Log::empty();
        for epoch in [1, 2] {
            log.begin_epoch(epoch);
            for number in 0..COMMANDS {
                log.append(u16::try_from(88 + number * 104 % 720).expect("it is small"));
            }
        }
        log.store();
        log
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epochs.last().map_or(0, |row| row.epoch)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.records.len() as u64
    }

    /// Opens an epoch at the next page.
    pub(crate) fn begin_epoch(&mut self, epoch: u32) {
        self.close_page();
        self.writer.set_epoch(epoch);
        let page_no = self.writer.end().page();
        // An epoch without a record leaves no row.
        self.epochs.retain(|row| row.page_no < page_no);
        self.epochs.push(EpochStart { epoch, page_no, first_seq: self.last_seq() + 1 });
    }

    pub(crate) fn append(&mut self, bytes: u16) {
        self.make_room();
        let bytes = command(self.last_seq() + 1, bytes);
        let at = self.writer.append(&bytes);
        self.records.push(Placed { at, epoch: self.epoch(), bytes });
        self.writer.publish();
    }

    pub(crate) fn close_page(&mut self) {
        self.make_room();
        self.writer.close_page();
        self.writer.publish();
    }

    fn make_room(&mut self) {
        if !self.writer.has_room(2) {
            self.store();
        }
    }

    /// What storage does: seals closed pages and frees their places.
    pub(crate) fn store(&mut self) {
        let ring = Arc::clone(self.writer.ring());
        for page_no in ring.freed()..ring.closed_pages() {
            let mut page = [0; PAGE_BYTES];
            assert!(ring.copy_page(page_no, &mut page), "a page that is not freed is there");
            let base = *self.bases.last().expect("the first one is always there");
            let inputs =
                SealInputs { cluster_id: CLUSTER_ID, durable_page: 0, committed_seq: 0, chain: base.chain };
            seal(&mut page, &inputs);
            self.bases.push(base.after(&page, &CLUSTER_ID).expect("a sound page").0);
            self.segments.0.lock().unwrap_or_else(PoisonError::into_inner).insert(page_no, page);
        }
        ring.free(ring.closed_pages());
    }

    /// What a standby says that holds the first `count` records, its last page open if it has not ended there, or if
    /// nobody has sealed it yet.
    pub(crate) fn hello(&self, count: usize) -> Hello {
        let sealed = self.bases.len() as u64;
        let known = self.records.partition_point(|record| record.at.page() < sealed);
        let held = &self.records[..count.min(known)];
        let last_page = held.last().map_or(0, |record| record.at.page());
        let next_page = self.records.get(held.len()).map_or(self.writer.end().page(), |next| next.at.page());
        let is_open = !held.is_empty() && (next_page == last_page || last_page + 1 == sealed);
        let end_page = if held.is_empty() { 0 } else { last_page + u64::from(!is_open) };
        let end = usize::try_from(end_page).ok().and_then(|page_no| self.bases.get(page_no)).copied();
        let epoch = held.last().map_or(0, |record| record.epoch);
        Hello {
            cluster: "market".to_owned(),
            cluster_id: Some(CLUSTER_ID),
            node: "b".to_owned(),
            boot_id: [1; 16],
            incarnation: 1,
            versions: (1, 2),
            promised_epoch: epoch,
            epochs: self.epochs.iter().filter(|row| row.epoch <= epoch).copied().collect(),
            end: end.expect("the pages before are sealed"),
            open: is_open.then(|| open_page(held, last_page)),
            synced_page: end_page,
        }
    }

    /// Whether what was said in a HELLO is this log's beginning, and where it goes on then: position and sequence.
    pub(crate) fn continues(&self, hello: &Hello) -> Option<(Position, u64)> {
        let end = usize::try_from(hello.end.page_no).ok().and_then(|page_no| self.bases.get(page_no))?;
        let is_new = hello.cluster_id.is_none() && hello.end.page_no == 0;
        if *end != hello.end && !is_new {
            return None;
        }
        let Some(open) = hello.open else { return Some((Position::page_start(end.page_no), end.first_seq)) };
        let to = Position::at(end.page_no, usize::from(open.offset).min(PAGE_BYTES));
        let in_page = |record: &&Placed| record.at.page() == end.page_no && record.at < to;
        let held: Vec<Placed> = self.records.iter().filter(in_page).cloned().collect();
        let is_equal = !held.is_empty() && {
            let mine = open_page(&held, end.page_no);
            (mine.offset, mine.hash, mine.epoch) == (open.offset, open.hash, open.epoch)
        };
        is_equal.then(|| (to, end.first_seq + held.len() as u64))
    }
}

/// The records of `held` that are in a page, as a HELLO tells of them.
fn open_page(held: &[Placed], page_no: u64) -> OpenPage {
    let records: Vec<u8> = held
        .iter()
        .filter(|record| record.at.page() == page_no)
        .flat_map(|record| record.bytes.iter().copied())
        .collect();
    let last = held.last().expect("a page is open by its records");
    let offset = u16::try_from(last.at.offset() + last.bytes.len()).expect("a page is small");
    let last_seq = u64::from_le_bytes(*last.bytes.first_chunk().expect("a record has a header"));
    OpenPage { epoch: last.epoch, offset, last_seq, hash: hash_of_records(&records) }
}
