//! Following a primary: what it sends is appended, applied, published and acknowledged, in this order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rialto_engine::clock::{Clock, WallClock};
use rialto_engine::follow::Claim;
use rialto_journal::cursor::Gate;
use rialto_journal::position::Position;
use rialto_journal::record::Record;
use rialto_journal::recover::divergent::Divergent;
use rialto_journal::recover::scan::Base;
use rialto_replicator::gone::Gone;
use rialto_replicator::link::{Upstream, UpstreamOptions};
use rialto_replicator::message::{Ack, Heartbeat, Lead, Promise, Reject, Role, Seed};
use rialto_replicator::standby::{Event, agreed};
use rialto_replicator::state::ClusterState;

use super::{Engine, Next, note_whole};
use crate::serve::cluster::FAILURE_FENCED;
use crate::serve::divergence::came_again;
use crate::serve::run::{Again, End};

/// To be connected, and to hear of a primary that is there: it says something every 25 ms.
const CONNECT: Duration = Duration::from_millis(300);
const SILENCE: Duration = Duration::from_secs(1);
/// Longest sleep while nothing comes.
const SLEEP_MAX: Duration = Duration::from_millis(20);
/// Acknowledgements that nobody waits for are at least so far apart.
const ACK_ALONE: Duration = Duration::from_millis(5);
/// How long a primary that was asked to hand over may take.
const PLANNED_MAX: Duration = Duration::from_secs(4);
/// Clocks further apart are an alarm.
const SKEW_ALARM_NS: u64 = 100_000_000;

/// What a batch of what the primary said came to.
#[derive(Default)]
struct Heard {
    /// The primary serves this node.
    begins: bool,
    /// Records came, or a page's end.
    taken: bool,
    /// The primary hands over, in this epoch.
    handover: Option<u32>,
    /// This life ends.
    again: Option<Again>,
    /// Not served: look for another.
    rejected: bool,
    /// What this node lacks comes as a seed.
    seed: Option<Box<(Lead, Seed)>>,
}

impl Engine {
    /// Follows the node at `address` until the connection ends (`None`), or something else comes.
    pub(super) fn follow(&mut self, address: SocketAddr) -> Option<Next> {
        let hello = match self.hello() {
            Ok(hello) => hello,
            Err(why) => {
                tracing::error!(why, "cannot say what this node has");
                return None;
            }
        };
        let options = UpstreamOptions { addresses: vec![address], connect: CONNECT, silence: SILENCE };
        let mut upstream = match Upstream::connect(&options, &self.parts.cluster.credentials, hello) {
            Ok(upstream) => upstream,
            Err(error) => {
                tracing::debug!(%error, "the primary cannot be reached");
                return None;
            }
        };
        *self.parts.life.upstream.lock() = Some(Arc::clone(upstream.doorbell()));
        let next = self.stream(&mut upstream);
        *self.parts.life.upstream.lock() = None;
        next.unwrap_or_else(|gone| {
            tracing::warn!(%gone, "the primary's connection ended");
            None
        })
    }

    fn stream(&mut self, upstream: &mut Upstream) -> Result<Option<Next>, Gone> {
        let mut acked = (Ack::default(), Instant::now());
        let mut is_served = false;
        let mut claims: Vec<Claim> = Vec::new();
        loop {
            if let Some(end) = self.ended() {
                return Ok(Some(Next::End(end)));
            }
            if let Some(order) = self.parts.orders.try_recv().ok()
                && let Some(lead) = self.ordered_while_following(order, upstream.address())
            {
                return Ok(Some(Next::Lead(Box::new(lead))));
            }
            if self.planned.as_ref().is_some_and(|(_, since)| since.elapsed() > PLANNED_MAX) {
                self.planned_failed("time is up");
            }
            upstream.poll(SLEEP_MAX)?;
            let heard = self.hear(upstream)?;
            if let Some(again) = heard.again {
                return Ok(Some(Next::End(End::Again(again))));
            }
            if let Some(seed) = heard.seed {
                return self.be_seeded(upstream, *seed);
            }
            if heard.rejected {
                thread::sleep(super::SEEK);
                return Ok(None);
            }
            if heard.taken {
                self.parts.follower.publish();
            }
            is_served |= heard.begins;
            if is_served {
                self.acknowledge(upstream, &mut acked)?;
            }
            // Traders wait for the acknowledgement, and for nothing that comes behind it.
            if heard.taken {
                claims.append(&mut self.parts.follower.take_claims());
                if self.parts.follower.has_closed() {
                    self.parts.wiring.storage_bell.notify();
                }
            }
            self.look_at_cut();
            if let Some(end) = self.compare(&mut claims) {
                return Ok(Some(end));
            }
            if self.lease_is_gone() && heard.handover.is_none() {
                return Ok(None);
            }
            if let Some(epoch) = heard.handover {
                return Ok(self.take_over(epoch).map(|lead| Next::Lead(Box::new(lead))));
            }
        }
    }

    /// All that has come.
    fn hear(&mut self, upstream: &mut Upstream) -> Result<Heard, Gone> {
        let mut heard = Heard::default();
        let mut promise = None;
        while let Some(event) = upstream.next_event()? {
            match event {
                Event::Stream { lead, .. } => {
                    heard.begins = true;
                    self.begin(&lead);
                }
                Event::Run { epoch, position, bytes, .. } => {
                    heard.taken = true;
                    match self.take_run(epoch, position, bytes) {
                        Some(true) => {}
                        Some(false) => return Ok(heard),
                        None => {
                            heard.again = Some(Again::Fenced);
                            return Ok(heard);
                        }
                    }
                }
                Event::Close { page_no } => {
                    if let Err(error) = self.parts.follower.close_page(page_no) {
                        tracing::error!(%error, "a page's end does not fit");
                        heard.again = Some(Again::Fenced);
                    }
                    heard.taken = true;
                }
                Event::Committed(heartbeat) => {
                    if heard.taken {
                        self.parts.follower.publish();
                    }
                    self.committed(&heartbeat);
                }
                Event::State(bytes) => self.learn(bytes),
                Event::Fence { epoch } => promise = Some(epoch),
                Event::Handover { epoch } => heard.handover = Some(epoch),
                Event::Truncate { bases, lead } => {
                    heard.again = Some(self.truncated(&bases, &lead));
                    return Ok(heard);
                }
                Event::Reject(reject) => {
                    heard.rejected = true;
                    heard.again = rejected(&reject);
                    return Ok(heard);
                }
                Event::Seed { lead, seed } => {
                    heard.seed = Some(Box::new((lead, seed)));
                    return Ok(heard);
                }
                Event::SnapshotBytes { .. }
                | Event::Page { .. }
                | Event::EventPage { .. }
                | Event::SeedDone => unreachable!("they come behind a Seed, and not here"),
            }
        }
        if let Some(epoch) = promise {
            self.promised(upstream, epoch)?;
        }
        Ok(heard)
    }

    /// Takes the records of a run: `Some(false)` if the node ends meanwhile, `None` if they cannot be followed.
    fn take_run(&mut self, epoch: u32, position: Position, mut rest: &[u8]) -> Option<bool> {
        let mut at = position;
        while !rest.is_empty() {
            // The connection has checked them: each is whole.
            let record = Record::parse(rest).ok()?.bytes();
            if !self.wait_for_room() {
                return Some(false);
            }
            if let Err(error) = self.parts.follower.take(epoch, at, record) {
                tracing::error!(%error, "what the primary sent cannot be followed");
                return None;
            }
            at = at.plus(record.len());
            rest = &rest[record.len()..];
        }
        Some(true)
    }

    /// What this node has from some page on is not the primary's.
    fn truncated(&self, bases: &[Base], lead: &Lead) -> Again {
        match agreed(bases, |page_no| self.parts.life.base_at(page_no)) {
            Some(base) => {
                tracing::warn!(primary = lead.node, page = base.page_no, "this log has to be cut back");
                Again::Cut(base.page_no)
            }
            None => Again::Anew,
        }
    }

    /// A primary serves this node.
    fn begin(&mut self, lead: &Lead) {
        let super::Parts { cluster, life, .. } = &self.parts;
        tracing::info!(primary = lead.node, epoch = lead.epoch, "following");
        if *life.promised.lock() < lead.epoch
            && let Err(why) = life.promise(lead.epoch)
        {
            tracing::error!(why, "the primary's epoch could not be promised");
        }
        cluster.standing.set_primary(Some(lead.fix.clone()));
        life.become_(Role::Standby, lead.epoch);
        life.cursors.set_gate(Gate::Standby);
        self.said = None;
    }

    /// Waits until the logs have room; false if the node ends.
    fn wait_for_room(&mut self) -> bool {
        while !self.parts.follower.has_room() {
            self.parts.follower.publish();
            self.parts.wiring.storage_bell.notify();
            if self.ended().is_some() {
                return false;
            }
            thread::sleep(Duration::from_micros(200));
        }
        true
    }

    fn committed(&mut self, heartbeat: &Heartbeat) {
        let life = &self.parts.life;
        if life.cursors.follow(heartbeat.committed_seq) {
            life.readers.wake();
        }
        let is_lacking = !life.counted.lock().is_whole();
        if is_lacking && life.cursors.published() >= heartbeat.committed_seq {
            note_whole(life);
        }
        let before = self.skew.ns();
        self.skew.note(Instant::now(), WallClock.now().0.abs_diff(heartbeat.wall_ns));
        let skew = self.skew.ns();
        if skew > SKEW_ALARM_NS && before <= SKEW_ALARM_NS {
            tracing::error!(ms = skew / 1_000_000, "alarm: this node's clock is apart from the primary's");
        }
    }

    /// The cluster's state as the primary knows it.
    pub(super) fn learn(&self, bytes: &[u8]) {
        let super::Parts { cluster, life, .. } = &self.parts;
        let state = match ClusterState::from_bytes(bytes) {
            Ok(state) => state,
            Err(error) => return tracing::error!(%error, "the primary's cluster state makes no sense"),
        };
        let kept = match &cluster.local {
            Some(local) => local.learn(&state).map_err(|error| error.to_string()),
            None => cluster.meta.keep(Some(&state)),
        };
        if let Err(error) = kept {
            tracing::error!(%error, "the cluster's state could not be kept");
        }
        let mut counted = life.counted.lock();
        (counted.policy, counted.led) = (state.policy, false);
        drop(counted);
        life.saw(state);
    }

    /// Whether what was cut off has come again as it was, once there is as much of the log: then it is not kept.
    fn look_at_cut(&mut self) {
        let last = |cut: &Divergent| cut.commands.map_or(0, |(_, last)| last);
        let sequence = self.parts.follower.sequence().0;
        let Some(cut) = self.parts.cut.take_if(|cut| last(cut) <= sequence) else { return };
        let life = &self.parts.life;
        match came_again(&cut, &life.commands, life.command_segments()) {
            Ok(true) => tracing::info!(page = cut.page_no, "what was cut off came again as it was: not kept"),
            Ok(false) => {
                tracing::error!(kept = %cut.kept.display(), "the cluster went on without the end of this log");
            }
            Err(error) => tracing::warn!(%error, "what was cut off could not be compared: it is kept"),
        }
    }

    /// Compares what the primary said of its events with this node's own, once they are stored.
    fn compare(&self, claims: &mut Vec<Claim>) -> Option<Next> {
        let hashes = &self.parts.life.event_hashes;
        while let Some(claim) = claims.first().copied() {
            if hashes.latest().0 < claim.page {
                return None;
            }
            claims.remove(0);
            let Some(mine) = hashes.at(claim.page) else { continue };
            if mine != claim.hash {
                let path = self.parts.plan.dir.join(format!("divergent/events-{}.txt", claim.sequence));
                let text = format!(
                    "command {}: the primary's events up to page {} hash to {}, this node's to {}\n",
                    claim.sequence,
                    claim.page,
                    rialto_journal::segment::hex(&claim.hash),
                    rialto_journal::segment::hex(&mine),
                );
                std::fs::write(&path, text).ok();
                tracing::error!(
                    sequence = claim.sequence,
                    report = %path.display(),
                    "alarm: this node's events differ from the primary's: it follows no further"
                );
                self.parts.life.cursors.fail(FAILURE_FENCED);
                return Some(Next::End(End::Failed));
            }
        }
        None
    }

    /// Whether the lease is gone and this node may be one that leads next.
    fn lease_is_gone(&self) -> bool {
        let super::Parts { cluster, life, .. } = &self.parts;
        let is_gone = cluster.lease_gone.load(Ordering::Acquire);
        is_gone && life.state().is_some_and(|state| state.is_in_sync(&cluster.me))
    }

    /// Acknowledges what is new since the last time, unless a later epoch was promised meanwhile. What nobody waits for
    /// does not go out alone each time.
    fn acknowledge(&self, upstream: &mut Upstream, acked: &mut (Ack, Instant)) -> Result<(), Gone> {
        let life = &self.parts.life;
        let (pages, hash) = life.event_hashes.latest();
        let received = self.parts.follower.sequence().0;
        let ack = Ack {
            epoch: life.epoch(),
            received,
            synced: life.cursors.synced(),
            applied: received,
            event_pages: pages,
            event_hash: hash,
        };
        let (before, since) = acked;
        let is_awaited = ack.received > before.received
            || (ack.synced > before.synced && life.cursors.policy().asks_standbys_disk());
        if !is_awaited && (ack == *before || since.elapsed() < ACK_ALONE) || life.role() != Role::Standby {
            return Ok(());
        }
        let promised = life.promised.lock();
        if *promised > life.epoch() {
            return Err(Gone::NotLeading(life.epoch()));
        }
        upstream.ack(&ack)?;
        drop(promised);
        *acked = (ack, Instant::now());
        Ok(())
    }

    pub(super) fn promised(&self, upstream: &mut Upstream, epoch: u32) -> Result<(), Gone> {
        let life = &self.parts.life;
        let made = life.promise(epoch);
        let promised_epoch = *life.promised.lock();
        upstream.promise(&Promise {
            node: self.parts.cluster.me.clone(),
            epoch,
            made,
            opens: false,
            promised_epoch,
            end: life.stored_end(),
            last_seq: life.cursors.published(),
            synced_seq: life.cursors.synced(),
        })
    }

    /// The primary hands over: this node has applied all, and leads.
    fn take_over(&mut self, epoch: u32) -> Option<super::Lead> {
        let since = Instant::now();
        let life = Arc::clone(&self.parts.life);
        let state = life.state()?;
        match self.open(&state, epoch, &[], (false, true)) {
            Ok(lead) => Some(super::Lead { since, ..lead }),
            Err(why) => {
                tracing::error!(why, "this node cannot take over");
                None
            }
        }
    }
}

/// What a node does that was turned away.
fn rejected(reject: &Reject) -> Option<Again> {
    if let Reject::Diverged(why) = reject {
        tracing::error!(why, "alarm: this node's history differs from the primary's");
        return Some(Again::Anew);
    }
    tracing::warn!(%reject, "not served");
    None
}
