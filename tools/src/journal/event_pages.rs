//! The event log's full pages as storage makes them, from events that are made again: what the event segments of any
//! node must hold, byte for byte, and the running hash over them.

use rialto_journal::layout::{ClusterId, PAGE_HEADER_BYTES, Page};
use rialto_journal::page::{Chain, PageHeader, SealInputs, seal};
use rialto_journal::position::Position;
use rialto_journal::record::Record;
use rialto_journal::segment::reader::blank;
use rialto_journal::storage::event_hash;

/// The page that events go to, and the hash of all before it.
#[derive(Debug)]
pub(super) struct EventPages {
    cluster_id: ClusterId,
    page: Box<Page>,
    header: PageHeader,
    end: Position,
    hash: Chain,
}

impl EventPages {
    /// An event log without an event.
    pub(super) fn genesis(cluster_id: ClusterId) -> Self {
        Self::behind(cluster_id, (Position::FIRST, &[]), event_hash::genesis(&cluster_id))
    }

    /// An event log that goes on at `end`, which is in a page that has `begun` up to there; `hash` covers those before.
    pub(super) fn behind(cluster_id: ClusterId, (end, begun): (Position, &[u8]), hash: Chain) -> Self {
        let mut page = Box::new(blank());
        page[..begun.len()].copy_from_slice(begun);
        let header = PageHeader { page_no: end.page(), ..PageHeader::read(&page) };
        Self { cluster_id, page, header, end, hash }
    }

    /// Appends an event; the page that it did not fit any more, sealed.
    pub(super) fn append(&mut self, record: Record<'_>) -> Option<(u64, Page)> {
        let bytes = record.bytes();
        let at = Position::place(self.end, bytes.len());
        let full = (at.page() != self.header.page_no).then(|| self.close(at.page()));
        if self.header.n_records == 0 {
            self.header.first_seq = record.sequence();
        }
        self.header.n_records += 1;
        self.page[at.offset()..at.offset() + bytes.len()].copy_from_slice(bytes);
        self.end = at.plus(bytes.len());
        full
    }

    /// Pages that are full, and their hash.
    pub(super) fn hash(&self) -> (u64, Chain) {
        (self.header.page_no, self.hash)
    }

    fn close(&mut self, next: u64) -> (u64, Page) {
        let page_no = self.header.page_no;
        let offset = self.end.get() - Position::page_start(page_no).get();
        self.header.used = u16::try_from(offset).expect("an offset in a page");
        self.header.write(&mut self.page);
        seal(
            &mut self.page,
            &SealInputs {
                cluster_id: self.cluster_id,
                durable_page: 0,
                committed_seq: 0,
                chain: Chain::default(),
            },
        );
        self.hash = event_hash::next(&self.hash, &self.page);
        let full = *self.page;
        self.page.fill(0);
        self.header = PageHeader { page_no: next, ..PageHeader::default() };
        debug_assert!(offset > PAGE_HEADER_BYTES as u64);
        (page_no, full)
    }
}
