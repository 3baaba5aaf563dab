//! A primary with a real log and pretended segments, a standby that writes what it is told, and a wire between them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use rialto_journal::layout::{ClusterId, PAGE_BYTES, Page};
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::page::{SealInputs, seal};
use rialto_journal::position::Position;
use rialto_journal::reader::PageSource;
use rialto_journal::record;
use rialto_journal::recover::scan::{Base, EpochStart};
use rialto_journal::shared::Kind;
use rialto_replicator::gone::Gone;
use rialto_replicator::key::ClusterKey;
use rialto_replicator::message::{
    Ack, Answer, Ask, Hello, Lead, OpenPage, Promise, Role, Welcome, hash_of_records,
};
use rialto_replicator::primary::Event;
use rialto_replicator::secure::Credentials;
use rialto_replicator::ship::{Node, SeedSource, Ship};
use rialto_replicator::standby;

pub const CLUSTER_ID: ClusterId = [7; 16];

pub fn credentials() -> Credentials {
    Credentials { key: ClusterKey::new([9; 32]), cluster: "market".into() }
}

/// A command of `bytes` bytes whose content follows from its sequence.
pub fn command(sequence: u64, bytes: usize) -> Vec<u8> {
    let mut command: Vec<u8> =
        (0..bytes as u64).map(|at| u8::try_from((sequence * 31 + at) % 251).unwrap()).collect();
    command[record::SEQUENCE_AT..][..8].copy_from_slice(&sequence.to_le_bytes());
    command[record::LENGTH_AT..][..2].copy_from_slice(&u16::try_from(bytes).unwrap().to_le_bytes());
    let crc = record::crc(&command);
    command[record::CRC_AT..][..4].copy_from_slice(&crc.to_le_bytes());
    command
}

type Pages = Arc<Mutex<BTreeMap<u64, Page>>>;

#[derive(Debug, Clone, Default)]
pub struct Segments(pub Pages);

impl PageSource for Segments {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        let stored = self.0.lock().unwrap().get(&page_no).copied();
        if let Some(stored) = stored {
            *page = stored;
        }
        Ok(stored.is_some())
    }
}

/// A node's command log: ring, and sealed pages behind it.
#[derive(Debug)]
pub struct Log {
    pub writer: Writer,
    pub segments: Segments,
    pub epochs: Vec<EpochStart>,
    /// `bases[n]` is the base at page `n`.
    pub bases: Vec<Base>,
    pub next_seq: u64,
}

impl Log {
    pub fn new(ring_pages: u64) -> Self {
        let shape = LogShape { kind: Kind::Commands, pages: ring_pages };
        Log {
            writer: LogRing::anonymous(shape, &LogStart::EMPTY).unwrap(),
            segments: Segments::default(),
            epochs: Vec::new(),
            bases: vec![Base::genesis(&CLUSTER_ID)],
            next_seq: 1,
        }
    }

    /// Opens an epoch at the next page.
    pub fn begin_epoch(&mut self, epoch: u32) {
        self.close_page();
        self.writer.set_epoch(epoch);
        let page_no = self.writer.end().page();
        self.epochs.push(EpochStart { epoch, page_no, first_seq: self.next_seq });
    }

    pub fn append(&mut self, bytes: usize) {
        self.make_room();
        self.writer.append(&command(self.next_seq, bytes));
        self.next_seq += 1;
        self.writer.publish();
    }

    pub fn close_page(&mut self) {
        self.writer.close_page();
        self.writer.publish();
    }

    fn make_room(&mut self) {
        if !self.writer.has_room(2) {
            self.store();
        }
    }

    /// What storage does: seals closed pages and frees their slots.
    pub fn store(&mut self) {
        let ring = Arc::clone(self.writer.ring());
        for page_no in ring.freed()..ring.closed_pages() {
            let mut page = [0; PAGE_BYTES];
            assert!(ring.copy_page(page_no, &mut page));
            let base = *self.bases.last().unwrap();
            seal(
                &mut page,
                &SealInputs { cluster_id: CLUSTER_ID, durable_page: 0, committed_seq: 0, chain: base.chain },
            );
            self.bases.push(base.after(&page, &CLUSTER_ID).unwrap().0);
            self.segments.0.lock().unwrap().insert(page_no, page);
        }
        ring.free(ring.closed_pages());
    }

    pub fn end(&self) -> Position {
        self.writer.end()
    }

    /// A log with this one's pages before `end_page` and nothing else.
    pub fn cut(&mut self, end_page: u64) -> Self {
        self.followed(end_page, u64::MAX)
    }

    /// A standby's log that followed this one up to a sequence; pages end where this one's do.
    pub fn followed(&mut self, end_page: u64, last_seq: u64) -> Self {
        let mut copy = Log::new(self.writer.ring().pages());
        for (at, record) in self.content() {
            if at.page() >= end_page {
                copy.close_page();
                return copy;
            }
            if copy.next_seq > last_seq {
                return copy;
            }
            let row = self.epochs.iter().rev().find(|row| row.page_no <= at.page()).unwrap();
            if at.page() > copy.end().page() {
                copy.close_page();
            }
            if copy.epochs.last() != Some(row) {
                copy.begin_epoch(row.epoch);
            }
            copy.append(record.len());
            assert_eq!(copy.content().last(), Some(&(at, record)));
        }
        copy
    }

    /// All records, with their places.
    pub fn content(&mut self) -> Vec<(Position, Vec<u8>)> {
        let ring = Arc::clone(self.writer.ring());
        let mut reader = rialto_journal::reader::LogReader::new(ring, self.segments.clone(), Position::FIRST);
        let mut content = Vec::new();
        while let Some((at, record)) = reader.next(rialto_journal::reader::UpTo::End).unwrap() {
            content.push((at, record.bytes().to_vec()));
        }
        content
    }

    /// What a standby with this log says.
    pub fn hello(&mut self, node: &str) -> Hello {
        self.store();
        let end = *self.bases.last().unwrap();
        let tail = self.end();
        let open = (tail.offset() > 64).then(|| {
            let page = self.content().into_iter().filter(|(at, _)| at.page() == tail.page());
            let records: Vec<u8> = page.flat_map(|(_, record)| record).collect();
            let epoch = self.epochs.last().unwrap().epoch;
            let offset = u16::try_from(tail.offset()).unwrap();
            OpenPage { epoch, offset, last_seq: self.next_seq - 1, hash: hash_of_records(&records) }
        });
        Hello {
            cluster: "market".to_owned(),
            cluster_id: Some(CLUSTER_ID),
            node: node.to_owned(),
            boot_id: [1; 16],
            incarnation: 1,
            versions: (1, 2),
            promised_epoch: self.epochs.last().map_or(0, |row| row.epoch),
            epochs: self.epochs.clone(),
            end,
            open,
            synced_page: end.page_no,
        }
    }

    /// Does what the primary says; false if it is something else than records and page ends.
    pub fn follow(&mut self, event: &standby::Event<'_>) -> bool {
        if let standby::Event::Run { epoch, position, bytes, last_seq } = event {
            self.make_room();
            if self.epochs.last().map(|row| row.epoch) != Some(*epoch) {
                self.begin_epoch(*epoch);
            }
            let mut rest = *bytes;
            let mut at = *position;
            while let Ok(record) = record::Record::parse(rest) {
                assert_eq!(self.writer.append(record.bytes()), at, "goes where the primary has it");
                at = at.plus(record.bytes().len());
                rest = &rest[record.bytes().len()..];
            }
            self.next_seq = last_seq + 1;
            self.writer.publish();
            return true;
        }
        if let standby::Event::Close { page_no } = event {
            assert_eq!(self.end().page(), *page_no);
            self.close_page();
            return true;
        }
        false
    }

    pub fn ack(&self, epoch: u32) -> Ack {
        let received = self.next_seq - 1;
        Ack { epoch, received, synced: 0, applied: received, event_pages: 0, event_hash: [0; 16] }
    }
}

/// A node as the port sees it.
#[derive(Debug)]
pub struct Primary {
    pub log: Log,
    pub leads: bool,
    pub first_page: u64,
    pub state: (u64, Vec<u8>),
    pub seed: Option<rialto_replicator::message::Seed>,
    pub promised: u32,
    pub events: Vec<(String, Event)>,
    pub gone: Vec<(String, String)>,
}

impl Primary {
    pub fn new(ring_pages: u64) -> Self {
        let mut log = Log::new(ring_pages);
        log.begin_epoch(1);
        Primary {
            log,
            leads: true,
            first_page: 0,
            state: (1, b"state one".to_vec()),
            seed: None,
            promised: 0,
            events: Vec::new(),
            gone: Vec::new(),
        }
    }

    pub fn last_ack(&self) -> Option<Ack> {
        let acked = |event: &Event| if let Event::Acked(ack) = event { Some(*ack) } else { None };
        self.events.iter().rev().find_map(|(_, event)| acked(event))
    }

    /// The last answer to a HELLO.
    pub fn welcome(&self) -> Option<Welcome> {
        let welcome = |event: &Event| {
            if let Event::Welcomed(welcome) = event { Some((**welcome).clone()) } else { None }
        };
        self.events.iter().rev().find_map(|(_, event)| welcome(event))
    }
}

impl Ship for Primary {
    fn epoch(&self) -> u32 {
        self.log.epochs.last().unwrap().epoch
    }

    fn lead(&self) -> Lead {
        Lead {
            node: "a".to_owned(),
            fix: "127.0.0.1:4001".to_owned(),
            epoch: self.epoch(),
            cluster_id: CLUSTER_ID,
            version: 1,
            in_sync: vec!["a".to_owned()],
        }
    }

    fn epochs(&self) -> &[EpochStart] {
        &self.log.epochs
    }

    fn ring(&self) -> &Arc<LogRing> {
        self.log.writer.ring()
    }

    fn stored(&self) -> Box<dyn PageSource + Send> {
        Box::new(self.log.segments.clone())
    }

    fn first_page(&self) -> u64 {
        self.first_page
    }

    fn base_at(&self, page_no: u64) -> Option<Base> {
        self.log.bases.get(usize::try_from(page_no).unwrap()).copied()
    }

    fn committed_seq(&self) -> u64 {
        self.log.next_seq - 1
    }

    fn state_version(&self) -> u64 {
        self.state.0
    }

    fn state(&self) -> Vec<u8> {
        self.state.1.clone()
    }

    fn seed(&self, _standby: &Hello) -> Option<Box<dyn SeedSource + Send>> {
        let seed = self.seed.clone()?;
        Some(Box::new(PretendedSeed { seed, segments: self.log.segments.clone() }))
    }
}

pub fn snapshot_byte(at: u64) -> u8 {
    u8::try_from(at * 7 % 253).unwrap()
}

struct PretendedSeed {
    seed: rialto_replicator::message::Seed,
    segments: Segments,
}

impl SeedSource for PretendedSeed {
    fn seed(&self) -> &rialto_replicator::message::Seed {
        &self.seed
    }

    fn read_snapshot(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        for (at, byte) in (offset..).zip(into) {
            *byte = snapshot_byte(at);
        }
        Ok(())
    }

    fn read_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()> {
        assert!(self.segments.read_page(page_no, into)?, "page {page_no} is stored");
        Ok(())
    }

    fn read_event_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()> {
        into.fill(u8::try_from(page_no % 251).unwrap());
        Ok(())
    }
}

impl Node for Primary {
    fn answer(&mut self, ask: &Ask) -> Answer {
        Answer {
            node: format!("a, asked by {}", ask.node),
            role: if self.leads { Role::Primary } else { Role::Standby },
            cluster_id: Some(CLUSTER_ID),
            epoch: self.epoch(),
            promised_epoch: self.promised,
            end: *self.log.bases.last().unwrap(),
            log_epoch: self.epoch(),
            last_seq: self.log.next_seq - 1,
            synced_seq: 0,
            in_sync: vec!["a".to_owned()],
            state_version: self.state.0,
            boot_id: [1; 16],
            incarnation: 1,
            primary: Some("p".to_owned()),
            primary_address: Some("127.0.0.1:1".to_owned()),
            fix: "127.0.0.1:4001".to_owned(),
            is_whole: true,
            state: Vec::new(),
        }
    }

    fn promise(&mut self, epoch: u32) -> Promise {
        let made = if epoch > self.promised {
            self.promised = epoch;
            Ok(())
        } else {
            Err(format!("promised {} already", self.promised))
        };
        Promise {
            node: "a".to_owned(),
            epoch,
            made,
            opens: false,
            promised_epoch: self.promised,
            end: *self.log.bases.last().unwrap(),
            last_seq: self.log.next_seq - 1,
            synced_seq: 0,
        }
    }

    fn ship(&self) -> Option<&dyn Ship> {
        self.leads.then_some(self)
    }

    fn event(&mut self, standby: &str, event: Event) {
        self.events.push((standby.to_owned(), event));
    }

    fn gone(&mut self, standby: &str, why: &Gone) {
        self.gone.push((standby.to_owned(), why.to_string()));
    }
}
