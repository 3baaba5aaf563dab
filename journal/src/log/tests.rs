//! The log against a plain vector of its records, and at its limits.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;

use super::*;
use crate::layout::put;
use crate::page::PageView;
use crate::reader::{LogReader, PageSource, ReadError, UpTo};
use crate::record::{self, Record};

const SHAPE: LogShape = LogShape { kind: Kind::Commands, pages: 4 };
const IDENTITY: Identity = Identity { cluster_id: [1; 16], boot_id: [2; 16], node: 3, generation: 4 };

/// A record whose every byte follows from its sequence.
fn record_of(sequence: u64, bytes: usize) -> Vec<u8> {
    let mut record: Vec<u8> =
        (0..bytes as u64).map(|at| u8::try_from((sequence * 31 + at) % 251).unwrap()).collect();
    put(&mut record, record::SEQUENCE_AT, &sequence.to_le_bytes());
    put(&mut record, record::LENGTH_AT, &u16::try_from(bytes).unwrap().to_le_bytes());
    record
}

fn log_of(pages: u64) -> Writer {
    LogRing::anonymous(LogShape { pages, ..SHAPE }, &LogStart::EMPTY).unwrap()
}

/// Pages kept in memory in place of segment files.
#[derive(Debug, Clone, Default)]
struct Stored(Arc<Mutex<BTreeMap<u64, Page>>>);

impl Stored {
    /// What the storage thread does: takes all closed pages out of the ring and gives their slots back.
    fn store_closed(&self, ring: &LogRing) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for page_no in ring.freed()..ring.closed_pages() {
            let mut page = [0xee; PAGE_BYTES];
            assert!(ring.copy_page(page_no, &mut page), "page {page_no} is not freed, so it is there");
            let view = PageView::parse(&page).unwrap();
            assert_eq!(view.header().page_no, page_no);
            assert!(page[usize::from(view.header().used)..].iter().all(|&byte| byte == 0));
            pages.insert(page_no, page);
        }
        ring.free(ring.closed_pages());
    }
}

impl PageSource for Stored {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&page_no).copied();
        if let Some(stored) = stored {
            *page = stored;
        }
        Ok(stored.is_some())
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Publish,
    Close,
    Store,
    Read(usize),
    ReadRun,
    ReadAgain(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (4..=40usize).prop_map(|words| Step::Append(words * 8)),
        1 => (4..=504usize).prop_map(|words| Step::Append(words * 8)),
        3 => Just(Step::Publish),
        1 => Just(Step::Close),
        1 => Just(Step::Store),
        3 => (0..20usize).prop_map(Step::Read),
        1 => Just(Step::ReadRun),
        1 => any::<prop::sample::Index>().prop_map(Step::ReadAgain),
    ]
}

/// A log, and the vector that it should behave like.
struct Pair {
    writer: Writer,
    stored: Stored,
    reader: LogReader<Stored>,
    written: Vec<(Position, Vec<u8>)>,
    published: usize,
    read: usize,
}

impl Pair {
    fn new(pages: u64) -> Self {
        let writer = log_of(pages);
        let stored = Stored::default();
        let reader = LogReader::new(Arc::clone(writer.ring()), stored.clone(), Position::FIRST);
        Self { writer, stored, reader, written: Vec::new(), published: 0, read: 0 }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append(bytes) => self.append(bytes),
            Step::Publish => self.publish(),
            Step::Close => self.writer.close_page(),
            Step::Store => self.stored.store_closed(self.writer.ring()),
            Step::Read(count) => (0..count).for_each(|_| self.read()),
            Step::ReadRun => self.read_run(),
            Step::ReadAgain(index) => self.read_again(index),
        }
    }

    fn append(&mut self, bytes: usize) {
        if self.writer.room() == 0 {
            self.publish();
            self.stored.store_closed(self.writer.ring());
        }
        if self.writer.room() == 0 {
            self.writer.close_page();
            self.publish();
            self.stored.store_closed(self.writer.ring());
        }
        let record = record_of(self.written.len() as u64, bytes);
        let expected = Position::place(self.writer.end(), bytes);
        let at = self.writer.append(&record);
        assert_eq!(at, expected);
        self.written.push((at, record));
    }

    fn publish(&mut self) {
        self.writer.publish();
        self.published = self.written.len();
    }

    fn read(&mut self) {
        let expected = self.written[..self.published].get(self.read);
        let found = self.reader.next(UpTo::End).unwrap();
        assert_eq!(
            found.map(|(at, record)| (at, record.bytes())),
            expected.map(|(at, bytes)| (*at, &bytes[..]))
        );
        self.read += usize::from(expected.is_some());
    }

    fn read_run(&mut self) {
        if let Some((mut at, mut run)) = self.reader.next_run(UpTo::End).unwrap() {
            while !run.is_empty() {
                let (expected_at, bytes) = &self.written[..self.published][self.read];
                assert_eq!((at, &run[..bytes.len()]), (*expected_at, &bytes[..]));
                (at, run) = (at.plus(bytes.len()), &run[bytes.len()..]);
                self.read += 1;
            }
        } else {
            assert_eq!(self.read, self.published);
        }
    }

    fn read_again(&mut self, index: prop::sample::Index) {
        if !self.written.is_empty() {
            let index = index.index(self.written.len());
            let (at, bytes) = &self.written[index];
            let found = self.reader.record_at(*at).unwrap();
            let expected = (index < self.published).then_some(&bytes[..]);
            assert_eq!(found.map(Record::bytes), expected);
        }
    }
}

proptest! {
    #[test]
    fn log_gives_back_what_was_published_wherever_it_is_by_now(
        pages in prop_oneof![Just(1u64), Just(2), Just(4), Just(8)], steps in prop::collection::vec(step(), 1..400)
    ) {
        let mut pair = Pair::new(pages);
        for step in steps {
            pair.step(&step);
        }
        pair.publish();
        while pair.read < pair.published {
            pair.read();
        }
        pair.read();
    }
}

#[test]
fn reader_without_a_source_says_which_page_it_has_lost() {
    let mut writer = log_of(2);
    let mut reader = LogReader::new(Arc::clone(writer.ring()), (), Position::FIRST);
    for sequence in 0..4 {
        writer.append(&record_of(sequence, 4032));
        writer.publish();
        writer.ring().free(writer.ring().closed_pages());
    }
    assert!(matches!(reader.next(UpTo::End), Err(ReadError::Missing { page_no: 0 })));
}

#[test]
fn reader_stops_at_the_sequence_or_position_it_is_given() {
    let mut writer = log_of(2);
    let places: Vec<_> = [5, 5, 6, 7].map(|sequence| writer.append(&record_of(sequence, 96))).into();
    writer.publish();
    let mut reader = LogReader::new(Arc::clone(writer.ring()), (), Position::FIRST);
    let mut next = |up_to| reader.next(up_to).unwrap().map(|(_, record)| record.sequence());
    assert_eq!(next(UpTo::Sequence(4)), None);
    assert_eq!(next(UpTo::Sequence(5)), Some(5));
    assert_eq!(next(UpTo::Position(places[1])), None);
    assert_eq!(next(UpTo::Position(places[2])), Some(5));
    assert_eq!(next(UpTo::Sequence(5)), None);
    assert_eq!(next(UpTo::End), Some(6));
    assert_eq!(reader.next_run(UpTo::Sequence(6)).unwrap(), None);
    assert_eq!(reader.next_run(UpTo::Sequence(7)).unwrap().unwrap().0, places[3]);
}

#[test]
fn position_that_is_no_record_s_is_an_error() {
    let mut writer = log_of(2);
    writer.append(&record_of(1, 96));
    writer.close_page();
    writer.append(&record_of(2, 96));
    writer.publish();
    let mut reader = LogReader::new(Arc::clone(writer.ring()), (), Position::FIRST);
    for offset in [0, 56, 65, 100, 160, 4088] {
        assert!(
            matches!(reader.record_at(Position::at(0, offset)), Err(ReadError::Record { .. })),
            "{offset}"
        );
    }
    assert_eq!(reader.record_at(Position::at(1, 160)).unwrap(), None);
    assert_eq!(reader.record_at(Position::at(1, 64)).unwrap().unwrap().sequence(), 2);
}

#[test]
fn writer_without_room_stops_before_it_overwrites() {
    let mut writer = log_of(2);
    assert_eq!(writer.room(), 2);
    writer.append(&record_of(1, 4032));
    writer.append(&record_of(2, 96));
    assert_eq!(writer.room(), 0);
    writer.append(&record_of(3, 96));
    writer.publish();
    let overwrite = std::panic::AssertUnwindSafe(|| writer.append(&record_of(4, 4032)));
    std::panic::catch_unwind(overwrite).unwrap_err();
    assert_eq!(writer.ring().closed_pages(), 1);
}

#[test]
fn freed_pages_are_room_again_in_a_ring_of_any_size() {
    for pages in [1, 2, 8] {
        let mut writer = log_of(pages);
        for sequence in 0..pages {
            writer.append(&record_of(sequence, 4032));
        }
        assert_eq!(writer.room(), 0);
        writer.publish();
        writer.ring().free(pages);
        assert_eq!(writer.room(), pages);
    }
}

#[test]
fn page_closed_early_ends_behind_its_last_record() {
    let mut writer = log_of(2);
    writer.set_epoch(7);
    writer.close_page();
    assert_eq!(writer.end(), Position::FIRST, "an empty page is not closed");
    for sequence in [11, 12] {
        writer.append(&record_of(sequence, 96));
    }
    writer.set_epoch(8);
    writer.close_page();
    assert!(!writer.current_page_has_records());
    let mut page = [0; PAGE_BYTES];
    assert!(!writer.ring().copy_page(0, &mut page), "closed, not published");
    writer.publish();
    assert!(writer.ring().copy_page(0, &mut page));
    let view = PageView::parse(&page).unwrap();
    let header = view.header();
    assert_eq!((header.page_no, header.first_seq, header.n_records, header.epoch), (0, 11, 2, 7));
    assert_eq!((header.used, writer.end()), (256, Position::page_start(1)));
    assert_eq!(writer.append(&record_of(13, 96)), Position::at(1, 64));
}

#[test]
fn page_left_open_by_a_dead_writer_is_read_up_to_what_was_published() {
    let mut writer = log_of(2);
    writer.append(&record_of(1, 4032));
    writer.append(&record_of(2, 96));
    writer.publish();
    writer.append(&record_of(3, 96));
    writer.close_page();
    let mut page = [0xee; PAGE_BYTES];
    assert!(writer.ring().copy_open_page(&mut page).unwrap());
    let view = PageView::parse(&page).unwrap();
    assert_eq!((view.header().page_no, view.header().n_records, view.last_seq()), (1, 1, 2));
    assert!(page[160..].iter().all(|&byte| byte == 0));
    writer.publish();
    assert!(!writer.ring().copy_open_page(&mut page).unwrap(), "nothing is open any more");
}

#[test]
fn log_is_taken_up_in_the_middle_of_a_page() {
    let mut old = log_of(2);
    for sequence in 1..=50 {
        old.append(&record_of(sequence, 96));
    }
    old.publish();
    let (mut page, end) = ([0; PAGE_BYTES], old.end());
    assert!(old.ring().copy_open_page(&mut page).unwrap());

    let start = LogStart { end, page: Some(&page), epoch: 9 };
    let mut new = LogRing::anonymous(SHAPE, &start).unwrap();
    assert_eq!((new.end(), new.ring().end(), new.room()), (end, end, 3));
    for sequence in 51..=100 {
        let record = record_of(sequence, 96);
        assert_eq!(new.append(&record), {
            if old.room() == 0 {
                old.publish();
                old.ring().free(old.ring().closed_pages());
            }
            old.append(&record)
        });
    }
    new.publish();
    old.publish();
    let (mut of_new, mut of_old) = ([0; PAGE_BYTES], [0; PAGE_BYTES]);
    assert!(new.ring().copy_page(1, &mut of_new) && old.ring().copy_page(1, &mut of_old));
    assert_eq!(of_new, of_old, "the page reads as if one writer had written it");
    let mut reader = LogReader::new(Arc::clone(new.ring()), (), Position::page_start(1));
    assert_eq!(reader.next(UpTo::End).unwrap().unwrap().1.sequence(), 43);
}

#[test]
fn log_is_not_taken_up_with_a_page_that_does_not_fit() {
    #[track_caller]
    fn check(end: Position, page: Option<&Page>, expected: &str) {
        let error = LogRing::anonymous(SHAPE, &LogStart { end, page, epoch: 0 }).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let mut writer = log_of(2);
    writer.append(&record_of(1, 96));
    writer.append(&record_of(2, 96));
    writer.publish();
    let mut page = [0; PAGE_BYTES];
    assert!(writer.ring().copy_open_page(&mut page).unwrap());
    check(Position::at(0, 160), None, "log ends at 0:160, inside a page that is not given");
    let page = Some(&page);
    check(Position::at(1, 160), page, "page to go on with, up to 1:160: page number is 0, expected 1");
    check(
        Position::at(0, 168),
        page,
        "page to go on with, up to 0:168: at 160: record cut short: 8 of 32 bytes",
    );
    check(
        Position::at(0, 100),
        page,
        "page to go on with, up to 0:100: page has 100 bytes in use, no multiple of 8 from 64 to 4096",
    );
    assert!(LogRing::anonymous(SHAPE, &LogStart { end: Position::at(0, 160), page, epoch: 0 }).is_ok());
}

#[test]
fn attached_log_shows_what_its_writer_publishes_and_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("commands.log");
    let mut writer = LogRing::create(&path, &IDENTITY, SHAPE, &LogStart::at_page(6, 1)).unwrap();
    let ring = LogRing::attach(&path, &IDENTITY, Kind::Commands).unwrap();
    assert_eq!((ring.pages(), ring.end(), ring.freed()), (4, Position::page_start(6), 6));
    let mut reader = LogReader::new(Arc::clone(&ring), (), ring.end());
    writer.append(&record_of(77, 4032));
    assert!(reader.next(UpTo::End).unwrap().is_none());
    writer.publish();
    assert_eq!(reader.next(UpTo::End).unwrap().unwrap().0, Position::at(6, 64));
    let free = std::panic::AssertUnwindSafe(|| ring.free(7));
    std::panic::catch_unwind(free).unwrap_err();
    writer.ring().free(7);
    assert_eq!(ring.freed(), 7);
}

#[test]
fn log_of_another_run_kind_or_size_is_refused_with_both_values_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("commands.log");
    let check = |identity: Identity, kind: Kind, expected: &str| {
        let error = LogRing::attach(&path, &identity, kind).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {expected}", path.display()));
    };
    drop(LogRing::create(&path, &IDENTITY, SHAPE, &LogStart::EMPTY).unwrap());
    assert!(LogRing::create(&path, &IDENTITY, SHAPE, &LogStart::EMPTY).is_err(), "a file is made once");
    check(Identity { generation: 5, ..IDENTITY }, Kind::Commands, "generation is 0x4, expected 0x5");
    check(Identity { node: 9, ..IDENTITY }, Kind::Commands, "node is 0x3, expected 0x9");
    check(IDENTITY, Kind::Events, "kind is 0x1, expected 0x2");
    let other_boot = Identity { boot_id: [1; 16], ..IDENTITY };
    check(other_boot, Kind::Commands, "boot id is 0x202020202020202, expected 0x101010101010101");

    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(8192).unwrap();
    check(IDENTITY, Kind::Commands, "size is 0x6000, expected 0x2000");
    file.set_len(24).unwrap();
    check(IDENTITY, Kind::Commands, "size is 24, expected a header's at least, in words");
    std::fs::write(&path, [0; 8192]).unwrap();
    check(IDENTITY, Kind::Commands, "magic is 0000000000000000, expected 4d534f544c414952");
}

/// Writes into `record` one of 64 to 256 bytes, every other word of which is its sequence.
fn stamp(record: &mut Vec<u8>, sequence: u64) {
    record.clear();
    for _ in 0..8 + sequence % 25 {
        record.extend_from_slice(&sequence.to_le_bytes());
    }
    let length = u16::try_from(record.len()).unwrap();
    put(record, record::LENGTH_AT, &length.to_le_bytes());
}

#[test]
fn reader_that_is_lapped_again_and_again_misses_nothing() {
    const RECORDS: u64 = 200_000;
    let mut writer = log_of(2);
    let stored = Stored::default();
    let mut reader = LogReader::new(Arc::clone(writer.ring()), stored.clone(), Position::FIRST);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut record = Vec::new();
            for sequence in 0..RECORDS {
                if writer.room() == 0 {
                    stored.store_closed(writer.ring());
                }
                stamp(&mut record, sequence);
                writer.append(&record);
                writer.publish();
            }
        });
        let mut expected = Vec::new();
        for sequence in 0..RECORDS {
            stamp(&mut expected, sequence);
            let found = loop {
                match reader.next(UpTo::End).unwrap() {
                    Some((_, record)) => break record,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(found.bytes(), expected);
        }
    });
}

// Fails at once if `LogRing::copy` does not look at the page word again behind its copy.
#[test]
fn racing_reader_never_sees_a_torn_record() {
    const COPIES: u32 = 20_000;
    let mut writer = log_of(2);
    let ring = Arc::clone(writer.ring());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut record = vec![0; 4032];
            for page_no in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                record.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&u64::to_le_bytes(page_no)));
                put(&mut record, record::LENGTH_AT, &4032u16.to_le_bytes());
                assert_eq!(writer.append(&record).page(), page_no);
                writer.publish();
                writer.ring().free(page_no + 1);
            }
        });
        let (mut whole, mut lapped, mut torn) = (0, 0, None);
        let mut page = [0; PAGE_BYTES];
        while torn.is_none() && (whole < COPIES || lapped < COPIES / 100) {
            let page_no = ring.closed_pages().saturating_sub(2);
            match ring.copy_records(Position::page_start(page_no), &mut page) {
                Copied::UpTo { .. } => {
                    put(&mut page, 64 + record::LENGTH_AT, &page_no.to_le_bytes());
                    torn = page[64..].chunks_exact(8).position(|word| *word != page_no.to_le_bytes());
                    whole += 1;
                }
                Copied::Lapped => lapped += 1,
                Copied::Nothing => std::thread::yield_now(),
            }
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(torn, None, "a word of another page after {whole} whole ones");
    });
}
