//! What does it cost to append a command, how many does storage make durable in a second, how long does one alone take
//! to be durable, and how fast does a restart read them back?
//!
//! A writer and the storage thread, as in a node; nothing is applied. The bare durable page stands beside it: one
//! command alone can hardly be faster.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::log::{LogStart, Writer};
use rialto_journal::meta::{MetaFile, NodeMeta, new_cluster_id};
use rialto_journal::record::{CRC_AT, LENGTH_AT, SEQUENCE_AT, crc};
use rialto_journal::recover::generation::{GenerationPlan, begin};
use rialto_journal::recover::scan::Base;
use rialto_journal::recover::{Start, recover};
use rialto_journal::storage::{Running, Stepped, Storage, run as run_storage};
use rialto_shmring::Doorbell;
use serde::Serialize;

use crate::machine::Machine;
use crate::probe::durable_page_us;
use crate::report::{Latencies, Microseconds};

/// Bytes of a record: a short order's.
const RECORD_BYTES: usize = 96;
/// Records published at once, as the matcher takes them from one gateway in one turn.
const BATCH: u64 = 64;
/// Pages of the rings.
const COMMAND_PAGES: u64 = 2_048;
const EVENT_PAGES: u64 = 64;
/// Pages that a batch may open.
const BATCH_PAGES: u64 = 4;
/// Records that are made durable one by one.
const ALONE: u64 = 300;
/// Longest sleep of either side: a missed wake must not matter.
const SLEEP_MAX: Duration = Duration::from_millis(1);
/// Bytes of a segment file.
const SEGMENT_BYTES: u64 = 64 << 20;

/// What a run says.
#[derive(Clone, Debug, Serialize)]
pub struct JournalReport {
    /// Records of the first part.
    pub records: u64,
    /// Bytes of each.
    pub record_bytes: usize,
    /// Nanoseconds to append and publish one, median of batches that did not have to wait.
    pub append_ns: f64,
    /// Records a second, from the first append until the last is durable.
    pub stored_per_s: f64,
    /// One record appended, sealed and durable, with nothing else in flight.
    pub durable_us: Microseconds,
    /// Records a second that a restart reads and checks.
    pub recovered_per_s: f64,
    /// A bare durable page.
    pub durable_page_us: f64,
    /// What it was measured on.
    pub machine: Machine,
}

/// Where a run keeps its files.
#[derive(Clone, Debug)]
pub struct Dirs {
    /// An empty directory for segments.
    pub data: PathBuf,
    /// Shared memory.
    pub shm: PathBuf,
}

/// The writer's side.
struct Journal {
    writer: Writer,
    cursors: Arc<Cursors>,
    sequence: u64,
    /// Wakes storage.
    bell: Arc<Doorbell>,
    /// The record that is written, but for its sequence.
    record: [u8; RECORD_BYTES],
}

/// All four parts.
pub fn run(dirs: &Dirs, backend: Backend, records: u64) -> anyhow::Result<JournalReport> {
    let durable_page_us = durable_page_us(&dirs.data)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(backend));
    let mut meta = MetaFile::create(&disk, &dirs.data, NodeMeta::new(new_cluster_id()?, "bench", "bench"))?;
    let start = Start {
        disk: Arc::clone(&disk),
        dir: dirs.data.clone(),
        state_machine: 1,
        segment_bytes: SEGMENT_BYTES,
        base: Base::genesis(&meta.get().cluster_id),
        known_seq: 0,
        epoch: 1,
    };
    let recovered = recover(&start, &mut meta, None)?;
    let plan = GenerationPlan {
        shm_dir: &dirs.shm,
        command_pages: COMMAND_PAGES,
        event_pages: EVENT_PAGES,
        policy: Policy::Disk,
        event_start: LogStart::EMPTY,
        event_hash: None,
    };
    let generation = begin(&start, recovered, &Arc::new(Mutex::new(meta)), &plan)?;
    let shm = generation.dir.clone();
    let (writer, cursors) = (generation.commands, generation.cursors);
    let bell = Arc::new(Doorbell::anonymous()?);
    let journal = Journal { writer, cursors, sequence: 0, bell, record: record() };
    let written = write(journal, generation.storage, records);
    std::fs::remove_dir_all(&shm)?;
    let (append_ns, stored_per_s, durable_us) = written?;
    let mut meta = MetaFile::open(&disk, &dirs.data)?;
    let begun = Instant::now();
    let found = recover(&start, &mut meta, None)?.last_seq();
    let recovered_per_s = per_s(found, begun.elapsed());
    if found != records + ALONE {
        bail!("{} records were durable, a restart finds {found}", records + ALONE);
    }
    Ok(JournalReport {
        records,
        record_bytes: RECORD_BYTES,
        append_ns,
        stored_per_s,
        durable_us,
        recovered_per_s,
        durable_page_us,
        machine: Machine::here(),
    })
}

/// The parts that write, beside a storage thread and one that prepares segments.
fn write(mut journal: Journal, storage: Storage, records: u64) -> anyhow::Result<(f64, f64, Microseconds)> {
    let stop = AtomicBool::new(false);
    let preparer = storage.preparer();
    let stopped_preparing = AtomicBool::new(false);
    let bell = Arc::clone(&journal.bell);
    let writer = thread::current();
    thread::scope(|scope| {
        let ahead = scope.spawn(|| preparer.run(&stopped_preparing));
        let stores = scope.spawn(|| {
            let mut quiet = false;
            run_storage(storage, |stepped| {
                match stepped {
                    Stepped::Failed => return Running::End,
                    Stepped::Idle if stop.load(Ordering::Relaxed) => return Running::End,
                    Stepped::Idle if quiet => {
                        bell.wait(SLEEP_MAX);
                        bell.retract();
                    }
                    // Announced before the last look, which the next step is.
                    Stepped::Idle => bell.announce(),
                    Stepped::Worked | Stepped::Released => writer.unpark(),
                }
                quiet = stepped == Stepped::Idle && !quiet;
                Running::On
            })
        });
        let figures = journal
            .stream(records)
            .and_then(|(append_ns, stored_per_s)| Ok((append_ns, stored_per_s, journal.alone()?)));
        stop.store(true, Ordering::Relaxed);
        let storage = stores.join().map_err(|_| anyhow!("the storage thread panicked"))?;
        stopped_preparing.store(true, Ordering::Relaxed);
        ahead.join().map_err(|_| anyhow!("the preparing thread panicked"))??;
        storage.stop()?;
        figures
    })
}

impl Journal {
    /// Appends all as fast as there is room: ns for each, and durable records a second.
    fn stream(&mut self, records: u64) -> anyhow::Result<(f64, f64)> {
        let mut batches = Vec::new();
        let begun = Instant::now();
        while self.sequence < records {
            while !self.writer.has_room(BATCH_PAGES) {
                self.check()?;
                thread::park_timeout(SLEEP_MAX);
            }
            let start = Instant::now();
            let end = (self.sequence + BATCH).min(records);
            let count = end - self.sequence;
            while self.sequence < end {
                self.append();
            }
            self.publish();
            if count == BATCH {
                batches.push(start.elapsed());
            }
        }
        self.writer.close_page();
        self.publish();
        self.wait()?;
        batches.sort_unstable();
        let median = batches.get(batches.len() / 2).copied().unwrap_or_default();
        Ok((median.as_secs_f64() * 1e9 / 64.0, per_s(records, begun.elapsed())))
    }

    /// Makes records durable one by one.
    fn alone(&mut self) -> anyhow::Result<Microseconds> {
        let mut latencies = Latencies::default();
        for _ in 0..ALONE {
            let start = Instant::now();
            self.append();
            self.writer.close_page();
            self.publish();
            self.wait()?;
            latencies.record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        Ok(latencies.microseconds())
    }

    fn append(&mut self) {
        self.sequence += 1;
        self.record[SEQUENCE_AT..SEQUENCE_AT + 8].copy_from_slice(&self.sequence.to_le_bytes());
        self.writer.append(&self.record);
    }

    fn publish(&mut self) {
        self.writer.publish();
        self.cursors.advance_published(self.sequence);
        self.bell.notify();
    }

    /// Waits until all is durable.
    fn wait(&self) -> anyhow::Result<()> {
        while self.cursors.synced() < self.sequence {
            self.check()?;
            thread::park_timeout(SLEEP_MAX);
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        match self.cursors.failure() {
            Some(_) => bail!("the journal failed"),
            None => Ok(()),
        }
    }
}

/// A sound command. Its crc does not cover the sequence, which the writer stamps.
fn record() -> [u8; RECORD_BYTES] {
    let mut bytes = [7; RECORD_BYTES];
    let length = u16::try_from(RECORD_BYTES).expect("a short record");
    bytes[LENGTH_AT..LENGTH_AT + 2].copy_from_slice(&length.to_le_bytes());
    let sum = crc(&bytes);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn per_s(count: u64, elapsed: Duration) -> f64 {
    (f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed.as_secs_f64().max(1e-9)).round()
}

/// The usual place of shared memory.
#[must_use]
pub fn shm_default() -> &'static Path {
    Path::new("/dev/shm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_records_are_durable_and_read_back_and_nothing_is_left_in_shared_memory() {
        let (data, shm) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in(shm_default()).unwrap());
        let dirs = Dirs { data: data.path().join("node"), shm: shm.path().to_owned() };
        std::fs::create_dir(&dirs.data).unwrap();
        let report = run(&dirs, Backend::Direct, 5_000).unwrap();
        let figures = [report.append_ns, report.stored_per_s, report.recovered_per_s, report.durable_us.p50];
        assert!(figures.iter().all(|figure| *figure > 0.0), "{report:?}");
        assert_eq!(std::fs::read_dir(shm.path()).unwrap().count(), 0);
    }
}
