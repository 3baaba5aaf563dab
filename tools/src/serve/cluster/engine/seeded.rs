//! Being seeded: what the primary no longer has as a log comes as its snapshot and the pages that belong to it.
//!
//! All of it is written beside what the node has, which it stays until the whole of the seed is durable and this build
//! has read its state. Then this life ends, and the next one begins with the seed.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rialto_engine::exchange::Exchange;
use rialto_journal::error::JournalError;
use rialto_journal::layout::Page;
use rialto_journal::seed::{SeedPlan, SeedWriter};
use rialto_journal::storage::FAILURE_STORAGE;
use rialto_replicator::gone::Gone;
use rialto_replicator::link::Upstream;
use rialto_replicator::message::{Lead, Seed};
use rialto_replicator::standby::Event;

use super::{Engine, Next};
use crate::serve::run::{Again, End};

/// Longest sleep while nothing comes.
const SLEEP_MAX: Duration = Duration::from_millis(20);
/// Before a seed is asked for again that could not be taken.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a seed comes no further.
enum Stopped {
    Gone(Gone),
    Journal(JournalError),
    Unfit(String),
    Next(Next),
}

impl From<Gone> for Stopped {
    fn from(gone: Gone) -> Self {
        Stopped::Gone(gone)
    }
}

impl From<JournalError> for Stopped {
    fn from(error: JournalError) -> Self {
        Stopped::Journal(error)
    }
}

impl Engine {
    /// Takes a seed; then this life ends. `None`: it has to be asked for again.
    pub(super) fn be_seeded(
        &mut self,
        upstream: &mut Upstream,
        (lead, seed): (Lead, Seed),
    ) -> Result<Option<Next>, Gone> {
        tracing::warn!(
            primary = lead.node,
            seq = seed.seq,
            bytes = seed.snapshot_bytes,
            pages = seed.end_page - seed.base.page_no,
            "the primary has no more of the log that this node lacks: it is seeded"
        );
        match self.receive_seed(upstream, &lead, &seed) {
            Ok(()) => return Ok(Some(Next::End(End::Again(Again::Seeded)))),
            Err(Stopped::Next(next)) => return Ok(Some(next)),
            Err(Stopped::Gone(gone)) => return Err(gone),
            Err(Stopped::Journal(error)) if error.is_no_space() => {
                tracing::error!(%error, "no seed: the disk has no room");
            }
            Err(Stopped::Journal(error)) => {
                tracing::error!(%error, "the seed could not be taken");
                if matches!(error, JournalError::Disk { .. }) {
                    // What a disk did not keep here it may not have kept elsewhere.
                    self.parts.life.cursors.fail(FAILURE_STORAGE);
                    return Ok(Some(Next::End(End::Failed)));
                }
            }
            Err(Stopped::Unfit(why)) => tracing::error!(why, "alarm: the seed cannot be run here"),
        }
        thread::sleep(AGAIN);
        Ok(None)
    }

    fn receive_seed(&mut self, upstream: &mut Upstream, lead: &Lead, seed: &Seed) -> Result<(), Stopped> {
        let life = Arc::clone(&self.parts.life);
        let mut writer = SeedWriter::begin(SeedPlan {
            disk: Arc::clone(&life.disk),
            dir: life.dir.clone(),
            cluster_id: lead.cluster_id,
            state_machine: rialto_protocol::VERSION,
            segment_bytes: self.parts.plan.segment_bytes,
            snapshot: Some(seed.seq),
            base: seed.base,
            end_page: seed.end_page,
            event_pages: seed.event_pages.0..seed.event_pages.1,
        })?;
        while !writer.prepare()? {
            self.look_aside(upstream)?;
            upstream.poll(Duration::ZERO)?;
        }
        loop {
            self.look_aside(upstream)?;
            upstream.poll(SLEEP_MAX)?;
            if self.take_seed(upstream, &mut writer)? {
                break;
            }
        }
        let whole = writer.finish()?;
        let snapshot = whole.snapshot.as_ref().expect("a seed between nodes has a snapshot");
        Exchange::from_state_body(&snapshot.body).map_err(|error| Stopped::Unfit(error.to_string()))?;
        if *life.promised.lock() < lead.epoch {
            life.promise(lead.epoch).map_err(Stopped::Unfit)?;
        }
        let seeded = whole.take(&life.meta)?;
        tracing::info!(seq = seeded.snapshot, end_page = seeded.end_page, "the seed is whole");
        Ok(())
    }

    /// What else may end or change this life meanwhile.
    fn look_aside(&mut self, upstream: &Upstream) -> Result<(), Stopped> {
        if let Some(end) = self.ended() {
            return Err(Stopped::Next(Next::End(end)));
        }
        match self.parts.orders.try_recv() {
            Ok(order) => match self.ordered_while_following(order, upstream.address()) {
                Some(lead) => Err(Stopped::Next(Next::Lead(Box::new(lead)))),
                None => Ok(()),
            },
            Err(_) => Ok(()),
        }
    }

    /// Takes what of the seed has come; whether that was the end of it.
    fn take_seed(&self, upstream: &mut Upstream, writer: &mut SeedWriter) -> Result<bool, Stopped> {
        let mut promise = None;
        while let Some(event) = upstream.next_event()? {
            match event {
                Event::SnapshotBytes { offset, bytes } => writer.snapshot_bytes(offset, bytes)?,
                Event::Page { bytes, .. } => writer.page(page(bytes))?,
                Event::EventPage { bytes, .. } => writer.event_page(page(bytes))?,
                Event::SeedDone => return Ok(true),
                Event::State(bytes) => self.learn(bytes),
                Event::Fence { epoch } => promise = Some(epoch),
                // Nothing of it is released here before it is this node's.
                Event::Committed(_) => {}
                Event::Stream { .. }
                | Event::Truncate { .. }
                | Event::Seed { .. }
                | Event::Reject(_)
                | Event::Run { .. }
                | Event::Close { .. }
                | Event::Handover { .. } => unreachable!("the connection tells nothing else within a seed"),
            }
        }
        if let Some(epoch) = promise {
            self.promised(upstream, epoch)?;
        }
        Ok(false)
    }
}

fn page(bytes: &[u8]) -> &Page {
    bytes.try_into().expect("the connection tells whole pages")
}
