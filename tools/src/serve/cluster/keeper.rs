//! The primary's care for its cluster: who is in sync, whether the policy is met, the lease.
//!
//! *Shrink*: the state says that a standby is not in sync before the primary stops waiting for it. *Grow*: the primary
//! waits for a standby before the state says that it is in sync. So who may be promoted is always among those waited
//! for. Without a coordinator nobody leaves by itself: an operator says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rialto_engine::clock::{Clock, WallClock};
use rialto_journal::clock::boottime_ns;
use rialto_journal::cursor::{Gate, Policy};
use rialto_replicator::coordinator::{CoordinatorError, LeaseId, LeaseIs, Swap, settle};
use rialto_replicator::lease::{Tenure, Terms};
use rialto_replicator::message::{Answer, Role};
use rialto_replicator::state::{AckPolicy, ClusterState, Held, StateRefusal};

use super::awaited::Row;
use super::port::fence;
use super::{Cluster, Life};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// A standby that lacks something for so long leaves the in-sync set, where there is a coordinator; and the policy is
/// unmet.
const SHRINK_AFTER: Duration = Duration::from_millis(250);
/// Commands that a standby may lack and still join: it catches up with them while it is waited for.
const JOIN_LAG_MAX: u64 = 2048;

/// Without a coordinator: before a primary that a standby has left asks again who leads.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The lease that a primary holds.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// Its number.
    pub id: LeaseId,
    /// Until when it holds.
    pub tenure: Tenure,
}

/// Cares for the cluster while this life leads, until `stop` is set.
pub fn run(cluster: &Cluster, life: &Life, stop: &AtomicBool) {
    let mut asked = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let leads = life.role() == Role::Primary && !life.is_handing_over();
        if leads && life.cursors.failure().is_none() {
            look(cluster, life);
            if !cluster.coordinator.has_leases() && asked.elapsed() > ASK_AGAIN && is_left(life) {
                ask_who_leads(cluster, life);
                asked = Instant::now();
            }
        }
        thread::sleep(LOOK);
    }
}

/// Whether a standby that is waited for is not connected: another may have been promoted meanwhile.
fn is_left(life: &Life) -> bool {
    life.awaited.rows().iter().any(|(_, row)| row.awaited && !row.streams)
}

/// Without a coordinator nobody tells a primary that was paused or cut off who leads now: it asks.
fn ask_who_leads(cluster: &Cluster, life: &Life) {
    let heard = cluster.ask_others();
    let is_newer =
        |answer: &Answer| answer.epoch > life.epoch() && matches!(answer.role, Role::Primary | Role::Standby);
    if let Some((_, newer)) = heard.iter().find(|(_, answer)| is_newer(answer)) {
        fence(life, newer.epoch);
    }
}

fn look(cluster: &Cluster, life: &Life) {
    let Some(state) = life.state() else { return };
    life.awaited.set_too_few(state.in_sync.len() < state.min_in_sync());
    let rows = life.awaited.rows();
    for (name, row) in &rows {
        if !state.is_in_sync(name) && join(cluster, life, (name, row), &state) {
            return;
        }
        let leaves = row.differs || (cluster.coordinator.has_leases() && is_lost(row));
        if state.is_in_sync(name) && leaves && leave(cluster, life, name).is_ok() {
            return;
        }
    }
    keep_gate(life);
    let is_met = is_met(life, &rows, &state);
    let unmet = life.cursors.unmet_since_ns();
    if is_met && unmet != 0 {
        tracing::info!("the ack policy is met again");
        life.cursors.set_unmet_since_ns(0);
    } else if !is_met && unmet == 0 {
        tracing::error!(
            policy = life.cursors.policy().name(),
            "the ack policy is unmet: nothing is released"
        );
        life.cursors.set_unmet_since_ns(WallClock.now().0.max(1));
    }
}

/// Lets a standby join that has nearly caught up: it is waited for, and once it has all that was released, and the
/// epoch's first record (so that no late acknowledgement of an earlier epoch counts), the state says so. Whether the
/// state changed.
fn join(cluster: &Cluster, life: &Life, (name, row): (&str, &Row), state: &ClusterState) -> bool {
    let received = row.ack.received;
    let is_near = received + JOIN_LAG_MAX >= life.cursors.published();
    if !row.streams || row.differs || !is_near || row.behind() > SHRINK_AFTER {
        if row.awaited {
            life.awaited.wait_for(name, false);
        }
        return false;
    }
    if !row.awaited {
        life.awaited.wait_for(name, true);
        return false;
    }
    if received < life.cursors.released().max(state.epoch_start_seq) {
        return false;
    }
    change(cluster, life, |state| state.with(name)).is_ok()
}

fn is_lost(row: &Row) -> bool {
    row.awaited && (!row.streams || row.behind() > SHRINK_AFTER)
}

/// Without a lease nothing is released, and who wants to trade is told so.
fn keep_gate(life: &Life) {
    let holds = life.cursors.deadline() > boottime_ns();
    match life.cursors.gate() {
        Gate::Open if !holds => {
            tracing::error!("no lease: nothing is released until it is renewed");
            life.cursors.set_gate(Gate::Shut);
            life.readers.wake();
        }
        Gate::Shut if holds && life.role() == Role::Primary => {
            life.cursors.set_gate(Gate::Open);
            life.readers.wake();
        }
        Gate::Open | Gate::Shut | Gate::Standby | Gate::Starting => {}
    }
}

fn is_met(life: &Life, rows: &[(String, Row)], state: &ClusterState) -> bool {
    if state.in_sync.len() < state.min_in_sync() || life.cursors.gate() != Gate::Open {
        return false;
    }
    if life.cursors.deadline() <= boottime_ns() {
        return false;
    }
    let asks = life.cursors.policy().asks_standbys();
    let lacks = |row: &Row| row.awaited && (!row.streams || row.behind() > SHRINK_AFTER);
    !asks || !rows.iter().any(|(_, row)| lacks(row))
}

/// Takes a standby out of the in-sync set, and then stops waiting for it.
pub(super) fn leave(cluster: &Cluster, life: &Life, name: &str) -> Result<ClusterState, String> {
    let before = life.state().ok_or("the cluster's state is not known")?;
    let is_last = before.in_sync.len() == 2 && before.policy == AckPolicy::Ram;
    if is_last {
        // From here on this node's own copy may be the only one.
        life.cursors.set_policy(Policy::DiskRam);
    }
    let held = Held { released: life.cursors.released(), synced: life.cursors.synced() };
    let changed = change(cluster, life, |state| state.without(&[name], held));
    if changed.is_ok() {
        life.awaited.wait_for(name, false);
    }
    if is_last {
        life.cursors.set_policy(Policy::Ram);
    }
    changed
}

/// Changes the cluster's state, if this node still leads.
pub(super) fn change(
    cluster: &Cluster,
    life: &Life,
    transition: impl Fn(&ClusterState) -> Result<ClusterState, StateRefusal>,
) -> Result<ClusterState, String> {
    let view = cluster.coordinator.read().map_err(|error| error.to_string())?;
    let Some(now) = view.state().cloned() else { return Err("the cluster's state is gone".to_owned()) };
    if now.primary != cluster.me || now.epoch != life.epoch() {
        fence(life, now.epoch);
        return Err(format!("{} leads in epoch {} now", now.primary, now.epoch));
    }
    let next = transition(&now).map_err(|why| why.to_string())?;
    let swap = Swap { seen: view.seen(), lease_is: LeaseIs::Any, state: &next, hold: None };
    match settle(&*cluster.coordinator, &swap) {
        Ok(_) => {
            tracing::info!(in_sync = next.in_sync.join(","), policy = %next.policy, "the cluster's state changed");
            cluster.meta.keep(Some(&next)).map_err(|error| format!("node.meta: {error}"))?;
            life.saw(next.clone());
            cluster.port_bell.ring();
            Ok(next)
        }
        Err(CoordinatorError::Lost { why, now }) => {
            if let Some(now) = now.state()
                && (now.primary != cluster.me || now.epoch != life.epoch())
            {
                fence(life, now.epoch);
            }
            Err(why)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Renews the lease while this life leads, until `stop` is set.
pub fn renew(cluster: &Arc<Cluster>, life: &Life, lease: Lease, stop: &AtomicBool) {
    let Lease { id, mut tenure } = lease;
    while !stop.load(Ordering::Relaxed) && life.cursors.failure().is_none() {
        let now = boottime_ns();
        if tenure.is_due(now) {
            match cluster.coordinator.keep_alive(id) {
                Ok(granted) => {
                    tenure.renewed(now, u64::try_from(granted.as_nanos()).unwrap_or(u64::MAX));
                    if life.cursors.set_deadline(tenure.deadline_ns()) {
                        life.readers.wake();
                    }
                }
                Err(CoordinatorError::Expired) => {
                    tracing::error!("the lease is over: another node may lead by now");
                    fence(life, life.epoch());
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the lease could not be renewed");
                    tenure.tried(now);
                }
            }
        }
        thread::sleep(LOOK);
    }
    if life.cursors.is_draining() || life.cursors.failure().is_some() {
        cluster.coordinator.revoke(id).ok();
    }
}

/// A lease for the primary.
pub fn lease(cluster: &Cluster) -> Result<Lease, CoordinatorError> {
    let terms = Terms::default();
    let sent = boottime_ns();
    let granted = cluster.coordinator.grant(Duration::from_nanos(terms.ttl_ns))?;
    let life = u64::try_from(granted.ttl.as_nanos()).unwrap_or(u64::MAX);
    Ok(Lease { id: granted.lease, tenure: Tenure::granted(terms, sent, life) })
}
