//! Sends a snapshot and what goes with it: the file's bytes, then command pages, then event pages.

use rialto_journal::layout::{PAGE_BYTES, Page};

use super::Limits;
use crate::frame::Kind;
use crate::gone::Gone;
use crate::message;
use crate::pace::{Budget, Now};
use crate::secure::Channel;
use crate::ship::SeedSource;

/// Bytes of the snapshot in one frame.
const CHUNK_BYTES: u64 = 64 * 1024;

/// How far one standby was seeded.
pub(super) struct Seeding {
    source: Box<dyn SeedSource + Send>,
    snapshot_sent: u64,
    next_page: u64,
    next_event_page: u64,
    budget: Budget,
    chunk: Vec<u8>,
}

impl std::fmt::Debug for Seeding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seeding")
            .field("seed", self.source.seed())
            .field("snapshot_sent", &self.snapshot_sent)
            .field("next_page", &self.next_page)
            .field("next_event_page", &self.next_event_page)
            .finish_non_exhaustive()
    }
}

impl Seeding {
    pub(super) fn new(source: Box<dyn SeedSource + Send>) -> Self {
        let (next_page, next_event_page) = (source.seed().base.page_no, source.seed().event_pages.0);
        let budget = Budget::default();
        Seeding { source, snapshot_sent: 0, next_page, next_event_page, budget, chunk: Vec::new() }
    }

    /// Sends what the limits allow; whether that was all.
    pub(super) fn pump(&mut self, channel: &mut Channel, limits: &Limits, now: Now) -> Result<bool, Gone> {
        self.budget.fill(now, limits.catch_up_bytes_per_s);
        while channel.pending().len() < limits.unsent_bytes && !self.budget.is_spent() {
            if self.send_next(channel)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) const fn has_more(&self) -> bool {
        !self.budget.is_spent()
    }

    fn send_next(&mut self, channel: &mut Channel) -> Result<bool, Gone> {
        let seed = self.source.seed();
        let (snapshot_bytes, end_page, end_event_page) =
            (seed.snapshot_bytes, seed.end_page, seed.event_pages.1);
        let mut page: Page = [0; PAGE_BYTES];
        if self.snapshot_sent < snapshot_bytes {
            self.send_chunk(channel, snapshot_bytes)?;
        } else if self.next_page < end_page {
            self.source.read_page(self.next_page, &mut page)?;
            self.send_page(channel, (Kind::Page, self.next_page), &page);
            self.next_page += 1;
        } else if self.next_event_page < end_event_page {
            self.source.read_event_page(self.next_event_page, &mut page)?;
            self.send_page(channel, (Kind::EventPage, self.next_event_page), &page);
            self.next_event_page += 1;
        } else {
            channel.send(Kind::SeedDone, |_| {});
            return Ok(true);
        }
        Ok(false)
    }

    fn send_chunk(&mut self, channel: &mut Channel, snapshot_bytes: u64) -> Result<(), Gone> {
        let offset = self.snapshot_sent;
        let bytes = CHUNK_BYTES.min(snapshot_bytes - offset);
        self.chunk.resize(usize::try_from(bytes).expect("a chunk is small"), 0);
        self.source.read_snapshot(offset, &mut self.chunk)?;
        channel.send(Kind::Snapshot, |out| message::put_placed(out, offset, &self.chunk));
        self.snapshot_sent += bytes;
        self.budget.spend(self.chunk.len());
        Ok(())
    }

    fn send_page(&mut self, channel: &mut Channel, (kind, page_no): (Kind, u64), page: &Page) {
        channel.send(kind, |out| message::put_placed(out, page_no, page));
        self.budget.spend(page.len());
    }
}
