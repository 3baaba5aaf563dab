//! A node takes over another's snapshot and pages, because what it lacks is no longer kept as a log.
//!
//! ```text
//! DIR/seed/{commands,events,snapshots}   what comes, while the node still is what it was
//! DIR/divergent/before-…/                what the node had before
//! ```
//!
//! In an order in which a crash at any point leaves the node that it was, or the seeded one:
//!
//! 1. All is written under `seed/`: each page checked against the one before it, synced; the snapshot read back.
//! 2. `node.meta` says that the seed is whole ([`Whole::take`]). Without that word a start clears `seed/`.
//! 3. The next start ([`finish`]) moves what the node had to `divergent/`, the seed to its place, and then notes what is
//!    durable now. It finishes this however often it is interrupted.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, DiskFile, count};
use crate::error::{During, JournalError};
use crate::layout::{ClusterId, PAGE_BYTES, Page};
use crate::meta::{MetaFile, Seeded};
use crate::page;
use crate::recover::scan::Base;
use crate::segment::reader::SegmentReader;
use crate::segment::supply::Supply;
use crate::segment::writer::SegmentWriter;
use crate::segment::{ANY_STATE_MACHINE, Lineage, Log, SegmentHeader, list, pages_of};
use crate::snapshot::{Snapshot, Snapshots};

/// Pages written and synced at once: small enough that nobody waits long for it.
const BATCH_PAGES: usize = 256;
/// The directories that a seed replaces.
const REPLACED: [&str; 3] = ["commands", "events", "snapshots"];

/// What is to come.
#[derive(Debug, Clone)]
pub struct SeedPlan {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The node's directory.
    pub dir: PathBuf,
    /// Whose journal.
    pub cluster_id: ClusterId,
    /// Version of the commands' meaning that segments are marked with.
    pub state_machine: u32,
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// The last command of the snapshot; `None`: the log comes from its first command on, and none is needed.
    pub snapshot: Option<u64>,
    /// The first command page.
    pub base: Base,
    /// The page behind the last command page.
    pub end_page: u64,
    /// The event pages.
    pub event_pages: Range<u64>,
}

/// Writes a seed. After an error it is of no further use; another one begins anew.
#[derive(Debug)]
pub struct SeedWriter {
    plan: SeedPlan,
    snapshots: Snapshots,
    /// The snapshot's file, if one is to come.
    snapshot: Option<Box<dyn DiskFile>>,
    commands: Part,
    events: Part,
    /// Behind the last command page.
    end: Base,
}

impl SeedWriter {
    /// Begins a seed; what is left of an earlier one goes.
    pub fn begin(plan: SeedPlan) -> Result<Self, JournalError> {
        let SeedPlan { disk, dir, .. } = &plan;
        clear(disk, dir)?;
        let seed = dir.join("seed");
        for path in [seed.clone()].into_iter().chain(REPLACED.map(|name| seed.join(name))) {
            disk.create_dir(&path).during("create directory", &path)?;
        }
        for path in [&seed, dir] {
            disk.sync_dir(path).during("sync directory", path)?;
        }
        let snapshots = Snapshots::new(disk, &seed, plan.cluster_id);
        Ok(SeedWriter {
            snapshot: plan.snapshot.map(|seq| snapshots.begin_file(seq)).transpose()?,
            snapshots,
            commands: Part::new(&plan, Log::Commands, plan.base.page_no..plan.end_page)?,
            events: Part::new(&plan, Log::Events, plan.event_pages.clone())?,
            end: plan.base,
            plan,
        })
    }

    /// Does a little of what must be ready before pages come; true when all is.
    pub fn prepare(&mut self) -> Result<bool, JournalError> {
        Ok(self.commands.prepare()? && self.events.prepare()?)
    }

    /// Takes bytes of the snapshot's file.
    pub fn snapshot_bytes(&mut self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let file = self.snapshot.as_mut().expect("bytes of a snapshot come where one was planned");
        file.write_at(offset, bytes).during("write", &self.plan.dir.join("seed/snapshots"))
    }

    /// Takes the next command page, which must follow on the one before in every way that pages do.
    pub fn page(&mut self, page: &Page) -> Result<(), JournalError> {
        let after = self.end.after(page, &self.plan.cluster_id);
        let (end, _) = after.map_err(|error| self.commands.bad(&error))?;
        self.end = end;
        self.commands.take(page)
    }

    /// Takes the next event page.
    pub fn event_page(&mut self, page: &Page) -> Result<(), JournalError> {
        let right = page::verify(page, &self.plan.cluster_id, self.events.pages.start);
        right.map_err(|error| self.events.bad(&error))?;
        self.events.take(page)
    }

    /// All has come: it is durable on return, and every part of it fits the others. Takes the time that reading the
    /// snapshot back takes.
    pub fn finish(mut self) -> Result<Whole, JournalError> {
        self.commands.end()?;
        self.events.end()?;
        let Self { plan, snapshots, snapshot, end, .. } = self;
        let file = plan.snapshot.zip(snapshot);
        let snapshot = file.map(|(seq, file)| snapshots.settle(seq, file)).transpose()?;
        let seed = plan.dir.join("seed");
        let unfit = |why: &str| Err(JournalError::refused(&seed, why));
        if end.page_no != plan.end_page {
            return unfit("its pages end before they were said to");
        }
        let seeded = Seeded { snapshot: plan.snapshot.unwrap_or(0), end_page: end.page_no };
        let Some(point) = snapshot.as_ref().map(|snapshot| &snapshot.head.point) else {
            return Ok(Whole { seeded, snapshot });
        };
        if point.seq != seeded.snapshot {
            return unfit("its snapshot is of another command than was said");
        }
        if point.seq >= end.first_seq {
            return unfit("its pages end before its snapshot");
        }
        if !is_same_place(plan.base_at(point.base.page_no)?, &point.base) {
            return unfit("its pages and its snapshot are of different logs");
        }
        Ok(Whole { seeded, snapshot })
    }
}

impl SeedPlan {
    fn lineage(&self, log: Log) -> Lineage {
        Lineage { log, cluster_id: self.cluster_id, state_machine: self.state_machine }
    }

    /// The base at a page of the seed, as written.
    fn base_at(&self, page_no: u64) -> Result<Option<Base>, JournalError> {
        if page_no <= self.base.page_no {
            return Ok(Some(self.base));
        }
        let dir = self.dir.join("seed").join(Log::Commands.directory());
        SegmentReader::new(&self.disk, &dir, self.lineage(Log::Commands)).base_behind(page_no - 1)
    }
}

/// Of the first page of a log it may not be known which epoch came before.
pub(crate) fn is_same_place(found: Option<Base>, wanted: &Base) -> bool {
    found.is_some_and(|found| Base { epoch: wanted.epoch, ..found } == *wanted)
}

/// A seed that is whole and durable, and not yet this node's.
#[derive(Debug)]
pub struct Whole {
    seeded: Seeded,
    /// Its snapshot, if it has one: for who takes the seed to see whether this build can run it.
    pub snapshot: Option<Snapshot>,
}

impl Whole {
    /// What `node.meta` has to say of it.
    pub(crate) fn seeded(&self) -> Seeded {
        self.seeded
    }

    /// It is this node's: the next start has it.
    pub fn take(self, meta: &Mutex<MetaFile>) -> Result<Seeded, JournalError> {
        let mut meta = meta.lock().unwrap_or_else(PoisonError::into_inner);
        meta.update(|meta| meta.seeded = Some(self.seeded))?;
        Ok(self.seeded)
    }
}

/// The pages of one log.
#[derive(Debug)]
struct Part {
    disk: Arc<dyn Disk>,
    log: Log,
    dir: PathBuf,
    /// The pages that are still to come.
    pages: Range<u64>,
    /// Until the first page comes.
    supply: Option<Supply>,
    writer: Option<SegmentWriter>,
    batch: Vec<u8>,
}

impl Part {
    fn new(plan: &SeedPlan, log: Log, pages: Range<u64>) -> Result<Self, JournalError> {
        let SeedPlan { disk, dir, segment_bytes, .. } = plan;
        let dir = dir.join("seed").join(log.directory());
        let per_file = pages_of(*segment_bytes);
        let first = SegmentHeader {
            lineage: plan.lineage(log),
            index: pages.start / per_file,
            first_page: pages.start,
            pages: per_file,
            first_seq: 0,
            epoch: 0,
            chain: [0; 16],
        };
        let supply = if pages.is_empty() { None } else { Some(Supply::new(disk, &dir, first, Vec::new())?) };
        Ok(Part { disk: Arc::clone(disk), log, dir, pages, supply, writer: None, batch: Vec::new() })
    }

    fn prepare(&mut self) -> Result<bool, JournalError> {
        match &self.supply {
            Some(supply) if !supply.is_ready() => {
                supply.step()?;
                Ok(supply.is_ready())
            }
            Some(_) | None => Ok(true),
        }
    }

    fn bad(&self, why: &impl std::fmt::Display) -> JournalError {
        JournalError::refused(&self.dir, format!("page {} of a seed: {why}", self.pages.start))
    }

    fn take(&mut self, page: &Page) -> Result<(), JournalError> {
        self.pages.next();
        self.batch.extend_from_slice(page);
        if self.batch.len() >= BATCH_PAGES * PAGE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if let Some(supply) = self.supply.take() {
            let first = self.pages.start - count(self.batch.len() / PAGE_BYTES);
            self.writer = Some(SegmentWriter::new(&self.disk, self.log, supply, None, first)?);
        }
        let writer = self.writer.as_mut().expect("a page was taken, so there were pages to come");
        writer.append(&self.batch)?;
        writer.sync()?;
        // A file is a little more than as many batches: the next one is ready when this one is full.
        writer.supply().step()?;
        self.batch.clear();
        Ok(())
    }

    fn end(&mut self) -> Result<(), JournalError> {
        if !self.pages.is_empty() {
            return Err(self.bad(&"it has not come"));
        }
        self.flush()?;
        if let Some(writer) = &mut self.writer {
            writer.sync_all()?;
        }
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)
    }
}

/// What a node was before it was seeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What it is now.
    pub seeded: Seeded,
    /// Where what it had is kept, if it had anything.
    pub kept: PathBuf,
}

/// A start's first step: puts a whole seed in the place of what the node had, or clears what is left of one that is not.
pub fn finish(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    meta: &mut MetaFile,
) -> Result<Option<Replaced>, JournalError> {
    let Some(seeded) = meta.get().seeded else {
        clear(disk, dir)?;
        return Ok(None);
    };
    let name = format!("before-{:016x}-{}", seeded.end_page, meta.get().generation);
    let kept = dir.join("divergent").join(name);
    for name in REPLACED {
        replace(disk, &dir.join("seed").join(name), &dir.join(name), (meta, &kept.join(name)))?;
    }
    meta.update(|meta| {
        meta.seeded = None;
        meta.ring = None;
        meta.cut_from = None;
        meta.verified_snapshot = (seeded.snapshot > 0).then_some(seeded.snapshot);
        meta.durable_page = seeded.end_page;
        // What it had acknowledged may be gone, until it has come again.
        meta.lost_unsynced = true;
    })?;
    Ok(Some(Replaced { seeded, kept }))
}

/// Moves `to` to `kept` and `from` to `to`, or what of that is not done yet.
fn replace(
    disk: &Arc<dyn Disk>,
    from: &Path,
    to: &Path,
    (meta, kept): (&MetaFile, &Path),
) -> Result<(), JournalError> {
    if names(disk, from)?.is_none() {
        return Ok(());
    }
    let parent = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let moved = |from: &Path, to: &Path| {
        disk.rename_dir(from, to).during("rename", from)?;
        for path in [parent(to), parent(from)] {
            disk.sync_dir(&path).during("sync directory", &path)?;
        }
        Ok(())
    };
    if names(disk, to)?.is_some() {
        remove_unwritten(disk, to, meta.get().cluster_id)?;
    }
    // An empty one gives its place.
    if names(disk, to)?.is_some_and(|names| !names.is_empty()) {
        make_kept(disk, &parent(kept))?;
        moved(to, kept)?;
    }
    moved(from, to)
}

/// Makes the directory that what a node had goes to, and the one that this is in.
fn make_kept(disk: &Arc<dyn Disk>, kept: &Path) -> Result<(), JournalError> {
    let divergent = kept.parent().unwrap_or(kept);
    for path in [divergent, kept] {
        disk.create_dir(path).during("create directory", path)?;
    }
    disk.sync_dir(divergent).during("sync directory", divergent)
}

/// Segments that hold nothing need not be kept, and are large.
fn remove_unwritten(disk: &Arc<dyn Disk>, dir: &Path, cluster_id: ClusterId) -> Result<(), JournalError> {
    let Some(log) = [Log::Commands, Log::Events].into_iter().find(|log| dir.ends_with(log.directory()))
    else {
        return Ok(());
    };
    // What cannot be listed is kept as it is.
    let lineage = Lineage { log, cluster_id, state_machine: ANY_STATE_MACHINE };
    let segments = list(disk, dir, &lineage).map(|listing| listing.segments).unwrap_or_default();
    for segment in segments.iter().filter(|segment| !segment.header.is_begun()) {
        disk.remove(&segment.path).during("remove", &segment.path)?;
    }
    Ok(())
}

/// Removes what an interrupted seed left.
fn clear(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), JournalError> {
    for name in REPLACED {
        let path = dir.join("seed").join(name);
        let left = names(disk, &path)?.unwrap_or_default();
        for name in &left {
            let file = path.join(name);
            disk.remove(&file).during("remove", &file)?;
        }
        if !left.is_empty() {
            disk.sync_dir(&path).during("sync directory", &path)?;
        }
    }
    Ok(())
}

/// A directory's files; `None` if there is no such directory.
pub(crate) fn names(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Option<Vec<String>>, JournalError> {
    match disk.list(dir) {
        Ok(names) => Ok(Some(names)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).during("list", dir),
    }
}
