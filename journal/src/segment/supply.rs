//! Segments made ahead, so that the storage thread finds the next one whole, zeroed and durable.
//!
//! A file of real zeros: blocks that were only allocated would have to be marked as written in the file system's log
//! at each sync. Made in small steps (one [`Supply::step`] is at most one MiB), so that it never fills the disk's
//! queue: create `*.tmp` → allocate → zeros → headers → sync → rename → sync the directory.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Segment, SegmentHeader, has_extension, write_header};
use crate::disk::{Access, Disk, DiskFile, index};
use crate::error::{During, JournalError};
use crate::page::Chain;

/// Zeros written in one step.
const STEP_BYTES: u64 = 1 << 20;
/// Segments kept ready beyond the one that is being written.
pub const AHEAD: usize = 2;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplied {
    /// Some work: there may be more.
    Worked,
    /// Enough is ready.
    Enough,
    /// The disk has no room for another segment: time to refuse new orders, before the last one is full.
    NoSpace,
}

/// Makes segments of one log ahead of its writer, who never waits for one that is being made while another is ready.
#[derive(Debug)]
pub struct Supply {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    ready: Mutex<VecDeque<Segment>>,
    /// Full files of events that are still to be synced.
    full: Mutex<VecDeque<(PathBuf, Box<dyn DiskFile>)>>,
    maker: Mutex<Maker>,
}

#[derive(Debug)]
struct Maker {
    making: Option<Making>,
    /// The header of the segment to be made after `making`.
    next: SegmentHeader,
}

#[derive(Debug)]
struct Making {
    file: Box<dyn DiskFile>,
    temporary: PathBuf,
    segment: Segment,
    zeroed: u64,
}

impl Supply {
    /// A supply of segments from page `first_page` on, of `pages` pages each, which takes over those of `existing` that
    /// are still unwritten. The directory holds no other files from that page on.
    pub fn new(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        first: SegmentHeader,
        existing: Vec<Segment>,
    ) -> Result<Self, JournalError> {
        let next = SegmentHeader { first_seq: 0, chain: Chain::default(), ..first };
        let supply = Supply {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            ready: Mutex::default(),
            full: Mutex::default(),
            maker: Mutex::new(Maker { making: None, next }),
        };
        supply.remove_unfinished()?;
        for segment in existing {
            supply.adopt(&segment)?;
        }
        Ok(supply)
    }

    /// Does a little of what is missing.
    pub fn step(&self) -> Result<Supplied, JournalError> {
        if self.sync_one()? {
            return Ok(Supplied::Worked);
        }
        let mut maker = lock(&self.maker);
        match self.make_some(&mut maker) {
            // Nothing of the unfinished file was promised to anybody.
            Err(error) if error.is_no_space() => {
                self.remove_unfinished()?;
                Ok(Supplied::NoSpace)
            }
            done => done,
        }
    }

    fn make_some(&self, maker: &mut Maker) -> Result<Supplied, JournalError> {
        if let Some(making) = maker.making.take() {
            return self.go_on(maker, making);
        }
        if lock(&self.ready).len() >= AHEAD {
            return Ok(Supplied::Enough);
        }
        maker.making = Some(self.start(&maker.next)?);
        Ok(Supplied::Worked)
    }

    /// Whether a segment is ready.
    pub fn is_ready(&self) -> bool {
        !lock(&self.ready).is_empty()
    }

    /// The next segment; made now if none is ready.
    pub fn take(&self) -> Result<Segment, JournalError> {
        loop {
            if let Some(segment) = lock(&self.ready).pop_front() {
                return Ok(segment);
            }
            self.make_one()?;
        }
    }

    /// Makes one now, if none is ready.
    pub(super) fn make_one(&self) -> Result<(), JournalError> {
        while lock(&self.ready).is_empty() {
            if self.step()? == Supplied::NoSpace {
                let path = self.dir.join(lock(&self.maker).next.name());
                return Err(io::Error::from(io::ErrorKind::StorageFull)).during("make", &path);
            }
        }
        Ok(())
    }

    /// Takes a full file to sync it in one of the next steps.
    pub(super) fn sync_later(&self, path: PathBuf, file: Box<dyn DiskFile>) {
        lock(&self.full).push_back((path, file));
    }

    /// Syncs all files taken so.
    pub(super) fn sync_full(&self) -> Result<(), JournalError> {
        while self.sync_one()? {}
        Ok(())
    }

    fn sync_one(&self) -> Result<bool, JournalError> {
        // Not while holding the lock: the writer may bring the next one.
        let full = lock(&self.full).pop_front();
        let Some((path, mut file)) = full else { return Ok(false) };
        file.sync().during("sync", &path)?;
        Ok(true)
    }

    fn start(&self, header: &SegmentHeader) -> Result<Making, JournalError> {
        let segment = Segment { path: self.dir.join(header.name()), header: *header };
        let temporary = segment.path.with_extension("tmp");
        let mut file = self.disk.create(&temporary).during("create", &temporary)?;
        file.allocate(segment.header.file_bytes()).during("allocate", &temporary)?;
        Ok(Making { file, temporary, segment, zeroed: 0 })
    }

    fn go_on(&self, maker: &mut Maker, mut making: Making) -> Result<Supplied, JournalError> {
        let left = making.segment.header.file_bytes() - making.zeroed;
        if left > 0 {
            let zeros = vec![0; index(left.min(STEP_BYTES))];
            making.file.write_at(making.zeroed, &zeros).during("write", &making.temporary)?;
            // Synced as it goes: one large sync at the end would hold up the commands' own.
            making.file.sync().during("sync", &making.temporary)?;
            making.zeroed += left.min(STEP_BYTES);
            maker.making = Some(making);
            return Ok(Supplied::Worked);
        }
        let Making { mut file, temporary, segment, .. } = making;
        write_header(&mut *file, 0, &segment)?;
        write_header(&mut *file, 1, &segment)?;
        file.sync().during("sync", &temporary)?;
        self.disk.rename(&temporary, &segment.path).during("rename", &temporary)?;
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)?;
        self.push(maker, segment);
        Ok(Supplied::Worked)
    }

    fn push(&self, maker: &mut Maker, segment: Segment) {
        maker.next.index = segment.header.index + 1;
        maker.next.first_page = segment.header.end_page();
        lock(&self.ready).push_back(segment);
    }

    /// Takes over a segment that was made and not begun before: its name and header may be of an older epoch.
    fn adopt(&self, segment: &Segment) -> Result<(), JournalError> {
        let next = lock(&self.maker).next;
        assert!(segment.header.first_page == next.first_page, "segments are adopted in order");
        let header = SegmentHeader { pages: segment.header.pages, ..next };
        let adopted = Segment { path: self.dir.join(header.name()), header };
        if adopted != *segment {
            self.rewrite(segment, &adopted)?;
        }
        self.push(&mut lock(&self.maker), adopted);
        Ok(())
    }

    /// Gives a segment another name and header. It has neither name meanwhile: lost in between, it is made again.
    pub(super) fn rewrite(&self, from: &Segment, to: &Segment) -> Result<(), JournalError> {
        // Whoever makes segments removes unfinished ones, which this is for a moment.
        let _maker = lock(&self.maker);
        let temporary = from.path.with_extension("tmp");
        self.disk.rename(&from.path, &temporary).during("rename", &from.path)?;
        // Or else a power cut could leave the old name with the new header.
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)?;
        let mut file = self.disk.open(&temporary, Access::Plain).during("open", &temporary)?;
        write_header(&mut *file, 0, to)?;
        write_header(&mut *file, 1, to)?;
        file.sync().during("sync", &temporary)?;
        self.disk.rename(&temporary, &to.path).during("rename", &temporary)?;
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)
    }

    fn remove_unfinished(&self) -> Result<(), JournalError> {
        let names = self.disk.list(&self.dir).during("list", &self.dir)?;
        for name in names.iter().filter(|name| has_extension(name, "tmp")) {
            let path = self.dir.join(name);
            self.disk.remove(&path).during("remove", &path)?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
