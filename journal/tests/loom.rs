//! Every interleaving of writer, storage and readers, on pages of two records and rings of one page.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p rialto-journal --test loom --release`
//!
//! Each model was seen to fail when what it is about was taken out: see the note at each.

#![cfg(loom)]

use std::sync::Arc;

use loom::thread;
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, ReadError, UpTo};
use rialto_journal::record::{LENGTH_AT, Record, SEQUENCE_AT};
use rialto_journal::shared::Kind;

/// A record of 4 words, or of 8, which fill a page. Each word but that of its length is the sequence.
fn record_of(sequence: u64, words: usize) -> Vec<u8> {
    let mut record: Vec<u8> = (0..words).flat_map(|_| sequence.to_le_bytes()).collect();
    record[LENGTH_AT..LENGTH_AT + 8].fill(0);
    record[LENGTH_AT] = u8::try_from(words * 8).unwrap();
    assert_eq!(SEQUENCE_AT, 0);
    record
}

fn log_of_one_page(kind: Kind) -> Writer {
    LogRing::anonymous(LogShape { kind, pages: 1 }, &LogStart::EMPTY).unwrap()
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Enough for each way in which two threads can overtake each other here; without a bound a model takes hours.
    builder.preemption_bound = Some(3);
    builder.check(model);
}

// Fails without the fence in `Writer::change_page`, without that in `LogRing::copy`, and without its second look.
#[test]
fn reader_that_is_lapped_gets_its_record_whole_or_not_at_all() {
    check(|| {
        let mut writer = log_of_one_page(Kind::Commands);
        writer.append(&record_of(1, 8));
        writer.publish();
        writer.ring().free(1);
        let mut reader = LogReader::new(Arc::clone(writer.ring()), (), Position::FIRST);
        let write = thread::spawn(move || {
            writer.append(&record_of(2, 4));
            writer.publish();
        });
        match reader.next(UpTo::End) {
            Ok(record) => assert_eq!(record.map(|(_, record)| record.bytes()), Some(&record_of(1, 8)[..])),
            Err(error) => assert!(matches!(error, ReadError::Missing { page_no: 0 })),
        }
        write.join().unwrap();
    });
}

// Fails if `publish` stores or `end` loads without its ordering.
#[test]
fn reader_sees_published_records_whole_and_in_order() {
    check(|| {
        let mut writer = log_of_one_page(Kind::Commands);
        let mut reader = LogReader::new(Arc::clone(writer.ring()), (), Position::FIRST);
        let write = thread::spawn(move || {
            for sequence in [1, 2] {
                writer.append(&record_of(sequence, 4));
                writer.publish();
            }
        });
        let mut expected = 1;
        while let Some((_, record)) = reader.next(UpTo::End).unwrap() {
            assert_eq!(record.bytes(), record_of(expected, 4));
            expected += 1;
        }
        write.join().unwrap();
    });
}

// Loom never moves a load behind a later store, so the Release in `free` is argued there and not shown here: this fails
// if `free` comes before the copy.
#[test]
fn storage_copies_a_page_before_its_slot_is_used_again() {
    check(|| {
        let mut writer = log_of_one_page(Kind::Commands);
        writer.append(&record_of(1, 8));
        writer.publish();
        let ring = Arc::clone(writer.ring());
        let write = thread::spawn(move || {
            if writer.room() > 0 {
                writer.append(&record_of(2, 4));
            }
        });
        let mut page = [0; PAGE_BYTES];
        assert!(ring.copy_page(0, &mut page));
        ring.free(1);
        assert_eq!(Record::parse(&page[64..]).unwrap().bytes(), record_of(1, 8));
        write.join().unwrap();
    });
}

/// A matcher that takes a second command with one event, a storage that syncs it, and somebody who looks. (The first
/// opened the pages: opening has a fence that would hide what publishing and releasing lack.)
fn check_release(policy: Policy) {
    check(move || {
        let (mut commands, mut events) = (log_of_one_page(Kind::Commands), log_of_one_page(Kind::Events));
        for log in [&mut commands, &mut events] {
            log.append(&record_of(1, 4));
            log.publish();
        }
        let end = commands.end();
        let cursors = Arc::new(Cursors::anonymous(policy, 1).unwrap());
        let mut of_events = LogReader::new(Arc::clone(events.ring()), (), end);
        let (stored, synced) = (Arc::clone(commands.ring()), Arc::clone(&cursors));
        let storage = thread::spawn(move || {
            if stored.end() > end {
                synced.advance_synced(2);
            }
        });
        let (written, published) = (Arc::clone(commands.ring()), Arc::clone(&cursors));
        let matcher = thread::spawn(move || {
            events.append(&record_of(2, 4));
            events.publish();
            commands.append(&record_of(2, 4));
            commands.publish();
            published.advance_published(2);
        });
        if cursors.released() > 1 || cursors.published() > 1 || written.end() > end {
            let (_, event) =
                of_events.next(UpTo::Sequence(2)).unwrap().expect("the event of what is released");
            assert_eq!(event.bytes(), record_of(2, 4));
        }
        storage.join().unwrap();
        matcher.join().unwrap();
    });
}

// Fails if the commands are published before the events, or if `release` raises without its ordering. (Loom does not show
// the same of `advance`, whose load before the store cuts its search short.)
#[test]
fn no_command_is_published_or_released_before_its_events() {
    check_release(Policy::Async);
}

#[test]
fn no_command_is_synced_and_released_before_its_events() {
    check_release(Policy::Disk);
}
