//! The coordinator: the one place that all nodes of a cluster agree by.
//!
//! It keeps three kinds of keys under `/rialto/CLUSTER/`: `state` (who leads, and whose copies are waited for),
//! `lease` (the primary's sign of life, gone with its lease) and `node/NAME` (where a node is, gone with its own
//! lease). Everything is decided by compare-and-swap of `state`. The lease gives liveness only; safety is the
//! standby's promise, kept in its own `node.meta`.
//!
//! Three implementations: etcd ([`etcd`]), none at all ([`local`]: one node, or promotion by hand), and a pretend
//! one for tests ([`pretend`]).

pub mod etcd;
pub mod keys;
pub mod local;
pub mod pretend;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::ClusterState;

/// Where in the coordinator's history something is: grows with each change of any key. 0 is before all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// A lease that the coordinator granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseId(pub i64);

/// A lease and the life it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// The lease.
    pub lease: LeaseId,
    /// Its life after each renewal.
    pub ttl: Duration,
}

/// Who holds the primary's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The node.
    pub node: String,
    /// The epoch that it holds it for.
    pub epoch: u32,
    /// The lease that the key goes with.
    pub lease: LeaseId,
}

/// What a node tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeNote {
    /// Its name.
    pub name: String,
    /// Where its replication port is.
    pub replication: String,
    /// Where its clients connect.
    pub fix: String,
    /// The kernel's boot id, in hex.
    pub boot_id: String,
    /// Random, new with each start of the process: two lives of one name are told apart by it.
    pub incarnation: u64,
    /// `starting`, `standby`, `primary`.
    pub role: String,
    /// The last epoch in its journal.
    pub epoch: u32,
    /// The last sequence in its journal.
    pub sequence: u64,
}

/// All that the coordinator keeps of a cluster, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The moment.
    pub revision: Revision,
    /// The state, and when it was last changed. `None`: nobody founded the cluster.
    pub state: Option<(ClusterState, Revision)>,
    /// Who holds the primary's lease.
    pub holder: Option<Holder>,
    /// The nodes that are there, by name.
    pub nodes: Vec<NodeNote>,
}

impl View {
    /// When the state was last changed; what a [`Swap`] must have seen.
    pub fn seen(&self) -> Revision {
        self.state.as_ref().map_or(Revision(0), |(_, revision)| *revision)
    }

    /// The state.
    pub fn state(&self) -> Option<&ClusterState> {
        self.state.as_ref().map(|(state, _)| state)
    }
}

/// What must hold of the primary's lease for a swap to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseIs {
    /// Anything.
    Any,
    /// Nobody holds it.
    Absent,
    /// The key goes with this lease: one's own, or that of the primary which hands over.
    Held(LeaseId),
}

/// A change of the state, to happen only if nobody changed it since it was seen.
#[derive(Debug, Clone, Copy)]
pub struct Swap<'a> {
    /// When the state that was seen was last changed; 0 if there was none.
    pub seen: Revision,
    /// What must hold of the lease.
    pub lease_is: LeaseIs,
    /// The state to be.
    pub state: &'a ClusterState,
    /// Take the primary's lease along, in the name of the new state's primary and epoch.
    pub hold: Option<LeaseId>,
}

/// Why the coordinator did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// Somebody else was first, or the lease is not as wanted: nothing was done, and this is how things are.
    #[error("lost the race: {why}")]
    Lost {
        /// Which condition did not hold.
        why: String,
        /// How things are.
        now: Box<View>,
    },
    /// Nobody answers: nothing was done.
    #[error("the coordinator cannot be reached: {0}")]
    Unreachable(String),
    /// No answer came back: it was done, or not, or will be yet. Read again before believing either.
    #[error("the coordinator's answer was lost: {0}")]
    Unknown(String),
    /// The lease is over.
    #[error("the lease is over")]
    Expired,
    /// The name is taken by another life of the node, or by another node.
    #[error(
        "{name} is registered by another process (boot {boot_id}, at {replication}): wait until its lease ends; if it stays, two nodes share one name"
    )]
    Taken {
        /// The name.
        name: String,
        /// That process's boot id.
        boot_id: String,
        /// Where it is.
        replication: String,
    },
    /// The answer makes no sense, or the coordinator refuses.
    #[error("the coordinator says: {0}")]
    Refused(String),
}

impl CoordinatorError {
    /// The name is taken by whom this note tells of.
    fn taken(by: NodeNote) -> Self {
        CoordinatorError::Taken { name: by.name, boot_id: by.boot_id, replication: by.replication }
    }
}

/// What became of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The state or the lease changed: read again.
    Changed,
    /// Nothing was seen in the time given. A watch may be behind: who must know reads.
    Nothing,
}

/// What a cluster agrees by. Each call blocks no longer than its implementation says; none is for the matcher.
pub trait Coordinator: Send + Sync + fmt::Debug {
    /// All keys of the cluster at one moment, never older than the call.
    fn read(&self) -> Result<View, CoordinatorError>;

    /// Changes the state if all conditions hold. See [`settle`] for lost answers.
    fn swap(&self, swap: &Swap<'_>) -> Result<Revision, CoordinatorError>;

    /// A new lease that lives for `ttl` after each renewal, or somewhat longer.
    fn grant(&self, ttl: Duration) -> Result<Granted, CoordinatorError>;

    /// Renews a lease; its life from now on.
    fn keep_alive(&self, lease: LeaseId) -> Result<Duration, CoordinatorError>;

    /// Ends a lease and what goes with it. A lease that is over already is no error.
    fn revoke(&self, lease: LeaseId) -> Result<(), CoordinatorError>;

    /// Tells of a node, for as long as its lease lives.
    fn register(&self, node: &NodeNote, lease: LeaseId) -> Result<(), CoordinatorError>;

    /// Waits until the state or the lease changed after `seen`, at most for `patience`.
    fn watch(&self, seen: Revision, patience: Duration) -> Result<Watched, CoordinatorError>;

    /// Forgets the cluster: all its keys.
    fn forget(&self) -> Result<(), CoordinatorError>;

    /// Whether a primary needs the lease here. Without a coordinator there is none, and a person decides.
    fn has_leases(&self) -> bool;
}

/// Tries of a swap whose answers get lost, before its outcome stays unknown.
const SETTLE_TRIES: u32 = 4;

/// Swaps, and finds out what became of it when an answer is lost: a state that reads back as the one wanted is the
/// one wanted, since each state has its own version and only one node may write it. While nobody changed what was
/// seen the swap is sent again, which cannot happen twice.
pub fn settle(coordinator: &dyn Coordinator, swap: &Swap<'_>) -> Result<Revision, CoordinatorError> {
    let mut why = String::new();
    for _ in 0..SETTLE_TRIES {
        match coordinator.swap(swap) {
            Ok(revision) => return Ok(revision),
            // Perhaps to one's own earlier try.
            Err(CoordinatorError::Lost { why, now }) => {
                return standing(&now, swap).ok_or(CoordinatorError::Lost { why, now });
            }
            Err(CoordinatorError::Unknown(lost)) => why = lost,
            // A try before this one may have been done.
            Err(CoordinatorError::Unreachable(unreachable)) if !why.is_empty() => why = unreachable,
            Err(error) => return Err(error),
        }
        let Ok(now) = coordinator.read() else { continue };
        if let Some(revision) = standing(&now, swap) {
            return Ok(revision);
        }
        if now.seen() != swap.seen {
            return Err(CoordinatorError::Lost {
                why: "the state was changed".to_owned(),
                now: Box::new(now),
            });
        }
    }
    Err(CoordinatorError::Unknown(why))
}

/// Since when the state is the one that `swap` wanted.
fn standing(now: &View, swap: &Swap<'_>) -> Option<Revision> {
    now.state.as_ref().filter(|(state, _)| state == swap.state).map(|(_, revision)| *revision)
}
