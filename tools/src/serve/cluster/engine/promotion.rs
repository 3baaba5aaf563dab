//! How a node comes to lead: checks, promise, the swap of the cluster's state. What follows is the engine's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rialto_replicator::coordinator::{CoordinatorError, LeaseIs, Swap, settle};
use rialto_replicator::message::{Answer, Promise, Role};
use rialto_replicator::promote::copy::OwnCopy;
use rialto_replicator::promote::restart::better;
use rialto_replicator::promote::{Facts, LeaseSeen, Request, check, epoch_to_open};
use rialto_replicator::state::{ClusterState, Opening};

use super::keeper::{self, Lease};
use super::{Engine, Lead, Order, Parts, addresses, member_of};
use crate::request::{PossibleLoss, Promotion};

/// How long a member with a longer log is left the lead, before this one takes it.
const DEFER: Duration = Duration::from_millis(100);

/// Before a member is asked again that was about to lead itself.
const AGAIN: Duration = Duration::from_millis(20);

/// What the other members say to an epoch.
enum Fenced {
    /// None of them is against it; these did not answer.
    Kept(Vec<String>),
    /// One was about to lead itself, and gives up; the epoch that it promised.
    Again(u32),
    /// One gives no promise.
    Refused(String),
}

/// Why an epoch was not opened.
pub(super) struct Unopened {
    pub(super) why: String,
    /// The cluster's state does not say so either, and will not.
    is_sure: bool,
}

impl From<String> for Unopened {
    fn from(why: String) -> Self {
        Self { why, is_sure: true }
    }
}

impl Engine {
    /// Does what was ordered while no primary is followed; how to lead, if that is what comes of it.
    pub(super) fn ordered(&mut self, order: Order, heard: &[(SocketAddr, Answer)]) -> Option<Lead> {
        // To hand over is for a primary.
        let Order::Promote { request, reply } = order else { return None };
        match self.promote(request, heard) {
            Ok((lead, promotion)) => Some(Lead { reply: Some((reply, promotion)), ..lead }),
            Err(refused) => {
                reply.try_send(*refused).ok();
                None
            }
        }
    }

    /// The same while the node at `address` is followed, which hands over if that is asked for.
    pub(super) fn ordered_while_following(&mut self, order: Order, address: SocketAddr) -> Option<Lead> {
        let Order::Promote { request: Request::Planned, reply } = order else {
            let heard = self.parts.cluster.ask_others();
            return self.ordered(order, &heard);
        };
        let heard = self.parts.cluster.ask_others();
        if let Err(refused) = self.check(Request::Planned, &heard) {
            reply.try_send(*refused).ok();
            return None;
        }
        self.planned = Some((reply, Instant::now()));
        if self.parts.cluster.ask(address, true).is_none() {
            self.planned_failed("the primary does not answer");
        }
        None
    }

    /// A planned switch that has not come about in time is given up.
    pub(super) fn planned_failed(&mut self, why: &str) {
        if let Some((reply, _)) = self.planned.take() {
            reply.try_send(Promotion::refused("primary-alive", format!("it did not hand over: {why}"))).ok();
        }
    }

    /// Takes the lead because the lease is gone, if this node may.
    pub(super) fn automatic(&mut self, heard: &[(SocketAddr, Answer)]) -> Result<Option<Lead>, String> {
        let state = self.state(heard)?.ok_or("the cluster's state is gone")?;
        let facts = self.facts(Request::Automatic, heard, &state)?;
        check(&facts).map_err(|refused| refused.to_string())?;
        let members = heard.iter().filter(|(_, answer)| state.is_in_sync(&answer.node));
        let members: Vec<_> = members.map(|(_, answer)| member_of(answer, &state)).collect();
        if let Some(other) = better(&self.own(), &members) {
            let since = *self.deferred.get_or_insert_with(Instant::now);
            if since.elapsed() < DEFER {
                return Err(format!("{}, whose log is longer", other.name));
            }
        }
        self.deferred = None;
        let epoch = self.epoch_above(&state, heard)?;
        self.open(&state, epoch, &[], (false, false)).map(Some)
    }

    /// Leads again after a restart: the members that were heard promise the epoch, and are waited for from its beginning.
    pub(super) fn take_lead(
        &mut self,
        state: &ClusterState,
        heard: &[(SocketAddr, Answer)],
        loss: bool,
    ) -> Result<Option<Lead>, String> {
        if let LeaseSeen::Held(holder) = self.lease_seen()?
            && holder != self.parts.cluster.me
        {
            return Err(format!("the lease of {holder} to end"));
        }
        let epoch = self.epoch_above(state, heard)?;
        let mut kept = Vec::new();
        for (address, answer) in heard {
            if state.is_in_sync(&answer.node) && answer.node != self.parts.cluster.me {
                if self.fence(*address, epoch).is_none_or(|promise| promise.made.is_err()) {
                    return Err(format!("{} to promise epoch {epoch}", answer.node));
                }
                kept.push(answer.node.as_str());
            }
        }
        self.open(state, epoch, &kept, (loss, false)).map(Some)
    }

    /// A person wants this node to lead.
    fn promote(
        &mut self,
        request: Request,
        heard: &[(SocketAddr, Answer)],
    ) -> Result<(Lead, Promotion), Box<Promotion>> {
        if let Some(led) = self.lead_what_is_left(request, heard) {
            return led;
        }
        let (state, skipped_loss) = self.check(request, heard)?;
        let failed = |why: String| Box::new(Promotion::refused("epoch", why));
        let mut epoch = self.epoch_above(&state, heard).map_err(failed)?;
        let life = Arc::clone(&self.parts.life);
        let kept = loop {
            life.claim(epoch).map_err(failed)?;
            match self.fence_others(&state, heard, epoch) {
                Fenced::Kept(kept) => break kept,
                Fenced::Again(promised) => epoch = promised.saturating_add(1),
                Fenced::Refused(why) => {
                    // Others may have promised it to this node, but nobody saw it opened.
                    life.disclaim(true);
                    return Err(failed(why));
                }
            }
        };
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        let lead = self.open(&state, epoch, &kept, (skipped_loss, false)).map_err(failed)?;
        let me = self.parts.cluster.me.clone();
        let possible_loss = skipped_loss.then(|| self.report_loss(&lead.state, &state));
        Ok((
            lead,
            Promotion { promoted: Some(me), epoch: Some(epoch), possible_loss, ..Promotion::default() },
        ))
    }

    /// By force, where no node and no coordinator knows of the cluster any more, and this one was restored.
    fn lead_what_is_left(
        &mut self,
        request: Request,
        heard: &[(SocketAddr, Answer)],
    ) -> Option<Result<(Lead, Promotion), Box<Promotion>>> {
        let from_seq = self.parts.follower.sequence().0 + 1;
        let is_left = request == Request::Forced && from_seq > 1 && self.state(heard) == Ok(None);
        if !is_left || heard.iter().any(|(_, answer)| answer.role == Role::Primary) {
            return None;
        }
        tracing::warn!(from_seq, "the cluster begins again with what this node has");
        let me = self.parts.cluster.me.clone();
        let led = self.begin_cluster(true).map(|lead| {
            let possible_loss = Some(PossibleLoss { from_seq, to_seq: None, report: None });
            let (promoted, epoch) = (Some(me), Some(lead.state.epoch));
            (lead, Promotion { promoted, epoch, possible_loss, ..Promotion::default() })
        });
        Some(led.map_err(|why| Box::new(Promotion::refused("epoch", why))))
    }

    /// The checks; the state that they looked at, and whether what was acknowledged may be lost.
    fn check(
        &mut self,
        request: Request,
        heard: &[(SocketAddr, Answer)],
    ) -> Result<(ClusterState, bool), Box<Promotion>> {
        let refused = |check: &str, why: &str| Box::new(Promotion::refused(check, why));
        let state = self.state(heard).map_err(|why| refused("lease", &why))?;
        let state = state.ok_or_else(|| refused("in-sync", "this node knows of no cluster yet"))?;
        let facts = self.facts(request, heard, &state).map_err(|why| refused("lease", &why))?;
        let promised = *self.parts.life.promised.lock();
        let has_leases = self.parts.cluster.coordinator.has_leases();
        let is_bound = !has_leases && promised > state.epoch && request != Request::Forced;
        let cleared =
            check(&facts).map_err(|refused| Promotion::refused(refused.check.word(), refused.why.clone()))?;
        if is_bound {
            let why = format!(
                "this node has promised epoch {promised} to another node, and knows of epoch {}: \
                     look at `rialto status` of all nodes",
                state.epoch
            );
            return Err(refused("epoch", &why));
        }
        for skipped in &cleared.skipped {
            tracing::warn!(%skipped, "passed over by force");
        }
        Ok((state, cleared.is_loss()))
    }

    fn facts(
        &self,
        request: Request,
        heard: &[(SocketAddr, Answer)],
        state: &ClusterState,
    ) -> Result<Facts, String> {
        let Parts { cluster, life, follower, .. } = &self.parts;
        let leads = |answer: &Answer| answer.node == state.primary && answer.role == Role::Primary;
        let nodes = cluster.peers.iter().map(|(name, _)| name.clone());
        Ok(Facts {
            candidate: cluster.me.clone(),
            request,
            nodes: nodes.chain([cluster.me.clone()]).collect(),
            state: state.clone(),
            asked_at_epoch: state.epoch,
            lease: self.lease_seen()?,
            leads: life.role() == Role::Primary,
            primary_leads: heard.iter().find(|(_, answer)| leads(answer)).map(|(_, answer)| answer.epoch),
            copy: OwnCopy {
                epoch: follower.epoch(),
                received: follower.sequence().0,
                applied: follower.sequence().0,
                fault: None,
                version: None,
                counted: *life.counted.lock(),
            },
            heard: heard
                .iter()
                .filter(|(_, answer)| state.is_in_sync(&answer.node))
                .map(|(_, answer)| answer.node.clone())
                .collect(),
            tenure_ns: life.tenure().map(|tenure| u64::try_from(tenure.as_nanos()).unwrap_or(u64::MAX)),
            skew_ns: self.skew.ns(),
        })
    }

    fn lease_seen(&self) -> Result<LeaseSeen, String> {
        let coordinator = &self.parts.cluster.coordinator;
        if !coordinator.has_leases() {
            return Ok(LeaseSeen::NoCoordinator);
        }
        let view = coordinator.read().map_err(|error| error.to_string())?;
        Ok(view.holder.map_or(LeaseSeen::Absent, |holder| LeaseSeen::Held(holder.node)))
    }

    /// An epoch above all that is known here or was promised by anyone who was heard.
    fn epoch_above(&self, state: &ClusterState, heard: &[(SocketAddr, Answer)]) -> Result<u32, String> {
        let mine = *self.parts.life.promised.lock();
        let promised = heard.iter().map(|(_, answer)| answer.promised_epoch).fold(mine, u32::max);
        epoch_to_open(state, promised).ok_or_else(|| "there are no more epochs".to_owned())
    }

    /// Without a coordinator: asks the other members for their promise. Those that do not answer, but for the primary
    /// that is replaced, are waited for: they may be promoted without knowing of this epoch. One that is about to lead
    /// itself gives none: of two that ask each other the one whose name comes first asks again for a higher epoch, the
    /// other gives up.
    fn fence_others(&self, state: &ClusterState, heard: &[(SocketAddr, Answer)], epoch: u32) -> Fenced {
        let mut kept = Vec::new();
        if self.parts.cluster.coordinator.has_leases() {
            return Fenced::Kept(kept);
        }
        let me = &self.parts.cluster.me;
        for name in state.in_sync_but(me).filter(|name| *name != state.primary) {
            let address = heard.iter().find(|(_, answer)| answer.node == name).map(|(address, _)| *address);
            let known = self.parts.cluster.address_of(name);
            let address = address.or_else(|| known.and_then(|known| addresses(&known).first().copied()));
            match address.and_then(|address| self.fence(address, epoch)) {
                None => kept.push(name.to_owned()),
                Some(Promise { made: Ok(()), .. }) => {}
                Some(Promise { promised_epoch, opens: true, .. }) if me.as_str() < name => {
                    thread::sleep(AGAIN);
                    return Fenced::Again(promised_epoch.max(epoch));
                }
                Some(Promise { made: Err(why), .. }) => {
                    return Fenced::Refused(format!("{name} gives no promise: {why}"));
                }
            }
        }
        Fenced::Kept(kept)
    }

    /// Promises the epoch, and has the cluster's state say that this node leads it.
    pub(super) fn open(
        &mut self,
        state: &ClusterState,
        epoch: u32,
        kept: &[&str],
        (loss, takes_over): (bool, bool),
    ) -> Result<Lead, String> {
        let Parts { cluster, life, follower, .. } = &mut self.parts;
        follower.publish();
        life.claim(epoch)?;
        let end = life.stored_end();
        let at = follower.end();
        let has_open_page = at.offset() > rialto_journal::layout::PAGE_HEADER_BYTES;
        let opening = Opening {
            epoch,
            primary: cluster.me.clone(),
            start_page: at.page() + u64::from(has_open_page),
            start_seq: follower.sequence().0 + 1,
            prev_end_page: end.page_no,
            prev_chain: end.chain,
            loss,
        };
        let next = state.opened(&opening, kept).map_err(|why| Unopened::from(why.to_string()));
        let lead = next.and_then(|next| self.swap(next, (Some(state), takes_over)));
        lead.map_err(|unopened| {
            self.parts.life.disclaim(unopened.is_sure);
            unopened.why
        })
    }

    /// Has the cluster's state be this, if it still is what was `seen`.
    pub(super) fn swap(
        &mut self,
        next: ClusterState,
        (seen, takes_over): (Option<&ClusterState>, bool),
    ) -> Result<Lead, Unopened> {
        let since = Instant::now();
        let Parts { cluster, life, .. } = &self.parts;
        let coordinator = &*cluster.coordinator;
        let view = coordinator.read().map_err(|error| error.to_string())?;
        if view.state() != seen {
            return Err("the cluster's state was changed by another".to_owned().into());
        }
        let grant = || keeper::lease(cluster).map_err(|error| error.to_string());
        let lease: Option<Lease> = coordinator.has_leases().then(grant).transpose()?;
        // A primary that hands over leaves its own lease to be replaced.
        let lease_is = match (&lease, &view.holder) {
            (None, _) => LeaseIs::Any,
            (Some(_), Some(holder)) if takes_over => LeaseIs::Held(holder.lease),
            (Some(_), _) => LeaseIs::Absent,
        };
        let swap = Swap { seen: view.seen(), lease_is, state: &next, hold: lease.map(|lease| lease.id) };
        if let Err(error) = settle(coordinator, &swap) {
            if let Some(lease) = lease {
                coordinator.revoke(lease.id).ok();
            }
            let is_sure = matches!(error, CoordinatorError::Lost { .. } | CoordinatorError::Unreachable(_));
            let why = if let CoordinatorError::Lost { why, .. } = &error {
                format!("another was first: {why}")
            } else {
                error.to_string()
            };
            return Err(Unopened { why, is_sure });
        }
        cluster.meta.keep(Some(&next)).map_err(|why| Unopened { why, is_sure: false })?;
        life.saw(next.clone());
        Ok(Lead { state: next, lease, reply: None, since })
    }

    /// Writes what may be missing.
    fn report_loss(&self, opened: &ClusterState, before: &ClusterState) -> PossibleLoss {
        let path = self.parts.plan.dir.join(format!("divergent/loss-epoch-{}.txt", opened.epoch));
        let from_seq = opened.epoch_start_seq;
        let text = format!(
            "Epoch {} was opened by {} with --force --accept-loss.\n\
             The epoch before, {}, was led by {} under {}.\n\
             Commands from {from_seq} on that {} or others of ({}) acknowledged are not in this journal.\n\
             Their counters go on above these: no number is given twice.\n",
            opened.epoch,
            opened.primary,
            before.epoch,
            before.primary,
            before.policy,
            before.primary,
            before.in_sync.join(", "),
        );
        if let Err(error) = std::fs::write(&path, text) {
            tracing::error!(%error, "the report of the possible loss could not be written");
        }
        PossibleLoss { from_seq, to_seq: None, report: Some(path.display().to_string()) }
    }
}
