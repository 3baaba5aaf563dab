//! A node as its replication port sees it: it leads or does not, and remembers what it was told.

use std::io;
use std::sync::Arc;

use rialto_journal::layout::Page;
use rialto_journal::log::LogRing;
use rialto_journal::reader::PageSource;
use rialto_journal::recover::scan::{Base, EpochStart};
use rialto_replicator::gone::Gone;
use rialto_replicator::message::{Answer, Ask, Hello, Lead, Promise, Role, Seed};
use rialto_replicator::primary::Event;
use rialto_replicator::ship::{Node as Port, SeedSource, Ship};

use super::log::{CLUSTER_ID, Log, Segments};

/// Bytes of the snapshot: more than a frame's.
const SNAPSHOT_BYTES: u64 = 70_000;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) log: Log,
    pub(crate) leads: bool,
    /// The oldest page that is still there.
    pub(crate) first_page: u64,
    pub(crate) promised: u32,
    pub(crate) state_version: u64,
    pub(crate) events: Vec<Event>,
}

impl Node {
    pub(crate) fn new(log: Log) -> Self {
        Node { log, leads: true, first_page: 0, promised: 0, state_version: 1, events: Vec::new() }
    }

    fn end(&self) -> Base {
        *self.log.bases.last().expect("the first one is always there")
    }
}

impl Ship for Node {
    fn epoch(&self) -> u32 {
        self.log.epoch()
    }

    fn lead(&self) -> Lead {
        lead(self.log.epoch())
    }

    fn epochs(&self) -> &[EpochStart] {
        &self.log.epochs
    }

    fn ring(&self) -> &Arc<LogRing> {
        self.log.writer.ring()
    }

    fn stored(&self) -> Box<dyn PageSource + Send> {
        Box::new(self.log.segments.clone())
    }

    fn first_page(&self) -> u64 {
        self.first_page
    }

    fn base_at(&self, page_no: u64) -> Option<Base> {
        self.log.bases.get(usize::try_from(page_no).ok()?).copied()
    }

    fn committed_seq(&self) -> u64 {
        self.log.last_seq()
    }

    fn state_version(&self) -> u64 {
        self.state_version
    }

    fn state(&self) -> Vec<u8> {
        b"a state".to_vec()
    }

    fn seed(&self, _standby: &Hello) -> Option<Box<dyn SeedSource + Send>> {
        let base = self.base_at(self.first_page)?;
        let seed = seed(base, self.end().page_no, self.log.epochs.clone());
        Some(Box::new(Snapshot { seed, segments: self.log.segments.clone() }))
    }
}

/// Who leads in an epoch.
pub(crate) fn lead(epoch: u32) -> Lead {
    Lead {
        node: "a".to_owned(),
        fix: "127.0.0.1:4001".to_owned(),
        epoch,
        cluster_id: CLUSTER_ID,
        version: 1,
        in_sync: vec!["a".to_owned()],
    }
}

/// A seed of the pages from a base on.
pub(crate) fn seed(base: Base, end_page: u64, epochs: Vec<EpochStart>) -> Seed {
    Seed { seq: base.first_seq, snapshot_bytes: SNAPSHOT_BYTES, base, end_page, epochs, event_pages: (3, 5) }
}

struct Snapshot {
    seed: Seed,
    segments: Segments,
}

impl SeedSource for Snapshot {
    fn seed(&self) -> &Seed {
        &self.seed
    }

    fn read_snapshot(&mut self, _offset: u64, into: &mut [u8]) -> io::Result<()> {
        into.fill(7);
        Ok(())
    }

    fn read_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()> {
        assert!(self.segments.read_page(page_no, into)?, "page {page_no} is stored");
        Ok(())
    }

    fn read_event_page(&mut self, _page_no: u64, into: &mut Page) -> io::Result<()> {
        into.fill(8);
        Ok(())
    }
}

impl Port for Node {
    fn answer(&mut self, ask: &Ask) -> Answer {
        assert!(ask.node.len() <= 4096, "no frame of this kind is longer");
        Answer {
            node: "a".to_owned(),
            role: if self.leads { Role::Primary } else { Role::Standby },
            cluster_id: Some(CLUSTER_ID),
            epoch: self.log.epoch(),
            promised_epoch: self.promised,
            end: self.end(),
            log_epoch: self.log.epoch(),
            last_seq: self.log.last_seq(),
            synced_seq: 0,
            in_sync: vec!["a".to_owned()],
            state_version: self.state_version,
            boot_id: [1; 16],
            incarnation: 1,
            primary: Some("p".to_owned()),
            primary_address: Some("127.0.0.1:1".to_owned()),
            fix: "127.0.0.1:4001".to_owned(),
            is_whole: true,
            state: vec![b' '; 2000],
        }
    }

    fn promise(&mut self, epoch: u32) -> Promise {
        let is_new = epoch > self.promised;
        self.promised = self.promised.max(epoch);
        Promise {
            node: "a".to_owned(),
            epoch,
            made: if is_new { Ok(()) } else { Err(format!("promised {} already", self.promised)) },
            opens: false,
            promised_epoch: self.promised,
            end: self.end(),
            last_seq: self.log.last_seq(),
            synced_seq: 0,
        }
    }

    fn ship(&self) -> Option<&dyn Ship> {
        self.leads.then_some(self)
    }

    fn event(&mut self, _standby: &str, event: Event) {
        self.events.push(event);
    }

    fn gone(&mut self, _standby: &str, _why: &Gone) {}
}
