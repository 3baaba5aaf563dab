//! Storage: takes closed pages out of shared memory, makes them durable, and says how far it has come.
//!
//! One thread, here as a machine that is driven by [`Storage::step`], so that tests can stop it between any two calls
//! to the disk. *Group commit*: all command pages that are closed, up to a limit, are sealed, written in one call and
//! synced once. Event pages are written and not synced; they are made again from the commands.
//!
//! The first error of a write or a sync is final: what is on the disk is then unknown, and a second try may be
//! answered "done" for pages that the kernel has dropped. The node's failure word is set, and no step does anything
//! again.

pub mod event_hash;
pub mod prepare;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cursor::Cursors;
use crate::disk::index;
use crate::error::JournalError;
use crate::layout::{ClusterId, PAGE_BYTES, Page};
use crate::log::LogRing;
use crate::meta::MetaFile;
use crate::page::{self, Chain, PageHeader, SealInputs};
use crate::recover::scan::Base;
use crate::segment::writer::SegmentWriter;
use event_hash::EventHashes;

/// The failure word of a node whose storage has failed ([`Cursors::fail`]).
pub const FAILURE_STORAGE: u64 = 1;
/// Most pages in one write: 1 MiB. On a busy disk one durable write costs about the same up to there, so that its rate
/// rises with its size.
pub const BATCH_PAGES_MAX: u64 = 256;
/// Under `async`: pages written before a sync even while there is more to write, so that a power cut loses little.
const UNSYNCED_PAGES_MAX: u64 = 1024;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// Nothing was to be done.
    Idle,
    /// Pages were stored.
    Worked,
    /// Pages were stored, and commands released by it: readers are to be woken.
    Released,
    /// The disk has failed, now or before: see [`Storage::failure`].
    Failed,
}

/// What storage starts from.
#[derive(Debug)]
pub struct StorageStart {
    /// The command log in shared memory, and the writer that recovery gave.
    pub commands: (Arc<LogRing>, SegmentWriter),
    /// Where the command log goes on.
    pub base: Base,
    /// The event log in shared memory, and the writer of its segments.
    pub events: (Arc<LogRing>, SegmentWriter),
    /// The running hash of the event pages before the first one to be stored.
    pub event_hash: Chain,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// What the node remembers.
    pub meta: Arc<Mutex<MetaFile>>,
}

/// The storage of one node.
#[derive(Debug)]
pub struct Storage {
    cluster_id: ClusterId,
    commands: Commands,
    events: Events,
    cursors: Arc<Cursors>,
    meta: Arc<Mutex<MetaFile>>,
    batch: Vec<Page>,
    was_idle: bool,
    failure: Option<JournalError>,
}

#[derive(Debug)]
struct Commands {
    ring: Arc<LogRing>,
    writer: SegmentWriter,
    /// What the next page follows on.
    base: Base,
    /// Pages below this number are durable.
    durable_page: u64,
    /// The floor in `node.meta` is to be raised.
    raise_floor: bool,
}

#[derive(Debug)]
struct Events {
    ring: Arc<LogRing>,
    writer: SegmentWriter,
    hash: Chain,
    hashes: Arc<EventHashes>,
}

impl Storage {
    /// Storage that goes on where recovery ended. Both rings begin with the page that their writer writes next.
    pub fn new(start: StorageStart) -> Self {
        let StorageStart { commands, base, events, event_hash, cursors, meta } = start;
        let cluster_id = lock(&meta).get().cluster_id;
        assert!(commands.1.next_page() == base.page_no, "the writer goes on behind what was recovered");
        let hashes = Arc::new(EventHashes::new(events.1.next_page(), event_hash));
        Storage {
            cluster_id,
            commands: Commands {
                ring: commands.0,
                writer: commands.1,
                base,
                durable_page: base.page_no,
                raise_floor: false,
            },
            events: Events { ring: events.0, writer: events.1, hash: event_hash, hashes },
            cursors,
            meta,
            batch: vec![[0; PAGE_BYTES]; index(BATCH_PAGES_MAX)],
            was_idle: false,
            failure: None,
        }
    }

    /// The hashes of event pages, for whoever journals and compares them.
    pub fn event_hashes(&self) -> &Arc<EventHashes> {
        &self.events.hashes
    }

    /// Pages of commands below this number are durable.
    pub fn durable_page(&self) -> u64 {
        self.commands.durable_page
    }

    /// Why storage has failed, if it has.
    pub fn failure(&self) -> Option<&JournalError> {
        self.failure.as_ref()
    }

    /// The supplies of the two writers, for the thread that makes segments ahead.
    pub fn preparer(&self) -> prepare::Preparer {
        let supplies = [&self.commands.writer, &self.events.writer].map(|writer| Arc::clone(writer.supply()));
        prepare::Preparer::new(supplies, Arc::clone(&self.cursors))
    }

    /// Stores what is closed, up to one batch of each log.
    pub fn step(&mut self) -> Stepped {
        if self.failure.is_some() {
            return Stepped::Failed;
        }
        let outcome = self.store();
        outcome.unwrap_or_else(|error| self.fail(error))
    }

    /// Stores and syncs all that is closed, and notes in `node.meta` that the node stopped with everything on disk. The
    /// matcher has closed its last page and is no more.
    pub fn stop(mut self) -> Result<(), JournalError> {
        loop {
            match self.step() {
                Stepped::Idle => break,
                Stepped::Worked | Stepped::Released => {}
                Stepped::Failed => return self.failure.map_or(Ok(()), Err),
            }
        }
        self.commands.writer.sync()?;
        self.events.writer.sync_all()?;
        let durable_page = self.commands.base.page_no;
        lock(&self.meta).update(|meta| {
            meta.durable_page = durable_page;
            meta.clean_stop = true;
            meta.ring = None;
        })
    }

    fn store(&mut self) -> Result<Stepped, JournalError> {
        let commands = self.store_commands()?;
        let events = self.store_events()?;
        let idle = self.commands.ring.closed_pages() == self.commands.base.page_no;
        if idle != self.was_idle {
            self.cursors.set_storage_idle(idle);
            self.was_idle = idle;
        }
        Ok(match (commands, events) {
            (Stepped::Idle, true) => Stepped::Worked,
            (done, _) => done,
        })
    }

    fn store_commands(&mut self) -> Result<Stepped, JournalError> {
        let next_page = self.commands.base.page_no;
        let pages = (self.commands.ring.closed_pages() - next_page).min(BATCH_PAGES_MAX);
        if pages == 0 {
            return self.sync_behind();
        }
        for place in 0..index(pages) {
            self.seal_next(place);
        }
        let last_seq = self.commands.base.first_seq - 1;
        self.cursors.advance_sealed(last_seq);
        let batch = self.batch[..index(pages)].as_flattened();
        self.commands.raise_floor |= self.commands.writer.append(batch)?;
        let unsynced_max = UNSYNCED_PAGES_MAX.min(self.commands.ring.pages() / 4);
        let is_enough = next_page + pages - self.commands.durable_page >= unsynced_max;
        let released = (self.cursors.policy_in_effect().asks_disk() || is_enough) && self.sync()?;
        Ok(if released { Stepped::Released } else { Stepped::Worked })
    }

    /// Copies the next page into its place in the batch and completes it.
    fn seal_next(&mut self, place: usize) {
        let Commands { ring, base, durable_page, .. } = &mut self.commands;
        let (page_no, page) = (base.page_no, &mut self.batch[place]);
        assert!(ring.copy_page(page_no, page), "page {page_no} is closed and not freed");
        let header = PageHeader::read(page);
        assert!(
            header.page_no == page_no && header.first_seq == base.first_seq && header.epoch >= base.epoch,
            "{header:?} does not follow on {base:?}"
        );
        let inputs = SealInputs {
            cluster_id: self.cluster_id,
            durable_page: *durable_page,
            committed_seq: self.cursors.released(),
            chain: base.chain,
        };
        page::seal(page, &inputs);
        *base = Base {
            page_no: page_no + 1,
            first_seq: header.first_seq + u64::from(header.n_records),
            epoch: header.epoch,
            chain: page::chain_of(page),
        };
    }

    /// Syncs what was written and only then gives its pages back to the matcher: if the disk has lost them, also under
    /// `async`, shared memory still has them. True if that released commands.
    fn sync(&mut self) -> Result<bool, JournalError> {
        self.commands.writer.sync()?;
        self.commands.durable_page = self.commands.base.page_no;
        self.commands.ring.free(self.commands.durable_page);
        Ok(self.cursors.advance_synced(self.commands.base.first_seq - 1))
    }

    /// With nothing to write: syncs what was written without, under `async`, and raises the floor after a new file.
    fn sync_behind(&mut self) -> Result<Stepped, JournalError> {
        if self.commands.durable_page < self.commands.base.page_no {
            let released = self.sync()?;
            return Ok(if released { Stepped::Released } else { Stepped::Worked });
        }
        if self.commands.raise_floor {
            let durable_page = self.commands.durable_page;
            lock(&self.meta).update(|meta| meta.durable_page = durable_page)?;
            self.commands.raise_floor = false;
            return Ok(Stepped::Worked);
        }
        Ok(Stepped::Idle)
    }

    fn store_events(&mut self) -> Result<bool, JournalError> {
        let Events { ring, writer, hash, hashes } = &mut self.events;
        let next_page = writer.next_page();
        let pages = (ring.closed_pages() - next_page).min(BATCH_PAGES_MAX);
        if pages == 0 {
            return Ok(false);
        }
        let inputs = SealInputs {
            cluster_id: self.cluster_id,
            durable_page: 0,
            committed_seq: 0,
            chain: Chain::default(),
        };
        for (page_no, page) in (next_page..next_page + pages).zip(&mut self.batch) {
            assert!(ring.copy_page(page_no, page), "page {page_no} is closed and not freed");
            page::seal(page, &inputs);
            *hash = event_hash::next(hash, page);
            hashes.put(page_no + 1, *hash);
        }
        writer.append(self.batch[..index(pages)].as_flattened())?;
        ring.free(next_page + pages);
        Ok(true)
    }

    fn fail(&mut self, error: JournalError) -> Stepped {
        self.cursors.fail(FAILURE_STORAGE);
        self.failure = Some(error);
        Stepped::Failed
    }
}

fn lock(meta: &Mutex<MetaFile>) -> MutexGuard<'_, MetaFile> {
    meta.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Steps until `after` says to end, which sees what each step did: it waits, wakes readers, and ends the loop.
pub fn run(mut storage: Storage, mut after: impl FnMut(Stepped) -> Running) -> Storage {
    while after(storage.step()) == Running::On {}
    storage
}

/// Whether [`run`] goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Another step.
    On,
    /// Enough.
    End,
}
