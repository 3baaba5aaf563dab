//! What does it cost the matcher to append a record, and a reader to read one? One thread, warm memory, beside plain
//! copies of the same bytes. It does not say what two cores pay that pass cache lines to each other.
//!
//! `cargo bench -p rialto-journal --profile fast --bench log`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::record::LENGTH_AT;
use rialto_journal::shared::Kind;

const RECORD_BYTES: usize = 96;
const RECORDS_PER_PAGE: u32 = 42;
const RECORDS: u32 = 1_000_000;
const COPIES: u32 = 100_000;
/// As many as the matcher takes from one gateway in one turn.
const BATCH: u32 = 64;
const ROUNDS: usize = 11;

fn main() {
    println!("{:32} {:>8} {:>8} {:>8}", "ns each", "best", "median", "worst");
    for (pages, size) in [(64, "256 KiB"), (8192, "32 MiB")] {
        plain_stores(pages, size);
        appends(pages, size);
        reads(pages, size);
    }
    page_copies();
}

fn plain_stores(pages: u32, size: &str) {
    let record = record();
    let mut memory = vec![1u8; PAGE_BYTES * usize::try_from(pages).expect("a number of 64 bits")];
    let mut at = 0;
    report(&format!("plain 96-byte store, {size}"), RECORDS, || {
        for _ in 0..RECORDS {
            if at + RECORD_BYTES > memory.len() {
                at = 0;
            }
            memory[at..at + RECORD_BYTES].copy_from_slice(black_box(&record));
            at += RECORD_BYTES;
        }
    });
    black_box(&memory);
}

fn appends(pages: u32, size: &str) {
    let record = record();
    let mut writer = log_of(pages);
    let mut round = || {
        for _ in 0..RECORDS / BATCH {
            if writer.room() < u64::from(BATCH) / 2 {
                writer.ring().free(writer.ring().closed_pages());
            }
            for _ in 0..BATCH {
                black_box(writer.append(black_box(&record)));
            }
            writer.publish();
        }
    };
    round();
    report(&format!("append, {size}"), RECORDS, round);
}

fn reads(pages: u32, size: &str) {
    let writer = filled(pages);
    let records = (pages - 1) * RECORDS_PER_PAGE;
    let passes = RECORDS / records;
    let ring = writer.ring();
    report(&format!("next, {size}"), passes * records, || {
        for _ in 0..passes {
            let mut reader = LogReader::new(Arc::clone(ring), (), Position::FIRST);
            while let Some((_, record)) = reader.next(UpTo::End).expect("nothing is lapped") {
                black_box(record);
            }
        }
    });
    report(&format!("next_run, {size}"), passes * records, || {
        for _ in 0..passes {
            let mut reader = LogReader::new(Arc::clone(ring), (), Position::FIRST);
            while let Some(run) = reader.next_run(UpTo::End).expect("nothing is lapped") {
                black_box(run);
            }
        }
    });
}

fn page_copies() {
    let writer = filled(64);
    let (mut page, plain) = ([0; PAGE_BYTES], vec![[7; PAGE_BYTES]; 64]);
    report("plain copy of a page", COPIES, || {
        for turn in 0..COPIES {
            let from = &plain[usize::try_from(turn % 60).expect("below 60")];
            black_box(&mut page).copy_from_slice(black_box(from));
        }
    });
    report("copy_page", COPIES, || {
        for turn in 0..COPIES {
            assert!(writer.ring().copy_page(u64::from(turn % 60), black_box(&mut page)));
        }
    });
}

fn log_of(pages: u32) -> Writer {
    let shape = LogShape { kind: Kind::Commands, pages: u64::from(pages) };
    LogRing::anonymous(shape, &LogStart::EMPTY).expect("memory")
}

/// A log with all pages but one full.
fn filled(pages: u32) -> Writer {
    let mut writer = log_of(pages);
    for _ in 0..(pages - 1) * RECORDS_PER_PAGE {
        writer.append(&record());
    }
    writer.close_page();
    writer.publish();
    writer
}

fn record() -> [u8; RECORD_BYTES] {
    let mut record = [7; RECORD_BYTES];
    record[LENGTH_AT] = RECORD_BYTES.to_le_bytes()[0];
    record[LENGTH_AT + 1] = 0;
    record
}

/// Prints the time of one of `count`, over some rounds.
fn report(name: &str, count: u32, mut round: impl FnMut()) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:32} {:>8.1} {:>8.1} {:>8.1}", times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
}
