//! What a restart believes: segments by the rule of [`mod@scan`], then the one ring that counts.
//!
//! In an order that a second crash at any point cannot turn into loss:
//!
//! 1. Judge the segments; corrupt ones are refused as they are.
//! 2. See whether the ring follows on them.
//! 3. Keep a torn tail in `torn/`. If the ring does not follow, revoke it in `node.meta`: it must never bring back what
//!    is cut off now. Zero the tail.
//! 4. Sync what was written and perhaps not synced before, write the ring's pages behind it, sync.
//! 5. Raise the floor in `node.meta`: from now on all that was found here is durable.
//!
//! The ring stays named until [`generation`] begins the next one. Until then, doing all this again gives the same.

pub mod divergent;
pub mod events;
pub mod generation;
pub mod ring;
pub mod scan;
pub mod torn;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk};
use crate::error::{During, JournalError};
use crate::layout::{PAGE_BYTES, Page};
use crate::log::LogRing;
use crate::meta::MetaFile;
use crate::page::PageHeader;
use crate::segment::reader::{SegmentReader, blank};
use crate::segment::supply::Supply;
use crate::segment::writer::SegmentWriter;
use crate::segment::{ANY_STATE_MACHINE, Lineage, Listing, Log, Segment, SegmentHeader, list, pages_of};
use scan::{Base, End, EpochStart, Scan, ScanRequest, scan};

/// What a start needs to know.
#[derive(Debug, Clone)]
pub struct Start {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The node's directory.
    pub dir: PathBuf,
    /// Version of the commands' meaning that new segments are marked with.
    pub state_machine: u32,
    /// Size of a new segment file.
    pub segment_bytes: u64,
    /// Where to read from: a snapshot's base, or genesis.
    pub base: Base,
    /// The log goes at least up to here: a snapshot's sequence, or 0.
    pub known_seq: u64,
    /// The epoch in force; new segments are named after it until their first page says better.
    pub epoch: u32,
}

impl Start {
    /// What the segments of one of the node's logs have in common.
    pub fn lineage(&self, meta: &MetaFile, log: Log) -> Lineage {
        Lineage { log, cluster_id: meta.get().cluster_id, state_machine: self.state_machine }
    }
}

/// A torn tail that was found and put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The first page that was not good.
    pub page_no: u64,
    /// Bytes that were not blank.
    pub bytes: u64,
    /// Where they are now.
    pub kept: PathBuf,
}

/// The command log as it stands after recovery: all of it good, synced, and with nothing behind it.
#[derive(Debug)]
pub struct Recovered {
    /// What was found in the segments.
    pub scan: Scan,
    /// Where the log goes on: page, sequence, epoch of the last page and hash.
    pub end: Base,
    /// The epochs that begin behind the base.
    pub epochs: Vec<EpochStart>,
    /// Records that came from shared memory.
    pub from_ring: u64,
    /// The tail that was cut off, if one was.
    pub torn: Option<TornTail>,
    /// The writer for what comes next.
    pub writer: SegmentWriter,
}

impl Recovered {
    /// The last command's sequence; 0 in an empty log.
    pub fn last_seq(&self) -> u64 {
        self.end.first_seq - 1
    }
}

/// Opens the command log of a node that this process has locked.
pub fn recover(
    start: &Start,
    meta: &mut MetaFile,
    ring: Option<&LogRing>,
) -> Result<Recovered, JournalError> {
    divergent::finish(start, meta)?;
    let commands = start.dir.join(Log::Commands.directory());
    let lineage = start.lineage(meta, Log::Commands);
    let Listing { segments, strays } = list(&start.disk, &commands, &lineage)?;
    for stray in &strays {
        start.disk.remove(stray).during("remove", stray)?;
    }
    if !meta.get().clean_stop {
        evict(start, &segments)?;
    }
    let scan = scan(&ScanRequest {
        disk: &start.disk,
        dir: &commands,
        lineage,
        base: start.base,
        durable_floor: meta.get().durable_page,
        up_to_seq: u64::MAX,
    })?;
    if let End::Corrupt(why) = &scan.ended {
        return Err(JournalError::corrupt(&commands, why));
    }
    let pages = match ring {
        Some(ring) => ring_pages(start, meta, ring, &scan)?,
        None => None,
    };
    let last_seq = pages.iter().flatten().last().map_or(scan.last_seq(), last_seq_of);
    if last_seq < start.known_seq {
        let why = format!("it ends with {last_seq}, and a snapshot has {}", start.known_seq);
        return Err(JournalError::corrupt(&commands, why));
    }
    let torn = cut_tail(start, meta, &segments, (&scan, pages.is_some()))?;
    sync_written(start, &segments, (meta.get().durable_page, scan.end.page_no))?;
    let mut writer = open_writer(start, lineage, segments, scan.end.page_no)?;
    let mut end = scan.end;
    let mut epochs = scan.epochs.clone();
    for page in pages.into_iter().flatten() {
        writer.append(&page)?;
        let epoch = PageHeader::read(&page).epoch;
        if epoch != end.epoch {
            epochs.push(EpochStart { epoch, page_no: end.page_no, first_seq: end.first_seq });
        }
        let after = end.after(&page, &lineage.cluster_id);
        end = after.expect("pages of the ring were checked against the segments' end").0;
    }
    writer.sync()?;
    meta.update(|meta| {
        meta.durable_page = end.page_no;
        meta.clean_stop = false;
    })?;
    Ok(Recovered { from_ring: end.first_seq - scan.end.first_seq, scan, end, epochs, torn, writer })
}

/// Lets go of what the kernel has cached: after a failed sync it may be better than what is on the disk.
fn evict(start: &Start, segments: &[Segment]) -> Result<(), JournalError> {
    let is_read = |header: &SegmentHeader| header.is_begun() && header.end_page() > start.base.page_no;
    for Segment { path, .. } in segments.iter().filter(|segment| is_read(&segment.header)) {
        let file = start.disk.open(path, Access::Read).during("open", path)?;
        file.evict().during("evict", path)?;
    }
    Ok(())
}

fn last_seq_of(page: &Page) -> u64 {
    let header = PageHeader::read(page);
    header.first_seq + u64::from(header.n_records) - 1
}

fn ring_pages(
    start: &Start,
    meta: &MetaFile,
    ring: &LogRing,
    scan: &Scan,
) -> Result<Option<Vec<Page>>, JournalError> {
    let lineage = start.lineage(meta, Log::Commands);
    let reader = SegmentReader::new(&start.disk, &start.dir.join(Log::Commands.directory()), lineage);
    let mut last_page = blank();
    let has_last = scan.end.page_no > scan.from.page_no;
    if has_last {
        reader.read(scan.end.page_no - 1, &mut last_page)?;
    }
    let last_page = has_last.then_some(&last_page);
    ring::pages_behind(ring, &scan.end, last_page, &lineage.cluster_id, scan.committed_seq)
}

/// Puts aside and zeroes what is behind the end; first revokes a ring that does not follow on it.
fn cut_tail(
    start: &Start,
    meta: &mut MetaFile,
    segments: &[Segment],
    (scan, ring_follows): (&Scan, bool),
) -> Result<Option<TornTail>, JournalError> {
    if !ring_follows {
        meta.update(|meta| meta.ring = None)?;
    }
    let Some(pages) = scan.torn else { return Ok(None) };
    let kept = torn::keep(&start.disk, &start.dir.join("torn"), segments, pages)?;
    torn::zero(&start.disk, segments, pages)?;
    Ok(Some(TornTail { page_no: scan.end.page_no, bytes: scan.torn_bytes(), kept }))
}

/// Syncs the names of files and those that hold pages which perhaps were not synced; mends a header of which one copy is
/// old.
fn sync_written(start: &Start, segments: &[Segment], (floor, end): (u64, u64)) -> Result<(), JournalError> {
    let dir = start.dir.join(Log::Commands.directory());
    start.disk.sync_dir(&dir).during("sync directory", &dir)?;
    for Segment { path, header } in segments {
        if header.first_page >= end || header.end_page() <= floor {
            continue;
        }
        let mut file = start.disk.open(path, Access::Plain).during("open", path)?;
        file.sync().during("sync", path)?;
        let mut copy = blank();
        for offset in [0, PAGE_BYTES as u64] {
            file.read_at(offset, &mut copy).during("read", path)?;
            if copy != header.to_page() {
                file.write_at(offset, &header.to_page()).during("write", path)?;
                file.sync().during("sync", path)?;
            }
        }
    }
    Ok(())
}

/// A writer behind the log's end; segments from there on are as good as new.
fn open_writer(
    start: &Start,
    lineage: Lineage,
    mut segments: Vec<Segment>,
    end_page: u64,
) -> Result<SegmentWriter, JournalError> {
    let unwritten = segments.split_off(segments.partition_point(|found| found.header.first_page < end_page));
    let last = segments.pop();
    let first = SegmentHeader {
        lineage,
        index: last.as_ref().map_or(0, |last| last.header.index + 1),
        first_page: last.as_ref().map_or(end_page, |last| last.header.end_page()),
        pages: pages_of(start.segment_bytes),
        first_seq: 0,
        epoch: start.epoch,
        chain: [0; 16],
    };
    let dir = start.dir.join(lineage.log.directory());
    // A start that was interrupted while it took them over may have left a gap: those behind it are made again.
    let mut next_page = first.first_page;
    let (mut reused, mut removed) = (Vec::new(), Vec::new());
    for segment in unwritten {
        if segment.header.first_page == next_page {
            next_page = segment.header.end_page();
            reused.push(segment);
        } else {
            removed.push(segment.path);
        }
    }
    for path in &removed {
        start.disk.remove(path).during("remove", path)?;
    }
    let supply = Supply::new(&start.disk, &dir, first, reused)?;
    SegmentWriter::new(&start.disk, lineage.log, supply, last, end_page)
}

/// Judges the command log from its first page on, also of a node that is running: then up to a sequence that is stored.
pub fn verify(disk: &Arc<dyn Disk>, dir: &Path, up_to_seq: Option<u64>) -> Result<Scan, JournalError> {
    let meta = MetaFile::peek(disk, dir)?;
    let commands = dir.join(Log::Commands.directory());
    let lineage =
        Lineage { log: Log::Commands, cluster_id: meta.cluster_id, state_machine: ANY_STATE_MACHINE };
    let segments = list(disk, &commands, &lineage)?.segments;
    let base = match segments.first().map(|first| &first.header) {
        Some(first) if first.first_page > 0 && first.is_begun() => {
            Base { page_no: first.first_page, first_seq: first.first_seq, epoch: 0, chain: first.chain }
        }
        Some(_) | None => Base::genesis(&meta.cluster_id),
    };
    let (durable_floor, up_to_seq) = (meta.durable_page, up_to_seq.unwrap_or(u64::MAX));
    scan(&ScanRequest { disk, dir: &commands, lineage, base, durable_floor, up_to_seq })
}
