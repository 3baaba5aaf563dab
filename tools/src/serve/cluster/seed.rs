//! What a primary sends a node whose pages it no longer has: its newest snapshot, the command pages from there on, and
//! the event pages that sessions may still ask for.
//!
//! Both logs are sent from the beginning of a segment file, so that the files of both nodes are equal.

use std::io;

use rialto_journal::disk::DiskFile;
use rialto_journal::error::JournalError;
use rialto_journal::layout::Page;
use rialto_journal::position::Position;
use rialto_journal::recover::scan::{Base, EpochStart};
use rialto_journal::retention::Needed;
use rialto_journal::segment::reader::{SegmentReader, Slot, blank};
use rialto_journal::segment::{Log, Segment, list};
use rialto_journal::snapshot::Snapshots;
use rialto_replicator::message::Seed;
use rialto_replicator::ship::SeedSource;

use super::Life;
use crate::serve::holds::Held;
use crate::serve::start::lock_meta;

/// One seed, as it is sent.
pub(super) struct Source {
    seed: Seed,
    /// Open, so that it cannot go.
    snapshot: Box<dyn DiskFile>,
    commands: SegmentReader,
    events: SegmentReader,
    _held: Held,
}

impl Source {
    /// What there is to send now; `None`: nothing that a node could start from, yet.
    pub(super) fn open(life: &Life, rows: &[EpochStart]) -> Result<Option<Self>, JournalError> {
        let Some(seq) = lock_meta(&life.meta).get().verified_snapshot else { return Ok(None) };
        let (found, snapshot, snapshot_bytes) =
            Snapshots::new(&life.disk, &life.dir, life.cluster_id).open(seq)?;
        let (point, day_page) = (&found.point, life.holds.day_page());
        let needed = Needed { command_page: point.base.page_no.saturating_sub(1), event_page: day_page };
        let held = life.holds.hold(needed);
        let end_page = life.stored_end().page_no;
        let Some(base) = first_base(life, (point.base.page_no, end_page))? else { return Ok(None) };
        let event_end = Position::new(point.event_at).page();
        let events = life.segments(Log::Events);
        let first_event_page = first_event_page(life, &events, (day_page, event_end))?;
        let epochs = rows.iter().copied().filter(|row| row.page_no < end_page).collect();
        let event_pages = (first_event_page, event_end);
        let seed = Seed { seq, snapshot_bytes, base, end_page, epochs, event_pages };
        Ok(Some(Self { seed, snapshot, commands: life.command_segments(), events, _held: held }))
    }
}

/// The base of the segment in which a start from this base reads first.
fn first_base(life: &Life, (base, end): (u64, u64)) -> Result<Option<Base>, JournalError> {
    let found = segments(life, Log::Commands)?;
    // With nothing stored behind it, the page before it has to do.
    let page_no = if base < end { base } else { base.saturating_sub(1) };
    let Some(Segment { header, .. }) =
        found.iter().find(|found| found.header.holds(page_no) && found.header.is_begun())
    else {
        return Ok(None);
    };
    let (page_no, first_seq, chain) = (header.first_page, header.first_seq, header.chain);
    Ok(Some(life.base_at(page_no).unwrap_or(Base { page_no, first_seq, epoch: 0, chain })))
}

/// The first event page from which all are there up to `end`, and none of an older day but for whole files.
fn first_event_page(
    life: &Life,
    events: &SegmentReader,
    (day, end): (u64, u64),
) -> Result<u64, JournalError> {
    let (mut first, day) = (end, day.min(end));
    for Segment { header, .. } in segments(life, Log::Events)?.iter().rev() {
        let has_more = first > day && header.first_page < first;
        if has_more && header.end_page() < first {
            break;
        }
        if has_more {
            first = header.first_page;
        }
    }
    // A file of a node that was seeded itself may begin with pages that it never had.
    let mut page = blank();
    while first < end && events.read(first, &mut page)? != Slot::Good {
        first += 1;
    }
    Ok(first)
}

fn segments(life: &Life, log: Log) -> Result<Vec<Segment>, JournalError> {
    Ok(list(&life.disk, &life.dir.join(log.directory()), &life.lineage(log))?.segments)
}

impl SeedSource for Source {
    fn seed(&self) -> &Seed {
        &self.seed
    }

    fn read_snapshot(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.snapshot.read_at(offset, into)
    }

    fn read_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()> {
        good(&self.commands, page_no, into)
    }

    fn read_event_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()> {
        good(&self.events, page_no, into)
    }
}

fn good(reader: &SegmentReader, page_no: u64, into: &mut Page) -> io::Result<()> {
    match reader.read(page_no, into).map_err(io::Error::other)? {
        Slot::Good => Ok(()),
        slot @ (Slot::Blank | Slot::Bad | Slot::NoFile) => {
            Err(io::Error::other(format!("page {page_no} to be sent: {slot:?}")))
        }
    }
}
